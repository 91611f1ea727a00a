//! Words: what a frame was about and what became of it, and what its counter has to be called.

use failover_ebpf::verdict::Action;

use crate::oracle::{About, Fate, Outcome};

/// What a frame was about, and what became of it, for the summary.
pub(super) fn named(outcome: &Outcome) -> (&'static str, &'static str) {
    let about = match outcome.about {
        About::Nothing => "none of our business",
        About::Request => "request",
        About::Reply => "reply",
        About::Echo => "echo",
        About::Segment => "TCP segment to a session",
        About::ArpReply => "ARP reply to a session",
        About::Arp => "ARP for a held address",
        About::Discovery => "neighbour discovery for a held address",
        About::Claim => "claim",
        About::Fence => "fenced address",
        About::Packet => "packet for a held address",
        About::Return => "return traffic",
    };
    let fate = match (&outcome.fate, outcome.measured) {
        (Fate::Dropped, Some(_)) => "measured and dropped",
        (Fate::Answered(_), Some(_)) => "measured and answered",
        (_, Some(_)) => "measured and passed",
        (Fate::Passed, None) => "passed",
        (Fate::Dropped, None) => "dropped",
        (Fate::Kept, None) => "passed or dropped, and not answered",
        (Fate::Answered(_), None) => "answered",
        (Fate::Redirected(_), None) => "redirected",
    };

    (about, fate)
}

/// Whether a counter's name tells what a frame was about, and what became of it; `again`: it was measured before.
pub(super) fn tells(name: &str, outcome: &Outcome, again: bool) -> bool {
    let measured = outcome.measured.is_some() && !again;

    if name.ends_with("_measured") != measured || name.ends_with("_duplicate") != again {
        return false;
    }

    let words: &[&str] = match (outcome.about, &outcome.fate) {
        (About::Nothing, _) => &["pass_", "request_not_ours", "arp_other_mac"],
        (About::Request, Fate::Answered(_)) => &["request_answered", "request_admin_down"],
        (About::Request, _) => &["request_", "pass_truncated"],
        (About::Reply, _) => &["reply_", "pass_truncated"],
        (About::Echo, _) => &["echo_"],
        (About::Segment, _) => &["tcp_", "pass_unrelated"],
        (About::ArpReply, _) => &["arp_measured", "arp_duplicate"],
        (About::Arp, Fate::Answered(_)) => &["arp_answered", "arp_drained"],
        (About::Arp, Fate::Dropped) => &["arp_wrong_nic", "arp_draining", "arp_yielded"],
        (About::Arp, _) => &["pass_unrelated", "arp_other_mac"],
        (About::Discovery, Fate::Answered(_)) => &["nd_answered", "nd_drained"],
        (About::Discovery, Fate::Dropped) => &["nd_wrong_nic", "nd_draining", "nd_yielded"],
        (About::Discovery, _) => &["pass_unrelated"],
        (About::Claim, _) => &["pass_conflict"],
        (About::Fence, _) => &["fenced"],
        (About::Packet, Fate::Redirected(_)) => &["forwarded", "drained_across"],
        (About::Packet, Fate::Answered(_)) => &["drained"],
        (About::Packet, Fate::Dropped) => &["drop_no_nic"],
        (About::Packet, _) => &["pass_local", "pass_forward_", "pass_next_hop_unknown"],
        (About::Return, Fate::Redirected(_)) => &["returned"],
        (About::Return, _) => &["pass_return", "pass_forward_ttl"],
    };
    // None of our business, and not counted as if it were.
    let ours = [
        "pass_conflict",
        "pass_local",
        "pass_forward_",
        "pass_return",
    ];
    let among = |words: &[&str]| words.iter().any(|word| name.starts_with(word));

    among(words) && !(outcome.about == About::Nothing && among(&ours))
}

/// What the program returns.
pub(super) fn number(action: Action) -> u32 {
    match action {
        Action::Drop => 1,
        Action::Pass => 2,
        Action::Transmit => 3,
        Action::Redirect => 4,
    }
}

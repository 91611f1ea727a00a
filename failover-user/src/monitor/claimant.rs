//! Who claims an address that this host holds. Pure.

use std::time::Duration;

use failover_ebpf::abi::{Heard, Held};

use crate::policy::{Claimant, DEFEND_INTERVAL};

/// A claim that is older was made while no daemon ran, or is too old to answer.
pub const RECENT: Duration = Duration::from_secs(5);

/// A failover host that has probed for an address in this time is one that takes or defends it.
pub const PROBED_LATELY: Duration = DEFEND_INTERVAL.saturating_add(RECENT);

/// A claim by a host that is neither the source nor known as another failover host is looked at again after so long: this host
/// makes itself known to it, and another failover host answers that with a probe.
pub const PEER_WAIT: Duration = Duration::from_millis(200);

/// A MAC as it is told: `02:00:00:00:00:09`.
pub fn show_mac(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// The MAC that [`show_mac`] has told.
pub fn read_mac(text: &str) -> Option<[u8; 6]> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    let octets: Vec<u8> = octets.collect::<Result<_, _>>().ok()?;
    octets.try_into().ok()
}

/// Who has claimed an address since `since_ns`, as far as that was noted: the two that did so last.
pub fn claimed_since(heard: &Heard, since_ns: u64) -> impl Iterator<Item = [u8; 6]> {
    let claims = [
        (heard.claimed_ns, heard.claimed_by),
        (heard.other_ns, heard.other_by),
    ];
    claims
        .into_iter()
        .filter(move |(claimed_ns, _)| *claimed_ns != 0 && *claimed_ns >= since_ns)
        .map(|(_, by)| by)
}

/// Whether a host that is none of the source's, by its own account in the last moment, has an address: nobody is to be sent to the
/// source then.
pub fn is_elsewhere(heard: &Heard, of_source: impl Fn([u8; 6]) -> bool, now: u64) -> bool {
    let since_ns = now.saturating_sub(RECENT.as_nanos() as u64);
    claimed_since(heard, since_ns).any(|by| !of_source(by))
}

/// Whether a source waits for an address, which it asks for every second as long as it keeps off it: it has done so a moment
/// ago.
pub fn waits_for(heard: &Heard, source_mac: [u8; 6], now: u64) -> bool {
    const ASKS_LATELY: Duration = Duration::from_secs(3);
    let lately = now.saturating_sub(heard.probed_ns) < ASKS_LATELY.as_nanos() as u64;
    source_mac != [0; 6] && heard.probed_by == source_mac && lately
}

/// What becomes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heeded {
    /// It is too old.
    No,
    /// Nobody knows the host so far: this one makes itself known, and looks again at this time.
    Later {
        /// Nanoseconds of the monotonic clock.
        again_ns: u64,
    },
    /// It counts.
    Yes,
}

/// What becomes of a claim at `now` that was heard at `at_ns`, made by somebody who is now known as this.
pub fn heeded(at_ns: u64, by: Claimant, now: u64) -> Heeded {
    let age_ns = now.saturating_sub(at_ns);
    let again_ns = at_ns + PEER_WAIT.as_nanos() as u64;
    if age_ns > RECENT.as_nanos() as u64 {
        Heeded::No
    } else if by == Claimant::Stranger && now < again_ns {
        Heeded::Later { again_ns }
    } else {
        Heeded::Yes
    }
}

/// Who a MAC belongs to that claims an address, which is held like this (`None`: not at all). `of_source` says whether it is
/// known to be the source's; `heard` is what was heard of the address, and of others that are held with it.
///
/// A failover host probes for what it holds, which nobody else does for an address that he has.
pub fn claimant(
    mac: [u8; 6],
    held: Option<&Held>,
    of_source: bool,
    mut heard: impl Iterator<Item = Heard>,
    now: u64,
) -> Claimant {
    if of_source || held.is_some_and(|held| held.source_mac == mac) {
        return Claimant::Source;
    }
    let lately = PROBED_LATELY.as_nanos() as u64;
    let mut probed = || {
        heard.any(|heard| heard.probed_by == mac && now.saturating_sub(heard.probed_ns) < lately)
    };
    match held {
        Some(held) if probed() => Claimant::Peer {
            keeps: mac < held.nic_mac,
        },
        Some(_) | None => Claimant::Stranger,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 60_000_000_000;
    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 5];
    const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 10];
    const LOWER: [u8; 6] = [2, 0, 0, 0, 0, 4];
    const HIGHER: [u8; 6] = [2, 0, 0, 0, 0, 6];

    fn held() -> Held {
        Held {
            nic_mac: OURS,
            source_mac: SOURCE,
            ..Held::default()
        }
    }

    fn probed(by: [u8; 6], ago_ns: u64) -> Heard {
        Heard {
            probed_by: by,
            probed_ns: NOW - ago_ns,
            ..Heard::default()
        }
    }

    #[test]
    fn the_source_is_known_by_its_heartbeats_or_by_what_it_was_when_its_address_was_taken() {
        let heard = |heard: Heard| std::iter::once(heard);
        let by_entry = claimant(SOURCE, Some(&held()), false, heard(Heard::default()), NOW);
        let by_heartbeats = claimant(HIGHER, Some(&held()), true, heard(probed(HIGHER, 0)), NOW);

        assert_eq!([by_entry, by_heartbeats], [Claimant::Source; 2]);
    }

    #[test]
    fn who_has_probed_lately_is_a_failover_host_and_the_lower_mac_keeps_the_address() {
        let by = |mac, ago_ns| {
            let heard = std::iter::once(probed(mac, ago_ns));
            claimant(mac, Some(&held()), false, heard, NOW)
        };
        let lately = PROBED_LATELY.as_nanos() as u64;

        assert_eq!(by(LOWER, lately - 1), Claimant::Peer { keeps: true });
        assert_eq!(by(HIGHER, 0), Claimant::Peer { keeps: false });
        assert_eq!(by(HIGHER, lately), Claimant::Stranger);
    }

    #[test]
    fn who_has_probed_for_one_address_is_known_by_all_that_are_held_with_it() {
        let heard = [Heard::default(), probed(LOWER, 0), probed(HIGHER, 0)];

        let by = claimant(HIGHER, Some(&held()), false, heard.into_iter(), NOW);

        assert_eq!(by, Claimant::Peer { keeps: false });
    }

    #[test]
    fn what_was_claimed_since_then_is_known_of_two_hosts() {
        let heard = Heard {
            claimed_ns: NOW,
            claimed_by: SOURCE,
            other_ns: NOW - 10,
            other_by: LOWER,
            ..Heard::default()
        };
        let since = |since_ns| claimed_since(&heard, since_ns).collect::<Vec<_>>();

        assert_eq!(since(NOW + 1), Vec::<[u8; 6]>::new());
        assert_eq!(since(NOW), [SOURCE]);
        assert_eq!(since(NOW - 10), [SOURCE, LOWER]);
        assert_eq!(claimed_since(&Heard::default(), 0).count(), 0);
    }

    #[test]
    fn an_address_is_elsewhere_if_another_host_has_claimed_it_a_moment_ago() {
        let recent = RECENT.as_nanos() as u64;
        let elsewhere = |by, ago_ns| {
            let heard = Heard {
                claimed_ns: NOW - ago_ns,
                claimed_by: by,
                ..Heard::default()
            };
            is_elsewhere(&heard, |mac| mac == SOURCE, NOW)
        };

        assert!(elsewhere(LOWER, 0) && elsewhere(LOWER, recent));
        assert!(!elsewhere(LOWER, recent + 1));
        assert!(!elsewhere(SOURCE, 0));
    }

    #[test]
    fn a_source_waits_for_what_it_has_asked_for_a_moment_ago() {
        const SECONDS: u64 = 1_000_000_000;
        let waits = |by, ago_ns| waits_for(&probed(by, ago_ns), SOURCE, NOW);

        assert!(waits(SOURCE, 3 * SECONDS - 1));
        assert!(!waits(SOURCE, 3 * SECONDS));
        assert!(!waits(LOWER, 0));
        assert!(!waits_for(&probed([0; 6], 0), [0; 6], NOW), "unknown");
    }

    #[test]
    fn anybody_else_is_a_stranger_and_so_is_everybody_where_nothing_is_held() {
        let heard = |by| std::iter::once(probed(by, 0));
        let other = claimant(HIGHER, Some(&held()), false, heard(LOWER), NOW);
        let not_held = claimant(HIGHER, None, false, heard(HIGHER), NOW);

        assert_eq!([other, not_held], [Claimant::Stranger; 2]);
    }

    #[test]
    fn a_stranger_has_time_to_make_itself_known_and_others_count_at_once() {
        let at = |ago_ns, by| heeded(NOW - ago_ns, by, NOW);
        let wait = PEER_WAIT.as_nanos() as u64;
        let peer = Claimant::Peer { keeps: true };

        assert_eq!([at(0, Claimant::Source), at(0, peer)], [Heeded::Yes; 2]);
        for ago_ns in [0, wait - 1] {
            let again_ns = NOW - ago_ns + wait;
            let later = Heeded::Later { again_ns };
            assert_eq!(at(ago_ns, Claimant::Stranger), later, "{ago_ns}");
        }
        assert_eq!(at(wait, Claimant::Stranger), Heeded::Yes);
    }

    #[test]
    fn a_claim_that_is_too_old_counts_no_more_whoever_made_it() {
        let recent = RECENT.as_nanos() as u64;

        for by in [Claimant::Source, Claimant::Stranger] {
            assert_eq!(heeded(NOW - recent, by, NOW), Heeded::Yes, "{by:?}");
            assert_eq!(heeded(NOW - recent - 1, by, NOW), Heeded::No, "{by:?}");
        }
    }

    #[test]
    fn a_mac_that_was_told_is_read_back_and_nothing_else_is() {
        assert_eq!(read_mac(&show_mac(SOURCE)), Some(SOURCE));
        for other in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "02:00:00:00:00:xx",
        ] {
            assert_eq!(read_mac(other), None, "{other}");
        }
    }
}

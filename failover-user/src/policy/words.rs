//! Causes and refusals, for a person at three in the morning.

use std::{net::IpAddr, time::Duration};

use super::{
    Cause, Claimant, Finding, Hook, PathState, State,
    paths::{Misses, Path},
    unit::Unit,
};
use crate::config::L2Alive;

pub(super) const WAITING: &str = "waiting for the first answer";
pub(super) const HOLD: &str = "on hold by the administrator";
pub(super) const REMOTE_HOLD: &str =
    "put on hold by its own administrator (to end that: failover resume --self, there)";
pub(super) const NOT_TAKEN_BACK: &str = "the source did not take its addresses back within 5 s";
pub(super) const LET_GO: &str = "the other host has the addresses no more";
pub(super) const SILENT_ON_L2: &str = "silent on ARP too";
pub(super) const PEER_KEEPS: &str = "another failover host holds them as well, and keeps them";
pub(super) const RELEASED: &str = "another host claims them, on_conflict = \"release\"";
pub(super) const NOT_DEFENDED: &str =
    "another host claims them, and the administrator does not defend them";
pub(super) const DEFENDED: &str = "defended by the administrator";
pub(super) const ABORTED: &str = "takeover aborted (on_error = \"abort\")";
pub(super) const NOT_GIVEN_BACK: &str =
    "failback aborted (on_error = \"abort\"), the addresses are still held";
const ADOPTED: &str = "held when the daemon started";
pub(super) const ADOPTED_DRAINING: &str = "the failback was under way when the daemon started";
pub(super) const STOPPING: &str = "the daemon stops and gives everything back";
pub(super) const APPROVED: &str = "approved by the administrator";
pub(super) const DECLINED: &str = "declined by the administrator";
pub(super) const TAKEOVER: &str = "takeover by the administrator";
pub(super) const FAILBACK: &str = "failback by the administrator";

/// Why the verdict stands.
pub(super) fn for_verdict(unit: &Unit) -> String {
    let down: Vec<_> = of(unit, PathState::Down).collect();
    let refused = refused(down.iter().map(|path| path.misses));
    let missed = format!("{0} of {0} heartbeats missed{refused}", unit.rules.misses);
    if unit.paths.list.len() == 1 || down.is_empty() {
        missed
    } else if down.len() == unit.paths.list.len() {
        format!("{missed} on every path")
    } else {
        format!("{missed} on {}", monitors(&down))
    }
}

/// What the source itself said to requests that are missed.
fn refused(paths: impl Iterator<Item = Misses>) -> String {
    let sum = paths.fold(Misses::default(), |sum, path| Misses {
        missed: sum.missed.saturating_add(path.missed),
        refused: sum.refused.saturating_add(path.refused),
    });
    match sum {
        Misses { refused: 0, .. } => String::new(),
        Misses { missed, refused } if missed <= refused => " (connection refused)".to_owned(),
        Misses { refused: 1, .. } => " (connection refused once)".to_owned(),
        Misses { refused, .. } => format!(" (connection refused {refused} times)"),
    }
}

/// Why the paths of a unit that was in `from` call for another state.
pub(super) fn for_paths(unit: &Unit, from: State) -> String {
    let several = unit.paths.list.len() > 1;
    let mut parts = Vec::new();
    let down: Vec<_> = of(unit, PathState::Down).collect();
    if !down.is_empty() {
        parts.push(format!("no answer from {}", monitors(&down)));
    }
    if let Some(path) = of(unit, PathState::Missing).max_by_key(|path| path.misses.missed) {
        let on = if several {
            format!(" on {}", path.monitor)
        } else {
            String::new()
        };
        parts.push(format!(
            "{missed} of {misses} heartbeats missed{refused}{on}, fails in {left} of {misses} misses",
            missed = path.misses.missed,
            refused = refused([path.misses].into_iter()),
            misses = unit.rules.misses,
            left = unit.rules.misses.saturating_sub(path.misses.missed),
        ));
    }
    if parts.is_empty() && of(unit, PathState::Up).next().is_some() {
        let again = match from {
            State::Unknown
            | State::Healthy
            | State::TakenOver
            | State::Conflict
            | State::FailingBack
            | State::Held => "",
            State::Suspect
            | State::Failed
            | State::HeldElsewhere
            | State::AwaitingApproval
            | State::TakingOver
            | State::Isolated => " again",
        };
        parts.push(format!("source answers{again}"));
    } else if matches!(
        from,
        State::Failed | State::AwaitingApproval | State::HeldElsewhere
    ) && unit.paths.answer()
    {
        parts.insert(0, "source answers again".to_owned());
    }
    let mut nics: Vec<_> = of(unit, PathState::Isolated)
        .map(|path| path.nic.as_str())
        .collect();
    nics.dedup();
    if !nics.is_empty() {
        parts.push(format!("own link down: {}", nics.join(", ")));
    }
    let hidden: Vec<_> = unit
        .paths
        .list
        .iter()
        .filter(|path| path.is_hidden())
        .collect();
    if !hidden.is_empty() && !down.is_empty() {
        let hidden = monitors(&hidden);
        parts.push(format!("{hidden} not heard of since our own link was down"));
    }
    if parts.is_empty() {
        WAITING.to_owned()
    } else {
        parts.join("; ")
    }
}

/// What finds the host that has an address.
pub fn asked_by(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "ARP",
        IpAddr::V6(_) => "neighbour discovery",
    }
}

/// Where the addresses are.
pub(super) fn elsewhere(finding: &Finding) -> String {
    match finding {
        Finding::Other { ip, mac } => format!("{ip} is in use by another host, {mac}"),
        Finding::Rival { ip, mac, .. } => {
            format!("another failover host, {mac}, is about to take {ip} over and goes first")
        }
        Finding::Source { ip } => format!("the source answers {} for {ip}", asked_by(*ip)),
        Finding::Silent => "another host has the addresses".to_owned(),
    }
}

/// Why a verdict is not acted upon, or is asked about.
pub(super) fn alive_on_l2(verdict: &str, finding: &Finding, rule: L2Alive) -> String {
    let rule = match rule {
        L2Alive::Ask => "ask",
        L2Alive::Refuse => "refuse",
        L2Alive::Ignore => "ignore",
    };
    let alive = match finding {
        Finding::Source { ip } => format!("the source still answers {} for {ip}", asked_by(*ip)),
        Finding::Silent | Finding::Other { .. } | Finding::Rival { .. } => elsewhere(finding),
    };
    format!("{verdict}, but {alive} (l2_alive = \"{rule}\")")
}

/// Who claims what.
pub(super) fn claimed(ip: IpAddr, mac: &str, by: Claimant, asks: bool) -> String {
    let who = match by {
        Claimant::Source => "the source",
        Claimant::Peer { .. } => "another failover host",
        Claimant::Stranger => "another host",
    };
    let text = format!("{who}, {mac}, claims {ip}");
    if asks {
        format!("{text}: approve to defend it, decline to give the addresses up")
    } else {
        text
    }
}

/// What became of a hook.
pub(super) fn hook_failed(hook: Hook, error: &str) -> String {
    format!("{} failed: {error}", hook.name())
}

/// Why addresses are held that were found in the takeover map.
pub(super) fn adopted(cause: Option<String>) -> String {
    match cause {
        Some(cause) if cause.ends_with(ADOPTED) => cause,
        Some(cause) => format!("{cause}; {ADOPTED}"),
        None => ADOPTED.to_owned(),
    }
}

/// Why a takeover was made.
pub(super) fn for_cause(unit: &Unit, cause: Cause) -> String {
    match cause {
        Cause::Verdict => for_verdict(unit),
        Cause::Approved => APPROVED.to_owned(),
        Cause::Operator => TAKEOVER.to_owned(),
        Cause::SourceHealthy => "source healthy".to_owned(),
        Cause::Adopted => ADOPTED.to_owned(),
        Cause::Release => STOPPING.to_owned(),
    }
}

/// The reason of a takeover by hand, with what the administrator overrode.
pub(super) fn for_takeover_by_hand(unit: &Unit) -> String {
    match unit.state {
        State::Isolated => format!("{TAKEOVER}, although {}", unit.cause),
        State::Healthy | State::Suspect => format!("{TAKEOVER}, while the source answers"),
        State::Held => format!("{TAKEOVER}, on hold"),
        State::Unknown
        | State::Failed
        | State::AwaitingApproval
        | State::HeldElsewhere
        | State::Conflict
        | State::TakingOver
        | State::TakenOver
        | State::FailingBack => TAKEOVER.to_owned(),
    }
}

/// The reason of a takeover that did not go smoothly.
pub(super) fn with_takeover_error(
    reason: String,
    held: usize,
    addresses: usize,
    error: Option<&str>,
) -> String {
    match error {
        Some(error) if held < addresses => {
            format!("{reason}; only {held} of {addresses} addresses taken: {error}")
        }
        Some(error) => format!("{reason}; with an error: {error}"),
        None => reason,
    }
}

/// The reason with a remark, if there is one.
pub(super) fn with_note(reason: String, note: &str) -> String {
    if note.is_empty() {
        reason
    } else {
        format!("{reason}; {note}")
    }
}

/// The remark after a failback, with what went wrong in it.
pub(super) fn given_back(errors: &[String]) -> String {
    let mut note = "addresses given back".to_owned();
    for error in errors {
        note.push_str("; ");
        note.push_str(error);
    }
    note
}

/// When a failback that was prevented is tried again.
pub(super) fn tried_again(wait: Duration) -> String {
    format!(
        "tried again after {} if the source stays healthy",
        humantime::format_duration(wait)
    )
}

/// Why an automatic failback begins.
pub(super) fn source_healthy(after: Duration) -> String {
    format!("source healthy for {}", humantime::format_duration(after))
}

fn of(unit: &Unit, state: PathState) -> impl Iterator<Item = &Path> {
    unit.paths
        .list
        .iter()
        .filter(move |path| path.state() == state)
}

fn monitors(paths: &[&Path]) -> String {
    let texts: Vec<_> = paths.iter().map(|path| path.monitor.to_string()).collect();
    texts.join(", ")
}

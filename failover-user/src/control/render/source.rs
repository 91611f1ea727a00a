//! One source of `failover status`.

use owo_colors::{OwoColorize as _, Style};

use super::{
    Clock,
    table::{Cell, table},
    tone::Tone,
    units::{ago, local, short, wrap},
};
use crate::{
    control::protocol::{AddressStatus, PathStatus, SourceStatus, TakeoverStatus},
    policy::{Cause, PathState, State},
};

/// A state as a person says it, and its urgency.
pub(crate) fn words(state: State) -> (&'static str, Tone) {
    match state {
        State::Unknown => ("NO ANSWER YET", Tone::Warning),
        State::Healthy => ("healthy", Tone::Good),
        State::Suspect => ("SUSPECT", Tone::Warning),
        State::Failed => ("FAILED", Tone::Bad),
        State::AwaitingApproval => ("AWAITING APPROVAL", Tone::Asking),
        State::TakingOver => ("TAKING OVER", Tone::Acting),
        State::TakenOver => ("TAKEN OVER", Tone::Acting),
        State::FailingBack => ("FAILING BACK", Tone::Acting),
        State::Isolated => ("ISOLATED", Tone::Bad),
        State::Held => ("ON HOLD", Tone::Warning),
        State::HeldElsewhere => ("HELD ELSEWHERE", Tone::Warning),
        State::Conflict => ("CONFLICT", Tone::Asking),
    }
}

/// The state of a source, or of a path of it. One that is not watched is not waited for.
pub(crate) fn words_for(source: &SourceStatus, state: State) -> (&'static str, Tone) {
    if unwatched(source) {
        ("NOT MONITORED", Tone::Warning)
    } else {
        words(state)
    }
}

/// Why a source is in its state; empty if there is nothing to say.
pub(crate) fn cause(source: &SourceStatus) -> &str {
    if unwatched(source) {
        "no heartbeats are sent to it"
    } else {
        &source.cause
    }
}

fn unwatched(source: &SourceStatus) -> bool {
    !source.monitored && source.state == State::Unknown
}

pub(super) fn source(source: &SourceStatus, clock: &Clock) -> String {
    let (state, tone) = words_for(source, source.state);
    let ago = ago(&source.since, clock)
        .map(|ago| format!(" for {ago}"))
        .unwrap_or_default();
    let style = tone.style().bold();
    let mut text = format!("{}  {}{ago}\n", source.name.bold(), state.style(style));
    let since = local(&source.since, clock);
    let since = match cause(source) {
        "" => since,
        cause => format!("{since}: {cause}"),
    };
    text += &wrap("  since ", &since);
    for (number, path) in source
        .paths
        .iter()
        .enumerate()
        .filter(|(_, path)| path.state != source.state)
    {
        let (state, tone) = words(path.state);
        text += &format!(
            "  path {} ({}): {}\n",
            number + 1,
            path.monitor,
            state.style(tone.style().bold())
        );
    }
    if let Some(to_do) = to_do(source) {
        text += &wrap("  -> ", &to_do).bold().to_string();
    }
    text += &wrap("  ", &rule(source));
    if let Some(takeover) = &source.last_takeover {
        text += &last_takeover(takeover, clock);
    }
    text += &paths(source);
    text += &addresses(&source.paths);
    text
}

/// What is to be done by a person now, if anything.
pub(crate) fn to_do(source: &SourceStatus) -> Option<String> {
    let name = &source.name;
    // With `trigger = "path"` only what was taken over can be given back.
    let answers = source
        .paths
        .iter()
        .any(|path| path.state == State::TakenOver && path.heartbeat == PathState::Up);
    if source.hold && source.state == State::TakenOver {
        return Some(format!(
            "on hold, nothing is done by itself: `failover failback {name}` gives its addresses back, `failover resume \
             {name}` ends the hold"
        ));
    }
    match source.state {
        State::Healthy | State::Suspect | State::TakingOver | State::FailingBack => None,
        State::Unknown if !source.monitored => {
            Some(format!("`failover resume {name}` has it watched again"))
        }
        State::Unknown => {
            let silent = |path: &&PathStatus| path.heartbeat == PathState::Unknown;
            let silent = source.paths.iter().filter(silent);
            let check = if silent.clone().all(|path| path.mac.is_none()) {
                format!(
                    "nobody answers ARP for {}: check that it is on, and on the network of {}",
                    join(silent.clone().map(|path| path.monitor.as_str())),
                    join(silent.map(|path| path.nic.as_str())),
                )
            } else {
                format!(
                    "{} does not answer heartbeats: {}",
                    join(silent.map(|path| path.monitor.as_str())),
                    answers_by(&source.probe)
                )
            };
            Some(format!(
                "{name} has never answered, and cannot be judged before it does; {check}"
            ))
        }
        State::AwaitingApproval => Some(format!(
            "{name} is awaiting approval: `failover approve {name}` or `failover decline {name}`"
        )),
        State::Held => Some(format!(
            "this host does nothing about {name} until `failover resume {name}`"
        )),
        State::HeldElsewhere => Some(format!(
            "another host answers for {name}: this one stands by, and takes over when it lets go"
        )),
        State::Conflict if source.asks => Some(format!(
            "another host claims an address of {name}: `failover approve {name}` defends it, `failover decline {name}` gives \
             the addresses up"
        )),
        State::Conflict => Some(format!(
            "find the host that claims an address of {name} and take it off the network, or give the addresses up: \
             `failover failback {name}`"
        )),
        State::Failed => Some(format!(
            "{name} is down and nobody stands in: `failover takeover {name}`"
        )),
        State::TakenOver if answers => Some(format!(
            "{name} answers again: `failover failback {name}` gives its addresses back"
        )),
        State::TakenOver => Some(format!(
            "once {name} is repaired, or to let it start up: `failover failback {name}`"
        )),
        State::Isolated => Some(format!(
            "nothing can be said about {name} while this host's own link is down: check cable and switch port of {}",
            join(source.paths.iter().map(|path| path.nic.as_str()))
        )),
    }
}

/// What has to be so for a source to answer.
fn answers_by(probe: &str) -> String {
    match probe {
        "icmp" => "it has to answer ICMP echo".to_owned(),
        "arp" => "it has to answer ARP".to_owned(),
        other => match other.strip_prefix("tcp:") {
            Some(port) => format!("something has to listen at its port {port}"),
            None => "its reflector has to run".to_owned(),
        },
    }
}

/// Names without repetition, in their order.
fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut unique: Vec<&str> = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique.join(", ")
}

/// When this host acts, and how.
pub(crate) fn rule(source: &SourceStatus) -> String {
    if !source.monitored {
        return "not monitored since `failback --stop-monitoring`".to_owned();
    }
    let misses = match source.misses {
        1 => "1 miss".to_owned(),
        misses => format!("{misses} misses in a row"),
    };
    let then = match source.on_failure.as_str() {
        "automatic" => "takes over at once",
        "ask" => "asks for approval",
        other => other,
    };
    let probe = match source.probe.as_str() {
        "" | "sbfd" => String::new(),
        other => format!(" ({other}, no software on the source)"),
    };
    let key_id = source.paths.iter().find_map(|path| path.key_id);
    let signed = key_id.map_or(String::new(), |id| format!("; signed with key {id}"));
    format!(
        "heartbeat{probe} every {}; after {misses} this host {then}{signed}",
        short(source.interval_ns)
    )
}

fn last_takeover(takeover: &TakeoverStatus, clock: &Clock) -> String {
    let why = match takeover.cause {
        Cause::Verdict => "automatic",
        Cause::Approved => "approved",
        Cause::Operator => "by hand",
        Cause::SourceHealthy => "source healthy",
        Cause::Adopted => "found at start",
        Cause::Release => "release",
    };
    // Of one that an earlier daemon made neither is known.
    let detected = match takeover.detect_ns {
        0 => None,
        ns => Some(format!("detected in {}", short(ns))),
    };
    let done = match takeover.takeover_ns {
        0 => None,
        ns => Some(format!("done in {}", short(ns))),
    };
    let took: Vec<_> = detected.into_iter().chain(done).collect();
    let took = match took.as_slice() {
        [] => String::new(),
        took => format!(": {}", took.join(", ")),
    };
    let at = local(&takeover.at, clock);
    wrap("  last takeover ", &format!("{at}, {why}{took}"))
}

fn paths(source: &SourceStatus) -> String {
    let heartbeats = source.paths.iter().enumerate().map(|(number, path)| {
        let rtt = path.rtt_ns;
        let rtt = match rtt.max {
            0 => "-".to_owned(),
            _ => [rtt.p50, rtt.p99, rtt.max]
                .map(|ns| short(ns).replace(' ', ""))
                .join(" "),
        };
        [
            Cell::from(number + 1),
            Cell::from(&path.monitor),
            Cell::from(&path.nic),
            heartbeat_cell(path, source),
            rtt.into(),
        ]
    });
    let counts = source.paths.iter().enumerate().map(|(number, path)| {
        let gap = if path.max_gap_ns == 0 {
            "-".to_owned()
        } else {
            short(path.max_gap_ns)
        };
        let near = match path.near_misses {
            0 => Cell::from(0),
            near => Cell::styled(near.to_string(), Style::new().yellow()),
        };
        [
            Cell::from(number + 1),
            path.sent.into(),
            path.received.into(),
            path.missed.into(),
            path.late.into(),
            near,
            gap.into(),
        ]
    });
    let heading = ["path", "monitor", "nic", "heartbeat", "rtt p50 p99 max"];
    table(heading, heartbeats.collect())
        + &table(
            [
                "path",
                "sent",
                "received",
                "missed",
                "late",
                "near misses",
                "longest gap",
            ],
            counts.collect(),
        )
}

fn heartbeat_cell(path: &PathStatus, source: &SourceStatus) -> Cell {
    let (words, tone) = heartbeat(path, source);
    let style = tone.style();
    Cell::styled(
        words,
        if tone == Tone::Bad {
            style.bold()
        } else {
            style
        },
    )
}

/// How the heartbeats of a path fare.
pub(crate) fn heartbeat(path: &PathStatus, source: &SourceStatus) -> (String, Tone) {
    if !source.monitored {
        return ("off".to_owned(), Tone::Quiet);
    }
    match path.heartbeat {
        PathState::Unknown => ("no answer yet".to_owned(), Tone::Warning),
        PathState::Up => ("up".to_owned(), Tone::Good),
        PathState::Missing => (
            format!("{} of {} missed", path.consecutive_missed, source.misses),
            Tone::Warning,
        ),
        PathState::Down => ("DOWN".to_owned(), Tone::Bad),
        PathState::Isolated => ("own NIC down".to_owned(), Tone::Bad),
    }
}

fn addresses(paths: &[PathStatus]) -> String {
    let row = |address: &AddressStatus| {
        let held = if address.held {
            Cell::styled("held here", Style::new().magenta().bold())
        } else {
            Cell::from("not held")
        };
        let deliver = address.deliver.strip_prefix("forward ").unwrap_or("-");
        [
            Cell::from(&address.ip),
            Cell::from(&address.nic),
            held,
            address.packets.into(),
            deliver.into(),
        ]
    };
    let rows: Vec<_> = paths
        .iter()
        .flat_map(|path| &path.addresses)
        .map(row)
        .collect();
    table(["address", "nic", "where", "packets", "forwarded to"], rows)
}

//! `failover status`.

use owo_colors::{OwoColorize as _, Style};

use super::{
    Clock, custody, refusals, source,
    table::{Cell, table},
    tone::Tone,
    units::{ago, count, long, short, wrap},
};
use crate::{
    control::protocol::{NicStatus, ReflectorStatus, SourceStatus, Status, StrayStatus},
    policy::State,
};

/// Everything about the daemon, what needs a person first.
pub fn status(status: &Status, clock: &Clock) -> String {
    let mut text = summary(&status.sources);
    for one in &status.sources {
        text.push('\n');
        text += &source::source(one, clock);
    }
    text += &strays(&status.strays);
    if !status.nics.is_empty() {
        text += &format!("\n{}\n", "NICs of this host".bold());
        text += &nics(&status.nics);
    }
    if let Some(one) = &status.reflector {
        text.push('\n');
        text += &reflector(one);
    }
    text += &refusals::refusals(&status.counters);
    text.push('\n');
    text += &daemon(status, clock);
    text
}

/// `3 sources: 1 AWAITING APPROVAL, 2 healthy`, in the order of what presses most.
fn summary(sources: &[SourceStatus]) -> String {
    if sources.is_empty() {
        return "No source is configured: this host stands in for nobody.\n".to_owned();
    }
    let mut pressing: Vec<&SourceStatus> = sources.iter().collect();
    pressing.sort_by_key(|source| pressure(source.state));
    let mut counted: Vec<(&str, Tone, usize)> = Vec::new();
    for source in pressing {
        let (words, tone) = source::words_for(source, source.state);
        match counted.iter_mut().find(|(known, ..)| *known == words) {
            Some((.., number)) => *number += 1,
            None => counted.push((words, tone, 1)),
        }
    }
    let parts: Vec<_> = counted
        .into_iter()
        .map(|(words, tone, number)| format!("{number} {}", words.style(tone.style().bold())))
        .collect();
    format!("{}: {}\n", count(sources.len(), "source"), parts.join(", "))
}

/// How much a state presses, the lowest first.
fn pressure(state: State) -> u8 {
    match state {
        State::AwaitingApproval => 0,
        State::Conflict => 1,
        State::Failed => 2,
        State::Isolated => 3,
        State::TakingOver => 4,
        State::TakenOver => 5,
        State::FailingBack => 6,
        State::HeldElsewhere => 7,
        State::Held => 8,
        State::Suspect => 9,
        State::Unknown => 10,
        State::Healthy => 11,
    }
}

/// Nobody looks after them, so a person has to.
fn strays(strays: &[StrayStatus]) -> String {
    if strays.is_empty() {
        return String::new();
    }
    let shown: Vec<_> = strays
        .iter()
        .map(|stray| format!("{} on {}", stray.ip, stray.nic))
        .collect();
    let warning = format!(
        "held, and not in the configuration any more: {}. Start with a file that has them to give them back, or say \
         `failover stop --release`.",
        shown.join(", ")
    );
    format!("\n{}", wrap("  Warning: ", &warning).yellow())
}

fn nics(nics: &[NicStatus]) -> String {
    let bad = Style::new().red().bold();
    let rows = nics
        .iter()
        .map(|nic| {
            let mode = if nic.xdp_mode == "none" {
                Cell::styled("not attached", bad)
            } else {
                Cell::from(&nic.xdp_mode)
            };
            let carrier = if nic.carrier {
                Cell::from("up")
            } else {
                Cell::styled("NO CARRIER", bad)
            };
            [Cell::from(&nic.name), mode, carrier]
        })
        .collect();
    table(["nic", "xdp", "carrier"], rows)
}

fn reflector(reflector: &ReflectorStatus) -> String {
    let mut text = format!("{}\n", "Reflector of this host".bold());
    text += &custody::answers(reflector);
    let interval = short(u64::from(reflector.min_rx_us) * 1_000);
    let discriminators = reflector.discriminators.join(", ");
    let ids: Vec<_> = reflector.key_ids.iter().map(ToString::to_string).collect();
    let signed = if ids.is_empty() {
        String::new()
    } else {
        format!("; requests have to be signed with key {}", ids.join(" or "))
    };
    text += &wrap(
        "  ",
        &format!(
            "answers to discriminator {discriminators}, at most once every {interval}{signed}"
        ),
    );
    text += &custody::identity(reflector);
    text += &custody::checks(reflector);
    if reflector.watchers.is_empty() {
        return text + "  nobody has asked yet\n";
    }
    let rows = reflector.watchers.iter().map(|watcher| {
        let refused = match watcher.refused {
            0 => Cell::from(0),
            refused => Cell::styled(refused.to_string(), Style::new().yellow()),
        };
        let answered = match watcher.answered {
            0 => "never".to_owned(),
            _ => since(watcher.answered_ago_ns),
        };
        [
            Cell::from(&watcher.initiator),
            Cell::from(&watcher.asked),
            since(watcher.asked_ago_ns).into(),
            answered.into(),
            watcher.answered.into(),
            refused,
        ]
    });
    text + &table(
        [
            "watcher",
            "asks",
            "last asked",
            "last answered",
            "answered",
            "refused",
        ],
        rows.collect(),
    )
}

/// `350 ms ago`
fn since(ns: u64) -> String {
    let time = match ns {
        0..1_000_000_000 => short(ns),
        1_000_000_000.. => long(ns / 1_000_000_000),
    };
    format!("{time} ago")
}

fn daemon(status: &Status, clock: &Clock) -> String {
    let mut text = process(status, clock) + "\n";
    if status.scheduling == "normal" {
        let warning = "the heartbeat thread has no real-time scheduling: a busy host may miss heartbeats. Run the daemon \
                       as root, or with CAP_SYS_NICE.";
        text += &wrap("  Warning: ", warning).yellow().to_string();
    }
    text
}

/// `failover 0.1.0, pid 4242, up 1 d 3 h, heartbeat thread: deadline`
pub(crate) fn process(status: &Status, clock: &Clock) -> String {
    let up = ago(&status.started, clock)
        .map(|up| format!(", up {up}"))
        .unwrap_or_default();
    format!(
        "failover {}, pid {}{up}, heartbeat thread: {}",
        status.daemon, status.pid, status.scheduling
    )
}

//! Recorded histories.

use super::bench::{MS, source, word};
use crate::{
    config::Source,
    policy::{
        Action,
        replay::{Recorded, replay},
    },
};

/// What a source's policy does with a recording: milliseconds and words. What it asks every second is left out.
fn replayed(recording: &str, adjust: impl FnOnce(&mut Source)) -> Vec<String> {
    let mut source = source("web1", 1);
    adjust(&mut source);
    let history = recording.lines().map(|line| {
        let Recorded { at, input } = serde_json::from_str(line).unwrap();
        (at, input)
    });

    let actions = replay(&[source], history);

    actions
        .iter()
        .filter(|(_, action)| !matches!(action, Action::Inquire { .. }))
        .map(|(at, action)| format!("{} {}", at / MS, word(action)))
        .collect()
}

#[test]
fn a_recorded_night_leads_to_the_same_actions_again() {
    let words = replayed(include_str!("night.jsonl"), |_| {});

    assert_eq!(
        words,
        [
            "100 unknown->healthy",
            "100 arm",
            "5010 healthy->suspect",
            "5030 suspect->failed",
            "5030 disarm",
            "5030 failed->taking-over",
            "5031 taking-over->taken-over",
            "6131 announce",
            "8000 taken-over->failing-back",
            "8000 yield",
            "8000 drain",
            "8201 remove",
            "11001 forget",
            "11002 announce-source",
            "11002 failing-back->healthy",
            "11002 arm",
        ]
    );
}

/// Two hosts that both only watch must not wait for each other for ever.
#[test]
fn a_rival_that_never_takes_anything_is_not_waited_for_for_ever() {
    let words = replayed(
        include_str!("histories/rival_that_only_watches.jsonl"),
        |_| {},
    );

    assert_eq!(
        words,
        [
            "100 unknown->healthy",
            "100 arm",
            "5000 healthy->suspect",
            "5030 suspect->failed",
            "5030 disarm",
            "5030 failed->held-elsewhere",
            "5230 probe",
            "6230 probe",
            "7230 probe",
            "8230 probe",
            "9230 probe",
            "9330 held-elsewhere->failed",
            "9330 failed->taking-over",
            "9330 take-over verdict",
        ]
    );
}

/// The announcement that defends an address is used up for ten seconds, and the rival has not heard it.
#[test]
fn a_rival_that_missed_the_defence_is_told_straight_away() {
    let words = replayed(
        include_str!("histories/rival_that_comes_again.jsonl"),
        |_| {},
    );

    assert_eq!(
        words,
        [
            "100 unknown->healthy",
            "100 arm",
            "5000 healthy->suspect",
            "5030 suspect->failed",
            "5030 disarm",
            "5030 failed->taking-over",
            "5031 taking-over->taken-over",
            "5500 taken-over->conflict",
            "5500 defend 10.0.0.10",
            "5800 announce",
            "6400 introduce 10.0.0.10 to 02:00:00:00:00:06",
            "6900 announce",
            "7400 introduce 10.0.0.10 to 02:00:00:00:00:06",
            "9700 announce",
            "37400 conflict->taken-over",
        ]
    );
}

/// What an earlier daemon's addresses were to be completed by was broken off by a failback, and its report came late.
#[test]
fn an_order_that_came_to_nothing_does_not_end_the_takeover_after_it() {
    let words = replayed(
        include_str!("histories/order_that_came_to_nothing.jsonl"),
        |source| source.hooks.before_takeover = Some(vec!["/bin/true".to_owned()]),
    );

    assert_eq!(
        words,
        [
            "10 unknown->taken-over",
            "3000 taken-over->failing-back",
            "3000 yield",
            "3000 drain",
            "3201 remove",
            "6202 forget",
            "6203 announce-source",
            "6203 failing-back->healthy",
            "7000 healthy->suspect",
            "7020 suspect->failed",
            "7020 failed->taking-over",
            "7020 hook before_takeover",
            "7080 probe",
            "7100 take-over verdict",
            "7101 taking-over->taken-over",
        ]
    );
}

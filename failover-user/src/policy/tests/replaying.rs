//! A recorded history.

use super::bench::{MS, source, word};
use crate::policy::replay::{Recorded, replay};

#[test]
fn a_recorded_night_leads_to_the_same_actions_again() {
    let history: Vec<Recorded> = include_str!("night.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    let actions = replay(
        &[source("web1", 1)],
        history.into_iter().map(|line| (line.at, line.input)),
    );

    let words: Vec<_> = actions
        .iter()
        .map(|(at, action)| format!("{} {}", at / MS, word(action)))
        .collect();
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

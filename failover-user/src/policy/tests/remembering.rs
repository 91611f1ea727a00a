//! Over a restart.

use super::bench::{Bench, source};
use crate::{
    config::{Failback, OnFailure, Source},
    policy::{Cause, Command, Memory, PathState::*, Policy, State},
};

fn ask(source: &mut Source) {
    source.on_failure = OnFailure::Ask;
}

/// The next daemon, told what this one knew.
fn restarted(before: &Bench, change: impl FnOnce(&mut Source)) -> (Bench, Vec<String>) {
    let memory = before.policy.memory(before.unit).unwrap();
    let text = serde_json::to_string(&memory).unwrap();
    let memory: Memory = serde_json::from_str(&text).unwrap();
    let mut bench = Bench::new(1, change);
    let words = bench.remember(memory);
    (bench, words)
}

#[test]
fn a_prompt_is_still_open() {
    let mut before = Bench::healthy(1, ask);
    before.path(0, Down);

    let (mut bench, words) = restarted(&before, ask);
    let down = bench.path(0, Down);
    let approved = bench.command(Command::Approve);

    assert_eq!(words, ["unknown->awaiting-approval"]);
    assert_eq!(before.cause(), "3 of 3 heartbeats missed");
    assert_eq!(down, Bench::none());
    assert_eq!(
        approved,
        ["awaiting-approval->taking-over", "take-over approved"]
    );
}

#[test]
fn and_is_withdrawn_when_the_source_answers() {
    let mut before = Bench::healthy(1, ask);
    before.path(0, Down);

    let (mut bench, _) = restarted(&before, ask);

    assert_eq!(bench.path(0, Up), ["awaiting-approval->healthy"]);
}

#[test]
fn what_was_declined_is_not_asked_again() {
    let mut before = Bench::healthy(1, ask);
    before.path(0, Down);
    before.command(Command::Decline);

    let (mut bench, words) = restarted(&before, ask);

    assert_eq!(words, ["unknown->failed"]);
    assert_eq!(bench.cause(), "declined by the administrator");
    assert_eq!(bench.path(0, Down), Bench::none());
    assert_eq!(bench.path(0, Up), ["failed->healthy"]);
}

#[test]
fn a_hold_goes_on() {
    let mut before = Bench::healthy(1, |_| {});
    before.command(Command::Hold);

    let (mut bench, words) = restarted(&before, |_| {});

    assert_eq!(words, ["unknown->held"]);
    assert_eq!(bench.path(0, Up), Bench::none());
    assert_eq!(bench.command(Command::Resume), ["held->healthy", "arm"]);
}

#[test]
fn a_source_that_had_answered_before_can_fail() {
    let before = Bench::healthy(1, |_| {});

    let (mut bench, words) = restarted(&before, |_| {});
    let down = bench.path(0, Down);

    assert_eq!(words, Bench::none());
    assert_eq!(
        down,
        [
            "unknown->failed",
            "failed->taking-over",
            "take-over verdict"
        ]
    );
}

#[test]
fn one_that_is_hidden_by_our_own_outage_has_to_answer_first() {
    let mut before = Bench::healthy(1, |_| {});
    before.path(0, Isolated);

    let (mut bench, _) = restarted(&before, |_| {});

    assert_eq!(bench.path(0, Down), Bench::none());
}

#[test]
fn one_that_was_given_back_silent_has_to_answer_first() {
    let mut before = Bench::taken_over(1, |_| {});
    before.command(Command::Failback);
    for _ in 0..3 {
        before.step_done();
    }

    let (mut bench, _) = restarted(&before, |_| {});

    assert_eq!(bench.path(0, Down), Bench::none());
}

#[test]
fn a_switchover_by_hand_is_not_undone_because_the_source_answers() {
    let automatic = |source: &mut Source| {
        source.failback = Failback::Automatic;
        source.announce_every = std::time::Duration::ZERO;
    };
    let mut before = Bench::healthy(1, automatic);
    before.command(Command::Takeover);
    before.done(Cause::Operator, 1);

    let (mut bench, _) = restarted(&before, automatic);
    bench.adopt(false);
    bench.path(0, Up);
    bench.pass(600_000);

    assert_eq!(bench.state(), State::TakenOver);
    assert_eq!(
        bench.cause(),
        "takeover by the administrator, while the source answers; held when the daemon started"
    );
    let (mut third, _) = restarted(&bench, automatic);
    third.adopt(false);
    assert_eq!(third.cause(), bench.cause(), "said once");
}

#[test]
fn nothing_worth_remembering_is_nothing() {
    let policy = Policy::new(&[source("web1", 1)]);
    let unit = policy.units().next().unwrap();

    assert_eq!(policy.memory(unit), Some(Memory::default()));
}

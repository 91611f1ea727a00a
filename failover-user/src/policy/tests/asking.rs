//! `on_failure = "ask"`.

use super::bench::Bench;
use crate::{
    config::{OnFailure, Source},
    policy::{Cause, Command, PathState::*, State},
};

fn ask(source: &mut Source) {
    source.on_failure = OnFailure::Ask;
}

/// With the prompt open.
fn prompted() -> Bench {
    let mut bench = Bench::healthy(1, ask);
    bench.path(0, Down);
    assert_eq!(bench.state(), State::AwaitingApproval);
    bench
}

#[test]
fn the_thread_is_never_armed() {
    let mut bench = Bench::new(1, ask);

    let words = [
        bench.path(0, Up),
        bench.path(0, Missing),
        bench.path(0, Down),
    ]
    .concat();

    assert_eq!(
        words,
        [
            "unknown->healthy",
            "healthy->suspect",
            "suspect->failed",
            "failed->awaiting-approval"
        ]
    );
}

#[test]
fn the_prompt_waits_for_any_length_of_time() {
    let mut bench = prompted();

    let words = [bench.pass_words(1_000_000_000), bench.path(0, Down)].concat();

    assert_eq!(words, Bench::none());
    assert_eq!(bench.cause(), "3 of 3 heartbeats missed");
}

#[test]
fn approval_takes_over() {
    let mut bench = prompted();

    let words = [
        bench.command(Command::Approve),
        bench.done(Cause::Approved, 1),
    ]
    .concat();

    assert_eq!(
        words,
        [
            "awaiting-approval->taking-over",
            "take-over approved",
            "taking-over->taken-over"
        ]
    );
    assert_eq!(bench.cause(), "approved by the administrator");
}

#[test]
fn the_prompt_is_withdrawn_when_the_source_answers() {
    let mut bench = prompted();

    let words = bench.path(0, Up);

    assert_eq!(words, ["awaiting-approval->healthy"]);
    assert_eq!(bench.cause(), "source answers again");
    let text = bench.refused(Command::Approve);
    assert!(
        text.starts_with("web1 is healthy: nothing waits for approval"),
        "{text}"
    );
}

#[test]
fn declined_stays_failed_until_the_source_answers() {
    let mut bench = prompted();

    let declined = bench.command(Command::Decline);
    let cause = bench.cause().to_owned();
    let later = [
        bench.path(0, Down),
        bench.path(0, Isolated),
        bench.path(0, Down),
        bench.pass_words(60_000),
    ]
    .concat();
    let answered = bench.path(0, Up);

    assert_eq!(declined, ["awaiting-approval->failed"]);
    assert_eq!(cause, "declined by the administrator");
    assert_eq!(later, Bench::none());
    assert_eq!(answered, ["failed->healthy"]);
}

#[test]
fn declined_can_still_be_taken_over_by_hand() {
    let mut bench = prompted();
    bench.command(Command::Decline);

    let words = bench.command(Command::Takeover);

    assert_eq!(words, ["failed->taking-over", "take-over operator"]);
}

#[test]
fn a_source_that_fails_again_is_asked_about_again() {
    let mut bench = prompted();
    bench.command(Command::Decline);
    bench.path(0, Up);

    let words = bench.path(0, Down);

    assert_eq!(words, ["healthy->failed", "failed->awaiting-approval"]);
}

#[test]
fn a_takeover_by_hand_answers_the_prompt() {
    let mut bench = prompted();

    let words = bench.command(Command::Takeover);

    assert_eq!(
        words,
        ["awaiting-approval->taking-over", "take-over operator"]
    );
}

#[test]
fn the_prompt_is_withdrawn_while_our_own_link_is_down() {
    let mut bench = prompted();

    let words = [bench.path(0, Isolated), bench.path(0, Down)].concat();

    assert_eq!(
        words,
        [
            "awaiting-approval->isolated",
            "isolated->failed",
            "failed->awaiting-approval"
        ]
    );
}

#[test]
fn with_two_paths_one_answer_withdraws_the_prompt() {
    let mut bench = Bench::healthy(2, ask);
    bench.path(0, Down);
    bench.path(1, Down);

    let words = bench.path(1, Up);

    assert_eq!(words, ["awaiting-approval->suspect"]);
    assert_eq!(
        bench.cause(),
        "source answers again; no answer from 10.0.0.10"
    );
}

#[test]
fn answers_that_come_too_late_or_without_a_prompt_are_refused() {
    let mut healthy = Bench::healthy(1, ask);
    let mut decided = prompted();
    decided.command(Command::Approve);

    assert!(
        healthy
            .refused(Command::Approve)
            .ends_with("to take over all the same: failover takeover")
    );
    assert!(
        healthy
            .refused(Command::Decline)
            .ends_with("nothing waits for approval")
    );
    assert!(
        decided
            .refused(Command::Approve)
            .ends_with("the takeover was decided already")
    );
    assert!(
        decided
            .refused(Command::Decline)
            .contains("too late to decline")
    );
}

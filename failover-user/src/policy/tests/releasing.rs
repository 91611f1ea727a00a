//! `failover stop --release`.

use super::bench::Bench;
use crate::{
    config::OnFailure,
    policy::{Cause, Command, PathState::*, State},
};

#[test]
fn what_is_held_goes_back() {
    let mut absent = Bench::taken_over(1, |_| {});
    let mut answers = Bench::taken_over(1, |_| {});
    answers.path(0, Up);
    answers.settle();

    assert_eq!(
        absent.command(Command::Release),
        ["taken-over->failing-back", "let-go"]
    );
    assert_eq!(
        answers.command(Command::Release),
        ["taken-over->failing-back", "drain"]
    );
    assert_eq!(absent.cause(), "the daemon stops and gives everything back");
}

#[test]
fn what_is_not_held_is_disarmed_and_never_taken() {
    let mut bench = Bench::healthy(1, |_| {});

    let released = bench.command(Command::Release);
    let later = [
        bench.path(0, Missing),
        bench.path(0, Down),
        bench.pass_words(60_000),
    ]
    .concat();

    assert_eq!(released, ["disarm"]);
    assert_eq!(later, ["healthy->suspect", "suspect->failed"]);
    assert!(!bench.policy.holds(bench.unit));
}

#[test]
fn an_open_prompt_is_closed() {
    let mut bench = Bench::healthy(1, |source| source.on_failure = OnFailure::Ask);
    bench.path(0, Down);

    let words = bench.command(Command::Release);

    assert_eq!(words, ["awaiting-approval->failed"]);
    assert!(
        bench
            .refused(Command::Takeover)
            .ends_with("the daemon is stopping and takes nothing over")
    );
}

#[test]
fn a_takeover_under_way_is_given_back_when_it_is_reported() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.settle();
    bench.command(Command::Takeover);
    bench.command(Command::Release);
    assert!(bench.policy.holds(bench.unit));

    let words = bench.done(Cause::Operator, 1);

    assert_eq!(
        words,
        [
            "taking-over->taken-over",
            "taken-over->failing-back",
            "drain"
        ]
    );
}

#[test]
fn a_takeover_that_crossed_the_release_is_given_back() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.command(Command::Release);

    let words = [bench.done(Cause::Verdict, 1), bench.step_done()].concat();

    assert_eq!(bench.state(), State::FailingBack);
    assert_eq!(words.first().map(String::as_str), Some("healthy->failed"));
}

#[test]
fn a_verdict_that_the_thread_does_not_act_on_any_more_leads_to_nothing() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Down);
    bench.command(Command::Release);

    let words = bench.pass_words(60_000);

    assert_eq!(words, ["taking-over->failed"]);
    assert!(!bench.policy.holds(bench.unit));
}

#[test]
fn a_failback_under_way_goes_on_and_nothing_is_taken_after_it() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.settle();
    bench.command(Command::Failback);
    let released = bench.command(Command::Release);
    bench.path(0, Down);
    bench.step_done();
    bench.pass(200);
    bench.step_done();
    bench.pass(3000);

    let finished = bench.step_done();

    assert_eq!(released, Bench::none());
    assert_eq!(finished, ["failing-back->failed"]);
}

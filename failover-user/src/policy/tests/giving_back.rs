//! Failback, step by step.

use super::bench::Bench;
use crate::{
    config::{OnFailure, Trigger},
    policy::{Command, PathState::*},
};

/// Runs a failback without a drain to its end.
fn finish_without_drain(bench: &mut Bench) -> Vec<String> {
    [bench.step_done(), bench.step_done(), bench.step_done()].concat()
}

#[test]
fn with_a_source_that_answers_it_drains_waits_removes_waits_and_forgets() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);

    bench.settle();
    let begun = bench.command(Command::Failback);
    let drained = bench.step_done();
    let waited = bench.pass(500);
    let removed = bench.step_done();
    let turned_round = bench.pass(10_000);
    let forgotten = bench.step_done();

    assert_eq!(begun, ["taken-over->failing-back", "drain"]);
    assert_eq!(drained, Bench::none());
    assert_eq!(waited, [(200, "remove".to_owned())]);
    assert_eq!(removed, Bench::none());
    assert_eq!(
        turned_round,
        [(2500, "forget".to_owned())],
        "3 s after the drain"
    );
    assert_eq!(
        forgotten,
        ["announce-source", "failing-back->healthy", "arm"]
    );
    assert_eq!(bench.cause(), "source answers; addresses given back");
}

#[test]
fn with_a_source_that_is_absent_it_marks_removes_and_forgets_and_waits_for_an_answer() {
    let mut bench = Bench::taken_over(1, |_| {});

    let begun = bench.command(Command::Failback);
    let marked = bench.step_done();
    let removed = bench.step_done();
    let forgotten = bench.step_done();

    assert_eq!(begun, ["taken-over->failing-back", "let-go"]);
    assert_eq!(marked, ["remove"]);
    assert_eq!(removed, ["forget"]);
    assert_eq!(forgotten, ["failing-back->unknown"]);
    assert_eq!(
        bench.cause(),
        "waiting for the first answer; addresses given back"
    );
}

#[test]
fn after_it_an_absent_source_is_not_taken_over_again_until_it_has_answered() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.command(Command::Failback);
    finish_without_drain(&mut bench);

    let silent = [
        bench.path(0, Down),
        bench.path(0, Isolated),
        bench.path(0, Missing),
        bench.path(0, Down),
        bench.pass_words(60_000),
    ]
    .concat();
    let answered = bench.path(0, Up);
    let failed = bench.path(0, Down);

    assert_eq!(silent, ["unknown->isolated", "isolated->unknown"]);
    assert_eq!(answered, ["unknown->healthy", "arm"]);
    assert_eq!(failed, ["healthy->failed", "disarm", "failed->taking-over"]);
}

#[test]
fn after_it_a_path_that_is_still_silent_does_not_count_and_keeps_the_thread_disarmed() {
    let mut bench = Bench::healthy(2, |source| source.trigger = Trigger::Any);
    bench.path(1, Down);
    bench.done(crate::policy::Cause::Verdict, 2);
    bench.settle();
    bench.command(Command::Failback);
    bench.step_done();
    bench.pass(500);
    bench.step_done();
    bench.pass(3000);

    let finished = bench.step_done();
    let still_down = bench.path(1, Down);
    let whole = bench.path(1, Up);

    assert_eq!(
        finished,
        ["announce-source", "failing-back->healthy"],
        "the thread would act at once: it sees a path that is down"
    );
    assert_eq!(still_down, Bench::none());
    assert_eq!(whole, ["arm"]);
}

#[test]
fn a_unit_whose_thread_must_stay_disarmed_is_taken_over_by_command() {
    let mut bench = Bench::healthy(2, |source| source.trigger = Trigger::Any);
    bench.path(1, Down);
    bench.done(crate::policy::Cause::Verdict, 2);
    bench.settle();
    bench.command(Command::Failback);
    bench.step_done();
    bench.pass(500);
    bench.step_done();
    bench.pass(3000);
    bench.step_done();

    let words = bench.path(0, Down);

    assert_eq!(
        words,
        [
            "healthy->failed",
            "failed->taking-over",
            "take-over verdict"
        ]
    );
}

#[test]
fn one_miss_is_no_reason_to_skip_the_drain() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.path(0, Missing);

    bench.settle();
    let words = bench.command(Command::Failback);

    assert_eq!(words, ["taken-over->failing-back", "drain"]);
}

#[test]
fn steps_that_fail_do_not_stop_it_and_are_told() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.settle();
    bench.command(Command::Failback);

    bench.step_failed("no MAC");
    let cause = bench.cause().to_owned();
    let removed = bench.pass_words(200);
    bench.step_failed("No such device");
    let forgotten = bench.pass_words(3000);
    let finished = bench.step_done();

    assert_eq!(
        cause,
        "failback by the administrator; announcing the source failed: no MAC"
    );
    assert_eq!(removed, ["remove"]);
    assert_eq!(forgotten, ["forget"]);
    assert_eq!(
        finished,
        ["announce-source", "failing-back->healthy", "arm"]
    );
    assert_eq!(
        bench.cause(),
        "source answers; addresses given back; announcing the source failed: no MAC; removing the addresses failed: No such device"
    );
}

#[test]
fn a_removal_that_outlasts_the_drain_is_followed_by_forget_at_once() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.settle();
    bench.command(Command::Failback);
    bench.step_done();
    bench.pass(10_000);

    let words = bench.step_done();

    assert_eq!(words, ["forget"]);
}

#[test]
fn a_result_that_nothing_was_asked_for_is_ignored() {
    let mut bench = Bench::taken_over(1, |_| {});
    let while_held = bench.step_done();
    bench.path(0, Up);
    bench.settle();
    bench.command(Command::Failback);
    bench.step_done();

    let in_the_grace = bench.step_done();

    assert_eq!([while_held, in_the_grace].concat(), Bench::none());
    assert_eq!(bench.pass_words(200), ["remove"]);
}

#[test]
fn a_source_that_dies_during_it_is_taken_over_again_after_it() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.settle();
    bench.command(Command::Failback);

    let dies = bench.path(0, Down);
    let rest = [bench.step_done(), bench.step_done(), bench.step_done()].concat();

    assert_eq!(dies, Bench::none());
    assert_eq!(
        rest,
        [
            "remove",
            "forget",
            "failing-back->failed",
            "failed->taking-over",
            "take-over verdict"
        ]
    );
}

#[test]
fn nobody_is_turned_round_to_a_source_that_dies_meanwhile() {
    let mut in_the_grace = Bench::taken_over(1, |_| {});
    in_the_grace.path(0, Up);
    in_the_grace.settle();
    in_the_grace.command(Command::Failback);
    in_the_grace.step_done();
    let mut turned_round = in_the_grace.clone();
    turned_round.pass(200);
    turned_round.step_done();

    let removed = in_the_grace.path(0, Down);
    let forgotten = turned_round.path(0, Down);

    assert_eq!(
        (removed, forgotten),
        (vec!["remove".to_owned()], vec!["forget".to_owned()])
    );
    assert_eq!(in_the_grace.step_done(), ["forget"]);
}

#[test]
fn packets_are_turned_round_as_long_as_any_path_answers() {
    let mut bench = Bench::taken_over(2, |source| source.trigger = Trigger::Any);
    bench.path(0, Up);
    bench.path(1, Up);
    bench.settle();
    bench.command(Command::Failback);
    bench.step_done();

    let words = bench.path(1, Down);

    assert_eq!(words, Bench::none());
    assert_eq!(bench.pass_words(200), ["remove"]);
}

#[test]
fn a_source_that_dies_during_it_is_asked_about_after_it() {
    let mut bench = Bench::healthy(1, |source| source.on_failure = OnFailure::Ask);
    bench.command(Command::Takeover);
    bench.done(crate::policy::Cause::Operator, 1);
    bench.settle();
    bench.command(Command::Failback);
    bench.path(0, Down);
    bench.step_done();
    bench.pass(200);
    bench.step_done();
    bench.pass(3000);

    let finished = bench.step_done();

    assert_eq!(
        finished,
        ["failing-back->failed", "failed->awaiting-approval"]
    );
}

#[test]
fn a_source_that_comes_back_during_it_is_healthy_after_it() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.command(Command::Failback);
    bench.path(0, Up);

    let words = finish_without_drain(&mut bench);

    assert_eq!(
        words,
        [
            "remove",
            "forget",
            "announce-source",
            "failing-back->healthy",
            "arm"
        ]
    );
}

#[test]
fn it_is_refused_when_nothing_is_held() {
    let mut healthy = Bench::healthy(1, |_| {});
    let mut taking = Bench::healthy(1, |_| {});
    taking.path(0, Down);
    let mut going_back = Bench::taken_over(1, |_| {});
    going_back.command(Command::Failback);

    assert_eq!(
        healthy.refused(Command::Failback),
        "web1 is healthy: this host holds none of its addresses, so there is nothing to give back"
    );
    assert!(
        taking
            .refused(Command::Failback)
            .starts_with("web1 is taking-over: ")
    );
    assert!(
        going_back
            .refused(Command::Failback)
            .contains("going back already")
    );
}

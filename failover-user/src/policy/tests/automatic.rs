//! `on_failure = "automatic"`, and takeovers by hand.

use super::bench::Bench;
use crate::{
    config::OnFailure,
    policy::{Cause, Command, Input, PathId, PathState::*, State},
};

#[test]
fn a_source_never_seen_is_never_taken_over() {
    let mut bench = Bench::new(1, |_| {});

    let words = [
        bench.path(0, Missing),
        bench.path(0, Down),
        bench.path(0, Down),
    ]
    .concat();

    assert_eq!(words, Bench::none());
    assert_eq!(bench.state(), State::Unknown);
    assert_eq!(bench.cause(), "waiting for the first answer");
}

#[test]
fn the_thread_is_armed_by_the_first_answer_and_stays_so_while_suspect() {
    let mut bench = Bench::new(1, |_| {});

    assert_eq!(bench.path(0, Up), ["unknown->healthy", "arm"]);
    assert_eq!(bench.path(0, Missing), ["healthy->suspect"]);
    assert_eq!(bench.path(0, Up), ["suspect->healthy"]);
    assert_eq!(bench.cause(), "source answers again");
}

#[test]
fn the_count_of_misses_is_visible_while_suspect() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Missing);
    assert_eq!(
        bench.cause(),
        "1 of 3 heartbeats missed, fails in 2 of 3 misses"
    );

    let words = bench.give(Input::Path {
        path: PathId { source: 0, path: 0 },
        state: Missing,
        missed: 2,
        refused: 0,
    });

    assert_eq!(words, Bench::none());
    assert_eq!(
        bench.cause(),
        "2 of 3 heartbeats missed, fails in 1 of 3 misses"
    );
}

#[test]
fn a_takeover_by_the_thread_reads_as_the_real_history_whichever_news_comes_first() {
    let history = [
        "suspect->failed",
        "disarm",
        "failed->taking-over",
        "taking-over->taken-over",
    ];
    let mut verdict_first = Bench::healthy(1, |_| {});
    let mut report_first = Bench::healthy(1, |_| {});
    verdict_first.path(0, Missing);
    report_first.path(0, Missing);

    let a = [
        verdict_first.path(0, Down),
        verdict_first.done(Cause::Verdict, 1),
    ]
    .concat();
    let b = [
        report_first.done(Cause::Verdict, 1),
        report_first.path(0, Down),
    ]
    .concat();

    assert_eq!(a, history);
    assert_eq!(b, history);
    assert_eq!(verdict_first.cause(), "3 of 3 heartbeats missed");
    assert_eq!(report_first.cause(), "3 of 3 heartbeats missed");
}

#[test]
fn a_report_while_still_healthy_is_believed() {
    let mut bench = Bench::healthy(1, |_| {});

    let words = bench.done(Cause::Verdict, 1);

    assert_eq!(
        words,
        [
            "healthy->failed",
            "disarm",
            "failed->taking-over",
            "taking-over->taken-over"
        ]
    );
}

#[test]
fn a_thread_that_did_not_hear_that_it_is_armed_is_told_to_take_over() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Down);

    let words = bench.pass(1000);

    assert_eq!(words, [(250, "take-over verdict".to_owned())]);
    assert_eq!(bench.done(Cause::Verdict, 1), ["taking-over->taken-over"]);
}

#[test]
fn nothing_is_taken_if_the_source_answers_before_anything_was() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Down);
    bench.path(0, Up);

    let words = bench.pass_words(1000);

    assert_eq!(words, ["taking-over->healthy", "arm"]);
    assert_eq!(bench.cause(), "source answers again; nothing was taken");
}

#[test]
fn an_answer_between_verdict_and_report_does_not_undo_the_takeover() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Down);

    let words = [bench.path(0, Up), bench.done(Cause::Verdict, 1)].concat();

    assert_eq!(words, ["taking-over->taken-over"]);
    assert!(bench.policy.holds(bench.unit));
}

#[test]
fn a_second_report_is_ignored() {
    let mut bench = Bench::taken_over(1, |_| {});

    let words = [
        bench.done(Cause::Operator, 1),
        bench.done_with_error(Cause::Operator, 0),
    ]
    .concat();

    assert_eq!(words, Bench::none());
    assert_eq!(bench.cause(), "3 of 3 heartbeats missed");
}

#[test]
fn a_command_in_the_same_moment_as_the_threads_takeover_makes_one_takeover() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Missing);

    let command = bench.command(Command::Takeover);
    let reports = [
        bench.done(Cause::Verdict, 1),
        bench.path(0, Down),
        bench.done(Cause::Operator, 1),
    ]
    .concat();

    assert_eq!(
        command,
        ["suspect->taking-over", "disarm", "take-over operator"]
    );
    assert_eq!(reports, ["taking-over->taken-over"]);
    assert_eq!(bench.cause(), "3 of 3 heartbeats missed");
}

#[test]
fn a_command_just_after_the_verdict_is_refused() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Down);

    let text = bench.refused(Command::Takeover);

    assert_eq!(
        text,
        "web1 is taking-over: it is being taken over right now; watch `failover status`"
    );
}

#[test]
fn a_takeover_that_took_nothing_has_failed() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Down);

    let words = bench.done_with_error(Cause::Verdict, 0);

    assert_eq!(words, ["announce-source", "taking-over->failed"]);
    assert_eq!(bench.cause(), "takeover failed: No such device");
    assert_eq!(
        [bench.pass_words(100_000), bench.path(0, Down)].concat(),
        Bench::none()
    );
    assert_eq!(bench.path(0, Up), ["failed->healthy", "arm"]);
}

#[test]
fn a_failed_takeover_of_the_thread_that_is_reported_before_its_verdict_is_not_tried_again() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Missing);

    let words = [
        bench.done_with_error(Cause::Verdict, 0),
        bench.path(0, Down),
    ]
    .concat();

    assert_eq!(
        words,
        [
            "suspect->failed",
            "disarm",
            "failed->taking-over",
            "announce-source",
            "taking-over->failed"
        ]
    );
}

#[test]
fn a_takeover_by_hand_that_fails_leaves_a_source_that_answers_healthy() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.command(Command::Takeover);

    let words = bench.done_with_error(Cause::Operator, 0);

    assert_eq!(
        words,
        [
            "announce-source",
            "taking-over->failed",
            "failed->healthy",
            "arm"
        ]
    );
    assert_eq!(
        bench.cause(),
        "source answers again; takeover failed: No such device"
    );
}

#[test]
fn a_takeover_of_some_addresses_is_a_takeover_with_the_error_in_its_cause() {
    let mut bench = Bench::healthy(2, |_| {});
    bench.path(0, Down);
    bench.path(1, Down);

    let words = bench.done_with_error(Cause::Verdict, 1);

    assert_eq!(words, ["taking-over->taken-over"]);
    assert_eq!(
        bench.cause(),
        "3 of 3 heartbeats missed on every path; only 1 of 2 addresses taken: No such device"
    );
}

#[test]
fn a_planned_switchover_works_while_the_source_is_healthy() {
    let mut bench = Bench::healthy(1, |_| {});

    let words = [
        bench.command(Command::Takeover),
        bench.done(Cause::Operator, 1),
    ]
    .concat();

    assert_eq!(
        words,
        [
            "healthy->taking-over",
            "disarm",
            "take-over operator",
            "taking-over->taken-over"
        ]
    );
    assert_eq!(
        bench.cause(),
        "takeover by the administrator, while the source answers"
    );
}

#[test]
fn a_source_never_seen_can_be_taken_over_by_hand() {
    let mut bench = Bench::new(1, |_| {});

    let words = bench.command(Command::Takeover);

    assert_eq!(words, ["unknown->taking-over", "take-over operator"]);
}

#[test]
fn a_takeover_by_hand_is_refused_while_held_or_going_back() {
    let mut bench = Bench::taken_over(1, |_| {});
    let held = bench.refused(Command::Takeover);
    bench.command(Command::Failback);
    let going_back = bench.refused(Command::Takeover);

    assert!(
        held.starts_with("web1 is taken-over: this host holds its addresses already"),
        "{held}"
    );
    assert!(
        going_back.starts_with("web1 is failing-back: its addresses are going back"),
        "{going_back}"
    );
}

/// A path of which so many requests in a row were missed, and so many of them refused.
fn refused(bench: &mut Bench, path: usize, missed: u32, refused: u32) {
    bench.give(Input::Path {
        path: PathId { source: 0, path },
        state: if missed < 3 { Missing } else { Down },
        missed,
        refused,
    });
}

#[test]
fn a_verdict_on_a_source_that_refuses_says_so() {
    let mut bench = Bench::healthy(1, |source| source.on_failure = OnFailure::Ask);

    refused(&mut bench, 0, 1, 1);
    let suspect = bench.cause().to_owned();
    refused(&mut bench, 0, 2, 2);
    refused(&mut bench, 0, 3, 3);

    assert_eq!(
        suspect,
        "1 of 3 heartbeats missed (connection refused), fails in 2 of 3 misses"
    );
    assert_eq!(
        bench.cause(),
        "3 of 3 heartbeats missed (connection refused)"
    );
}

#[test]
fn a_verdict_of_silence_and_refusals_says_how_many_were_refused() {
    for (count, wanted) in [
        (1, "3 of 3 heartbeats missed (connection refused once)"),
        (2, "3 of 3 heartbeats missed (connection refused 2 times)"),
    ] {
        let mut bench = Bench::healthy(1, |source| source.on_failure = OnFailure::Ask);

        refused(&mut bench, 0, 3, count);

        assert_eq!(bench.cause(), wanted);
    }
}

#[test]
fn of_two_paths_that_fail_by_refusal_and_by_silence_both_count() {
    let mut bench = Bench::healthy(2, |source| source.on_failure = OnFailure::Ask);

    refused(&mut bench, 0, 3, 3);
    refused(&mut bench, 1, 3, 0);

    assert_eq!(
        bench.cause(),
        "3 of 3 heartbeats missed (connection refused 3 times) on every path"
    );
}

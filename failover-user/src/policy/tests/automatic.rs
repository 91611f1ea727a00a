//! `on_failure = "automatic"`, and takeovers by hand.

use super::bench::{Bench, MS};
use crate::{
    config::Trigger,
    policy::{Action, Cause, Command, Input, PathId, PathState::*, Policy, State, UnitId},
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
    assert_eq!(bench.cause(), "1 of 3 heartbeats missed");

    let words = bench.give(Input::Path {
        path: PathId { source: 0, path: 0 },
        state: Missing,
        missed: 2,
    });

    assert_eq!(words, Bench::none());
    assert_eq!(bench.cause(), "2 of 3 heartbeats missed");
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

    assert_eq!(words, ["taking-over->failed"]);
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
            "taking-over->failed"
        ]
    );
}

#[test]
fn a_takeover_by_hand_that_fails_leaves_a_source_that_answers_healthy() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.command(Command::Takeover);

    let words = bench.done_with_error(Cause::Operator, 0);

    assert_eq!(words, ["taking-over->failed", "failed->healthy", "arm"]);
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

#[test]
fn with_all_one_path_of_two_makes_a_suspect() {
    let mut bench = Bench::healthy(2, |_| {});

    let one = bench.path(0, Down);
    let cause = bench.cause().to_owned();
    let both = bench.path(1, Down);

    assert_eq!(one, ["healthy->suspect"]);
    assert_eq!(cause, "no answer from 10.0.0.10");
    assert_eq!(both, ["suspect->failed", "disarm", "failed->taking-over"]);
}

#[test]
fn with_any_one_path_of_two_is_enough() {
    let mut bench = Bench::healthy(2, |source| source.trigger = Trigger::Any);

    let words = bench.path(1, Down);

    assert_eq!(words, ["healthy->failed", "disarm", "failed->taking-over"]);
    assert_eq!(bench.cause(), "3 of 3 heartbeats missed on 10.0.1.10");
}

#[test]
fn with_path_each_path_is_a_unit_of_its_own() {
    let mut bench = Bench::new(2, |source| source.trigger = Trigger::Path);
    let units: Vec<_> = bench.policy.units().collect();
    bench.path(0, Up);
    bench.path(1, Up);

    let words = bench.path(1, Down);

    assert_eq!(
        units,
        [0, 1].map(|path| UnitId {
            source: 0,
            path: Some(path)
        })
    );
    assert_eq!(words, ["healthy->failed", "disarm", "failed->taking-over"]);
    assert_eq!(bench.policy.state(units[0]), Some(State::Healthy));
    assert_eq!(bench.policy.state(units[1]), Some(State::TakingOver));
}

#[test]
fn a_command_for_a_unit_that_does_not_exist_says_how_to_name_one() {
    let mut whole = Bench::new(2, |_| {});
    let mut by_path = Bench::new(2, |source| source.trigger = Trigger::Path);

    whole.unit = UnitId {
        source: 0,
        path: Some(0),
    };
    by_path.unit = UnitId {
        source: 0,
        path: None,
    };
    let ask = |bench: &mut Bench| {
        let input = Input::Command {
            unit: bench.unit,
            command: Command::Takeover,
        };
        bench.policy.handle(input, 0).unwrap_err().to_string()
    };

    assert_eq!(
        ask(&mut whole),
        "web1 fails over as a whole: leave out --path"
    );
    assert_eq!(
        ask(&mut by_path),
        "web1 fails over path by path: name one with --path"
    );
}

#[test]
fn sources_do_not_disturb_each_other() {
    let mut policy = Policy::new(&[
        super::bench::source("web1", 1),
        super::bench::source("web2", 1),
    ]);
    let up = |source| Input::Path {
        path: PathId { source, path: 0 },
        state: Up,
        missed: 0,
    };
    policy.handle(up(0), MS).unwrap();
    policy.handle(up(1), MS).unwrap();

    let actions = policy
        .handle(
            Input::Path {
                path: PathId { source: 1, path: 0 },
                state: Down,
                missed: 3,
            },
            2 * MS,
        )
        .unwrap();

    let web2 = UnitId {
        source: 1,
        path: None,
    };
    assert!(actions.contains(&Action::Arm {
        unit: web2,
        armed: false
    }));
    assert_eq!(
        policy.state(UnitId {
            source: 0,
            path: None
        }),
        Some(State::Healthy)
    );
    assert_eq!(policy.since(web2), Some(2 * MS));
}

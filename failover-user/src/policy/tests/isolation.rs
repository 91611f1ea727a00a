//! Our own link goes down.

use super::bench::Bench;
use crate::policy::{Cause, Command, PathState::*, State};

#[test]
fn a_target_whose_own_link_is_down_takes_nothing_over() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Missing);

    let words = [bench.path(0, Isolated), bench.pass_words(60_000)].concat();

    assert_eq!(words, ["suspect->isolated", "disarm"]);
    assert_eq!(bench.cause(), "own link down: ens0");
}

#[test]
fn when_it_is_back_the_state_follows_from_the_paths() {
    let mut answers = Bench::healthy(1, |_| {});
    let mut misses = Bench::healthy(1, |_| {});
    let mut silent = Bench::healthy(1, |_| {});
    let mut never_seen = Bench::new(1, |_| {});
    for bench in [&mut answers, &mut misses, &mut silent, &mut never_seen] {
        bench.path(0, Isolated);
        assert_eq!(bench.state(), State::Isolated);
    }

    assert_eq!(answers.path(0, Up), ["isolated->healthy", "arm"]);
    assert_eq!(misses.path(0, Missing), ["isolated->suspect", "arm"]);
    assert_eq!(
        silent.path(0, Down),
        [
            "isolated->failed",
            "failed->taking-over",
            "take-over verdict"
        ]
    );
    assert_eq!(never_seen.path(0, Unknown), ["isolated->unknown"]);
}

#[test]
fn with_all_an_isolated_path_keeps_the_verdict_from_standing() {
    let mut bench = Bench::healthy(2, |_| {});

    let words = [
        bench.path(0, Isolated),
        bench.path(1, Missing),
        bench.path(1, Down),
    ]
    .concat();

    assert_eq!(words, ["healthy->suspect", "suspect->isolated", "disarm"]);
    assert_eq!(
        bench.cause(),
        "no answer from 10.0.1.10; own link down: ens0"
    );
}

#[test]
fn with_all_a_path_not_heard_of_since_our_own_outage_keeps_it_from_standing() {
    let mut bench = Bench::healthy(2, |_| {});
    bench.path(0, Down);
    bench.path(1, Isolated);

    let words = bench.path(1, Unknown);
    let cause = bench.cause().to_owned();
    let answered = bench.path(1, Up);
    let silent = [bench.path(1, Missing), bench.path(1, Down)].concat();

    assert_eq!(words, Bench::none());
    assert_eq!(
        cause,
        "no answer from 10.0.0.10; 10.0.1.10 not heard of since our own link was down"
    );
    assert_eq!(answered, ["isolated->suspect", "arm"]);
    assert_eq!(silent[0], "suspect->failed");
}

#[test]
fn a_second_link_that_fails_is_told_without_a_transition() {
    let mut bench = Bench::healthy(2, |_| {});
    bench.path(0, Isolated);
    bench.path(1, Down);

    let words = bench.path(1, Isolated);

    assert_eq!(words, Bench::none());
    assert_eq!(bench.cause(), "own link down: ens0, ens1");
}

#[test]
fn a_takeover_by_hand_is_allowed_and_says_what_was_overridden() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Isolated);

    let words = bench.command(Command::Takeover);

    assert_eq!(words, ["isolated->taking-over", "take-over operator"]);
    assert_eq!(
        bench.cause(),
        "takeover by the administrator, although own link down: ens0"
    );
}

#[test]
fn a_thread_that_acted_just_before_the_link_went_down_is_believed() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Isolated);

    let words = bench.done(Cause::Verdict, 1);

    assert_eq!(
        words,
        [
            "isolated->failed",
            "failed->taking-over",
            "taking-over->taken-over"
        ]
    );
}

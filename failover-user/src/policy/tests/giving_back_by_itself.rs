//! Failback that is automatic, and when it is not.

use std::time::Duration;

use super::{bench::Bench, waiting_to_give_back::without_announcements};
use crate::{
    config::{Failback, OnFailure, Source, Trigger},
    policy::{Command, PathState::*, State},
};

fn automatic(source: &mut Source) {
    source.failback = Failback::Automatic;
    source.failback_after = Duration::from_secs(2);
    source.announce_every = Duration::ZERO;
}

#[test]
fn automatic_waits_until_the_source_has_been_healthy_for_the_time() {
    let mut bench = Bench::taken_over(1, automatic);
    let absent = without_announcements(bench.pass(100_000));
    bench.path(0, Up);

    let words = bench.pass(2000);

    assert_eq!(absent, []);
    assert_eq!(
        words,
        [
            (2000, "taken-over->failing-back".to_owned()),
            (2000, "drain".to_owned())
        ]
    );
    assert_eq!(bench.cause(), "source healthy for 2s");
}

#[test]
fn automatic_waits_anew_after_the_source_was_down() {
    let mut bench = Bench::taken_over(1, automatic);
    bench.path(0, Up);
    bench.pass(1900);
    bench.path(0, Down);
    bench.path(0, Up);

    let words = without_announcements(bench.pass(2000));

    assert_eq!(
        words.first(),
        Some(&(2000, "taken-over->failing-back".to_owned()))
    );
}

#[test]
fn automatic_is_not_delayed_by_single_misses_but_does_not_begin_in_one() {
    let mut bench = Bench::taken_over(1, automatic);
    bench.path(0, Up);
    bench.pass(1000);
    bench.path(0, Missing);
    bench.path(0, Up);
    bench.pass(900);
    bench.path(0, Missing);

    let in_the_miss = without_announcements(bench.pass(400));
    bench.path(0, Up);
    let after_it = without_announcements(bench.pass(500));

    assert_eq!(in_the_miss, []);
    assert_eq!(
        after_it.first(),
        Some(&(200, "taken-over->failing-back".to_owned())),
        "looked at again 500 ms later"
    );
}

#[test]
fn automatic_wants_every_path_whatever_the_trigger() {
    for trigger in [Trigger::Any, Trigger::All] {
        let mut bench = Bench::taken_over(2, |source| {
            automatic(source);
            source.trigger = trigger;
        });
        bench.path(0, Up);
        let one = without_announcements(bench.pass(60_000));
        bench.path(1, Up);

        let both = without_announcements(bench.pass(60_000));

        assert_eq!(one, [], "{trigger:?}");
        assert_eq!(
            both.first(),
            Some(&(2000, "taken-over->failing-back".to_owned())),
            "{trigger:?}"
        );
    }
}

#[test]
fn automatic_does_not_undo_a_takeover_by_hand_before_the_source_has_failed() {
    let mut bench = Bench::healthy(1, automatic);
    bench.command(Command::Takeover);
    bench.done(crate::policy::Cause::Operator, 1);
    bench.path(0, Missing);
    bench.path(0, Up);

    let while_it_answers = without_announcements(bench.pass(60_000));
    bench.path(0, Down);
    bench.path(0, Up);
    let after_a_failure = without_announcements(bench.pass(2000));

    assert_eq!(while_it_answers, []);
    assert_eq!(
        after_a_failure.first(),
        Some(&(2000, "taken-over->failing-back".to_owned()))
    );
}

#[test]
fn automatic_follows_a_takeover_by_hand_of_a_source_that_had_failed() {
    let mut bench = Bench::healthy(1, |source| {
        automatic(source);
        source.on_failure = OnFailure::Ask;
    });
    bench.path(0, Down);
    bench.command(Command::Takeover);
    bench.done(crate::policy::Cause::Operator, 1);
    bench.path(0, Up);

    let words = without_announcements(bench.pass(2000));

    assert_eq!(
        words.first(),
        Some(&(2000, "taken-over->failing-back".to_owned()))
    );
}

#[test]
fn manual_never_fails_back_by_itself() {
    let mut bench = Bench::taken_over(1, |source| source.announce_every = Duration::ZERO);
    bench.path(0, Up);

    let words = without_announcements(bench.pass(1_000_000));

    assert_eq!(words, []);
    assert_eq!(bench.state(), State::TakenOver);
}

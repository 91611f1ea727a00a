//! Failback, by hand and automatic.

use std::time::Duration;

use super::bench::Bench;
use crate::{
    config::{Failback, OnConflict, OnFailure, Source, Trigger},
    policy::{Claimant, Command, LISTEN, Now, PathState::*, State},
};

fn automatic(source: &mut Source) {
    source.failback = Failback::Automatic;
    source.failback_after = Duration::from_secs(2);
    source.announce_every = Duration::ZERO;
}

/// Only those that are no announcements.
fn without_announcements(words: Vec<(u64, String)>) -> Vec<(u64, String)> {
    words
        .into_iter()
        .filter(|(_, word)| word != "announce")
        .collect()
}

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
fn a_source_that_has_only_just_come_back_is_watched_for_a_while_first() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.pass(500);

    let begun = bench.command(Command::Failback);
    let waited = bench.pass(3000);

    assert_eq!(begun, ["taken-over->failing-back"]);
    assert_eq!(
        without_announcements(waited),
        [(1500, "drain".to_owned())],
        "2 s after the first answer"
    );
}

#[test]
fn a_source_that_goes_again_while_it_is_watched_is_not_waited_for() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.command(Command::Failback);

    bench.path(0, Down);
    let words = bench.pass_words(3000);

    assert_eq!(words, ["let-go"]);
}

/// Taken over by an earlier daemon, and nothing is known of the source yet.
fn just_restarted(paths: u8) -> Bench {
    let mut bench = Bench::new(paths, |_| {});
    bench.adopt(false);
    bench.pass(5);
    bench
}

#[test]
fn just_after_a_restart_the_first_answer_is_waited_for_so_that_nothing_is_lost() {
    let mut bench = just_restarted(1);

    let begun = bench.command(Command::Failback);
    let silent = bench.pass_words(15);
    let missed = bench.path(0, Missing);
    bench.path(0, Up);
    let drained = bench.pass(2000);

    assert_eq!(begun, ["taken-over->failing-back"]);
    assert_eq!((silent, missed), (Bench::none(), Bench::none()));
    assert_eq!(without_announcements(drained), [(2000, "drain".to_owned())]);
}

#[test]
fn just_after_a_restart_a_verdict_ends_the_wait() {
    let mut bench = just_restarted(2);
    bench.command(Command::Failback);

    let first = bench.path(0, Down);
    let second = bench.path(1, Down);

    assert_eq!((first, second), (Bench::none(), vec!["let-go".to_owned()]));
}

#[test]
fn just_after_a_restart_silence_is_not_waited_for_longer_than_from_the_start() {
    let mut bench = just_restarted(1);
    bench.pass(1000);
    bench.command(Command::Failback);

    let words = bench.pass(3000);

    assert_eq!(without_announcements(words), [(995, "let-go".to_owned())]);
}

#[test]
fn long_after_a_restart_a_source_that_has_never_answered_is_not_waited_for() {
    let mut bench = just_restarted(1);
    bench.pass(LISTEN.as_millis() as Now);

    let begun = bench.command(Command::Failback);

    assert_eq!(begun, ["taken-over->failing-back", "let-go"]);
}

#[test]
fn monitoring_that_begins_anew_is_waited_for_as_well() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Unknown);
    bench.pass(500);
    bench.path(0, Unknown);

    bench.command(Command::Failback);
    let words = bench.pass(3000);

    assert_eq!(without_announcements(words), [(1500, "let-go".to_owned())]);
}

#[test]
fn with_two_hosts_at_one_address_no_answer_is_waited_for() {
    let mut bench = Bench::new(1, |source| source.on_conflict = OnConflict::Release);
    bench.adopt(false);

    let words = bench.claim(Claimant::Stranger);

    assert_eq!(
        words.last().map(String::as_str),
        Some("let-go"),
        "{words:?}"
    );
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
    bench.step_done();
    let goes_on = bench.pass_words(200);
    bench.step_done();
    bench.pass(3000);
    let finished = bench.step_done();

    assert_eq!(dies, Bench::none());
    assert_eq!(goes_on, ["remove"]);
    assert_eq!(
        finished,
        [
            "failing-back->failed",
            "failed->taking-over",
            "take-over verdict"
        ]
    );
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

#[test]
fn a_path_that_flaps_does_not_put_a_failback_off_for_ever() {
    let mut bench = Bench::taken_over(2, |source| source.announce_every = Duration::ZERO);
    bench.path(0, Up);
    bench.settle();
    bench.path(1, Up);
    bench.command(Command::Failback);

    let mut words = Vec::new();
    for _ in 0..30 {
        words.extend(bench.pass_words(1000));
        words.extend(bench.path(1, Down));
        words.extend(bench.path(1, Up));
    }

    assert_eq!(words, ["drain"]);
}

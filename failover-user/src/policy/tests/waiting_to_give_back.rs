//! What a failback waits for before its first step: that it is known whether the source answers, and for how long it has.

use std::time::Duration;

use super::bench::Bench;
use crate::{
    config::OnConflict,
    policy::{Claimant, Command, LISTEN, Now, PathState::*},
};

/// Only those that are no announcements.
pub(super) fn without_announcements(words: Vec<(u64, String)>) -> Vec<(u64, String)> {
    words
        .into_iter()
        .filter(|(_, word)| word != "announce")
        .collect()
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

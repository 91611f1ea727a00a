//! A reload while the policy runs.

use std::time::Duration;

use super::bench::{Bench, source, word};
use crate::{
    config::{Failback, OnFailure, Source, Trigger},
    policy::{Command, Input, PathId, PathState, PathState::*, State, UnitId},
};

/// Gives the bench's source other rules; what that leads to.
fn reconfigure(bench: &mut Bench, change: impl FnOnce(&mut Source)) -> Vec<String> {
    let mut source = source("web1", 1);
    change(&mut source);
    let actions = bench.policy.reconfigure(0, &source, bench.now);
    actions.iter().map(word).collect()
}

fn ask(source: &mut Source) {
    source.on_failure = OnFailure::Ask;
}

fn automatic_failback(after: u64) -> impl Fn(&mut Source) {
    move |source| {
        source.failback = Failback::Automatic;
        source.failback_after = Duration::from_millis(after);
        source.announce_every = Duration::ZERO;
    }
}

fn report(bench: &mut Bench, source: usize, state: PathState) -> Vec<String> {
    bench.give(Input::Path {
        path: PathId { source, path: 0 },
        state,
        missed: 0,
        refused: 0,
    })
}

#[test]
fn from_automatic_to_ask_disarms_and_back_arms_again() {
    let mut bench = Bench::healthy(1, |_| {});

    let asking = reconfigure(&mut bench, ask);
    let armed = bench.policy.armed(bench.unit);
    let automatic = reconfigure(&mut bench, |_| {});

    assert_eq!(asking, ["disarm"]);
    assert!(!armed);
    assert_eq!(automatic, ["arm"]);
    assert_eq!(bench.state(), State::Healthy);
}

#[test]
fn the_same_rules_again_lead_to_nothing() {
    let mut bench = Bench::healthy(1, |_| {});

    let words = reconfigure(&mut bench, |_| {});

    assert_eq!(words, Bench::none());
}

#[test]
fn a_prompt_stays_when_its_source_becomes_automatic() {
    let mut bench = Bench::healthy(1, ask);
    bench.path(0, Down);

    let words = reconfigure(&mut bench, |_| {});
    let later = bench.pass_words(600_000);
    let approved = bench.command(Command::Approve);

    assert_eq!([words, later].concat(), Bench::none());
    assert_eq!(
        approved,
        ["awaiting-approval->taking-over", "take-over approved"]
    );
}

#[test]
fn a_failback_that_becomes_automatic_waits_its_full_time() {
    let mut bench = Bench::taken_over(1, |source| source.announce_every = Duration::ZERO);
    bench.path(0, Up);
    bench.pass(10_000);

    let words = reconfigure(&mut bench, automatic_failback(3000));
    let later = bench.pass(3000);

    assert_eq!(words, Bench::none());
    assert_eq!(later[0], (3000, "taken-over->failing-back".to_owned()));
}

#[test]
fn a_failback_that_becomes_manual_does_not_happen() {
    let mut bench = Bench::taken_over(1, automatic_failback(3000));
    bench.path(0, Up);
    bench.pass(2000);

    reconfigure(&mut bench, |source| source.announce_every = Duration::ZERO);
    let later = bench.pass_words(10_000);

    assert!(
        !later.iter().any(|word| word.contains("failing-back")),
        "{later:?}"
    );
    assert_eq!(bench.state(), State::TakenOver);
}

#[test]
fn the_time_that_was_waited_counts_when_the_hold_time_changes() {
    let mut bench = Bench::taken_over(1, automatic_failback(20_000));
    bench.path(0, Up);
    // Past the announcements that follow every takeover.
    bench.pass(8000);

    reconfigure(&mut bench, automatic_failback(10_000));
    let longer = bench.pass(2000);

    assert_eq!(longer[0], (2000, "taken-over->failing-back".to_owned()));
}

#[test]
fn a_hold_time_that_is_over_already_ends_at_once() {
    let mut bench = Bench::taken_over(1, automatic_failback(20_000));
    bench.path(0, Up);
    bench.pass(8000);

    reconfigure(&mut bench, automatic_failback(1000));
    let at_once = bench.pass(0);

    assert_eq!(at_once[0], (0, "taken-over->failing-back".to_owned()));
}

#[test]
fn held_addresses_are_announced_at_the_new_pace() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.pass(10_000);

    reconfigure(&mut bench, |source| {
        source.announce_every = Duration::from_secs(2);
    });
    let announced = bench.pass(4000);

    let times: Vec<u64> = announced.into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [1000, 3000]);
}

#[test]
fn an_added_source_starts_unknown_with_the_next_index() {
    let mut bench = Bench::healthy(1, |_| {});

    let index = bench.policy.add(&source("web2", 1));
    let first = report(&mut bench, index, Up);

    assert_eq!(index, 1);
    assert_eq!(first, ["unknown->healthy", "arm"]);
    assert_eq!(bench.state(), State::Healthy);
}

#[test]
fn with_trigger_path_an_added_source_has_a_unit_per_path() {
    let mut bench = Bench::healthy(1, |_| {});
    let mut added = source("web2", 2);
    added.trigger = Trigger::Path;

    bench.policy.add(&added);

    let paths: Vec<_> = bench
        .policy
        .units()
        .map(|unit| (unit.source, unit.path))
        .collect();
    assert_eq!(paths, [(0, None), (1, Some(0)), (1, Some(1))]);
}

#[test]
fn a_removed_source_is_disarmed_and_its_index_is_not_used_again() {
    let mut bench = Bench::healthy(1, |_| {});

    let actions = bench.policy.remove(0, bench.now);
    let late = report(&mut bench, 0, Down);
    let index = bench.policy.add(&source("web2", 1));

    let words: Vec<_> = actions.iter().map(word).collect();
    assert_eq!(words, ["disarm"]);
    assert_eq!(late, Bench::none());
    assert_eq!(index, 1);
    let units: Vec<_> = bench.policy.units().collect();
    assert_eq!(
        units,
        [UnitId {
            source: 1,
            path: None
        }]
    );
}

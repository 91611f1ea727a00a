//! A daemon starts and finds addresses in the takeover map.

use super::bench::Bench;
use crate::policy::{Command, Memory, PathState::*};

#[test]
fn held_addresses_are_adopted() {
    let mut bench = Bench::new(1, |_| {});

    let words = [bench.adopt(false), bench.adopt(false)].concat();

    assert_eq!(words, ["unknown->taken-over"]);
    assert_eq!(bench.cause(), "held when the daemon started");
    assert_eq!(bench.pass_words(5000), ["announce"; 3]);
}

#[test]
fn an_adopted_unit_fails_back_like_any_other() {
    let mut absent = Bench::new(1, |_| {});
    let mut answers = Bench::new(1, |_| {});
    absent.adopt(false);
    absent.settle();
    answers.adopt(false);
    answers.path(0, Up);
    answers.settle();

    assert_eq!(
        absent.command(Command::Failback),
        ["taken-over->failing-back", "let-go"]
    );
    assert_eq!(
        answers.command(Command::Failback),
        ["taken-over->failing-back", "drain"]
    );
}

#[test]
fn a_source_that_was_silent_when_the_failback_began_is_not_taken_over_again_for_that() {
    let mut bench = Bench::new(1, |_| {});
    // The memory of a moment before the failback.
    bench.remember(Memory {
        seen: vec![[10, 0, 0, 10].into()],
        ..Memory::default()
    });
    bench.adopt(true);

    bench.path(0, Down);
    let mut words = Vec::new();
    for _ in 0..3 {
        words.extend(bench.step_done());
        words.extend(bench.pass_words(3_000));
    }

    assert_eq!(words, ["remove", "forget", "failing-back->unknown"]);
}

#[test]
fn a_drain_that_was_under_way_is_done_again() {
    let mut bench = Bench::new(1, |_| {});

    let adopted = bench.adopt(true);
    let drained = bench.step_done();
    let removed = bench.pass(500);
    bench.step_done();
    let waited = bench.pass(10_000);
    let forgotten = bench.step_done();

    assert_eq!(
        adopted,
        ["unknown->taken-over", "taken-over->failing-back", "drain"]
    );
    assert_eq!(drained, Bench::none());
    assert_eq!(removed, [(200, "remove".to_owned())]);
    assert_eq!(waited, [(2500, "forget".to_owned())]);
    assert_eq!(forgotten, ["failing-back->unknown"]);
}

#[test]
fn an_adoption_that_comes_after_the_first_answer_counts_too() {
    let mut bench = Bench::healthy(1, |_| {});

    let words = bench.adopt(false);

    assert_eq!(words, ["healthy->taken-over", "disarm"]);
}

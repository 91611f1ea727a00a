//! Histories by the thousand, and one that went wrong, told.

#![expect(clippy::print_stdout, reason = "the seed, and what led to a failure")]

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    checker::Violation,
    draw::Draw,
    world::{World, Wrong},
};
use crate::policy::replay::Recorded;

const HISTORIES: u64 = 10_000;

/// Histories that went wrong once, and what was wrong there. A seed is a history only as long as nothing is drawn in another
/// order; what can be shown to the policy alone is kept by its other tests, too.
const WENT_WRONG: [(u64, &str); 3] = [
    (
        153,
        "a source that had not heard of the takeover went on using its address, and nobody told it",
    ),
    (
        1_011_947,
        "a takeover by hand of a source on hold stood back for another target, and was made by itself when that had let go",
    ),
    (
        100_633,
        "a source was let find its address free while it served the client, and kept off it once more before it noticed",
    ),
];

/// Runs a history. What panics (an assertion inside) is a violation, too.
fn run(draw: &Draw, wrong: Option<Wrong>, journal: bool) -> (Result<(), Violation>, World) {
    let mut world = World::new(draw.clone(), wrong, journal);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let result = result.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned().or_else(|| {
            panic
                .downcast_ref::<&str>()
                .map(|words| (*words).to_owned())
        });
        Err(Violation {
            rule: 'e',
            at: world.now,
            words: words.unwrap_or_default(),
        })
    });
    (result, world)
}

/// Leaves out every trouble without which the same goes wrong.
fn shrink(draw: &Draw, rule: char) -> Draw {
    let mut least = draw.clone();
    let mut index = 0;
    while index < least.troubles.len() {
        let mut fewer = least.clone();
        fewer.troubles.remove(index);
        match run(&fewer, None, false).0 {
            Err(violation) if violation.rule == rule => least = fewer,
            Ok(()) | Err(_) => index += 1,
        }
    }
    least
}

/// Tells what led to a failure.
fn confess(draw: &Draw, violation: &Violation) {
    let least = shrink(draw, violation.rule);
    let (result, mut world) = run(&least, None, true);
    println!("seed {}: {violation:?}", draw.seed);
    println!("as few troubles as lead there: {result:?}");
    for standby in &least.targets {
        println!("{standby:?}");
    }
    for line in world.journal.take().unwrap_or_default() {
        println!("{line}");
    }
    let running = world.targets.iter_mut().enumerate();
    let running =
        running.filter_map(|(target, place)| Some((target, place.daemon.take()?.history)));
    for (target, history) in world.checker.histories.into_iter().chain(running) {
        println!("what a daemon of target {target} was told:");
        for (at, input) in history {
            match serde_json::to_string(&Recorded { at, input }) {
                Ok(line) => println!("{line}"),
                Err(error) => println!("{error}"),
            }
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect(name))
}

#[test]
fn two_hosts_keep_what_they_promise_in_random_histories() {
    let one = number("FAILOVER_SIM_SEED");
    let count =
        number("FAILOVER_SIM_HISTORIES").unwrap_or(if one.is_some() { 1 } else { HISTORIES });
    let first = one.unwrap_or_else(rand::random);
    println!("seeds from {first}; to repeat one: FAILOVER_SIM_SEED={first}");

    let mut failed = Vec::new();
    for seed in (0..count).map(|index| first.wrapping_add(index)) {
        let draw = Draw::new(seed);
        if let (Err(violation), _) = run(&draw, None, false) {
            if failed.is_empty() {
                confess(&draw, &violation);
            }
            failed.push((seed, violation));
        }
    }

    for (seed, violation) in failed.iter().take(100) {
        println!("seed {seed}: {violation:?}");
    }
    assert!(failed.is_empty(), "{} of {count} went wrong", failed.len());
}

#[test]
fn histories_that_went_wrong_once_go_right() {
    for (seed, what) in WENT_WRONG {
        let draw = Draw::new(seed);

        let (result, _) = run(&draw, None, false);

        if let Err(violation) = &result {
            confess(&draw, violation);
        }
        assert!(result.is_ok(), "seed {seed} again: {what}: {result:?}");
    }
}

/// Histories in which a mistake has to be found.
const MISTAKEN: u64 = 3000;

/// The first seed whose history a mistake leads to break a rule, and how often others were broken before.
fn found_by(wrong: Wrong, rule: char) -> (Option<u64>, BTreeMap<char, u32>) {
    let mut others = BTreeMap::new();
    for seed in 0..MISTAKEN {
        if let (Err(violation), _) = run(&Draw::new(seed), Some(wrong), false) {
            if violation.rule == rule {
                return (Some(seed), others);
            }
            *others.entry(violation.rule).or_default() += 1;
        }
    }
    (None, others)
}

#[test]
fn a_world_with_a_mistake_in_it_is_found_out() {
    // Each mistake, and a rule that it must break.
    let mistakes = [
        (Wrong::Deaf, 'd'),
        (Wrong::NoClaims, 'a'),
        (Wrong::Lies, 'b'),
        (Wrong::Dumb, 'c'),
        (Wrong::Stutters, 'd'),
        (Wrong::AlwaysArmed, 'd'),
        (Wrong::NeverInquires, 'a'),
        (Wrong::IgnoresHold, 'd'),
        (Wrong::HandsNothingBack, 'f'),
        (Wrong::NoFence, 'g'),
    ];

    let found = mistakes.map(|(wrong, rule)| (wrong, rule, found_by(wrong, rule)));

    for (wrong, rule, (seed, others)) in found {
        println!("{wrong:?} breaks {rule} in {seed:?}, others before: {others:?}");
        assert!(
            seed.is_some(),
            "{wrong:?} breaks {rule} nowhere: {others:?}"
        );
    }
}

#[test]
fn a_seed_is_a_history() {
    let told = || {
        let (_, mut world) = run(&Draw::new(7), None, true);
        world.journal.take()
    };

    let once = told();

    assert!(once.as_ref().is_some_and(|lines| lines.len() > 10));
    assert_eq!(once, told());
}

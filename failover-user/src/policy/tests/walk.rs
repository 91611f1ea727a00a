//! Seeded random histories.

#![expect(clippy::print_stdout, reason = "the seed, and what led to a failure")]

use std::collections::{BTreeMap, BTreeSet};

use super::{bench::word, world::World};
use crate::policy::{replay::replay, table::TABLE};

const HISTORIES: u64 = 10_000;
const INPUTS: usize = 200;

/// Prints what led to a failure.
fn confess(world: &World, seed: u64) {
    println!("seed {seed}");
    for (at, input) in &world.history {
        println!("{at} {input:?}");
    }
    for (at, action) in &world.actions {
        println!("{at} {}", word(action));
    }
}

#[test]
fn random_histories_keep_to_the_table_and_come_to_rest() {
    let first: u64 = std::env::var("FAILOVER_SEED")
        .map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("seeds from {first}; to repeat: FAILOVER_SEED={first}");
    let mut transitions: BTreeMap<_, u32> = BTreeMap::new();

    for seed in (0..HISTORIES).map(|index| first.wrapping_add(index)) {
        let mut world = World::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..INPUTS {
                world.step();
            }
            world.come_to_rest();
        }));
        if let Err(panic) = outcome {
            confess(&world, seed);
            std::panic::resume_unwind(panic);
        }

        if seed % 16 == 0 {
            assert_eq!(
                replay(&world.sources, world.history.into_iter()),
                world.actions,
                "seed {seed}"
            );
        }
        for (pair, times) in world.transitions {
            *transitions.entry(pair).or_default() += times;
        }
    }

    println!("transitions seen: {transitions:?}");
    let unreached: BTreeSet<_> = TABLE
        .iter()
        .flat_map(|row| row.from.iter().map(|from| (*from, row.to)))
        .filter(|pair| !transitions.contains_key(pair))
        .collect();
    assert_eq!(unreached, BTreeSet::new(), "in the table, but never seen");
}

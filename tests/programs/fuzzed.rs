//! Frames that are made up by a seed, for some seconds: `cargo xtask fuzz` does this for as long as one likes, guided by coverage.

use std::{env, path::Path};

use failover_tests::fuzz::{
    Trial, fixture,
    mutate::mutate,
    repair::{Repair, repair},
    report,
    scene::SESSIONS,
    seeds,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// Frames of one run, unless [`LENGTH`] says how many.
const FRAMES: u64 = 150_000;
/// Verdicts that so many frames come to at least. The others need a host that is set up in another way, or changes.
const VERDICTS: usize = 80;
/// Names the seed of a run that is to be run again,
const SEED: &str = "FAILOVER_FUZZ_SEED";
/// and how many frames it is to have.
const LENGTH: &str = "FAILOVER_FUZZ_FRAMES";

fn asked_for(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

/// Tries an input, and keeps it if it is treated wrongly.
#[track_caller]
fn expect(trial: &mut Trial, input: &[u8]) {
    if let Err(finding) = trial.input(input) {
        let kept = report::keep(Path::new(env!("CARGO_TARGET_TMPDIR")), input);

        panic!("{}{kept}", finding.report);
    }
}

#[test]
fn frames_that_are_made_up_are_treated_as_the_oracle_says() {
    let seed = asked_for(SEED).unwrap_or_else(rand::random);
    let frames = asked_for(LENGTH).unwrap_or(FRAMES);
    let mut random = StdRng::seed_from_u64(seed);
    let seeds = seeds::inputs();

    eprintln!("seed {seed}; {SEED}={seed} makes the same frames up again");
    fixture::with(|fixture| {
        let mut trial = Trial::new(fixture).expect("counters");

        for input in &seeds {
            expect(&mut trial, input);
        }
        while trial.frames() < frames {
            let mut input = seeds.choose(&mut random).expect("a seed").clone();
            mutate(&mut random, &mut input);
            repair(&mut input, Repair::of(random.random()));
            expect(&mut trial, &input);
        }

        let verdicts = trial.verdicts().count();
        let measuring: Vec<_> = trial.sessions().iter().copied().collect();
        eprintln!("{}", trial.summary().join("\n"));
        assert_eq!(measuring, SESSIONS.map(|watch| watch.number));
        assert!(verdicts >= VERDICTS, "only {verdicts} verdicts");
    });
}

#[test]
fn an_oracle_that_knows_another_host_finds_something_wrong_with_the_program() {
    type Change = fn(&mut failover_tests::oracle::Host);
    let changes: [(&str, Change); 8] = [
        ("another interval", |host| host.min_rx_us += 1),
        ("another discriminator", |host| host.discriminators[0] += 1),
        ("another port", |host| host.sbfd_port += 1),
        ("a session less", |host| host.sessions.truncate(9)),
        ("a request less", |host| host.sent.truncate(1)),
        ("an address less", |host| host.held.truncate(13)),
        ("another slot", |host| host.held[0].slot += 1),
        ("no route", |host| host.routes.clear()),
    ];

    fixture::with(|mut fixture| {
        let right = fixture.oracle.clone();
        let mut missed = Vec::new();

        for (change, apply) in changes {
            fixture.oracle = right.clone();
            apply(&mut fixture.oracle);
            let mut trial = Trial::new(fixture).expect("counters");
            if seeds::inputs()
                .iter()
                .all(|input| trial.input(input).is_ok())
            {
                missed.push(change);
            }
            fixture = trial.into_fixture();
        }

        assert!(missed.is_empty(), "nothing was wrong with {missed:?}");
    });
}

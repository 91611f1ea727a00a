//! Failback to a source that keeps off its addresses and asks for them: it finds them free, announces them, and only then
//! they are drained.

use std::net::IpAddr;

use super::bench::Bench;
use crate::policy::{Claimant, Command, PathState::*};

fn address() -> IpAddr {
    "10.0.0.10".parse().unwrap()
}

/// Taken over from a source that asks for its address, and has answered for long enough.
fn asking() -> Bench {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.settle();
    bench.asks_for = vec![address()];
    bench
}

#[test]
fn nothing_is_drained_before_the_source_has_announced_its_address() {
    let mut bench = asking();

    let begun = bench.command(Command::Failback);
    let waited = bench.pass(4000);
    let announced = bench.claim(Claimant::Source);

    assert_eq!(begun, ["taken-over->failing-back", "yield"]);
    assert_eq!(waited, []);
    assert_eq!(announced, ["drain"]);
}

#[test]
fn it_waits_for_every_address() {
    let mut bench = asking();
    bench.asks_for.push("10.0.0.11".parse().unwrap());
    bench.command(Command::Failback);

    let one = bench.claim(Claimant::Source);
    let rest = bench.pass(10_000);

    assert_eq!(one, Bench::none());
    assert_eq!(rest[0], (5000, "drain".to_owned()));
}

#[test]
fn a_stranger_takes_nothing_back() {
    let mut bench = asking();
    bench.command(Command::Failback);

    let words = bench.claim(Claimant::Stranger);

    assert_eq!(words, Bench::none());
}

#[test]
fn a_source_that_does_not_announce_is_given_its_addresses_all_the_same_and_that_is_told() {
    let mut bench = asking();
    bench.command(Command::Failback);

    let waited = bench.pass(6000);

    assert_eq!(waited, [(5000, "drain".to_owned())]);
    assert!(
        bench
            .cause()
            .contains("did not take its addresses back within 5 s"),
        "{}",
        bench.cause()
    );
}

#[test]
fn one_that_falls_silent_meanwhile_is_no_more_waited_for() {
    let mut bench = asking();
    bench.command(Command::Failback);

    bench.path(0, Down);
    let waited = bench.pass(6000);

    assert_eq!(waited, [(5000, "let-go".to_owned())]);
}

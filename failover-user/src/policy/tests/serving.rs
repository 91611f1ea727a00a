//! How long this host has to serve what it holds.

use super::{bench::Bench, hooks::program};
use crate::policy::{Claimant, Command, Hook, PathState::*, State};

fn serves(bench: &Bench) -> bool {
    bench.policy.serves(bench.unit)
}

#[test]
fn what_is_held_is_served_and_nothing_else() {
    let mut bench = Bench::healthy(1, |_| {});
    let healthy = serves(&bench);
    bench.path(0, Down);
    let taking_over = serves(&bench);
    bench.done(crate::policy::Cause::Verdict, 1);
    let taken_over = serves(&bench);
    bench.claim(Claimant::Stranger);

    assert_eq!([healthy, taking_over, taken_over], [false, false, true]);
    assert_eq!((bench.state(), serves(&bench)), (State::Conflict, true));
}

#[test]
fn it_is_served_while_the_hook_before_a_failback_may_still_prevent_that() {
    let mut bench = Bench::taken_over(1, |source| source.hooks.before_failback = program());

    bench.command(Command::Failback);
    let asked = (bench.state(), serves(&bench));
    let mut going = bench.clone();
    going.hook_done(Hook::BeforeFailback, None);
    bench.hook_done(Hook::BeforeFailback, Some("exit code 1"));

    assert_eq!(asked, (State::FailingBack, true));
    assert!(!serves(&going), "the addresses are being let go");
    assert_eq!((bench.state(), serves(&bench)), (State::TakenOver, true));
}

#[test]
fn it_is_served_until_the_source_has_announced_its_address() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.settle();
    bench.asks_for = vec!["10.0.0.10".parse().unwrap()];

    bench.command(Command::Failback);
    let awaiting = serves(&bench);
    bench.claim(Claimant::Source);

    assert_eq!((awaiting, serves(&bench)), (true, false));
}

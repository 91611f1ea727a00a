//! What happens while the addresses are held.

use super::bench::Bench;
use crate::policy::PathState::*;

#[test]
fn held_addresses_are_announced_at_the_agreed_times() {
    let mut bench = Bench::taken_over(1, |_| {});

    let words = bench.pass(130_000);

    let times = [1100, 2200, 5000, 65_000, 125_000];
    assert_eq!(words, times.map(|at| (at, "announce".to_owned())));
}

#[test]
fn a_daemon_that_slept_announces_once() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.now += 100_000 * super::bench::MS;

    let words = bench.give(crate::policy::Input::Clock);

    assert_eq!(words, ["announce"]);
}

#[test]
fn nothing_that_the_paths_do_changes_the_state() {
    let mut bench = Bench::taken_over(1, |_| {});

    let words = [Isolated, Down, Up, Missing, Down, Up]
        .map(|state| bench.path(0, state))
        .concat();

    assert_eq!(words, Bench::none());
    assert_eq!(bench.cause(), "3 of 3 heartbeats missed");
}

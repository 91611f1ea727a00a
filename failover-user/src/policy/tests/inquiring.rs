//! Whoever holds addresses asks whether anybody else has them.

use super::bench::{Bench, MS};
use crate::policy::{
    Claimant::{self, Peer, Stranger},
    Command, Now,
    PathState::*,
    State,
};

/// Seconds since `start` at which it was asked.
fn seconds(bench: &Bench, start: Now) -> Vec<Now> {
    let asked = bench.inquired.iter().filter(|(at, _)| *at >= start);
    asked.map(|(at, _)| (at - start) / (1000 * MS)).collect()
}

#[test]
fn it_is_asked_every_second_for_the_next_address() {
    let mut bench = Bench::taken_over(1, |_| {});

    bench.pass(4500);

    let start = 1000 * MS;
    let second = 1000 * MS;
    let expected = [(1, 0), (2, 1), (3, 2), (4, 3)];
    assert_eq!(
        bench.inquired,
        expected.map(|(seconds, round)| (start + seconds * second, round))
    );
}

#[test]
fn where_nothing_is_held_nobody_asks() {
    let mut bench = Bench::healthy(1, |_| {});

    bench.pass(10_000);

    assert_eq!(bench.inquired, []);
}

#[test]
fn while_a_failback_waits_it_is_asked_and_not_once_packets_are_turned_round() {
    let mut bench = Bench::taken_over(1, |source| {
        source.hooks.before_failback = Some(vec!["/bin/true".to_owned()]);
    });
    bench.path(0, Up);
    bench.settle();
    bench.command(Command::Failback);
    let begun = bench.now;

    bench.pass(3000);
    bench.hook_done(crate::policy::Hook::BeforeFailback, None);
    bench.step_done();
    bench.pass(200);
    bench.step_done();
    bench.pass(2700);

    assert_eq!(seconds(&bench, begun), [0, 1, 2, 3]);
}

#[test]
fn addresses_that_wait_to_go_back_go_at_once_if_another_failover_host_keeps_them() {
    let mut hook = Bench::taken_over(1, |source| {
        source.hooks.before_failback = Some(vec!["/bin/true".to_owned()]);
    });
    let mut settling = Bench::taken_over(1, |_| {});
    settling.path(0, Up);
    for bench in [&mut hook, &mut settling] {
        bench.command(Command::Failback);

        let words = bench.claim(Peer { keeps: true });
        let rest = [bench.step_done(), bench.step_done(), bench.step_done()].concat();

        assert_eq!(
            words,
            ["introduce 10.0.0.10 to 02:00:00:00:00:99", "let-go"]
        );
        assert_eq!(
            rest.last().map(String::as_str),
            Some("failing-back->held-elsewhere")
        );
    }
}

#[test]
fn while_they_wait_one_that_gives_them_up_is_told_and_nobody_else_counts() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.path(0, Up);
    bench.command(Command::Failback);

    let peer = bench.claim(Peer { keeps: false });
    let others = [bench.claim(Stranger), bench.claim(Claimant::Source)].concat();

    assert_eq!(peer, ["introduce 10.0.0.10 to 02:00:00:00:00:99"]);
    assert_eq!(others, Bench::none());
    assert_eq!(bench.state(), State::FailingBack);
}

#[test]
fn a_stranger_that_stays_is_asked_about_as_rarely_as_it_is_defended_against() {
    let mut bench = Bench::taken_over(1, |_| {});
    let start = bench.now;
    let answers = |bench: &mut Bench| {
        for _ in 0..60 {
            bench.pass(1000);
            if bench
                .inquired
                .last()
                .is_some_and(|(at, _)| *at == bench.now)
            {
                bench.claim(Stranger);
            }
        }
    };

    answers(&mut bench);

    let mut expected: Vec<Now> = (1..=31).collect();
    expected.extend([41, 51]);
    assert_eq!(seconds(&bench, start), expected);
    assert_eq!(bench.state(), State::Conflict);
    bench.pass(30_000);
    assert_eq!(bench.state(), State::TakenOver, "it has let go");
}

#[test]
fn behind_a_conflict_with_another_failover_host_the_network_is_told_again() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.pass(20_000);

    bench.claim(Peer { keeps: false });
    bench.claim(Peer { keeps: false });
    let words = bench.pass(10_000);

    let announced: Vec<_> = words
        .iter()
        .map(|(at, word)| (*at, word.as_str()))
        .collect();
    assert_eq!(
        announced,
        [(300, "announce"), (1400, "announce"), (4200, "announce")]
    );
}

//! The source's own administrator puts it on hold (S-BFD AdminDown, RFC 7880 7.3.3: no conclusion of loss).

use std::time::Duration;

use super::bench::Bench;
use crate::{
    config::{Failback, OnFailure},
    policy::{Command, Finding, Input, PathId, PathState::*, State},
};

fn says(bench: &mut Bench, path: usize, on: bool) -> Vec<String> {
    bench.give(Input::RemoteHold {
        path: PathId { source: 0, path },
        on,
    })
}

#[test]
fn while_it_says_so_its_silence_leads_to_nothing() {
    let mut bench = Bench::healthy(1, |_| {});

    let held = says(&mut bench, 0, true);
    let silent = [bench.path(0, Missing), bench.path(0, Down)].concat();
    bench.pass(60_000);

    assert_eq!(held, ["healthy->held", "disarm"]);
    assert_eq!(silent, Bench::none());
    assert_eq!(bench.state(), State::Held);
    assert!(
        bench.cause().contains("its own administrator"),
        "{}",
        bench.cause()
    );
}

#[test]
fn back_in_service_it_is_protected_again() {
    let mut bench = Bench::healthy(1, |_| {});
    says(&mut bench, 0, true);

    let back = says(&mut bench, 0, false);
    let fails = bench.path(0, Down);

    assert_eq!(back, ["held->healthy", "arm"]);
    assert_eq!(fails[0], "healthy->failed");
}

#[test]
fn back_in_service_by_every_path_that_had_said_otherwise() {
    let mut bench = Bench::healthy(2, |_| {});
    says(&mut bench, 0, true);
    says(&mut bench, 1, true);

    let first = says(&mut bench, 0, false);
    let second = says(&mut bench, 1, false);

    assert_eq!(first, Bench::none());
    assert_eq!(second, ["held->healthy", "arm"]);
}

#[test]
fn a_prompt_is_withdrawn() {
    let mut bench = Bench::healthy(1, |source| source.on_failure = OnFailure::Ask);
    bench.path(0, Down);

    let held = says(&mut bench, 0, true);

    assert_eq!(held, ["awaiting-approval->held"]);
}

#[test]
fn of_two_holds_either_may_end_first() {
    let mut bench = Bench::healthy(1, |_| {});
    says(&mut bench, 0, true);
    let ours = bench.command(Command::Hold);
    let own = bench.cause().to_owned();
    let resumed = bench.command(Command::Resume);
    let theirs = bench.cause().to_owned();
    bench.command(Command::Hold);
    let back = says(&mut bench, 0, false);
    let end = bench.command(Command::Resume);

    assert_eq!([ours, resumed, back].concat(), Bench::none());
    assert_eq!(own, "on hold by the administrator");
    assert!(theirs.contains("its own administrator"), "{theirs}");
    assert_eq!(end, ["held->healthy", "arm"]);
}

#[test]
fn what_is_held_does_not_go_back_by_itself_meanwhile() {
    let mut bench = Bench::taken_over(1, |source| {
        source.failback = Failback::Automatic;
        source.failback_after = Duration::from_secs(2);
        source.announce_every = Duration::ZERO;
    });
    bench.path(0, Up);

    says(&mut bench, 0, true);
    bench.pass(10_000);
    let on_hold = bench.state();
    says(&mut bench, 0, false);
    let later = bench.pass(2000);

    assert_eq!(on_hold, State::TakenOver);
    assert_eq!(later[0], (2000, "taken-over->failing-back".to_owned()));
}

#[test]
fn an_administrator_here_may_take_over_all_the_same() {
    let mut bench = Bench::healthy(1, |_| {});
    says(&mut bench, 0, true);

    let taken = bench.command(Command::Takeover);

    assert_eq!(taken, ["held->taking-over", "take-over operator"]);
}

#[test]
fn a_takeover_by_hand_that_stands_back_leaves_it_on_hold() {
    let rival = || Finding::Rival {
        ip: [10, 0, 0, 10].into(),
        mac: "02:00:00:00:00:04".to_owned(),
        first: true,
    };
    let mut theirs = Bench::healthy(1, |_| {});
    says(&mut theirs, 0, true);
    let mut ours = Bench::healthy(1, |_| {});
    ours.command(Command::Hold);
    for mut bench in [theirs, ours] {
        bench.finds = Some(rival());

        let stands_back = bench.command(Command::Takeover);
        bench.finds = Some(Finding::Silent);
        let silent = bench.path(0, Down);
        let later = bench.pass_words(60_000);

        assert_eq!(stands_back, ["held->taking-over", "taking-over->held"]);
        assert_eq!([silent, later].concat(), Bench::none());
        assert!(bench.cause().contains("goes first"), "{}", bench.cause());
    }
}

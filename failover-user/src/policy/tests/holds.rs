//! `failover hold` and `failover resume`.

use std::time::Duration;

use super::bench::Bench;
use crate::{
    config::{Failback, OnFailure},
    policy::{Cause, Command, PathState::*, State},
};

#[test]
fn on_hold_a_failure_leads_to_nothing() {
    let mut bench = Bench::healthy(1, |_| {});

    let held = bench.command(Command::Hold);
    let nothing = [bench.path(0, Missing), bench.path(0, Down)].concat();
    let resumed = bench.command(Command::Resume);

    assert_eq!(held, ["healthy->held", "disarm"]);
    assert_eq!(nothing, Bench::none());
    assert_eq!(
        resumed,
        ["held->failed", "failed->taking-over", "take-over verdict"],
        "the rules apply again, to things as they are"
    );
}

#[test]
fn resumed_while_it_answers_it_is_healthy() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.command(Command::Hold);

    let words = bench.command(Command::Resume);

    assert_eq!(words, ["held->healthy", "arm"]);
}

#[test]
fn a_prompt_is_withdrawn_by_a_hold_and_comes_back_with_its_end() {
    let mut bench = Bench::healthy(1, |source| source.on_failure = OnFailure::Ask);
    bench.path(0, Down);

    let held = bench.command(Command::Hold);
    let resumed = bench.command(Command::Resume);

    assert_eq!(held, ["awaiting-approval->held"]);
    assert_eq!(resumed, ["held->failed", "failed->awaiting-approval"]);
}

#[test]
fn what_is_held_stays_held_and_does_not_go_back_by_itself() {
    let mut bench = Bench::taken_over(1, |source| {
        source.failback = Failback::Automatic;
        source.failback_after = Duration::from_secs(2);
        source.announce_every = Duration::ZERO;
    });
    bench.path(0, Up);

    bench.command(Command::Hold);
    bench.pass(10_000);
    let on_hold = bench.state();
    bench.command(Command::Resume);
    let later = bench.pass(2000);

    assert_eq!(on_hold, State::TakenOver);
    assert_eq!(later[0], (2000, "taken-over->failing-back".to_owned()));
}

#[test]
fn commands_by_hand_work_on_hold() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.command(Command::Hold);

    let taken = bench.command(Command::Takeover);
    bench.done(Cause::Operator, 1);
    bench.settle();
    let given_back = bench.command(Command::Failback);
    bench.step_done();
    bench.pass(500);
    bench.step_done();
    bench.pass(5000);
    let end = bench.step_done();

    assert_eq!(taken, ["held->taking-over", "take-over operator"]);
    assert_eq!(given_back, ["taken-over->failing-back", "drain"]);
    assert_eq!(end, ["announce-source", "failing-back->held"]);
    assert_eq!(
        bench.cause(),
        "on hold by the administrator; addresses given back"
    );
}

#[test]
fn twice_is_refused() {
    let mut bench = Bench::healthy(1, |_| {});

    let not_held = bench.refused(Command::Resume);
    bench.command(Command::Hold);
    let held = bench.refused(Command::Hold);

    assert_eq!(not_held, "web1 is healthy: not on hold");
    assert_eq!(
        held,
        "web1 is held: on hold already; to end that: failover resume"
    );
}

//! What a drill says would be decided, and that the policy hears nothing of it.

use super::bench::Bench;
use crate::{
    config::{OnFailure, Source, Trigger},
    policy::{
        Cause, Command,
        PathState::*,
        Policy, State,
        drill::{Assumed, Decision, decide},
        table,
    },
};

fn ask(source: &mut Source) {
    source.on_failure = OnFailure::Ask;
}

/// Every address can be taken.
fn well() -> Assumed {
    Assumed {
        finding: crate::policy::Finding::Silent,
        held: 2,
        error: None,
    }
}

fn drill(bench: &Bench) -> Decision {
    decide(&bench.policy, bench.unit, &well(), bench.now).unwrap()
}

fn states(decision: &Decision) -> Vec<&'static str> {
    decision
        .steps
        .iter()
        .map(|step| table::name(step.state))
        .collect()
}

#[test]
fn an_automatic_source_is_taken_over() {
    let bench = Bench::healthy(2, |_| {});

    let decision = drill(&bench);

    assert_eq!(
        states(&decision),
        ["healthy", "suspect", "failed", "taking-over", "taken-over"]
    );
    assert!(decision.takes_over() && !decision.asks);
    assert_eq!(
        decision.steps[2].cause,
        "3 of 3 heartbeats missed on every path"
    );
}

#[test]
fn a_drill_goes_on_as_if_the_prompt_were_approved() {
    let bench = Bench::healthy(1, ask);

    let decision = drill(&bench);

    assert_eq!(
        states(&decision),
        [
            "healthy",
            "suspect",
            "failed",
            "awaiting-approval",
            "taking-over",
            "taken-over"
        ]
    );
    assert!(decision.takes_over() && decision.asks);
}

#[test]
fn a_source_that_waits_for_approval_already_is_approved() {
    let mut bench = Bench::healthy(1, ask);
    bench.path(0, Down);

    let decision = drill(&bench);

    assert_eq!(
        states(&decision),
        ["awaiting-approval", "taking-over", "taken-over"]
    );
    assert!(decision.asks);
}

#[test]
fn a_source_that_never_answered_is_not_taken_over() {
    let bench = Bench::new(1, |_| {});

    let decision = drill(&bench);

    assert_eq!(states(&decision), ["unknown"]);
    assert!(!decision.takes_over());
    assert_eq!(decision.steps[0].cause, "waiting for the first answer");
}

#[test]
fn behind_a_dead_link_of_our_own_nothing_is_decided() {
    let mut bench = Bench::healthy(2, |_| {});
    bench.path(0, Isolated);
    bench.path(1, Isolated);

    let decision = drill(&bench);

    assert_eq!(states(&decision), ["isolated"]);
    assert!(decision.steps[0].cause.contains("own link down"));
}

#[test]
fn silence_on_one_path_proves_nothing_while_the_other_ones_link_is_dead() {
    let mut bench = Bench::healthy(2, |_| {});
    bench.path(1, Isolated);

    let decision = drill(&bench);

    assert!(!decision.takes_over());
    assert_eq!(states(&decision).last(), Some(&"isolated"));
}

#[test]
fn what_was_declined_or_is_held_stays_as_it_is() {
    let mut declined = Bench::healthy(1, ask);
    declined.path(0, Down);
    declined.command(Command::Decline);
    let held = Bench::taken_over(1, |_| {});

    assert_eq!(states(&drill(&declined)), ["failed"]);
    assert_eq!(states(&drill(&held)), ["taken-over"]);
}

#[test]
fn a_unit_is_drilled_for_itself() {
    let mut bench = Bench::healthy(2, |source| source.trigger = Trigger::Path);
    bench.path(1, Down);
    let units: Vec<_> = bench.policy.units().collect();

    let first = decide(&bench.policy, units[0], &well(), bench.now).unwrap();

    assert!(first.takes_over());
    assert_eq!(
        first.steps.last().map(|step| step.state),
        Some(State::TakenOver)
    );
}

#[test]
fn the_policy_hears_nothing_of_it() {
    for change in [|_: &mut Source| {}, ask] {
        let (mut drilled, mut other) = (Bench::healthy(2, change), Bench::healthy(2, change));
        let all = |policy: &Policy| format!("{policy:?}");
        let before = all(&drilled.policy);

        drill(&drilled);

        assert_eq!(all(&drilled.policy), before);
        for bench in [&mut drilled, &mut other] {
            bench.path(0, Down);
        }
        assert_eq!(drilled.path(1, Down), other.path(1, Down));
        assert_eq!(
            drilled.done(Cause::Verdict, 2),
            other.done(Cause::Verdict, 2)
        );
        assert_eq!(drilled.pass(10_000), other.pass(10_000));
    }
}

#[test]
fn a_takeover_that_cannot_take_anything_is_foretold() {
    let bench = Bench::healthy(1, |_| {});
    let assumed = Assumed {
        finding: crate::policy::Finding::Silent,
        held: 0,
        error: Some("there is no NIC ens3".to_owned()),
    };

    let decision = decide(&bench.policy, bench.unit, &assumed, bench.now).unwrap();

    let last = decision.steps.last().unwrap();
    assert!(!decision.takes_over());
    assert_eq!(last.state, State::Failed);
    assert!(
        last.cause.contains("there is no NIC ens3"),
        "{}",
        last.cause
    );
}

#[test]
fn a_third_host_that_has_the_addresses_would_keep_us_out() {
    let bench = Bench::healthy(1, |_| {});
    let assumed = Assumed {
        finding: crate::policy::Finding::Other {
            ip: std::net::IpAddr::from([10, 0, 0, 10]),
            mac: "02:00:00:00:00:99".to_owned(),
        },
        held: 1,
        error: None,
    };

    let decision = decide(&bench.policy, bench.unit, &assumed, bench.now).unwrap();

    let last = decision.steps.last().unwrap();
    assert_eq!(last.state, State::HeldElsewhere);
    assert!(!decision.takes_over());
}

//! Who has the addresses while heartbeats fail.

use std::net::{IpAddr, Ipv4Addr};

use super::bench::Bench;
use crate::{
    config::{L2Alive, OnFailure, Source, Trigger},
    policy::{Cause, Command, Finding, Memory, PathState::*, State},
};

const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10));

fn source() -> Finding {
    Finding::Source { ip: IP }
}

fn other() -> Finding {
    Finding::Other {
        ip: IP,
        mac: "02:00:00:00:00:99".to_owned(),
    }
}

fn rival(first: bool) -> Finding {
    Finding::Rival {
        ip: IP,
        mac: "02:00:00:00:00:01".to_owned(),
        first,
    }
}

/// Healthy, then failed while the thread's probe found something; later probes are left to the test.
fn failed(finding: Finding, change: impl FnOnce(&mut Source)) -> (Bench, Vec<String>) {
    let mut bench = Bench::healthy(1, change);
    bench.finds = None;
    bench.heard(finding);
    let words = bench.path(0, Down);
    (bench, words)
}

fn ask(source: &mut Source) {
    source.on_failure = OnFailure::Ask;
}

#[test]
fn a_source_that_answers_arp_is_asked_about() {
    let (bench, words) = failed(source(), |_| {});

    assert_eq!(
        words,
        ["healthy->failed", "disarm", "failed->awaiting-approval"]
    );
    assert_eq!(
        bench.cause(),
        "3 of 3 heartbeats missed, but the source still answers ARP for 10.0.0.10 (l2_alive = \"ask\")"
    );
}

#[test]
fn or_refused_or_ignored() {
    let (refusing, refused) = failed(source(), |source| source.l2_alive = L2Alive::Refuse);
    let (_, ignored) = failed(source(), |source| source.l2_alive = L2Alive::Ignore);

    assert_eq!(refused, ["healthy->failed", "disarm"]);
    assert!(refusing.cause().ends_with("(l2_alive = \"refuse\")"));
    assert_eq!(
        ignored,
        ["healthy->failed", "disarm", "failed->taking-over"]
    );
}

#[test]
fn when_it_falls_silent_on_arp_too_it_is_taken_over() {
    for rule in [L2Alive::Ask, L2Alive::Refuse] {
        let (mut bench, _) = failed(source(), |source| source.l2_alive = rule);

        let asked = bench.pass(1500);
        let still = bench.heard(source());
        let once = bench.heard(Finding::Silent);
        let alive_again = bench.heard(source());
        let silent = [bench.heard(Finding::Silent), bench.heard(Finding::Silent)].concat();

        assert_eq!(asked, [(1000, "probe".to_owned())]);
        assert_eq!([still, once, alive_again].concat(), Bench::none());
        assert_eq!(silent.last().unwrap(), "take-over verdict");
        assert_eq!(bench.cause(), "3 of 3 heartbeats missed; silent on ARP too");
    }
}

#[test]
fn an_outage_of_our_own_link_does_not_end_the_wait_for_that() {
    let (mut bench, _) = failed(source(), |source| source.l2_alive = L2Alive::Refuse);
    bench.path(0, Isolated);

    let deaf = [bench.heard(Finding::Silent), bench.heard(Finding::Silent)].concat();
    bench.path(0, Down);
    let once = bench.heard(Finding::Silent);
    let silent = bench.heard(Finding::Silent);

    assert_eq!([deaf, once].concat(), Bench::none());
    assert_eq!(silent, ["failed->taking-over", "take-over verdict"]);
}

#[test]
fn a_prompt_for_it_that_outlives_a_restart_waits_for_it_too() {
    let mut bench = Bench::new(1, |_| {});
    bench.finds = None;
    bench.remember(Memory {
        asked: Some("3 of 3 heartbeats missed".to_owned()),
        seen: vec![IP],
        ..Memory::default()
    });

    let before_the_verdict = [bench.heard(Finding::Silent), bench.heard(Finding::Silent)].concat();
    bench.path(0, Down);
    let silent = [bench.heard(Finding::Silent), bench.heard(Finding::Silent)].concat();

    assert_eq!(before_the_verdict, Bench::none());
    assert_eq!(
        silent,
        ["awaiting-approval->taking-over", "take-over verdict"]
    );
}

#[test]
fn what_was_heard_at_an_earlier_verdict_says_nothing_of_this_one() {
    let mut bench = Bench::healthy(2, |source| source.trigger = Trigger::Any);
    bench.heard(Finding::Silent);
    bench.path(0, Down);
    bench.done(Cause::Verdict, 2);
    bench.settle();
    bench.command(Command::Failback);
    bench.step_done();
    bench.pass(5000);
    bench.step_done();
    bench.pass(5000);
    bench.step_done();
    assert_eq!(bench.state(), State::Healthy);
    bench.finds = None;

    // To the thread the unit has been down all the time, so that it asks nobody.
    let words = bench.path(1, Down);

    assert_eq!(words, ["healthy->failed", "failed->taking-over", "probe"]);
    assert_eq!(bench.heard(other()), ["taking-over->held-elsewhere"]);
}

#[test]
fn with_ask_the_administrator_goes_on_being_asked() {
    let (mut bench, _) = failed(source(), ask);

    for _ in 0..3 {
        bench.heard(Finding::Silent);
    }

    assert_eq!(bench.state(), State::AwaitingApproval);
}

#[test]
fn a_third_host_that_has_the_addresses_keeps_us_out() {
    let (mut bench, words) = failed(other(), |_| {});

    assert_eq!(
        words,
        ["healthy->failed", "disarm", "failed->held-elsewhere"]
    );
    assert_eq!(
        bench.cause(),
        "10.0.0.10 is in use by another host, 02:00:00:00:00:99"
    );
    let refused = bench.refused(Command::Takeover);
    assert_eq!(
        refused,
        "web1 is held-elsewhere: 10.0.0.10 is in use by another host, 02:00:00:00:00:99: fail back there first, or they would be in use twice"
    );
}

#[test]
fn when_it_lets_go_and_the_source_is_still_silent_we_take_over() {
    let (mut bench, _) = failed(other(), |_| {});

    let still = [bench.heard(Finding::Silent), bench.heard(other())].concat();
    let gone = [bench.heard(Finding::Silent), bench.heard(Finding::Silent)].concat();

    assert_eq!(still, Bench::none());
    assert_eq!(
        gone,
        [
            "held-elsewhere->failed",
            "failed->taking-over",
            "take-over verdict"
        ]
    );
}

#[test]
fn when_the_source_answers_it_is_healthy_and_nothing_more_is_asked() {
    let (mut bench, _) = failed(other(), |_| {});

    let words = bench.path(0, Up);

    assert_eq!(words, ["held-elsewhere->healthy", "arm"]);
    assert_eq!(bench.pass(10_000), []);
}

#[test]
fn of_two_that_are_about_to_take_over_one_goes_first() {
    let (mut second, waits) = failed(rival(true), |_| {});
    let (_, acts) = failed(rival(false), |_| {});

    let asked = second.pass(250);
    let never_came = [second.heard(Finding::Silent), second.heard(Finding::Silent)].concat();

    assert_eq!(
        waits,
        ["healthy->failed", "disarm", "failed->held-elsewhere"]
    );
    assert_eq!(acts, ["healthy->failed", "disarm", "failed->taking-over"]);
    assert_eq!(asked, [(200, "probe".to_owned())]);
    assert_eq!(never_came.last().unwrap(), "take-over verdict");
}

#[test]
fn a_prompt_is_withdrawn_when_another_host_takes_over() {
    let (mut bench, _) = failed(Finding::Silent, ask);

    let asked = bench.pass(5000);
    let words = bench.heard(other());

    assert_eq!(asked, [(5000, "probe".to_owned())]);
    assert_eq!(words, ["awaiting-approval->held-elsewhere"]);
}

#[test]
fn before_a_takeover_by_hand_or_by_approval_it_is_asked_who_has_the_addresses() {
    let mut by_hand = Bench::healthy(1, |_| {});
    by_hand.finds = None;
    let begun = by_hand.command(Command::Takeover);
    let (mut approved, _) = failed(Finding::Silent, ask);
    approved.command(Command::Approve);

    assert_eq!(begun, ["healthy->taking-over", "disarm", "probe"]);
    assert_eq!(
        by_hand.heard(other()),
        ["taking-over->held-elsewhere"],
        "another host has them"
    );
    assert_eq!(
        approved.heard(source()),
        ["take-over approved"],
        "that the source answers ARP is what the administrator overrides"
    );
}

#[test]
fn a_source_that_answers_heartbeats_meanwhile_makes_an_approval_void() {
    let (mut bench, _) = failed(Finding::Silent, ask);
    bench.command(Command::Approve);
    bench.path(0, Up);

    let words = bench.heard(Finding::Silent);

    assert_eq!(words, ["taking-over->healthy"]);
}

#[test]
fn an_answer_that_never_comes_is_not_waited_for() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.finds = None;
    bench.command(Command::Takeover);

    let words = bench.pass(1000);

    assert_eq!(words, [(1000, "take-over operator".to_owned())]);
}

#[test]
fn a_takeover_that_came_to_nothing_announces_the_source() {
    let mut bench = Bench::healthy(1, |_| {});
    bench.path(0, Down);

    let words = bench.done_with_error(Cause::Verdict, 0);

    assert_eq!(words, ["announce-source", "taking-over->failed"]);
}

#[test]
fn a_host_that_only_watches_keeps_nobody_from_taking_over() {
    let (mut bench, _) = failed(rival(true), |_| {});

    let waits = [(); 3].map(|()| bench.heard(rival(true))).concat();
    let once = [bench.heard(Finding::Silent), bench.heard(rival(true))].concat();

    assert_eq!(waits, Bench::none());
    assert_eq!(once.last().unwrap(), "take-over verdict");
}

#[test]
fn where_the_other_host_lets_go_a_source_that_answers_arp_is_still_asked_about() {
    let (mut bench, _) = failed(other(), |_| {});

    let words = [bench.heard(source()), bench.heard(source())].concat();

    assert_eq!(
        words,
        ["held-elsewhere->failed", "failed->awaiting-approval"]
    );
}

#[test]
fn a_verdict_that_stood_before_its_unit_was_protected_again_is_asked_about_anew() {
    // One of two paths is silent since before the failback, so the thread has had its verdict, and its news, since then.
    let mut bench = Bench::taken_over(2, |source| source.trigger = Trigger::Any);
    bench.path(0, Up);
    bench.command(Command::Failback);
    for step in 0..3 {
        bench.pass(if step == 0 { 2000 } else { 3000 });
        bench.step_done();
    }
    assert_eq!(bench.state(), State::Healthy);
    bench.finds = None;

    let words = bench.path(0, Down);
    let found = bench.heard(other());

    assert_eq!(words, ["healthy->failed", "failed->taking-over", "probe"]);
    assert_eq!(found, ["taking-over->held-elsewhere"]);
}

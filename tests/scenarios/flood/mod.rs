//! Invalid heartbeats, half a million a second at the reflector and as many at the initiator, while a session of 1 ms x 3
//! goes on.
//!
//! The floods come off the wire without being seen by captures on it, so what the captures see is the session and whatever
//! the two hosts had to say to the floods. And everything is counted from before the daemons start until nothing is sent any
//! more, so that the numbers have to agree exactly.

mod accounts;
mod generator;
mod mix;

use std::time::Duration;

use failover_ebpf::verdict::Verdict;
use failover_tests::lab::{
    Daemon, Flood,
    flood::{Sent, Until},
};
use failover_user::control::protocol::PathStatus;
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::pair::{Pair, automatic, events, source, wait_for_state};

use accounts::{Accounts, Wires};
use mix::{Invalid, Session};

/// Frames a second, at each of the two.
const RATE: u64 = 500_000;
const TIME: Duration = Duration::from_secs(30);
/// Frames a second that have to be reached for the test to say anything. Far below what a machine with two processors
/// does, as others may want them too: it is the rate in the output that one looks at.
const SLOWEST: f64 = 50_000.0;
/// Different frames of each flood.
const FRAMES: usize = 1000;

#[test]
fn floods_of_invalid_heartbeats_get_neither_a_verdict_nor_an_answer() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let pair = Pair::new();
    let wires = Wires::tap(&pair);
    let (source, mut target) = pair.start(&automatic("1ms", 3));
    let session = Session::learn(&wires.source, pair.source_nic.mac());
    let requests = mix::requests(&session, FRAMES, &mut random);
    let replies = mix::replies(&session, FRAMES, &mut random);
    let before = path(&target);

    let at_source = flood(&pair.source_nic, &requests);
    let at_target = flood(&pair.target_nics[0], &replies);
    let (at_source, at_target) = (at_source.finish(), at_target.finish());

    let after = path(&target);
    report("reflector", &at_source);
    report("initiator", &at_target);
    report_session(&before, &after);
    assert_no_verdict(&target);
    // Nothing is sent from now on, so that what is counted stays as it is.
    target.kill9();
    let accounts = Accounts::close(&pair, wires, &source, &target);
    accounts.assert_nothing_was_answered();
    accounts
        .source
        .assert_refused(&counted(&requests, &at_source), at_source.lost);
    accounts
        .target
        .assert_refused(&counted(&replies, &at_target), at_target.lost);
    for sent in [at_source, at_target] {
        assert!(sent.rate() > SLOWEST, "{:.0} frames a second", sent.rate());
    }
}

fn flood(nic: &failover_tests::lab::Nic, frames: &[Invalid]) -> Flood {
    let octets: Vec<_> = frames.iter().map(|invalid| invalid.frame.clone()).collect();
    Flood::start(nic, &octets, RATE, Until::Elapsed(TIME))
}

/// How many frames of a flood were to be refused for each reason.
fn counted(frames: &[Invalid], sent: &Sent) -> Vec<(Verdict, u64)> {
    let mut reasons: Vec<(Verdict, u64)> = Vec::new();
    for (invalid, sent) in frames.iter().zip(&sent.frames) {
        match reasons
            .iter_mut()
            .find(|(reason, _)| *reason == invalid.reason)
        {
            Some((_, count)) => *count += sent,
            None => reasons.push((invalid.reason, *sent)),
        }
    }
    reasons
}

/// No verdict: on the way the source was at most suspected for a heartbeat that was lost, as on any wire that is full.
fn assert_no_verdict(target: &Daemon) {
    wait_for_state(target, "web1", "healthy");
    let transitions = events(target, "transition");
    let to = |state: &str| {
        let such = transitions.iter().filter(|event| event["to"] == state);
        such.count()
    };
    assert_eq!(
        to("healthy") + to("suspect"),
        transitions.len(),
        "{transitions:?}"
    );
    let status = target.status();
    assert_eq!(source(&status, "web1")["last_takeover"], Value::Null);
    assert!(events(target, "takeover").is_empty());
    eprintln!("the source was suspected {} times", to("suspect"));
}

fn path(target: &Daemon) -> PathStatus {
    let path = source(&target.status(), "web1")["paths"][0].clone();
    serde_json::from_value(path).expect("the status of a path")
}

fn report(whom: &str, sent: &Sent) {
    let per_frame = sent.busy.as_nanos() / u128::from(sent.total().max(1));
    eprintln!(
        "flood at the {whom}: {} frames in {:.1} s, {:.0} frames a second, {} lost on the way, at most {per_frame} ns each",
        sent.total(),
        sent.elapsed.as_secs_f64(),
        sent.rate(),
        sent.lost,
    );
}

/// What the session measured between two looks at it.
fn report_session(before: &PathStatus, after: &PathStatus) {
    let earlier = |floor| {
        let same = before
            .rtt_histogram
            .iter()
            .find(|(other, _)| *other == floor);
        same.map_or(0, |(_, count)| *count)
    };
    let buckets: Vec<(u64, u64)> = after
        .rtt_histogram
        .iter()
        .map(|(floor, count)| (*floor, count - earlier(*floor)))
        .collect();
    let quantile = |percent: u64| {
        let all: u64 = buckets.iter().map(|(_, count)| count).sum();
        let mut below = 0;
        let found = buckets.iter().find(|(_, count)| {
            below += count;
            below * 100 >= all * percent
        });
        found.map_or(0, |(floor, _)| *floor)
    };
    eprintln!(
        "the session meanwhile: {} sent, {} missed, {} late, RTT p50 {} ns, p99 {} ns, {} times one more miss would have been a verdict",
        after.sent - before.sent,
        after.missed - before.missed,
        after.late - before.late,
        quantile(50),
        quantile(99),
        after.near_misses - before.near_misses,
    );
}

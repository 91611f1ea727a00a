//! The target's daemon is killed between any two steps of a takeover, of a failback and of its start
//! (`failover_user::fault`), and started again.

use std::{collections::BTreeSet, net::IpAddr, thread};

use failover_tests::lab::{Client, Daemon, clock};
use failover_user::{
    bpf::{maps::Addresses, pins::Pins},
    fault, net,
};

use crate::pair::{PATIENCE, Pair, automatic, run, state, wait_for_state};

/// Before the takeover map says that anything is held.
const BEFORE_HOLDING: [&str; 3] = ["verdict:seen", "takeover:decided", "takeover:addresses"];

/// From the first entry of the takeover map to the announcements.
const UNANNOUNCED: [&str; 3] = ["takeover:entry@1", "takeover:entry@2", "takeover:entries"];

/// After the announcements.
const ANNOUNCED: [&str; 7] = [
    "takeover:announced",
    "verdict:acted",
    "verdict:half-reported",
    "takeover:heard",
    "takeover:told",
    "announce:begin",
    "announce:sent",
];

/// Of a failback to a source that answers, when packets are turned round to it, and not everybody was told.
const HALF_TURNED: [&str; 3] = [
    "failback:entry-turned@1",
    "failback:entry-turned@2",
    "failback:turned",
];

/// Of such a failback, the others.
const FAILBACK: [&str; 9] = [
    "failback:asked",
    "failback:drain",
    "failback:drained",
    "failback:remove",
    "failback:removed",
    "failback:forget",
    "failback:entry-forgotten@1",
    "failback:entry-forgotten@2",
    "failback:forgotten",
];

/// Of a failback while the source is absent.
const FAILBACK_OF_AN_ABSENT_SOURCE: [&str; 6] = [
    "failback:asked",
    "failback:remove",
    "failback:removed",
    "failback:forget",
    "failback:entry-forgotten@1",
    "failback:forgotten",
];

/// Of a start.
const START: [&str; 3] = ["start:attached", "start:adopted", "start:unwatched"];

/// Of every input of the policy, so of a start's first one.
const INPUT: [&str; 2] = ["policy:input", "policy:decided"];

/// What a daemon of this version does not come to.
const UNREACHED: [&str; 2] = ["state:written", "memory:saved"];

const ADDRESSES: [&str; 2] = ["10.0.0.10", "10.0.0.11"];

/// Labs at a time: they wait more than they work.
const AT_ONCE: usize = 10;

/// Heartbeats that several labs at once on a small machine do not miss.
fn patient() -> String {
    automatic("20ms", 5)
}

/// What is left of a takeover on the target, or what one is: marked addresses with their NIC's index, rules with their
/// table, and entries of the takeover map with their NIC's index.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    addresses: BTreeSet<(IpAddr, u32)>,
    rules: BTreeSet<(IpAddr, u32)>,
    entries: BTreeSet<(IpAddr, u32)>,
    /// All of them, counted.
    count: usize,
}

impl Holdings {
    fn of(pair: &Pair, daemon: &Daemon) -> Self {
        let (addresses, rules) = pair
            .target
            .namespace()
            .netlink(async |handle| {
                Ok((
                    net::cleanup::addresses(&handle).await?,
                    net::cleanup::rules(&handle).await?,
                ))
            })
            .expect("addresses and rules");
        let entries = entries(daemon);
        Self {
            count: addresses.len() + rules.len() + entries.len(),
            addresses: addresses.into_iter().map(|(nic, ip)| (ip, nic)).collect(),
            rules: rules.into_iter().collect(),
            entries: entries.into_iter().collect(),
        }
    }

    /// Each address once, on its NIC.
    fn both(pair: &Pair) -> Self {
        let on = |number: fn(u32) -> u32| {
            ADDRESSES
                .iter()
                .zip(&pair.target_nics)
                .map(|(ip, nic)| (ip.parse().expect("an address"), number(nic.index())))
                .collect()
        };
        Self {
            addresses: on(|nic| nic),
            rules: on(net::table_of),
            entries: on(|nic| nic),
            count: 6,
        }
    }

    fn none() -> Self {
        Self {
            addresses: BTreeSet::new(),
            rules: BTreeSet::new(),
            entries: BTreeSet::new(),
            count: 0,
        }
    }
}

/// Entries of the takeover map, with the NIC's index.
fn entries(daemon: &Daemon) -> Vec<(IpAddr, u32)> {
    Addresses::open(&Pins::new(daemon.pins()))
        .and_then(|map| map.all())
        .expect("the takeover map")
        .into_iter()
        .map(|(ip, held)| (ip, held.nic))
        .collect()
}

fn clients(pair: &Pair) -> [Client; 2] {
    ADDRESSES.map(|ip| pair.client(ip, 500))
}

/// The source fails, the daemon dies at `fault`, and the next one has to hold both addresses.
fn dies_in_a_takeover(fault: &str) {
    let pair = Pair::new();
    let _source = pair.start_source();
    let mut target = Daemon::start_with_fault(&pair.lab, &pair.target, &patient(), fault);
    wait_for_state(&target, "web1", "healthy");
    let clients = clients(&pair);

    pair.source_nic.pull();
    target.wait_until_killed();
    let killed = clock::now_ns();
    let entries = entries(&target);
    // Clients that ask again who has the addresses are answered without a daemon.
    pair.client.flush_neighbours();
    let served = ADDRESSES.map(|ip| entries.iter().any(|(held, _)| held.to_string() == ip));
    let since: Vec<_> = clients
        .iter()
        .zip(served)
        .map(|(client, served)| {
            let first = served.then(|| client.wait_for_answer_by("target", killed))?;
            let announced = ANNOUNCED.contains(&fault);
            Some(if announced { killed } else { first })
        })
        .collect();
    target.restart();
    wait_for_state(&target, "web1", "taken-over");
    let restarted = clock::now_ns();
    for client in &clients {
        client.wait_for_answer_by("target", restarted);
    }

    for (client, since) in clients.into_iter().zip(since) {
        let report = client.finish();
        let lost = since.map_or(0, |since| report.lost_between(since, u64::MAX));
        assert_eq!(lost, 0, "{fault}: {:?}", report.timeline());
    }
    let holdings = Holdings::of(&pair, &target);
    assert_eq!(holdings, Holdings::both(&pair), "{fault}");
}

/// Gives the source its addresses back; the daemon dies of it, and the next one finishes, or is asked again if the addresses
/// are still held as before.
fn dies_in_a_failback(pair: &Pair, target: &mut Daemon) {
    let mut asked = target.start_failover(&["failback", "web1", "--yes"]);
    target.wait_until_killed();
    asked.wait().expect("failover failback");
    target.restart();
    // Whether the source answers is for the daemon to find out.
    target.wait_for(PATIENCE, "the end of a takeover", |status| {
        state(status, "web1") != "taking-over"
    });
    if state(&target.status(), "web1") == "taken-over" {
        run(target, &["failback", "web1", "--yes"], 0);
    }
    let nothing = clock::wait_until(PATIENCE, || Holdings::of(pair, target) == Holdings::none());
    assert!(nothing, "left over: {:?}", Holdings::of(pair, target));
}

fn dies_in_a_failback_to_a_source_that_answers(fault: &str) {
    let pair = Pair::new();
    let _source = pair.start_source();
    let mut target = Daemon::start_with_fault(&pair.lab, &pair.target, &patient(), fault);
    wait_for_state(&target, "web1", "healthy");
    let clients = clients(&pair);
    let pulled = pair.source_nic.pull();
    for client in &clients {
        client.wait_for_answer_by("target", pulled);
    }
    wait_for_state(&target, "web1", "taken-over");
    pair.replug(&target);
    let begun = clock::now_ns();

    dies_in_a_failback(&pair, &mut target);
    wait_for_state(&target, "web1", "healthy");
    let done = clock::now_ns();
    for client in &clients {
        client.wait_for_answer_by("source", done);
    }

    for client in clients {
        let report = client.finish();
        let lost = report.lost_between(begun, u64::MAX);
        assert_eq!(lost, 0, "{fault}: {:?}", report.timeline());
    }
    assert_eq!(Holdings::of(&pair, &target), Holdings::none(), "{fault}");
}

fn dies_in_a_failback_of_an_absent_source(fault: &str) {
    let pair = Pair::new();
    let _source = pair.start_source();
    let mut target = Daemon::start_with_fault(&pair.lab, &pair.target, &patient(), fault);
    wait_for_state(&target, "web1", "healthy");
    let clients = clients(&pair);
    let pulled = pair.source_nic.pull();
    for client in &clients {
        client.wait_for_answer_by("target", pulled);
    }
    wait_for_state(&target, "web1", "taken-over");

    dies_in_a_failback(&pair, &mut target);
    pair.source_nic.replug();
    wait_for_state(&target, "web1", "healthy");
    // Nobody has told the clients: they find out when they ask again.
    pair.client.flush_neighbours();
    let back = clock::now_ns();
    for client in &clients {
        client.wait_for_answer_by("source", back);
    }

    assert_eq!(Holdings::of(&pair, &target), Holdings::none(), "{fault}");
}

/// Runs `scenario` for each point, a few at a time, and fails with all that failed.
fn at_each(points: &[&'static str], scenario: fn(&str)) {
    let mut failed = Vec::new();
    for some in points.chunks(AT_ONCE) {
        let running = some.iter().map(|&point| {
            thread::Builder::new()
                .name(point.to_owned())
                .spawn(move || scenario(point))
                .expect("a thread")
        });
        // All are started before the first is waited for.
        let running: Vec<_> = running.collect();
        for (point, thread) in some.iter().zip(running) {
            if thread.join().is_err() {
                failed.push(*point);
            }
        }
    }
    assert!(failed.is_empty(), "killed at {failed:?}; see above");
}

#[test]
fn a_daemon_killed_before_it_holds_anything_takes_over_when_it_is_back() {
    at_each(&BEFORE_HOLDING, dies_in_a_takeover);
}

#[test]
fn a_takeover_that_was_not_announced_is_finished_by_the_next_daemon() {
    at_each(&UNANNOUNCED, dies_in_a_takeover);
}

#[test]
fn a_takeover_that_was_announced_serves_without_a_daemon_and_is_known_to_the_next() {
    at_each(&ANNOUNCED, dies_in_a_takeover);
}

#[test]
fn a_daemon_killed_while_it_gives_back_loses_no_request_and_leaves_nothing() {
    at_each(&FAILBACK, dies_in_a_failback_to_a_source_that_answers);
}

#[test]
fn a_drain_that_was_begun_is_announced_by_the_next_daemon() {
    at_each(&HALF_TURNED, dies_in_a_failback_to_a_source_that_answers);
}

#[test]
fn a_daemon_killed_while_it_lets_go_for_an_absent_source_leaves_nothing() {
    at_each(
        &FAILBACK_OF_AN_ABSENT_SOURCE,
        dies_in_a_failback_of_an_absent_source,
    );
}

#[test]
fn a_daemon_that_does_not_get_through_its_start_is_no_gap_for_held_addresses() {
    let pair = Pair::new();
    let _source = pair.start_source();
    // The first start of all, with nothing to adopt.
    let mut target = Daemon::start_with_fault(&pair.lab, &pair.target, &patient(), START[0]);
    target.wait_until_killed();
    for fault in &START[1..] {
        target.restart_with_fault(fault);
        target.wait_until_killed();
    }
    target.restart();
    wait_for_state(&target, "web1", "healthy");
    let clients = clients(&pair);
    let pulled = pair.source_nic.pull();
    for client in &clients {
        client.wait_for_answer_by("target", pulled);
    }
    wait_for_state(&target, "web1", "taken-over");
    let ended = clock::now_ns();
    target.terminate();

    for fault in START.iter().chain(&INPUT) {
        target.restart_with_fault(fault);
        target.wait_until_killed();
        let killed = clock::now_ns();
        for client in &clients {
            client.wait_for_answer_by("target", killed);
        }
        assert_eq!(entries(&target).len(), 2, "{fault}");
    }
    target.restart();
    wait_for_state(&target, "web1", "taken-over");

    for client in clients {
        let report = client.finish();
        let lost = report.lost_between(ended, u64::MAX);
        assert_eq!(lost, 0, "{:?}", report.timeline());
    }
    assert_eq!(Holdings::of(&pair, &target), Holdings::both(&pair));
}

#[test]
fn every_fault_point_is_tried() {
    let lists: [&[&str]; 9] = [
        &BEFORE_HOLDING,
        &UNANNOUNCED,
        &ANNOUNCED,
        &HALF_TURNED,
        &FAILBACK,
        &FAILBACK_OF_AN_ABSENT_SOURCE,
        &START,
        &INPUT,
        &UNREACHED,
    ];

    let tried: BTreeSet<&str> = lists
        .into_iter()
        .flatten()
        .map(|point| point.split_once('@').map_or(*point, |(name, _)| name))
        .collect();

    assert_eq!(tried, fault::POINTS.iter().copied().collect());
}

//! The source's side: a host that is frozen, ill, on hold or restarted, and what others see of it.

use std::time::Duration;

use etherparse::ArpOperation;
use failover_tests::{
    frames,
    lab::{Capture, Client, Daemon, Direction, Frame, Mac, clock},
};
use failover_user::net::packet::PacketSocket;
use rustix::process::Signal;
use serde_json::Value;

use crate::pair::{PATIENCE, PORT, Pair, automatic, events, run, source, state, wait_for_state};

/// How long the source's daemon may stand still.
const DEAD_MAN: Duration = Duration::from_millis(300);

/// A source that keeps off its addresses when it has to.
pub(crate) fn careful(more: &str) -> String {
    format!(
        r#"
[reflector]
nics = ["ens1"]
dead_man = "300ms"
self_fence = true
identity = ["10.0.0.10/24", "10.0.0.11/24"]
{more}
"#
    )
}

/// A source with this configuration, in use and found to be nobody else's, and its target.
pub(crate) fn start(pair: &Pair, config: &str) -> (Daemon, Daemon) {
    let daemon = Daemon::start(&pair.lab, &pair.source, config);
    wait_until_ours(&daemon);
    let target = pair.start_target(&automatic("10ms", 3));
    (daemon, target)
}

pub(crate) fn identity(status: &Value) -> Vec<(String, bool)> {
    let identity = status["reflector"]["identity"]
        .as_array()
        .expect("an identity");
    identity
        .iter()
        .map(|address| {
            let standing = address["standing"].as_str().expect("a standing");
            (standing.to_owned(), address["fenced"] == true)
        })
        .collect()
}

pub(crate) fn wait_until_ours(daemon: &Daemon) {
    daemon.wait_for(PATIENCE, "the identity to be its own", |status| {
        identity(status)
            .iter()
            .all(|one| *one == ("ours".to_owned(), false))
    });
}

pub(crate) fn wait_until_elsewhere(daemon: &Daemon) {
    daemon.wait_for(PATIENCE, "the identity to be known elsewhere", |status| {
        identity(status)
            .iter()
            .all(|one| *one == ("elsewhere".to_owned(), true))
    });
}

/// Whether a frame that left the source speaks for one of its addresses, by ARP or as its IP source.
pub(crate) fn speaks_for_the_source(frame: &Frame) -> bool {
    const OWN: [[u8; 4]; 2] = [[10, 0, 0, 10], [10, 0, 0, 11]];
    if frame.direction != Direction::Out {
        return false;
    }
    match frame.octets.get(12..14) {
        Some([0x08, 0x06]) => frame
            .arp()
            .is_some_and(|arp| OWN.contains(&arp.sender_ipv4)),
        Some([0x08, 0x00]) => OWN.iter().any(|own| frame.octets[26..30] == own[..]),
        Some(_) | None => false,
    }
}

/// A heartbeat's answer, which comes from the driver and is no use of the address.
pub(crate) fn is_heartbeat(frame: &Frame) -> bool {
    frame
        .udp()
        .is_some_and(|(from, _, _)| from == frames::SBFD_PORT)
}

/// Questions of every kind to the source's own MAC and to all, as clients ask them that have not noticed anything.
pub(crate) fn pester(pair: &Pair, socket: &PacketSocket, client: Mac) {
    let asker = "10.0.0.100".parse().expect("an address");
    let address = "10.0.0.10".parse().expect("an address");
    let flow = frames::Flow {
        from_mac: client,
        to_mac: pair.source_nic.mac(),
        from: asker,
        to: address,
        ttl: 64,
    };
    for frame in [
        frames::arp_request(client, asker, address),
        frames::arp(
            pair.source_nic.mac(),
            ArpOperation::REQUEST,
            (client, asker),
            (Mac([0; 6]), address),
        ),
        frames::arp_request(client, "0.0.0.0".parse().expect("an address"), address),
        frames::echo_request(&flow, 1, 1, b"are you there?"),
        frames::udp(&flow, 5555, PORT, b"lab-ask\n00000000"),
        frames::tcp(&flow, 5555, 80, b""),
    ] {
        socket.send(&frame).expect("a frame");
    }
}

/// The client's raw socket, and its MAC.
pub(crate) fn raw(pair: &Pair) -> (PacketSocket, Mac) {
    let mac = pair.client_nic.mac();
    let index = pair.client_nic.index();
    let socket = pair
        .client
        .run(|| PacketSocket::open(index, 1))
        .expect("a packet socket");
    (socket, mac)
}

#[test]
fn a_frozen_source_is_taken_over_and_not_one_frame_of_its_identity_leaves_it() {
    let pair = Pair::new();
    let (daemon, target) = start(&pair, &careful(""));
    let client = pair.client("10.0.0.10", 1000);
    let wire = Capture::on_wire(&pair.source_nic);
    let (socket, mac) = raw(&pair);

    let frozen = clock::now_ns();
    daemon.signal(Signal::STOP);
    client.wait_for_answer_by("target", frozen);
    wait_for_state(&target, "web1", "taken-over");
    let taken = clock::now_ns();
    let from = client.report().answered();
    while client.report().answered() < from + 1000 {
        pester(&pair, &socket, mac);
        clock::sleep_until(clock::now_ns() + 5_000_000);
    }

    let frames = wire.frames();
    let heard = frames
        .iter()
        .filter(|frame| frame.direction == Direction::In && frame.at_ns > taken)
        .count();
    let sent: Vec<_> = frames
        .iter()
        .filter(|frame| frame.at_ns > taken && speaks_for_the_source(frame))
        .collect();
    assert!(heard > 500, "only {heard} frames came to it");
    assert!(
        sent.is_empty(),
        "{} frames, the first {:?}",
        sent.len(),
        sent[0]
    );
    let outage = Duration::from_nanos(taken - frozen);
    let expected = DEAD_MAN + Duration::from_millis(40);
    eprintln!(
        "taken over {outage:?} after the freeze, {expected:?} expected; {heard} frames unanswered"
    );
    assert!(outage < expected + Duration::from_secs(1), "{outage:?}");

    // Thawed, it finds out before it uses anything.
    daemon.signal(Signal::CONT);
    wait_until_elsewhere(&daemon);
    let thawed = client.report().answered();
    clock::wait_until(PATIENCE, || client.report().answered() > thawed + 500);
    let sent = wire
        .count(|frame| frame.at_ns > taken && speaks_for_the_source(frame) && !is_heartbeat(frame));
    assert_eq!(sent, 0, "after the thaw");
    let report = client.finish();
    assert_eq!(
        report.lost_between(taken, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn an_ill_source_is_taken_over_and_takes_its_addresses_back_without_a_lost_request() {
    let pair = Pair::new();
    let dir = pair.lab.dir().join("healthy");
    std::fs::write(&dir, "").expect("a file");
    let check = format!(
        "[[reflector.check]]\ncommand = [\"/usr/bin/test\", \"-e\", \"{}\"]\ninterval = \"50ms\"\nfall = 2\nrise = 2\n",
        dir.display()
    );
    let (daemon, target) = start(&pair, &careful(&check));
    let client = pair.client("10.0.0.10", 2000);
    let second = pair.client("10.0.0.11", 500);

    let ill = clock::now_ns();
    std::fs::remove_file(&dir).expect("the file");
    client.wait_for_answer_by("target", ill);
    second.wait_for_answer_by("target", ill);
    wait_for_state(&target, "web1", "taken-over");
    let told = run(&daemon, &["status"], 0);
    std::fs::write(&dir, "").expect("a file");
    wait_until_elsewhere(&daemon);
    target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    second.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");
    wait_until_ours(&daemon);

    assert!(
        told.contains("SILENT") && told.contains("NOT USED"),
        "{told}"
    );
    for report in [client.finish(), second.finish()] {
        assert_eq!(
            report.lost_between(begun, u64::MAX),
            0,
            "{:?}",
            report.timeline()
        );
    }
    let steps: Vec<_> = events(&target, "failback")
        .iter()
        .filter_map(|event| event["step"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(steps, ["yield", "drain", "addresses-removed", "done"]);
    assert!(!events(&daemon, "own-announced").is_empty());
}

#[test]
fn a_source_that_comes_back_with_its_addresses_shows_its_mac_to_nobody_until_failback() {
    let pair = Pair::new();
    let (mut daemon, target) = start(&pair, &careful(""));
    let client = pair.client("10.0.0.10", 1000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    // As after a boot: nothing of an earlier daemon is left, the addresses are configured.
    run(&daemon, &["stop", "--release"], 0);
    daemon.wait_for_end();
    daemon.restart();
    let wire = Capture::on_wire(&pair.source_nic);
    let back = clock::now_ns();
    pair.source_nic.replug();
    wait_until_elsewhere(&daemon);
    for _ in 0..5 {
        pair.client.flush_neighbours();
        let flushed = clock::now_ns();
        client.wait_for_answer_by("target", flushed);
    }
    let shown = wire.count(|frame| speaks_for_the_source(frame) && !is_heartbeat(frame));
    let seen = pair.client.neighbour("10.0.0.10");
    target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(shown, 0, "frames that speak for a held address");
    assert_eq!(seen, Some(pair.target_nics[0].mac()));
    let report = client.finish();
    assert_eq!(
        report.lost_between(back, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn a_source_on_hold_is_asked_once_a_second_and_not_taken_over_even_if_it_dies() {
    let pair = Pair::new();
    let (mut daemon, target) = start(&pair, &careful(""));

    run(&daemon, &["hold", "--self"], 0);
    wait_for_state(&target, "web1", "held");
    let told = run(&target, &["status"], 0);
    let wire = Capture::on_wire(&pair.source_nic);
    let asked = || {
        let asks = |frame: &&Frame| {
            frame
                .udp()
                .is_some_and(|(_, to, _)| to == frames::SBFD_PORT)
        };
        let frames = wire.frames();
        frames
            .iter()
            .filter(asks)
            .map(|frame| frame.at_ns)
            .collect::<Vec<_>>()
    };
    clock::wait_until(PATIENCE, || asked().len() >= 4);
    let gaps: Vec<_> = asked().windows(2).map(|two| two[1] - two[0]).collect();
    let refused = run(&daemon, &["hold", "--self"], 4);
    daemon.terminate();
    daemon.restart();
    let kept = daemon.status()["reflector"]["answers"].clone();
    pair.source_nic.pull();
    let sent = |status: &Value| source(status, "web1")["paths"][0]["consecutive_missed"].as_u64();
    target.wait_for(PATIENCE, "misses", |status| sent(status) >= Some(4));
    let silent = target.status();
    pair.source_nic.replug();
    run(&daemon, &["resume", "--self"], 0);
    wait_for_state(&target, "web1", "healthy");

    assert!(told.contains("its own administrator"), "{told}");
    assert!(gaps.iter().all(|gap| *gap >= 990_000_000), "{gaps:?}");
    assert!(refused.contains("on hold already"), "{refused}");
    assert_eq!(kept, "admin-down");
    assert_eq!(state(&silent, "web1"), "held", "{silent:#}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn a_restart_of_the_sources_daemon_costs_no_request_and_leads_to_no_takeover() {
    let pair = Pair::new();
    let (mut daemon, target) = start(&pair, &careful(""));
    let client = pair.client("10.0.0.10", 2000);

    for _ in 0..3 {
        daemon.terminate();
        daemon.restart();
    }
    wait_until_ours(&daemon);

    assert_eq!(state(&target.status(), "web1"), "healthy");
    let report = client.finish();
    assert_eq!(report.lost(), 0, "{:?}", report.timeline());
    assert!(events(&target, "verdict").is_empty());
}

#[test]
fn a_source_whose_daemon_is_killed_falls_silent_and_keeps_off_its_addresses() {
    let pair = Pair::new();
    let (mut daemon, target) = start(&pair, &careful(""));
    let client = pair.client("10.0.0.10", 1000);

    let killed = clock::now_ns();
    daemon.kill9();
    client.wait_for_answer_by("target", killed);
    wait_for_state(&target, "web1", "taken-over");
    daemon.restart();
    wait_until_elsewhere(&daemon);
    target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);

    wait_for_state(&target, "web1", "healthy");
    let report = client.finish();
    assert_eq!(
        report.lost_between(begun, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn a_planned_switchover_moves_a_careful_source_aside_and_back() {
    let pair = Pair::new();
    let (daemon, target) = start(&pair, &careful(""));
    let client = pair.client("10.0.0.10", 1000);

    let begun = clock::now_ns();
    run(&target, &["takeover", "web1", "--yes"], 0);
    client.wait_for_answer_by("target", begun);
    wait_until_elsewhere(&daemon);
    let back = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", back);
    wait_for_state(&target, "web1", "healthy");

    let report = client.finish();
    assert_eq!(report.lost(), 0, "{:?}", report.timeline());
}

#[test]
fn release_leaves_no_fence_behind() {
    let pair = Pair::new();
    let (mut daemon, _target) = start(&pair, &careful(""));
    let fences = daemon
        .pins()
        .join(format!("v{}/egress", failover_ebpf::abi::ABI_VERSION));
    let there = fences.join("ens1").exists();

    run(&daemon, &["stop", "--release"], 0);
    daemon.wait_for_end();

    assert!(there && !fences.exists());
    let client = Client::start(&pair.client, "10.0.0.10:7000", 100);
    client.wait_for_answer_by("source", 0);
}

#[test]
fn another_configuration_brings_and_takes_identity_fence_and_checks() {
    let pair = Pair::new();
    let daemon = Daemon::start(&pair.lab, &pair.source, crate::pair::REFLECTOR);
    let fence = daemon
        .pins()
        .join(format!("v{}/egress/ens1", failover_ebpf::abi::ABI_VERSION));
    let without = fence.exists();
    let client = pair.client("10.0.0.10", 1000);

    daemon.write_config(&careful(
        "[[reflector.check]]\ntcp = \"127.0.0.1:1\"\nfall = 1\ninterval = \"50ms\"\n",
    ));
    run(&daemon, &["reload"], 0);
    daemon.wait_for(PATIENCE, "the failed check", |status| {
        status["reflector"]["answers"] == "silent"
    });
    let with = fence.exists();
    let fenced = identity(&daemon.status());
    daemon.write_config(crate::pair::REFLECTOR);
    run(&daemon, &["reload"], 0);
    let after = clock::now_ns();
    client.wait_for_answer_by("source", after);

    assert!(!without && with && !fence.exists());
    assert!(fenced.iter().all(|(_, fenced)| *fenced), "{fenced:?}");
    assert_eq!(daemon.status()["reflector"]["answers"], "up");
}

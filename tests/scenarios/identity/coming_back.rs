//! A source without our software that comes back with its addresses configured while the target holds them: its kernel answers
//! for them, and speaks for them. Clients are to be with the target all the same, or with it again at once.

use std::{net::UdpSocket, time::Duration};

use etherparse::ArpOperation;
use failover_tests::lab::{Capture, Daemon, Direction, Frame, Mac, clock};

use super::{Home, Versions, home::Clients};
use crate::pair::{PATIENCE, events, wait_for_state};

/// Times that the client forgets where everything is, and asks everybody.
const COLD: usize = 50;
/// Times that the client checks what it knows, and asks the one that it knows.
const AGED: usize = 3;
/// Times that the source speaks for an address, one after the other.
const SPOKEN: usize = 5;
/// Announcements behind a takeover: after 1.1 s, 2.2 s and 5 s. The next is a minute later.
const SCHEDULED: usize = 3;
/// How long clients may be with the source after that has spoken for an address. Nothing is said against it oftener than every
/// 200 ms.
const ASTRAY: Duration = Duration::from_secs(1);

/// The source is back, and the target holds its addresses.
fn back() -> (Home, Daemon, Clients) {
    let home = Home::new(Versions::Four);
    let target = home.start_target("icmp");
    let clients = home.clients();
    let cut = home.source_nic.cut();
    clients.wait_for_answers_by("target", cut);
    wait_for_state(&target, "web1", "taken-over");
    home.source_nic.heal();
    (home, target, clients)
}

/// How many requests the source has answered that were sent from then on.
fn astray(clients: &Clients, since: u64) -> usize {
    let reports = clients.reports();
    let requests = reports.iter().flat_map(|report| &report.requests);
    requests
        .filter(|request| request.sent_ns >= since)
        .filter_map(|request| request.answer.as_ref())
        .filter(|answer| &*answer.by == "source")
        .count()
}

#[test]
fn clients_that_know_nothing_and_clients_that_check_what_they_know_stay_with_the_target() {
    let (home, _target, clients) = back();
    let began = clock::now_ns();
    let wire = Capture::on_wire(&home.source_nic);

    for _ in 0..COLD {
        home.client.flush_neighbours();
        clients.wait_for_answers_by("target", clock::now_ns());
    }
    let answers = wire.count(|frame| is_answer_of_the_source(frame));
    // What is known gets old within a moment.
    for (setting, value) in [
        ("base_reachable_time_ms", "100"),
        ("delay_first_probe_time", "0"),
    ] {
        let key = format!("net/ipv4/neigh/ens1/{setting}");
        home.client.sysctl(&key, value);
    }
    home.client.flush_neighbours();
    let near = Capture::on_wire(&home.target_nics[0]);
    let aged = clock::wait_until(PATIENCE, || {
        near.count(|frame| is_check(&home, frame)) >= AGED
    });

    assert!(aged, "the client does not check what it knows");
    assert!(answers > 0, "the source's kernel was not asked");
    let astray = astray(&clients, began);
    eprintln!(
        "{COLD} times cold: the source answered {answers} questions as well; {astray} requests went to it"
    );
    assert_eq!(astray, 0);
    clients.assert_nothing_lost_since(began);
}

/// ARP in which the source says that it has one of its addresses.
fn is_answer_of_the_source(frame: &Frame) -> bool {
    frame.direction == Direction::Out
        && frame.arp().is_some_and(|arp| {
            arp.operation == ArpOperation::REPLY && arp.sender_ipv4[..3] == [10, 0, 0]
        })
}

/// The client's question to the one that it knows.
fn is_check(home: &Home, frame: &Frame) -> bool {
    frame.direction == Direction::In
        && frame.octets.starts_with(&home.target_nics[0].mac().0)
        && frame
            .arp()
            .is_some_and(|arp| arp.operation == ArpOperation::REQUEST)
}

#[test]
fn clients_that_a_source_draws_away_by_speaking_for_its_addresses_are_with_the_target_again_at_once()
 {
    let (home, target, clients) = back();
    // Nothing but what is said against the source is to bring clients back.
    let scheduled = || events(&target, "announced").len();
    assert!(clock::wait_until(PATIENCE, || scheduled() >= SCHEDULED));
    let began = clock::now_ns();
    let wire = Capture::on_wire(&home.target_nics[0]);

    let mut away = Vec::new();
    for _ in 0..SPOKEN {
        let spoken = speak(&home);
        let claim = wire.wait_for(PATIENCE, "the claim", |frame| {
            frame.at_ns >= spoken && is_said_by(home.source_nic.mac(), frame)
        });
        let answer = wire.wait_for(PATIENCE, "the answer to the claim", |frame| {
            frame.at_ns > claim.at_ns && is_said_by(home.target_nics[0].mac(), frame)
        });
        let back = clients.wait_for_answers_by("target", answer.at_ns);
        away.push(Duration::from_nanos(back - spoken));
    }

    let astray = astray(&clients, began);
    eprintln!("away for {away:?} at most; the source has answered {astray} requests");
    let defended = events(&target, "defended");
    let defended: Vec<_> = defended
        .iter()
        .filter(|event| event["address"] == "10.0.0.10")
        .map(|event| event["at_ns"].as_u64().expect("a time"))
        .collect();
    // RFC 5227 2.4 (c): one announcement in ten seconds. The first is from when the source came back.
    assert!(
        defended
            .windows(2)
            .all(|two| two[1] - two[0] >= 9_900_000_000),
        "{defended:?}"
    );
    assert_eq!(scheduled(), SCHEDULED);
    assert!(away.iter().all(|away| *away < ASTRAY), "{away:?}");
    clients.assert_nothing_lost_since(began);
}

/// The source begins to talk to the client, from the first of its addresses. Returns when.
fn speak(home: &Home) -> u64 {
    home.source.flush_neighbours();
    let at = clock::now_ns();
    home.source.run(|| {
        let socket = UdpSocket::bind(("10.0.0.10", 0)).expect("a socket");
        socket
            .send_to(b"hello", "10.0.0.100:9")
            .expect("a datagram");
    });
    at
}

/// ARP in which this host says that it has the first of the addresses.
fn is_said_by(mac: Mac, frame: &Frame) -> bool {
    frame
        .arp()
        .is_some_and(|arp| arp.sender_mac == mac.0 && arp.sender_ipv4 == [10, 0, 0, 10])
}

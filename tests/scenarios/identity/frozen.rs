//! A source whose userland stands still, the service as well as the daemon, while its kernel goes on.

use std::{net::IpAddr, time::Duration};

use failover_tests::lab::{Capture, clock, service_process::ask_by_tcp};
use rustix::process::Signal;

use super::{
    Home, Versions,
    speaking::{KINDS, pester, question, raw, speaks_for},
    wait_until_elsewhere,
};
use crate::pair::{PATIENCE, PORT, wait_for_state};

/// How long the source's daemon may stand still.
const DEAD_MAN: Duration = Duration::from_millis(300);
/// `misses` and one interval of the heartbeats.
const MISSES: Duration = Duration::from_millis(40);
/// How often the daemon says that it runs: the last time may have been so long before the freeze.
const TICK: Duration = Duration::from_millis(60);
/// Questions of each kind that the source has to be seen to hear and not answer.
const QUESTIONS: usize = 50;

#[test]
fn a_frozen_source_is_taken_over_and_not_one_frame_of_its_identity_leaves_it() {
    frozen(Versions::Four);
}

#[test]
fn a_frozen_source_with_an_ipv6_identity_is_taken_over_and_not_one_frame_of_it_leaves_it() {
    frozen(Versions::Six);
}

fn frozen(versions: Versions) {
    let home = Home::without_service(versions);
    let service = home.service_process();
    let (daemon, target) = home.start("");
    let clients = home.clients();
    let by_tcp = home
        .identity()
        .map(|ip| ask_by_tcp(&home.client, ip, PORT, PATIENCE).expect("an answer"));
    let identity = home.identity();
    let wire = Capture::on_wire(&home.source_nic);
    let socket = raw(&home.client, &home.client_nic);
    let macs = (home.client_nic.mac(), home.source_nic.mac());

    let frozen = clock::now_ns();
    service.signal(Signal::STOP);
    daemon.signal(Signal::STOP);
    let taken = clients.wait_for_answers_by("target", frozen);
    wait_for_state(&target, "web1", "taken-over");
    let since = clock::now_ns();
    let heard = |ip: IpAddr, kind| {
        wire.count(|frame| frame.at_ns > since && question(ip, frame) == Some(kind))
    };
    let pestered = clock::wait_until(PATIENCE, || {
        pester(&socket, macs, home.identity());
        let mut all = identity.iter().flat_map(|ip| KINDS.map(|kind| (*ip, kind)));
        all.all(|(ip, kind)| heard(ip, kind) >= QUESTIONS)
    });
    let sent = wire.frames();
    let sent: Vec<_> = sent
        .iter()
        .filter(|frame| frame.at_ns > since && speaks_for(&identity, frame))
        .collect();

    assert_eq!(by_tcp, ["source", "source"]);
    assert!(pestered, "not every question came to it");
    assert!(sent.is_empty(), "{} frames, {:?}", sent.len(), sent[0]);
    let outage = Duration::from_nanos(taken - frozen);
    let expected = DEAD_MAN + MISSES;
    eprintln!("taken over {outage:?} after the freeze, {expected:?} expected");
    assert!(outage > DEAD_MAN - TICK, "{outage:?}");
    assert!(outage < expected + Duration::from_secs(1), "{outage:?}");

    // Thawed, it finds out before it uses anything.
    service.signal(Signal::CONT);
    daemon.signal(Signal::CONT);
    wait_until_elsewhere(&daemon);
    let thawed = clock::now_ns();
    pester(&socket, macs, home.identity());
    clients.wait_for_answers_by("target", thawed);
    let sent = wire.count(|frame| frame.at_ns > since && speaks_for(&identity, frame));
    assert_eq!(sent, 0, "after the thaw");
    clients.assert_nothing_lost_since(since);
}

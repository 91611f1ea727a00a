//! Whoever holds an address asks every second who else has it, and the source may answer.

use failover_tests::{
    frames::BROADCAST,
    lab::{Capture, Direction, Frame, clock},
};

use crate::{
    identity::{wait_until_elsewhere, wait_until_ours},
    pair::{PATIENCE, Pair, automatic, events, state, wait_for_state},
    six::{self, Six},
    source_side::careful,
};

/// Questions that are answered before it is looked what came of it.
const ANSWERS: usize = 3;

/// The configuration, with announcements that nobody lives to hear.
fn quiet(config: &str) -> String {
    config.replace("on_failure", "announce_every = \"1h\"\non_failure")
}

#[test]
fn a_source_that_is_back_and_answers_for_its_address_claims_nothing() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&quiet(&automatic("10ms", 3)));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let (wire, mac) = (
        Capture::on_wire(&pair.target_nics[0]),
        pair.source_nic.mac(),
    );

    pair.replug(&target);
    let address = "10.0.0.10".parse().expect("an address");
    let answers = || {
        let replies = wire.arp_replies_of(address);
        let by_source = replies.iter().filter(|(_, arp)| arp.sender_mac == mac.0);
        by_source.count()
    };
    let answered = clock::wait_until(PATIENCE, || answers() >= ANSWERS);

    assert!(answered, "{} answers", answers());
    let asked = wire.count(|frame| is_probe(frame));
    let status = target.status();
    assert!(asked >= ANSWERS, "{asked} questions");
    assert_eq!(state(&status, "web1"), "taken-over", "{status:#}");
    assert_eq!(events(&target, "claim"), Vec::<serde_json::Value>::new());
}

fn is_probe(frame: &Frame) -> bool {
    frame.direction == Direction::Out
        && frame.octets.starts_with(&BROADCAST.0)
        && frame
            .arp()
            .is_some_and(|arp| arp.sender_ipv4_addr().is_unspecified())
}

#[test]
fn nor_does_one_with_ipv6_addresses() {
    let six = Six::new();
    let (_source, target) = six.start(&quiet(&six::automatic("10ms", 3)));
    six.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let (wire, mac) = (Capture::on_wire(&six.target_nics[0]), six.source_nic.mac());

    six.replug(&target);
    let address = six::ADDRESSES[0].parse().expect("an address");
    let answers = || {
        let said = wire.discovery_of(address);
        let by_source = said
            .iter()
            .filter(|(_, said)| said.option == Some((2, mac)));
        by_source.count()
    };
    let answered = clock::wait_until(PATIENCE, || answers() >= ANSWERS);

    assert!(answered, "{} answers", answers());
    let told_all = wire
        .discovery_of(address)
        .iter()
        .any(|(frame, said)| frame.direction == Direction::In && said.is_announcement());
    let status = target.status();
    assert!(!told_all, "a question made the source tell everybody");
    assert_eq!(state(&status, "web1"), "taken-over", "{status:#}");
    assert_eq!(events(&target, "claim"), Vec::<serde_json::Value>::new());
}

#[test]
fn a_source_that_has_not_heard_of_the_takeover_is_told_when_it_answers_and_keeps_off() {
    let pair = Pair::new();
    let daemon = failover_tests::lab::Daemon::start(&pair.lab, &pair.source, &careful(""));
    wait_until_ours(&daemon);
    let target = pair.start_target(&quiet(&automatic("10ms", 3)));

    pair.source_nic.cut();
    wait_for_state(&target, "web1", "taken-over");
    let announced = || events(&target, "announced").len();
    assert!(clock::wait_until(PATIENCE, || announced() == 3));
    pair.source_nic.heal();
    wait_until_elsewhere(&daemon);

    let status = target.status();
    assert_eq!(state(&status, "web1"), "taken-over", "{status:#}");
    assert_eq!(events(&target, "claim"), Vec::<serde_json::Value>::new());
}

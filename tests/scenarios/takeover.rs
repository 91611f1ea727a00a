//! A source fails, the target stands in.

use failover_tests::{
    frames,
    lab::{Capture, Client, Stream, clock},
};
use failover_user::net::packet::PacketSocket;

use crate::pair::{PATIENCE, PORT, Pair, automatic, run, source, state, wait_for_state};

#[test]
fn a_pulled_cable_leads_to_a_takeover_of_each_address_on_its_nic() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let first = pair.client("10.0.0.10", 5000);
    let second = pair.client("10.0.0.11", 1000);

    let pulled = pair.source_nic.pull();
    first.wait_for_answer_by("target", pulled);
    second.wait_for_answer_by("target", pulled);

    wait_for_state(&target, "web1", "taken-over");
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    assert!(pair.target_nics[1].has_address("10.0.0.11"));
    let macs = ["10.0.0.10", "10.0.0.11"].map(|address| pair.client.neighbour(address));
    assert_eq!(
        macs,
        [0, 1].map(|nic: usize| Some(pair.target_nics[nic].mac()))
    );
    let status = target.status();
    let latest = &source(&status, "web1")["last_takeover"];
    assert_eq!(latest["cause"], "verdict");
    eprintln!("outage {:?}, {latest}", first.finish().outage());
}

#[test]
fn a_nic_taken_down_on_the_source_leads_to_a_takeover() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.10", 5000);

    let down = pair.source_nic.down();
    client.wait_for_answer_by("target", down);

    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn a_source_that_vanishes_with_everything_on_it_is_taken_over() {
    let pair = Pair::new();
    let (mut daemon, target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.10", 5000);

    daemon.kill9();
    let gone = pair.source_nic.remove();
    client.wait_for_answer_by("target", gone);

    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn replies_from_a_taken_over_address_leave_by_its_nic() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let client = pair.client("10.0.0.11", 1000);

    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    let wires = [0, 1].map(|nic: usize| Capture::on_wire(&pair.target_nics[nic]));
    let answers = |wire: usize| {
        wires[wire].count(|frame| frame.udp().is_some_and(|(from, _, _)| from == PORT))
    };
    let from = client.report().answered();
    clock::wait_until(PATIENCE, || client.report().answered() > from + 200);

    assert!(answers(1) > 100, "{} replies by ens2", answers(1));
    assert_eq!(answers(0), 0, "replies by ens1");
}

#[test]
fn traffic_of_the_target_itself_is_untouched_by_a_takeover() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let stream = Stream::start(&pair.client, &pair.target, "10.0.0.2:9000");
    let client = pair.client("10.0.0.10", 5000);

    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    let during = stream.echoed();
    clock::wait_until(PATIENCE, || stream.echoed() > during + 100);
    pair.source_nic.replug();
    run(&target, &["failback", "web1", "--yes"], 0);
    wait_for_state(&target, "web1", "healthy");
    let report = stream.finish();

    assert_eq!((report.broken, report.retransmits), (None, 0));
    eprintln!(
        "{} blocks, longest stall {:?}",
        report.blocks, report.longest_stall
    );
}

#[test]
fn nothing_is_taken_over_while_the_source_answers() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    target.wait_for(PATIENCE, "2,000 heartbeats", |status| {
        source(status, "web1")["paths"][0]["received"].as_u64() > Some(2000)
    });

    let status = target.status();
    assert_eq!(state(&status, "web1"), "healthy", "{status:#}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn our_own_dead_link_is_no_failure_of_the_source() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    pair.target_nics[0].pull();
    wait_for_state(&target, "web1", "isolated");
    let isolated = target.status();
    pair.target_nics[0].replug();
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(
        source(&isolated, "web1")["paths"][0]["heartbeat"],
        "isolated"
    );
    assert!(!pair.target_nics[1].has_address("10.0.0.11"));
}

fn asking() -> String {
    automatic("1ms", 3).replace("\"automatic\"", "\"ask\"")
}

#[test]
fn ask_waits_for_the_administrators_approval() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&asking());
    let client = pair.client("10.0.0.10", 1000);

    let pulled = pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");
    let asked = run(&target, &["status"], 0);
    run(&target, &["approve", "web1"], 0);
    client.wait_for_answer_by("target", pulled);

    assert!(asked.contains("failover approve web1"), "{asked}");
    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn a_declined_source_is_left_alone_until_it_answers_again() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&asking());

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");
    run(&target, &["decline", "web1"], 0);
    let declined = target.status();
    pair.source_nic.replug();

    assert_eq!(state(&declined, "web1"), "failed");
    wait_for_state(&target, "web1", "healthy");
}

#[test]
fn the_prompt_is_withdrawn_when_the_source_answers_again() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&asking());

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");
    pair.source_nic.replug();
    wait_for_state(&target, "web1", "healthy");

    let refused = run(&target, &["approve", "web1"], 4);
    assert!(refused.contains("web1"), "{refused}");
}

#[test]
fn only_the_chosen_nic_answers_for_a_held_address() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let wires = [0, 1].map(|nic: usize| Capture::on_wire(&pair.target_nics[nic]));
    let client = Client::start(&pair.client, "10.0.0.11:7000", 100);
    client.wait_for_answer_by("target", 0);

    for _ in 0..5 {
        pair.client.flush_neighbours();
        let flushed = clock::now_ns();
        client.wait_for_answer_by("target", flushed);
    }

    let address = "10.0.0.11".parse().expect("an address");
    let [first, second] = wires.map(|wire| wire.arp_replies_of(address));
    assert_eq!(first.len(), 0, "{first:?}");
    assert!(second.len() >= 5, "{second:?}");
}

#[test]
fn a_host_that_claims_a_held_address_is_counted_and_logged() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    pair.source_nic.replug();
    let address = "10.0.0.10".parse().expect("an address");
    let claim = frames::arp_announcement(pair.source_nic.mac(), address);
    pair.source.run(|| {
        let socket = PacketSocket::open(pair.source_nic.index(), 1).expect("a packet socket");
        socket.send(&claim).expect("a frame");
    });

    target.wait_for(PATIENCE, "the claim to be counted", |status| {
        status["counters"]["pass_conflict"].as_u64() > Some(0)
    });
    let logged = clock::wait_until(PATIENCE, || {
        target
            .log()
            .contains("10.0.0.10, which is held here, is claimed by")
    });
    assert!(logged, "{}", target.log());
}

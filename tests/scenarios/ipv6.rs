//! A source fails and comes back in a network that speaks IPv6.

use std::net::Ipv6Addr;

use failover_tests::lab::{Capture, Client, Direction, Host, clock};

use crate::{
    pair::{PATIENCE, PORT, Pair, run, source, wait_for_state},
    six::{ADDRESSES, Six, automatic, wait_for_heartbeats},
};

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// Whether a NIC has an address as it is held: single, and usable.
fn holds(host: &Host, nic: &str, address: &str) -> bool {
    host.ipv6_addresses(nic)
        .iter()
        .any(|held| (held.ip, held.prefix, held.tentative) == (ip(address), 128, false))
}

#[test]
fn a_pulled_cable_leads_to_a_takeover_of_each_address_on_its_nic_at_once() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    let clients = ADDRESSES.map(|address| six.client(address, 1000));
    let wires = [0, 1].map(|nic: usize| Capture::on_wire(&six.target_nics[nic]));

    let pulled = six.source_nic.pull();
    for client in &clients {
        client.wait_for_answer_by("target", pulled);
    }
    wait_for_state(&target, "web1", "taken-over");

    for ((address, nic), wire) in ADDRESSES.iter().zip(&six.target_nics).zip(&wires) {
        assert!(holds(&six.target, nic.name(), address), "{address}");
        assert_eq!(six.client.neighbour(address), Some(nic.mac()));
        let said = wire.discovery_of(ip(address));
        let mut announced = said
            .iter()
            .filter(|(frame, said)| frame.direction == Direction::Out && said.is_announcement());
        let (_, first) = announced.next().expect("an announcement");
        // RFC 4861 7.2.6: S clear, O set; R clear on a host that does not forward.
        assert_eq!(first.flags, 0x20);
        assert_eq!((first.source, first.hop_limit), (ip(address), 255));
        assert_eq!(first.destination, ip("ff02::1"));
        assert_eq!(first.option, Some((2, nic.mac())));
    }
    let outages: Vec<_> = clients
        .into_iter()
        .map(|client| client.finish().outage())
        .collect();
    let status = target.status();
    let latest = &source(&status, "web1")["last_takeover"];
    assert_eq!(latest["cause"], "verdict");
    eprintln!("outages {outages:?}, {latest}");
    // Duplicate address detection would take a second and more.
    assert!(outages.iter().all(|outage| outage.as_millis() < 500));
}

#[test]
fn a_neighbour_that_knows_nothing_of_it_is_answered_with_the_chosen_nics_mac() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    let third = six.plug_third("fd00:0:0:1::9/64");
    six.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    for (address, nic) in ADDRESSES.iter().zip(&six.target_nics) {
        let since = clock::now_ns();
        let wires = [0, 1].map(|nic: usize| Capture::on_wire(&six.target_nics[nic]));
        let client = Client::start(third.host(), &format!("[{address}]:{PORT}"), 100);
        client.wait_for_answer_by("target", since);

        assert_eq!(third.host().neighbour(address), Some(nic.mac()));
        for (wire, own) in wires.iter().zip(&six.target_nics) {
            let solicited = wire
                .discovery_of(ip(address))
                .into_iter()
                .filter(|(_, said)| {
                    said.kind == failover_tests::lab::discovery::ADVERTISEMENT
                        && said.flags & 0x40 != 0
                });
            let macs: Vec<_> = solicited
                .filter(|(frame, _)| frame.direction == Direction::Out)
                .filter_map(|(_, said)| Some(said.option?.1))
                .collect();
            // The answer to a solicitation that was not multicast may do without the option.
            assert!(macs.iter().all(|mac| *mac == nic.mac()), "{macs:?}");
            assert!(own.mac() == nic.mac() || macs.is_empty(), "{macs:?}");
        }
    }
}

#[test]
fn a_planned_failback_loses_no_request() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    let client = six.client(ADDRESSES[0], 5000);
    let second = six.client(ADDRESSES[1], 1000);
    let pulled = six.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    second.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    six.replug(&target);
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    second.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    for report in [client.finish(), second.finish()] {
        assert_eq!(
            report.lost_between(begun, u64::MAX),
            0,
            "{:?}",
            report.timeline()
        );
        assert!(report.answered_by("source") > 0 && report.answered_by("target") > 0);
    }
    for nic in &six.target_nics {
        let held = six.target.ipv6_addresses(nic.name());
        assert!(held.iter().all(|held| held.prefix == 64), "{held:?}");
    }
}

#[test]
fn a_planned_switchover_and_its_failback_lose_no_request() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    let client = six.client(ADDRESSES[0], 5000);

    let begun = clock::now_ns();
    run(&target, &["takeover", "web1", "--yes"], 0);
    client.wait_for_answer_by("target", begun);
    let back = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", back);
    wait_for_state(&target, "web1", "healthy");

    let report = client.finish();
    assert_eq!(report.lost(), 0, "{:?}", report.timeline());
}

#[test]
fn a_source_without_our_software_is_watched_by_echo_taken_over_and_gets_its_addresses_back() {
    let six = Six::new();
    let config = automatic("10ms", 3).replace("misses", "probe = \"icmp\"\nmisses");
    let target = six.start_target(&config);
    let client = six.client(ADDRESSES[0], 1000);

    let pulled = six.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    six.replug(&target);
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
fn a_source_can_be_watched_at_its_link_local_address() {
    let six = Six::new();
    six.source_nic.add_address("fe80::10/64");
    let config =
        automatic("10ms", 3).replace("monitor = \"fd00:0:0:1::10\"", "monitor = \"fe80::10\"");
    let (_source, target) = six.start(&config);
    let client = six.client(ADDRESSES[0], 1000);

    let pulled = six.source_nic.pull();
    client.wait_for_answer_by("target", pulled);

    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn addresses_of_both_versions_are_taken_over_and_given_back_together() {
    let pair = Pair::new();
    for host in [&pair.client, &pair.source, &pair.target] {
        host.ipv6();
    }
    let client_nic = pair
        .lab
        .plug(&pair.client, "ens2", &pair.switch, "fd00:0:0:1::100/64");
    pair.source_nic.add_address("fd00:0:0:1::10/64");
    pair.target_nics[1].add_address("fd00:0:0:1::3/64");
    let _services = [&pair.source, &pair.target]
        .map(|host| failover_tests::lab::Service::start(host, PORT, &["fd00:0:0:1::10"]));
    let config = crate::pair::automatic("10ms", 3).replace(
        "\"10.0.0.10/24\",",
        "\"10.0.0.10/24\", { ip = \"fd00:0:0:1::10/64\", target_nic = \"ens2\" },",
    );
    let (_source, target) = pair.start(&config);
    let four = pair.client("10.0.0.10", 1000);
    let six = Client::start(&pair.client, &format!("[fd00:0:0:1::10]:{PORT}"), 1000);
    six.wait_for_answer_by("source", 0);

    let pulled = pair.source_nic.pull();
    four.wait_for_answer_by("target", pulled);
    six.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    pair.replug(&target);
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    four.wait_for_answer_by("source", begun);
    six.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    drop(client_nic);
    for report in [four.finish(), six.finish()] {
        assert_eq!(
            report.lost_between(begun, u64::MAX),
            0,
            "{:?}",
            report.timeline()
        );
    }
}

#[test]
fn a_killed_daemon_leaves_the_addresses_served_and_the_next_one_takes_no_second_one() {
    let six = Six::new();
    let (_source, mut target) = six.start(&automatic("10ms", 3));
    let client = six.client(ADDRESSES[0], 1000);
    let pulled = six.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    let held = || six.target.ipv6_addresses("ens1").len();
    let before = held();

    let killed = clock::now_ns();
    target.kill9();
    target.restart();
    wait_for_state(&target, "web1", "taken-over");
    client.wait_for_answer_by("target", clock::now_ns());

    assert_eq!(held(), before);
    let report = client.finish();
    assert_eq!(
        report.lost_between(killed, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
    run(&target, &["stop", "--release"], 0);
    target.wait_for_end();
    assert!(!holds(&six.target, "ens1", ADDRESSES[0]));
    assert!(
        !six.target
            .ipv6_groups("ens1")
            .contains(&failover_tests::frames6::solicited_node(ip(ADDRESSES[0])))
    );
}

#[test]
fn a_nic_that_is_switched_off_and_on_gets_its_addresses_again() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    let client = six.client(ADDRESSES[1], 1000);
    let pulled = six.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    // The kernel takes IPv6 addresses from a NIC that is switched off.
    six.target_nics[1].down();
    let gone = clock::wait_until(PATIENCE, || !holds(&six.target, "ens2", ADDRESSES[1]));
    six.target_nics[1].up();
    let up = clock::now_ns();

    client.wait_for_answer_by("target", up);
    assert!(gone && holds(&six.target, "ens2", ADDRESSES[1]));
    six.source_nic.replug();
    wait_for_heartbeats(&target);
}

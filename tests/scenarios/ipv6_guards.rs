//! What is asked by neighbour discovery before a source counts as failed, and who else has or claims its addresses.

use std::net::Ipv6Addr;

use failover_tests::{
    frames6::{ALL_NODES, ALL_NODES_MAC, Flow6, advertisement, target_option},
    lab::{Capture, Direction, Frame, clock},
};
use failover_user::net::packet::PacketSocket;

use crate::{
    pair::{PATIENCE, events, run, wait_for_event, wait_for_state},
    six::{ADDRESSES, Six, automatic},
};

fn first() -> Ipv6Addr {
    ADDRESSES[0].parse().expect("an address")
}

#[test]
fn each_address_is_probed_for_once_when_the_source_falls_silent() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    let wires = [0, 1].map(|nic: usize| Capture::on_wire(&six.target_nics[nic]));

    six.source_nic.pull();
    let heard = wait_for_event(&target, "heard");

    assert_eq!(heard["finding"], "silent");
    for (wire, address) in wires.iter().zip(ADDRESSES) {
        let address: Ipv6Addr = address.parse().expect("an address");
        let probe = |frame: &Frame| {
            frame
                .discovery()
                .is_some_and(|said| said.is_probe() && said.target == address)
        };
        wire.wait_for(PATIENCE, "a probe", probe);
        assert_eq!(wire.count(|frame| probe(frame)), 1);
        let (_, said) = wire.discovery_of(address)[0];
        assert_eq!((said.hop_limit, said.option), (255, None));
    }
}

#[test]
fn a_source_whose_reflector_has_ended_is_found_alive() {
    let six = Six::new();
    let config = automatic("10ms", 3).replace("\"automatic\"", "\"ask\"");
    let (source, target) = six.start(&config);

    run(&source, &["stop", "--release"], 0);
    run(&source, &["unload"], 0);
    let heard = wait_for_event(&target, "heard");

    assert_eq!(heard["finding"], "source", "{heard}");
    assert!(!six.target_nics[0].has_address(ADDRESSES[0]));
}

#[test]
fn a_source_that_starts_again_while_it_is_asked_about_keeps_its_addresses() {
    let six = Six::new();
    six.source.detect_duplicates("ens1");
    let config = automatic("10ms", 3).replace("\"automatic\"", "\"ask\"");
    let (_source, target) = six.start(&config);
    six.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");

    // Its addresses come as on a host that boots: one second of duplicate address detection, in which it is asked for.
    for address in ADDRESSES {
        six.source_nic.remove_address(address);
    }
    six.source_nic.replug();
    for address in ADDRESSES {
        six.source_nic.add_address(&format!("{address}/64"));
    }
    let settled = clock::wait_until(PATIENCE, || {
        six.source
            .ipv6_addresses("ens1")
            .iter()
            .all(|address| !address.tentative)
    });

    assert!(settled, "{:?}", six.source.ipv6_addresses("ens1"));
    wait_for_state(&target, "web1", "healthy");
}

#[test]
fn a_source_that_starts_again_while_its_addresses_are_held_is_told_so_and_disturbs_nobody() {
    let six = Six::new();
    six.source.detect_duplicates("ens1");
    let (_source, target) = six.start(&automatic("10ms", 3));
    let client = six.client(ADDRESSES[0], 1000);
    let pulled = six.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    six.source_nic.remove_address(ADDRESSES[0]);
    six.source_nic.replug();
    let back = clock::now_ns();
    six.source_nic.add_address(&format!("{}/64", ADDRESSES[0]));
    // RFC 4862 5.4.3, 5.4.5: the question is answered, and the source does not use the address.
    let told = clock::wait_until(PATIENCE, || {
        let addresses = six.source.ipv6_addresses("ens1");
        addresses
            .iter()
            .any(|address| address.ip == first() && address.duplicate)
    });

    assert!(told, "{:?}", six.source.ipv6_addresses("ens1"));
    let report = client.finish();
    assert_eq!(
        report.lost_between(back, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn what_another_host_has_is_taken_over_when_it_is_unplugged() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    let third = six.plug_third("fd00:0:0:1::9/64");
    third.add_address(&format!("{}/128", ADDRESSES[0]));

    six.source_nic.cut();
    wait_for_state(&target, "web1", "held-elsewhere");
    let heard = wait_for_event(&target, "heard");
    let held = six.target_nics[0].has_address(ADDRESSES[0]);
    third.pull();

    wait_for_state(&target, "web1", "taken-over");
    assert_eq!(heard["finding"], "other", "{heard}");
    assert_eq!(heard["mac"], third.mac().to_string());
    assert!(!held);
}

#[test]
fn a_strangers_claim_is_a_conflict_and_is_defended_by_an_advertisement() {
    let six = Six::new();
    let stranger = six.plug_third("fd00:0:0:1::9/64");
    let (_source, target) = six.start(&automatic("10ms", 3));
    six.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let wire = Capture::on_wire(&six.target_nics[0]);

    let at = clock::now_ns();
    let flow = Flow6 {
        from_mac: stranger.mac(),
        to_mac: ALL_NODES_MAC,
        from: first(),
        to: ALL_NODES,
        hops: 255,
    };
    let claim = advertisement(&flow, 0x20, first(), &target_option(stranger.mac()));
    stranger.host().run(|| {
        let socket = PacketSocket::open(stranger.index(), 1).expect("a packet socket");
        let noticed = clock::wait_until(PATIENCE, || {
            socket.send(&claim).expect("a claim");
            !events(&target, "claim").is_empty()
        });
        assert!(noticed, "{}", target.log());
    });
    wait_for_event(&target, "defended");

    let mine = six.target_nics[0].mac();
    wire.wait_for(PATIENCE, "the defence", |frame| {
        frame.direction == Direction::Out
            && frame.at_ns > at
            && frame.discovery().is_some_and(|said| {
                said.is_announcement() && (said.target, said.option) == (first(), Some((2, mine)))
            })
    });
    assert!(six.target_nics[0].has_address(ADDRESSES[0]));
}

#[test]
fn when_the_witness_falls_silent_too_we_are_the_isolated_one() {
    for probe in ["icmp", "nd"] {
        let six = Six::new();
        let _witness = six.plug_third("fd00:0:0:1::1/64");
        let config = format!(
            "[[witness]]\nnic = \"ens1\"\naddress = \"fd00:0:0:1::1\"\nprobe = \"{probe}\"\n{}",
            automatic("10ms", 3)
        );
        let (_source, target) = six.start(&config);
        let answers = wait_for_event(&target, "witness");
        assert_eq!(answers["answers"], true, "{probe}");

        six.target_nics[0].cut();
        wait_for_state(&target, "web1", "isolated");
        let kept = !six.target_nics[1].has_address(ADDRESSES[1]);
        six.target_nics[0].heal();

        wait_for_state(&target, "web1", "healthy");
        assert!(kept, "{probe}");
        assert!(events(&target, "takeover").is_empty());
    }
}

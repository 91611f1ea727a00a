//! What the program notes of neighbour discovery about addresses that are listened for, and what user space is told of
//! conflicts.

use std::net::Ipv6Addr;

use failover_ebpf::abi::Heard;
use failover_tests::{
    edits::with,
    frames6::{
        ALL_NODES, ALL_NODES_MAC, Flow6, advertisement, at, flag, group_mac, solicitation,
        solicited_node, source_option, target_option,
    },
    lab::Mac,
};

use crate::{
    harness::bench,
    heard::{Noted, SLOT, check, listening},
    scene::{CHOSEN_MAC, CLIENT_MAC, OTHER_MAC, OUT_MAC, Port, SOURCE_MAC, drain, local},
    scene6::{ALSO_HELD, CLIENT, HELD, HOST, STRANGE},
};

const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

fn to_all(from_mac: Mac, from: Ipv6Addr) -> Flow6 {
    Flow6 {
        from_mac,
        to_mac: ALL_NODES_MAC,
        from,
        to: ALL_NODES,
        hops: 255,
    }
}

fn to_group_of(target: Ipv6Addr, from_mac: Mac, from: Ipv6Addr) -> Flow6 {
    let group = solicited_node(target);

    Flow6 {
        to: group,
        to_mac: group_mac(group),
        ..to_all(from_mac, from)
    }
}

/// A host says that it has an address.
fn announcement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    advertisement(
        &to_all(mac, address),
        flag::OVERRIDE,
        address,
        &target_option(mac),
    )
}

fn probe(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    solicitation(&to_group_of(address, mac, NOBODY), address, &[])
}

#[test]
fn whoever_advertises_an_address_or_asks_from_it_is_noted_as_having_it() {
    let has = Noted::Claimed(OTHER_MAC);
    let to_us = Flow6 {
        to: HOST,
        to_mac: CHOSEN_MAC,
        ..to_all(OTHER_MAC, STRANGE)
    };
    let reply = || advertisement(&to_us, flag::SOLICITED, STRANGE, &target_option(OTHER_MAC));
    let asks =
        |options: &[u8]| solicitation(&to_group_of(CLIENT, OTHER_MAC, STRANGE), CLIENT, options);

    check(&[
        ("a reply to us", has, Port::Chosen, reply()),
        ("on another NIC", has, Port::Out, reply()),
        (
            "on a NIC that is not managed",
            has,
            Port::Unmanaged,
            reply(),
        ),
        (
            "an announcement",
            has,
            Port::Chosen,
            announcement(OTHER_MAC, STRANGE),
        ),
        (
            "an advertisement without the MAC: the frame has it",
            has,
            Port::Chosen,
            advertisement(&to_us, flag::SOLICITED, STRANGE, &[]),
        ),
        (
            "an advertisement whose frame says another sender",
            has,
            Port::Chosen,
            with(reply(), 6, &CLIENT_MAC.0),
        ),
        (
            "a question that is sent with the address",
            has,
            Port::Chosen,
            asks(&source_option(OTHER_MAC)),
        ),
        (
            "a question that is sent with the address, without the MAC",
            has,
            Port::Chosen,
            asks(&[]),
        ),
    ]);
}

#[test]
fn whoever_asks_for_an_address_from_none_is_noted_as_wanting_it() {
    let wants = Noted::Probed(OTHER_MAC);

    check(&[
        ("a probe", wants, Port::Chosen, probe(OTHER_MAC, STRANGE)),
        (
            "on another NIC",
            wants,
            Port::Out,
            probe(OTHER_MAC, STRANGE),
        ),
    ]);
}

#[test]
fn what_says_nothing_of_an_address_is_not_noted() {
    let mut rows = vec![
        (
            "our own announcement, come back",
            announcement(CHOSEN_MAC, STRANGE),
        ),
        ("from another NIC of ours", announcement(OUT_MAC, STRANGE)),
        ("our own probe, come back", probe(CHOSEN_MAC, STRANGE)),
        (
            "a question for the address",
            solicitation(
                &to_group_of(STRANGE, CLIENT_MAC, CLIENT),
                STRANGE,
                &source_option(CLIENT_MAC),
            ),
        ),
        (
            "an address that is not listened for",
            announcement(OTHER_MAC, ALSO_HELD),
        ),
        (
            "an announcement from beyond a router",
            with(announcement(OTHER_MAC, STRANGE), at::HOP_LIMIT, &[254]),
        ),
        (
            "an announcement with a wrong checksum",
            with(announcement(OTHER_MAC, STRANGE), at::ICMP_CHECKSUM, &[1, 2]),
        ),
    ];
    let whole = announcement(OTHER_MAC, STRANGE);
    for length in 14..whole.len() {
        rows.push(("cut short", whole[..length].to_vec()));
    }

    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, frame)| (name, Noted::Nobody, Port::Chosen, frame))
        .collect();
    check(&rows);
}

#[test]
fn a_probe_for_a_held_address_is_noted_although_it_is_answered() {
    bench(|bench| {
        listening(bench);
        bench.hold6(local(bench.index(Port::Chosen)));

        let outcome = bench.run(Port::Chosen, &probe(OTHER_MAC, HELD));

        let answer = announcement(CHOSEN_MAC, HELD);
        assert_eq!(outcome.output, answer);
        assert_eq!(bench.heard.get(SLOT + 1).probed_by, OTHER_MAC.0);
    });
}

#[test]
fn a_conflict_about_an_ipv6_address_is_told_with_address_mac_and_nic() {
    bench(|bench| {
        listening(bench);
        bench.hold6(local(bench.index(Port::Chosen)));

        bench.run(Port::Out, &announcement(OTHER_MAC, HELD));

        let claims = bench.claims();
        let nic = bench.index(Port::Out).to_ne_bytes();
        let wanted = [
            &HELD.octets()[..],
            &OTHER_MAC.0,
            &[0, 0],
            &nic,
            &[0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0][8..], wanted);
    });
}

#[test]
fn the_source_is_heard_by_advertisement_while_its_address_goes_back_and_that_is_no_conflict() {
    bench(|bench| {
        listening(bench);
        bench.hold6(drain(bench.index(Port::Chosen)));

        bench.run(Port::Chosen, &announcement(SOURCE_MAC, HELD));

        let heard = bench.heard.get(SLOT + 1);
        assert_eq!(heard.claimed_by, SOURCE_MAC.0);
        assert_eq!(heard.told_ns, Heard::default().told_ns);
        assert_eq!(bench.claims(), Vec::<Vec<u8>>::new());
    });
}

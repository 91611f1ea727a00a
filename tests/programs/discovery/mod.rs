//! Neighbour discovery about held addresses: answered on the chosen NIC and on no other.

mod answered;
mod claimed;
mod invalid;

use std::net::Ipv6Addr;

use failover_ebpf::verdict::Verdict;
use failover_tests::frames6::{
    ALL_NODES, ALL_NODES_MAC, Flow6, advertisement, flag, group_mac, solicitation, solicited_node,
    source_option, target_option,
};
use failover_tests::lab::Mac;

use crate::harness::Bench;
use crate::row::{Row, check};
use crate::scene::{CHOSEN_MAC, CLIENT_MAC, Port, SOURCE_MAC, drain, forward, local};
use crate::scene6::{CLIENT, HELD};

/// A nonce (RFC 7527 2.3), which Linux puts into its probes.
const NONCE: [u8; 8] = [14, 1, 1, 2, 3, 4, 5, 6];

fn held(bench: &mut Bench) {
    bench.hold6(local(bench.index(Port::Chosen)));
}

fn forwarded(bench: &mut Bench) {
    bench.hold6(forward(bench.index(Port::Chosen), bench.index(Port::Out)));
}

fn draining(bench: &mut Bench) {
    bench.hold6(drain(bench.index(Port::Chosen)));
}

/// From a host to the group of the held address.
fn asking(from_mac: Mac, from: Ipv6Addr) -> Flow6 {
    let group = solicited_node(HELD);

    Flow6 {
        from_mac,
        to_mac: group_mac(group),
        from,
        to: group,
        hops: 255,
    }
}

/// The client's question to us alone, as it verifies its entry.
fn verifying(to_mac: Mac) -> Flow6 {
    Flow6 {
        to_mac,
        to: HELD,
        ..asking(CLIENT_MAC, CLIENT)
    }
}

/// Who has the held address?
pub(crate) fn question() -> Vec<u8> {
    solicitation(
        &asking(CLIENT_MAC, CLIENT),
        HELD,
        &source_option(CLIENT_MAC),
    )
}

/// The same without the sender's MAC.
pub(crate) fn short_question() -> Vec<u8> {
    solicitation(&asking(CLIENT_MAC, CLIENT), HELD, &[])
}

/// The same with a nonce in front of it.
pub(crate) fn long_question() -> Vec<u8> {
    let options = [&NONCE[..], &source_option(CLIENT_MAC)].concat();

    solicitation(&asking(CLIENT_MAC, CLIENT), HELD, &options)
}

/// The chosen NIC has it.
fn answer_to(to_mac: Mac, to: Ipv6Addr) -> Vec<u8> {
    let flow = Flow6 {
        from_mac: CHOSEN_MAC,
        to_mac,
        from: HELD,
        to,
        hops: 255,
    };
    let flags = flag::SOLICITED | flag::OVERRIDE;

    advertisement(&flow, flags, HELD, &target_option(CHOSEN_MAC))
}

pub(crate) fn answer() -> Vec<u8> {
    answer_to(CLIENT_MAC, CLIENT)
}

/// To whoever has no address yet: not solicited, to all nodes (RFC 4861 7.2.4).
fn answer_to_all() -> Vec<u8> {
    let flow = Flow6 {
        from_mac: CHOSEN_MAC,
        to_mac: ALL_NODES_MAC,
        from: HELD,
        to: ALL_NODES,
        hops: 255,
    };

    advertisement(&flow, flag::OVERRIDE, HELD, &target_option(CHOSEN_MAC))
}

/// A probe (RFC 4862 5.4.2).
fn probe(options: &[u8]) -> Vec<u8> {
    solicitation(&asking(SOURCE_MAC, Ipv6Addr::UNSPECIFIED), HELD, options)
}

/// A host tells everybody that it has the held address.
fn announcement(mac: Mac) -> Vec<u8> {
    let flow = Flow6 {
        from_mac: mac,
        to_mac: ALL_NODES_MAC,
        from: HELD,
        to: ALL_NODES,
        hops: 255,
    };

    advertisement(&flow, flag::OVERRIDE, HELD, &target_option(mac))
}

/// The client says where it is, to the held address.
fn reply_to_held() -> Vec<u8> {
    let flags = flag::SOLICITED | flag::OVERRIDE;

    advertisement(
        &verifying(CHOSEN_MAC),
        flags,
        CLIENT,
        &target_option(CLIENT_MAC),
    )
}

fn answered(name: &'static str, question: Vec<u8>, answer: Vec<u8>) -> Row {
    Row::transmit(name, question, Verdict::NdAnswered, answer).given(held)
}

fn conflict(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassConflict).given(held)
}

fn unrelated(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassUnrelated).given(held)
}

fn elsewhere(name: &'static str, frame: Vec<u8>) -> Row {
    Row::drop(name, frame, Verdict::NdWrongNic)
        .given(held)
        .on(Port::Out)
}

fn discarded(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassBadNd).given(held)
}

pub(crate) fn rows() -> Vec<Row> {
    [
        answered::answers(),
        answered::not_answered(),
        invalid::questions(),
        invalid::answers(),
        claimed::claims(),
        claimed::goes_back(),
    ]
    .concat()
}

#[test]
fn neighbour_discovery_for_held_addresses_is_answered_on_the_chosen_nic_only() {
    check(&rows());
}

//! ARP about held addresses: answered on the chosen NIC and on no other.

use std::net::Ipv4Addr;

use etherparse::ArpOperation;
use failover_ebpf::{abi::Held, verdict::Verdict};
use failover_tests::{
    edits::{L3, at, with, with_trailer},
    frames::{arp, arp_announcement, arp_reply, arp_request, gratuitous_arp_reply},
    lab::Mac,
};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{
        CHOSEN_MAC, CLIENT, CLIENT_MAC, HELD, HOST, NO_MAC, OTHER_MAC, OUT_MAC, Port, SOURCE_MAC,
        STANDBY_MAC, STRANGE, forward, local,
    },
};

/// Who sends an ARP probe, and so whom it is answered to.
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn held(bench: &mut Bench) {
    bench.hold(local(bench.index(Port::Chosen)));
}

fn forwarded(bench: &mut Bench) {
    bench.hold(forward(bench.index(Port::Chosen), bench.index(Port::Out)));
}

/// Who has the held address?
fn request() -> Vec<u8> {
    arp_request(CLIENT_MAC, CLIENT, HELD)
}

/// The same, to whom the client believes to have it.
fn unicast_request(to: Mac) -> Vec<u8> {
    with(request(), at::ETH_DST, &to.0)
}

/// The chosen NIC has it.
fn answer() -> Vec<u8> {
    arp_reply(Port::Chosen.mac(), HELD, CLIENT_MAC, CLIENT)
}

fn answered(name: &'static str, request: Vec<u8>, answer: Vec<u8>) -> Row {
    Row::transmit(name, request, Verdict::ArpAnswered, answer).given(held)
}

fn conflict(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassConflict).given(held)
}

fn unrelated(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassUnrelated).given(held)
}

fn elsewhere(name: &'static str, frame: Vec<u8>) -> Row {
    Row::drop(name, frame, Verdict::ArpWrongNic)
        .given(held)
        .on(Port::Out)
}

pub(crate) fn rows() -> Vec<Row> {
    [answers(), others(), claims(), own_claims()].concat()
}

fn answers() -> Vec<Row> {
    let to_all = ArpOperation::REQUEST;
    let nobody = "0.0.0.0".parse().unwrap();

    vec![
        answered("a request on the chosen NIC", request(), answer()),
        answered(
            "a request as long as Ethernet demands",
            with_trailer(request(), 18),
            with_trailer(answer(), 18),
        ),
        answered(
            "a request to us alone, as a client verifies its entry",
            unicast_request(Port::Chosen.mac()),
            answer(),
        ),
        answered(
            "a request to the source, from before the takeover",
            unicast_request(SOURCE_MAC),
            answer(),
        ),
        answered(
            "a probe, which would find the address free otherwise",
            arp_request(SOURCE_MAC, nobody, HELD),
            arp_reply(Port::Chosen.mac(), HELD, SOURCE_MAC, nobody),
        ),
        answered("an address that is forwarded", request(), answer()).given(forwarded),
        elsewhere(
            "an announcement with the MAC of the NIC that it comes back by: no conflict",
            arp_announcement(OUT_MAC, HELD),
        ),
        elsewhere("a request on another NIC", request()),
        elsewhere(
            "a request to the other NIC alone",
            unicast_request(Port::Out.mac()),
        ),
        elsewhere("an address that is forwarded by this NIC", request()).given(forwarded),
        elsewhere(
            "our own announcement, come back by another NIC",
            arp_announcement(Port::Chosen.mac(), HELD),
        ),
        unrelated("a NIC that is not managed", request()).on(Port::Unmanaged),
        unrelated(
            "an address that is not held",
            arp_request(CLIENT_MAC, CLIENT, STRANGE),
        ),
        unrelated(
            "a request of ours",
            arp(
                CLIENT_MAC,
                to_all,
                (Port::Chosen.mac(), HELD),
                (NO_MAC, CLIENT),
            ),
        ),
    ]
}

fn others() -> Vec<Row> {
    vec![
        unrelated(
            "a reply to a request that we made with the held address",
            arp_reply(CLIENT_MAC, CLIENT, Port::Chosen.mac(), HELD),
        ),
        unrelated(
            "a reply to a request of the kernel's",
            arp_reply(CLIENT_MAC, CLIENT, Port::Chosen.mac(), HOST),
        ),
        unrelated(
            "our own gratuitous reply, come back",
            gratuitous_arp_reply(Port::Chosen.mac(), HELD),
        )
        .on(Port::Out),
        Row::pass(
            "ARP for something else than Ethernet",
            with(request(), L3, &[0, 6]),
            Verdict::PassNotIp,
        )
        .given(held),
        Row::pass(
            "ARP for something else than IPv4",
            with(request(), L3 + 2, &[0x86, 0xdd]),
            Verdict::PassNotIp,
        )
        .given(held),
        Row::pass(
            "ARP with addresses of another length",
            with(request(), L3 + 4, &[8]),
            Verdict::PassNotIp,
        )
        .given(held),
        Row::pass(
            "ARP without its last octet",
            request()[..41].to_vec(),
            Verdict::PassTruncated,
        )
        .given(held),
        unrelated("RARP for the held address", {
            arp(
                CLIENT_MAC,
                ArpOperation(3),
                (CLIENT_MAC, CLIENT),
                (NO_MAC, HELD),
            )
        }),
    ]
}

/// This host's kernel may ask or announce with any of its addresses from any of its NICs: no conflict.
fn own_claims() -> Vec<Row> {
    const THIRD: Port = Port::Unmanaged;

    fn third(bench: &mut Bench) {
        held(bench);
        bench.manage(THIRD, |_| {});
    }

    vec![
        unrelated(
            "a gratuitous reply of a third NIC of ours",
            gratuitous_arp_reply(THIRD.mac(), HELD),
        )
        .given(third),
        unrelated(
            "a request that a third NIC of ours sends with the address",
            arp_request(THIRD.mac(), HELD, STRANGE),
        )
        .given(third),
        elsewhere(
            "an announcement of a third NIC of ours",
            arp_announcement(THIRD.mac(), HELD),
        )
        .given(third),
        unrelated(
            "a gratuitous reply of one of two NICs with one MAC, when the other is gone",
            gratuitous_arp_reply(CHOSEN_MAC, HELD),
        )
        .given(|bench| {
            bench.hold(Held {
                nic_mac: OTHER_MAC.0,
                ..local(bench.index(Port::Chosen))
            });
            bench.manage(THIRD, |nic| nic.mac = CHOSEN_MAC.0);
            let managed = [Port::Chosen, Port::Out].map(|port| bench.index(port));
            bench.maps.retain_nics(&managed).unwrap();
        }),
        conflict(
            "a NIC that is not managed any more",
            gratuitous_arp_reply(THIRD.mac(), HELD),
        )
        .given(|bench| {
            third(bench);
            let managed = [Port::Chosen, Port::Out].map(|port| bench.index(port));
            bench.maps.retain_nics(&managed).unwrap();
        }),
        conflict(
            "the MAC that a NIC of ours had before",
            gratuitous_arp_reply(THIRD.mac(), HELD),
        )
        .given(|bench| {
            third(bench);
            bench.manage(THIRD, |nic| nic.mac = SOURCE_MAC.0);
        }),
    ]
}

/// Somebody else's claims: the kernel hears of them, and user space is told.
fn claims() -> Vec<Row> {
    vec![
        conflict("an announcement", arp_announcement(OTHER_MAC, HELD)),
        conflict("the source is back", arp_announcement(SOURCE_MAC, HELD)),
        unrelated(
            "a reply of the source: it was asked",
            arp_reply(SOURCE_MAC, HELD, CHOSEN_MAC, NOBODY),
        ),
        unrelated(
            "a reply of the standby server: it was asked",
            arp_reply(STANDBY_MAC, HELD, CHOSEN_MAC, NOBODY),
        )
        .given(forwarded),
        conflict(
            "a reply of another host",
            arp_reply(OTHER_MAC, HELD, CHOSEN_MAC, NOBODY),
        ),
        conflict(
            "a gratuitous reply of the source",
            gratuitous_arp_reply(SOURCE_MAC, HELD),
        ),
        conflict("a gratuitous reply", gratuitous_arp_reply(OTHER_MAC, HELD)),
        conflict(
            "a request that is sent with the address",
            arp_request(OTHER_MAC, HELD, STRANGE),
        ),
        conflict(
            "a reply that says so to us",
            arp_reply(OTHER_MAC, HELD, Port::Chosen.mac(), HOST),
        ),
        conflict(
            "an announcement on another NIC",
            arp_announcement(OTHER_MAC, HELD),
        )
        .on(Port::Out),
        conflict(
            "an announcement of an address that is forwarded",
            arp_announcement(OTHER_MAC, HELD),
        )
        .given(forwarded),
    ]
}

#[test]
fn arp_for_held_addresses_is_answered_on_the_chosen_nic_only() {
    check(&rows());
}

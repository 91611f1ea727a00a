//! Addresses that go back: nothing is lost on the way, and nothing keeps clients here.

use failover_ebpf::{abi::Held, verdict::Verdict};
use failover_tests::{
    edits::{at, meant, with, with_ip_options},
    frames::{Flow, arp_announcement, arp_reply, arp_request, gratuitous_arp_reply, tcp, udp},
    lab::Mac,
};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{
        CHOSEN_MAC, CLIENT, CLIENT_MAC, HELD, OTHER_MAC, OUT_MAC, Port, SOURCE_MAC, STRANGE,
        TO_HELD, drain,
    },
};

/// [`TO_HELD`], turned round to the source.
const TURNED: Flow = Flow {
    from_mac: CHOSEN_MAC,
    to_mac: SOURCE_MAC,
    ..TO_HELD
};

fn draining(bench: &mut Bench) {
    bench.hold(drain(bench.index(Port::Chosen)));
}

fn datagram(flow: &Flow) -> Vec<u8> {
    udp(flow, 4000, 53, b"for whoever has it")
}

fn arp_to(to: Mac) -> Vec<u8> {
    with(arp_request(CLIENT_MAC, CLIENT, HELD), at::ETH_DST, &to.0)
}

fn turned(name: &'static str, frame: Vec<u8>, output: Vec<u8>) -> Row {
    Row::transmit(name, frame, Verdict::Drained, output)
        .given(draining)
        .counted()
}

fn passed(name: &'static str, frame: Vec<u8>, verdict: Verdict) -> Row {
    Row::pass(name, frame, verdict).given(draining)
}

/// The kernel, which may still have the address, must not answer.
fn silent(name: &'static str, frame: Vec<u8>) -> Row {
    Row::drop(name, frame, Verdict::ArpDraining).given(draining)
}

/// ARP that the source has to see.
fn handed_over(name: &'static str, frame: Vec<u8>) -> Row {
    let to_source = with(frame.clone(), at::ETH_DST, &SOURCE_MAC.0);
    let output = with(to_source, at::ETH_SRC, &CHOSEN_MAC.0);

    Row::transmit(name, frame, Verdict::ArpDrained, output).given(draining)
}

pub(crate) fn rows() -> Vec<Row> {
    [packets(), arp()].concat()
}

fn packets() -> Vec<Row> {
    let fragment = |flow| meant(datagram(flow), at::IP_FRAGMENT, &[0, 5]);
    let by_out = Flow {
        to_mac: OUT_MAC,
        ..TO_HELD
    };
    let from_source = Flow {
        from_mac: SOURCE_MAC,
        ..TO_HELD
    };
    let flooded = Flow {
        to_mac: SOURCE_MAC,
        ..TO_HELD
    };

    vec![
        turned("a datagram", datagram(&TO_HELD), datagram(&TURNED)),
        turned(
            "a segment of TCP",
            tcp(&TO_HELD, 4000, 80, b"x"),
            tcp(&TURNED, 4000, 80, b"x"),
        ),
        turned(
            "IP options",
            with_ip_options(&datagram(&TO_HELD), 2),
            with_ip_options(&datagram(&TURNED), 2),
        ),
        turned("a fragment", fragment(&TO_HELD), fragment(&TURNED)),
        turned(
            "its last hop, as it is not routed",
            datagram(&Flow { ttl: 1, ..TO_HELD }),
            datagram(&Flow { ttl: 1, ..TURNED }),
        ),
        Row::redirect(
            "by another NIC than the source is behind",
            datagram(&by_out),
            Verdict::DrainedAcross,
            datagram(&TURNED),
        )
        .on(Port::Out)
        .given(draining)
        .counted(),
        Row::drop(
            "to a source behind a NIC that is not managed",
            datagram(&TO_HELD),
            Verdict::DropNoNic,
        )
        .given(|bench| {
            bench.hold(Held {
                out: bench.index(Port::Unmanaged),
                ..drain(bench.index(Port::Chosen))
            })
        })
        .counted(),
        passed(
            "from the source itself, or it would go round for ever",
            datagram(&from_source),
            Verdict::PassLocal,
        )
        .counted(),
        passed(
            "a source whose MAC is not known",
            datagram(&TO_HELD),
            Verdict::PassNextHopUnknown,
        )
        .given(|bench| {
            bench.hold(Held {
                next_hop: [0; 6],
                ..drain(bench.index(Port::Chosen))
            })
        })
        .counted(),
        passed(
            "to the source already, flooded",
            datagram(&flooded),
            Verdict::PassOtherHost,
        ),
        passed(
            "a packet that is not complete",
            datagram(&TO_HELD)[..45].to_vec(),
            Verdict::PassTruncated,
        ),
    ]
}

fn arp() -> Vec<Row> {
    let of_source = arp_request(SOURCE_MAC, STRANGE, HELD);

    vec![
        silent(
            "a request to all: the source answers",
            arp_request(CLIENT_MAC, CLIENT, HELD),
        ),
        silent("a request to another host", arp_to(OTHER_MAC)),
        silent("a request on another NIC", arp_to(OUT_MAC)).on(Port::Out),
        silent(
            "a request of the source's",
            with(of_source, at::ETH_DST, &CHOSEN_MAC.0),
        ),
        silent(
            "the source's announcement, which is no conflict",
            arp_announcement(SOURCE_MAC, HELD),
        ),
        handed_over(
            "a request to us: the source answers it for itself",
            arp_to(CHOSEN_MAC),
        ),
        handed_over(
            "a reply to the address, which the source waits for",
            arp_reply(CLIENT_MAC, CLIENT, CHOSEN_MAC, HELD),
        ),
        passed(
            "the source's gratuitous reply, which is no conflict",
            gratuitous_arp_reply(SOURCE_MAC, HELD),
            Verdict::PassUnrelated,
        ),
        passed(
            "what the source asks with the address",
            arp_request(SOURCE_MAC, HELD, STRANGE),
            Verdict::PassUnrelated,
        ),
    ]
}

#[test]
fn what_comes_for_a_returning_address_is_turned_round_to_the_source() {
    check(&rows());
}

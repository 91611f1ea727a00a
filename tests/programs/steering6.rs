//! IPv6 packets for held addresses: to this host's kernel, on to the standby server, or back to the source; and what the
//! standby server answers.

use std::net::Ipv6Addr;

use failover_ebpf::{
    abi::{Held, settings},
    verdict::Verdict,
};
use failover_tests::{
    edits::{with, with_trailer},
    frames6::{self, Flow6, at, next, tcp, udp, with_extension, with_fragment},
};

use crate::{
    harness::{Bench, bench},
    return_traffic::know,
    row::{Row, check},
    scene::{
        CHOSEN_MAC, CLIENT_MAC, OTHER_MAC, OUT_MAC, Port, SLOT, SOURCE_MAC, STANDBY_MAC, drain,
        forward, local,
    },
    scene6::{ALSO_HELD, HELD, STRANGE, TO_HELD},
};

const PAYLOAD: &[u8] = b"to whom it may concern";
/// Octets of a datagram with that payload, IP header included.
const LENGTH: u32 = 48 + PAYLOAD.len() as u32;

/// [`TO_HELD`], as it leaves for the standby server.
const ONWARD: Flow6 = Flow6 {
    from_mac: OUT_MAC,
    to_mac: STANDBY_MAC,
    hops: TO_HELD.hops - 1,
    ..TO_HELD
};

/// [`TO_HELD`], turned round to the source.
const TURNED: Flow6 = Flow6 {
    from_mac: CHOSEN_MAC,
    to_mac: SOURCE_MAC,
    ..TO_HELD
};

/// A neighbour on the chosen NIC.
const NEIGHBOUR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77);
/// Where no route leads.
const UNREACHABLE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xdead, 0, 0, 0, 0, 1);

/// From the held address, by the standby server.
const ANSWER: Flow6 = Flow6 {
    from_mac: STANDBY_MAC,
    to_mac: OUT_MAC,
    from: HELD,
    to: NEIGHBOUR,
    hops: 64,
};

/// The same on the chosen NIC.
const ROUTED: Flow6 = Flow6 {
    from_mac: CHOSEN_MAC,
    to_mac: CLIENT_MAC,
    hops: 63,
    ..ANSWER
};

fn datagram(flow: &Flow6) -> Vec<u8> {
    udp(flow, 4000, 53, PAYLOAD)
}

fn behind_options(flow: &Flow6) -> Vec<u8> {
    with_extension(
        &datagram(flow),
        next::DESTINATION,
        &[0, 0, 1, 4, 0, 0, 0, 0],
    )
}

fn held(bench: &mut Bench) {
    bench.hold6(local(bench.index(Port::Chosen)));
}

fn onward(bench: &Bench) -> Held {
    forward(bench.index(Port::Chosen), bench.index(Port::Out))
}

fn forwarded(bench: &mut Bench) {
    bench.hold6(onward(bench));
}

fn draining(bench: &mut Bench) {
    bench.hold6(drain(bench.index(Port::Chosen)));
}

/// A host that forwards, and knows its neighbour.
fn router(bench: &mut Bench) {
    forwarded(bench);
    bench.host.namespace().ipv6(true);
    bench.host.sysctl("net/ipv6/conf/all/forwarding", "1");
    bench.nic(Port::Chosen).add_address("2001:db8::2/64");
    know(bench, Port::Chosen, NEIGHBOUR, CLIENT_MAC);
}

fn passed(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassLocal)
        .given(held)
        .counted()
}

fn sent_on(name: &'static str, frame: Vec<u8>, output: Vec<u8>) -> Row {
    Row::redirect(name, frame, Verdict::Forwarded, output)
        .given(forwarded)
        .counted()
}

/// Left to the kernel of this host although it is to be forwarded.
fn left(name: &'static str, frame: Vec<u8>, verdict: Verdict) -> Row {
    Row::pass(name, frame, verdict).given(forwarded).counted()
}

fn turned(name: &'static str, frame: Vec<u8>, output: Vec<u8>) -> Row {
    Row::transmit(name, frame, Verdict::Drained, output)
        .given(draining)
        .counted()
}

pub(crate) fn rows() -> Vec<Row> {
    [
        locally(),
        onwards(),
        not_onwards(),
        floods(),
        back_to_source(),
    ]
    .concat()
}

fn locally() -> Vec<Row> {
    vec![
        passed("IPv6: a datagram", datagram(&TO_HELD)),
        passed("IPv6: a segment of TCP", tcp(&TO_HELD, 4000, 80, b"")),
        passed(
            "IPv6: its last hop",
            datagram(&Flow6 { hops: 1, ..TO_HELD }),
        ),
        passed(
            "IPv6: an echo request",
            frames6::echo_request(&TO_HELD, 1, 1, PAYLOAD),
        ),
        passed(
            "IPv6: a fragment",
            with_fragment(&datagram(&TO_HELD), 5, true),
        ),
        passed("IPv6: destination options", behind_options(&TO_HELD)),
        passed(
            "IPv6: by another managed NIC",
            datagram(&Flow6 {
                to_mac: OUT_MAC,
                ..TO_HELD
            }),
        )
        .on(Port::Out),
        Row::pass(
            "IPv6: an address that is not held, beside one that is",
            datagram(&Flow6 {
                to: STRANGE,
                ..TO_HELD
            }),
            Verdict::PassUnrelated,
        )
        .given(held),
        Row::pass(
            "IPv6: another version than the type says",
            with(datagram(&TO_HELD), at::FIRST_WORD, &[0x45]),
            Verdict::PassBadIpv6,
        )
        .given(held),
    ]
}

fn onwards() -> Vec<Row> {
    let fragment = |flow| with_fragment(&datagram(flow), 5, false);
    let labelled = |flow| with(datagram(flow), at::FIRST_WORD, &[0x6c, 0x0a, 0xbc, 0xde]);

    vec![
        sent_on("IPv6: a datagram", datagram(&TO_HELD), datagram(&ONWARD)),
        sent_on(
            "IPv6: a segment of TCP",
            tcp(&TO_HELD, 4000, 80, PAYLOAD),
            tcp(&ONWARD, 4000, 80, PAYLOAD),
        ),
        sent_on(
            "IPv6: an echo request",
            frames6::echo_request(&TO_HELD, 1, 1, PAYLOAD),
            frames6::echo_request(&ONWARD, 1, 1, PAYLOAD),
        ),
        sent_on(
            "IPv6: a later fragment",
            fragment(&TO_HELD),
            fragment(&ONWARD),
        ),
        sent_on(
            "IPv6: destination options",
            behind_options(&TO_HELD),
            behind_options(&ONWARD),
        ),
        sent_on(
            "IPv6: traffic class and flow label",
            labelled(&TO_HELD),
            labelled(&ONWARD),
        ),
        sent_on(
            "IPv6: a trailer",
            with_trailer(datagram(&TO_HELD), 9),
            with_trailer(datagram(&ONWARD), 9),
        ),
        sent_on(
            "IPv6: the last hop but one",
            datagram(&Flow6 { hops: 2, ..TO_HELD }),
            datagram(&Flow6 { hops: 1, ..ONWARD }),
        ),
        sent_on(
            "IPv6: as long as the NIC's MTU",
            datagram(&TO_HELD),
            datagram(&ONWARD),
        )
        .given(|bench| {
            bench.hold6(Held {
                out_mtu: LENGTH,
                ..onward(bench)
            })
        }),
        sent_on(
            "IPv6: to the other of two held addresses",
            datagram(&Flow6 {
                to: ALSO_HELD,
                ..TO_HELD
            }),
            datagram(&Flow6 {
                to: ALSO_HELD,
                ..ONWARD
            }),
        )
        .given(|bench| {
            held(bench);
            bench.hold_at(ALSO_HELD, onward(bench));
        }),
    ]
}

fn not_onwards() -> Vec<Row> {
    let used_up = |name, hops| {
        left(
            name,
            datagram(&Flow6 { hops, ..TO_HELD }),
            Verdict::PassForwardTtl,
        )
    };

    vec![
        used_up("IPv6: hop limit 1", 1),
        used_up("IPv6: hop limit 0", 0),
        left(
            "IPv6: longer than the NIC's MTU",
            datagram(&TO_HELD),
            Verdict::PassForwardTooBig,
        )
        .given(|bench| {
            bench.hold6(Held {
                out_mtu: LENGTH - 1,
                ..onward(bench)
            })
        }),
        left(
            "IPv6: a next hop whose MAC is not known",
            datagram(&TO_HELD),
            Verdict::PassNextHopUnknown,
        )
        .given(|bench| {
            bench.hold6(Held {
                next_hop: [0; 6],
                ..onward(bench)
            })
        }),
        Row::drop(
            "IPv6: out of a NIC that is not managed",
            datagram(&TO_HELD),
            Verdict::DropNoNic,
        )
        .given(|bench| {
            bench.hold6(forward(
                bench.index(Port::Chosen),
                bench.index(Port::Unmanaged),
            ))
        })
        .counted(),
        Row::pass(
            "IPv6: a packet that is not complete",
            datagram(&TO_HELD)[..70].to_vec(),
            Verdict::PassTruncated,
        )
        .given(forwarded),
    ]
}

fn floods() -> Vec<Row> {
    let to = |to_mac| datagram(&Flow6 { to_mac, ..TO_HELD });
    let flooded = |name, frame| Row::pass(name, frame, Verdict::PassOtherHost);

    vec![
        flooded("IPv6: another host's MAC", to(OTHER_MAC)).given(forwarded),
        flooded("IPv6: another host's MAC, local", to(OTHER_MAC)).given(held),
        flooded("IPv6: the MAC of another NIC of ours", to(OUT_MAC)).given(forwarded),
        flooded("IPv6: a NIC that is not managed", to(Port::Unmanaged.mac()))
            .given(forwarded)
            .on(Port::Unmanaged),
    ]
}

fn back_to_source() -> Vec<Row> {
    let from_source = Flow6 {
        from_mac: SOURCE_MAC,
        ..TO_HELD
    };
    let by_out = Flow6 {
        to_mac: OUT_MAC,
        ..TO_HELD
    };

    vec![
        turned("IPv6: a datagram", datagram(&TO_HELD), datagram(&TURNED)),
        turned(
            "IPv6: a fragment",
            with_fragment(&datagram(&TO_HELD), 5, true),
            with_fragment(&datagram(&TURNED), 5, true),
        ),
        turned(
            "IPv6: destination options",
            behind_options(&TO_HELD),
            behind_options(&TURNED),
        ),
        turned(
            "IPv6: its last hop, as it is not routed",
            datagram(&Flow6 { hops: 1, ..TO_HELD }),
            datagram(&Flow6 { hops: 1, ..TURNED }),
        ),
        Row::redirect(
            "IPv6: by another NIC than the source is behind",
            datagram(&by_out),
            Verdict::DrainedAcross,
            datagram(&TURNED),
        )
        .on(Port::Out)
        .given(draining)
        .counted(),
        Row::pass(
            "IPv6: from the source itself, or it would go round for ever",
            datagram(&from_source),
            Verdict::PassLocal,
        )
        .given(draining)
        .counted(),
    ]
}

/// What the standby server answers.
pub(crate) fn returned() -> Vec<Row> {
    let left = |name, flow: Flow6| {
        Row::pass(name, datagram(&flow), Verdict::PassReturn)
            .on(Port::Out)
            .given(router)
    };
    let unrelated = |name, flow: Flow6| {
        Row::pass(name, datagram(&flow), Verdict::PassUnrelated)
            .on(Port::Out)
            .given(router)
    };
    let labelled = |flow| with(datagram(flow), at::FIRST_WORD, &[0x6c, 0x0a, 0xbc, 0xde]);

    vec![
        Row::redirect(
            "IPv6: by the route to its neighbour",
            datagram(&ANSWER),
            Verdict::Returned,
            datagram(&ROUTED),
        )
        .on(Port::Out)
        .given(router),
        Row::redirect(
            "IPv6: by the route to its neighbour, with a flow label",
            labelled(&ANSWER),
            Verdict::Returned,
            labelled(&ROUTED),
        )
        .on(Port::Out)
        .given(router),
        Row::redirect(
            "IPv6: by the route to its neighbour, with destination options",
            behind_options(&ANSWER),
            Verdict::Returned,
            behind_options(&ROUTED),
        )
        .on(Port::Out)
        .given(router),
        Row::pass(
            "IPv6: its last hop on the way back",
            datagram(&Flow6 { hops: 1, ..ANSWER }),
            Verdict::PassForwardTtl,
        )
        .on(Port::Out)
        .given(router),
        left(
            "IPv6: a neighbour that is not known yet",
            Flow6 {
                to: STRANGE,
                ..ANSWER
            },
        ),
        left(
            "IPv6: no route",
            Flow6 {
                to: UNREACHABLE,
                ..ANSWER
            },
        ),
        left("IPv6: a host that does not forward", ANSWER).given(|bench| {
            router(bench);
            bench.host.sysctl("net/ipv6/conf/all/forwarding", "0");
        }),
        unrelated(
            "IPv6: another host's MAC on the way back",
            Flow6 {
                to_mac: OTHER_MAC,
                ..ANSWER
            },
        ),
        unrelated("IPv6: while nothing is forwarded", ANSWER).given(|bench| {
            router(bench);
            bench.settings(|own| own.flags &= !settings::FORWARDING);
        }),
    ]
}

#[test]
fn ipv6_packets_for_held_addresses_go_where_they_should() {
    check(&rows());
    check(&returned());
}

#[test]
fn an_ipv6_jumbo_frame_in_several_buffers_is_forwarded_and_counted_whole() {
    let long = |flow| udp(flow, 4000, 53, &[0x5a; 8000]);

    bench(|bench| {
        bench.hold6(Held {
            out_mtu: 9000,
            ..onward(bench)
        });

        let outcome = bench.run_split(Port::Chosen, &long(&TO_HELD), 2048);

        assert_eq!(outcome.output, long(&ONWARD));
        let traffic = bench.maps.traffic(SLOT).unwrap();
        assert_eq!((traffic.packets, traffic.bytes), (1, 8062));
    });
}

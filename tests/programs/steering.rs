//! Packets for held addresses: to this host's kernel, or on to the standby server.

use failover_ebpf::{abi::Held, verdict::Verdict};
use failover_tests::{
    edits::{at, meant, with, with_ip_options, with_trailer},
    frames::{self, BROADCAST, Flow, tcp, udp},
};

use crate::{
    harness::{Bench, bench},
    row::{Row, check},
    scene::{
        ALSO_HELD, CLIENT_MAC, OTHER_MAC, OUT_MAC, Port, SLOT, STANDBY_MAC, STRANGE, TO_HELD,
        forward, local,
    },
};

const PAYLOAD: &[u8] = b"to whom it may concern";

/// [`TO_HELD`], as it leaves for the standby server.
const ONWARD: Flow = Flow {
    from_mac: OUT_MAC,
    to_mac: STANDBY_MAC,
    ttl: TO_HELD.ttl - 1,
    ..TO_HELD
};

fn datagram(flow: &Flow) -> Vec<u8> {
    udp(flow, 4000, 53, PAYLOAD)
}

fn held(bench: &mut Bench) {
    bench.hold(local(bench.index(Port::Chosen)));
}

fn onward(bench: &Bench) -> Held {
    forward(bench.index(Port::Chosen), bench.index(Port::Out))
}

fn forwarded(bench: &mut Bench) {
    bench.hold(onward(bench));
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

/// For a held address, but not for us.
fn flooded(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassOtherHost)
}

pub(crate) fn rows() -> Vec<Row> {
    [locally(), onwards(), not_onwards(), floods()].concat()
}

fn locally() -> Vec<Row> {
    vec![
        passed("a datagram", datagram(&TO_HELD)),
        passed("a segment of TCP", tcp(&TO_HELD, 4000, 80, b"")),
        passed("with a trailer", with_trailer(datagram(&TO_HELD), 9)),
        passed("IP options", with_ip_options(&datagram(&TO_HELD), 10)),
        passed("its last hop", datagram(&Flow { ttl: 1, ..TO_HELD })),
        passed(
            "an echo request",
            frames::echo_request(&TO_HELD, 1, 1, PAYLOAD),
        ),
        passed(
            "a fragment",
            meant(datagram(&TO_HELD), at::IP_FRAGMENT, &[0x20, 5]),
        ),
        passed(
            "by another managed NIC",
            datagram(&Flow {
                to_mac: Port::Out.mac(),
                ..TO_HELD
            }),
        )
        .on(Port::Out),
        passed("in a mode that is not known", datagram(&TO_HELD)).given(|bench| {
            bench.hold(Held {
                mode: 99,
                ..onward(bench)
            })
        }),
        Row::pass(
            "an address that is not held, beside one that is",
            datagram(&Flow {
                to: STRANGE,
                ..TO_HELD
            }),
            Verdict::PassUnrelated,
        )
        .given(held),
    ]
}

fn onwards() -> Vec<Row> {
    let fragment = |flow, field: [u8; 2]| meant(datagram(flow), at::IP_FRAGMENT, &field);
    let last_hop = |ttl| datagram(&Flow { ttl, ..TO_HELD });

    vec![
        sent_on("a datagram", datagram(&TO_HELD), datagram(&ONWARD)),
        sent_on(
            "a segment of TCP",
            tcp(&TO_HELD, 4000, 80, PAYLOAD),
            tcp(&ONWARD, 4000, 80, PAYLOAD),
        ),
        sent_on(
            "an echo request",
            frames::echo_request(&TO_HELD, 1, 1, PAYLOAD),
            frames::echo_request(&ONWARD, 1, 1, PAYLOAD),
        ),
        sent_on(
            "a first fragment",
            fragment(&TO_HELD, [0x20, 0]),
            fragment(&ONWARD, [0x20, 0]),
        ),
        sent_on(
            "a later fragment",
            fragment(&TO_HELD, [0, 5]),
            fragment(&ONWARD, [0, 5]),
        ),
        sent_on(
            "a fragment that looks like a heartbeat",
            meant(
                udp(&TO_HELD, 4000, frames::SBFD_PORT, &[0; 24]),
                at::IP_FRAGMENT,
                &[0x20, 0],
            ),
            meant(
                udp(&ONWARD, 4000, frames::SBFD_PORT, &[0; 24]),
                at::IP_FRAGMENT,
                &[0x20, 0],
            ),
        ),
        sent_on(
            "IP options",
            with_ip_options(&datagram(&TO_HELD), 3),
            with_ip_options(&datagram(&ONWARD), 3),
        ),
        sent_on(
            "a trailer",
            with_trailer(datagram(&TO_HELD), 9),
            with_trailer(datagram(&ONWARD), 9),
        ),
        sent_on(
            "an IP checksum that is wrong stays wrong by as much",
            with(datagram(&TO_HELD), at::IP_CHECKSUM, &[0, 0]),
            with(datagram(&ONWARD), at::IP_CHECKSUM, &[1, 0]),
        ),
        sent_on("the last hop but one", last_hop(2), {
            datagram(&Flow { ttl: 1, ..ONWARD })
        }),
        sent_on("the longest way", last_hop(255), {
            datagram(&Flow { ttl: 254, ..ONWARD })
        }),
        sent_on(
            "by the NIC that it leaves by again",
            datagram(&Flow {
                to_mac: Port::Out.mac(),
                ..TO_HELD
            }),
            datagram(&ONWARD),
        )
        .on(Port::Out),
        sent_on(
            "as long as the NIC's MTU",
            datagram(&TO_HELD),
            datagram(&ONWARD),
        )
        .given(|bench| {
            bench.hold(Held {
                out_mtu: (28 + PAYLOAD.len()) as u32,
                ..onward(bench)
            })
        }),
        sent_on(
            "to the other of two held addresses",
            datagram(&Flow {
                to: ALSO_HELD,
                ..TO_HELD
            }),
            datagram(&Flow {
                to: ALSO_HELD,
                ..ONWARD
            }),
        )
        .given(|bench| {
            held(bench);
            let held = onward(bench);
            bench.maps.addresses.set(ALSO_HELD, held).unwrap();
        }),
    ]
}

fn not_onwards() -> Vec<Row> {
    let used_up = |name, ttl| {
        left(
            name,
            datagram(&Flow { ttl, ..TO_HELD }),
            Verdict::PassForwardTtl,
        )
    };

    vec![
        used_up("TTL 1", 1),
        used_up("TTL 0", 0),
        left(
            "longer than the NIC's MTU",
            datagram(&TO_HELD),
            Verdict::PassForwardTooBig,
        )
        .given(|bench| {
            bench.hold(Held {
                out_mtu: (28 + PAYLOAD.len() - 1) as u32,
                ..onward(bench)
            })
        }),
        left(
            "a next hop whose MAC is not known",
            datagram(&TO_HELD),
            Verdict::PassNextHopUnknown,
        )
        .given(|bench| {
            bench.hold(Held {
                next_hop: [0; 6],
                ..onward(bench)
            })
        }),
        Row::drop(
            "out of a NIC that is not managed",
            datagram(&TO_HELD),
            Verdict::DropNoNic,
        )
        .given(|bench| {
            bench.hold(forward(
                bench.index(Port::Chosen),
                bench.index(Port::Unmanaged),
            ))
        })
        .counted(),
        Row::drop(
            "out of a NIC that does not exist",
            datagram(&TO_HELD),
            Verdict::DropNoNic,
        )
        .given(|bench| bench.hold(forward(bench.index(Port::Chosen), 9999)))
        .counted(),
        Row::pass(
            "a packet that is not complete",
            datagram(&TO_HELD)[..50].to_vec(),
            Verdict::PassTruncated,
        )
        .given(forwarded),
    ]
}

fn floods() -> Vec<Row> {
    let to = |to_mac| datagram(&Flow { to_mac, ..TO_HELD });

    vec![
        flooded("another host's MAC", to(OTHER_MAC)).given(forwarded),
        flooded("another host's MAC, local", to(OTHER_MAC)).given(held),
        flooded("everybody's MAC", to(BROADCAST)).given(forwarded),
        flooded("the MAC of another NIC of ours", to(Port::Out.mac())).given(forwarded),
        flooded("a NIC that is not managed", to(Port::Unmanaged.mac()))
            .given(forwarded)
            .on(Port::Unmanaged),
    ]
}

#[test]
fn packets_for_held_addresses_go_where_they_should() {
    check(&rows());
}

#[test]
fn the_header_checksum_follows_the_ttl_for_every_sum() {
    bench(|bench| {
        forwarded(bench);

        for id in (0..=u16::MAX).step_by(61) {
            let with_id = |flow| meant(datagram(flow), at::IP_ID, &id.to_be_bytes());

            let outcome = bench.run(Port::Chosen, &with_id(&TO_HELD));

            assert_eq!(outcome.output, with_id(&ONWARD), "identification {id:#06x}");
        }
    });
}

#[test]
fn a_jumbo_frame_in_several_buffers_is_forwarded_and_counted_whole() {
    let long = |flow| udp(flow, 4000, 53, &[0x5a; 8000]);

    bench(|bench| {
        bench.hold(Held {
            out_mtu: 9000,
            ..onward(bench)
        });

        let outcome = bench.run_split(Port::Chosen, &long(&TO_HELD), 2048);

        assert_eq!(outcome.output, long(&ONWARD));
        let traffic = bench.maps.traffic(SLOT).unwrap();
        assert_eq!((traffic.packets, traffic.bytes), (1, 8042));
    });
}

#[test]
fn traffic_is_counted_by_the_slot_of_its_address() {
    bench(|bench| {
        let held = Held {
            slot: SLOT + 1,
            ..local(bench.index(Port::Chosen))
        };
        bench.maps.addresses.set(ALSO_HELD, held).unwrap();
        bench.maps.clear_traffic(SLOT + 1).unwrap();
        let frame = datagram(&Flow {
            to: ALSO_HELD,
            from_mac: CLIENT_MAC,
            ..TO_HELD
        });

        bench.run(Port::Chosen, &frame);
        bench.run(Port::Chosen, &frame);

        let (ours, other) = (bench.maps.traffic(SLOT), bench.maps.traffic(SLOT + 1));
        assert_eq!(ours.unwrap().packets, 0);
        assert_eq!(other.unwrap().bytes, 2 * frame.len() as u64);
    });
}

//! What the standby server answers with a forwarded address: routed by the kernel's tables, or left to the kernel.

use failover_ebpf::{abi::settings, verdict::Verdict};
use failover_tests::{
    edits::with_ip_options,
    frames::{Flow, udp},
    lab::Mac,
};
use rtnetlink::packet_route::route::RouteType;
use std::net::{IpAddr, Ipv4Addr};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{
        ALSO_HELD, CHOSEN_MAC, CLIENT_MAC, HELD, OTHER_MAC, OUT_MAC, Port, STANDBY_MAC, forward,
        local,
    },
};

/// A neighbour on the chosen NIC.
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
/// One whose MAC nobody knows.
const UNRESOLVED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 78);
/// A neighbour on a NIC that is not managed.
const BEHIND_UNMANAGED: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 77);
/// Where no route leads.
const UNREACHABLE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// From the held address, by the standby server.
pub(crate) const ANSWER: Flow = Flow {
    from_mac: STANDBY_MAC,
    to_mac: OUT_MAC,
    from: HELD,
    to: NEIGHBOUR,
    ttl: 64,
};

/// The same on the chosen NIC.
pub(crate) const ROUTED: Flow = Flow {
    from_mac: CHOSEN_MAC,
    to_mac: CLIENT_MAC,
    ttl: 63,
    ..ANSWER
};

fn datagram(flow: &Flow) -> Vec<u8> {
    udp(flow, 53, 4000, b"an answer")
}

/// A host that forwards, and knows its neighbours.
pub(crate) fn router(bench: &mut Bench) {
    bench.hold(forward(bench.index(Port::Chosen), bench.index(Port::Out)));
    bench.host.sysctl("net/ipv4/ip_forward", "1");
    know(bench, Port::Chosen, NEIGHBOUR, CLIENT_MAC);
    know(bench, Port::Unmanaged, BEHIND_UNMANAGED, OTHER_MAC);
}

/// Makes a permanent neighbour.
pub(crate) fn know(bench: &Bench, port: Port, address: impl Into<IpAddr>, mac: Mac) {
    let (index, address) = (bench.index(port), address.into());

    bench
        .host
        .namespace()
        .netlink(async |handle| {
            Ok(handle
                .neighbours()
                .add(index, address)
                .link_layer_address(&mac.0)
                .kind(RouteType::Unspec)
                .replace()
                .execute()
                .await?)
        })
        .expect("a permanent neighbour");
}

fn left(name: &'static str, flow: Flow) -> Row {
    Row::pass(name, datagram(&flow), Verdict::PassReturn)
        .on(Port::Out)
        .given(router)
}

fn unrelated(name: &'static str, flow: Flow) -> Row {
    Row::pass(name, datagram(&flow), Verdict::PassUnrelated)
        .on(Port::Out)
        .given(router)
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::redirect(
            "by the route to its neighbour",
            datagram(&ANSWER),
            Verdict::Returned,
            datagram(&ROUTED),
        )
        .on(Port::Out)
        .given(router),
        Row::redirect(
            "by the route to its neighbour, with IP options",
            with_ip_options(&datagram(&ANSWER), 2),
            Verdict::Returned,
            with_ip_options(&datagram(&ROUTED), 2),
        )
        .on(Port::Out)
        .given(router),
        Row::pass(
            "its last hop",
            datagram(&Flow { ttl: 1, ..ANSWER }),
            Verdict::PassForwardTtl,
        )
        .on(Port::Out)
        .given(router),
        Row::pass(
            "a packet that is not complete",
            datagram(&ANSWER)[..45].to_vec(),
            Verdict::PassTruncated,
        )
        .on(Port::Out)
        .given(router),
        left(
            "a neighbour that is not known yet",
            Flow {
                to: UNRESOLVED,
                ..ANSWER
            },
        ),
        left(
            "no route",
            Flow {
                to: UNREACHABLE,
                ..ANSWER
            },
        ),
        left(
            "a route by a NIC that is not managed",
            Flow {
                to: BEHIND_UNMANAGED,
                ..ANSWER
            },
        ),
        left("a host that does not forward", ANSWER).given(|bench| {
            router(bench);
            bench.host.sysctl("net/ipv4/ip_forward", "0");
        }),
        Row::pass(
            "longer than the way's MTU",
            udp(&ANSWER, 53, 4000, &[0; 1500]),
            Verdict::PassReturn,
        )
        .on(Port::Out)
        .given(router),
        unrelated(
            "to another host's MAC",
            Flow {
                to_mac: OTHER_MAC,
                ..ANSWER
            },
        ),
        unrelated(
            "by a NIC that nothing is forwarded by",
            Flow {
                to_mac: CHOSEN_MAC,
                ..ANSWER
            },
        )
        .on(Port::Chosen),
        unrelated("an address that is held locally", ANSWER).given(|bench| {
            router(bench);
            bench.hold(local(bench.index(Port::Chosen)));
        }),
        unrelated("while nothing is forwarded", ANSWER).given(|bench| {
            router(bench);
            bench.settings(|own| own.flags &= !settings::FORWARDING);
        }),
        Row::pass(
            "to another address that is held",
            datagram(&Flow {
                to: ALSO_HELD,
                ..ANSWER
            }),
            Verdict::PassLocal,
        )
        .on(Port::Out)
        .given(|bench| {
            router(bench);
            let held = local(bench.index(Port::Chosen));
            bench.maps.addresses.set(ALSO_HELD, held).unwrap();
        })
        .counted(),
        Row::pass(
            "by a NIC that is not managed",
            datagram(&Flow {
                to_mac: Port::Unmanaged.mac(),
                ..ANSWER
            }),
            Verdict::PassOtherHost,
        )
        .on(Port::Unmanaged)
        .given(router),
    ]
}

#[test]
fn return_traffic_takes_the_kernels_route() {
    check(&rows());
}

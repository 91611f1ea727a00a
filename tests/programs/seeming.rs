//! Packets for held addresses that look like answers to this host, by a port or by their length, and answer no request of its
//! own: servers behind the addresses, and the source, ask and ping as well.

use failover_ebpf::verdict::Verdict;
use failover_tests::{
    frames::{self, Bfd, Flow, SBFD_PORT, udp},
    frames6::{self, Flow6},
};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{
        CHOSEN_MAC, COOKIE, ICMP, MIN_RX_US, OUT_MAC, Port, REMOTE_DISCRIMINATOR, SOURCE_MAC,
        SOURCE_PORT, STANDBY_MAC, TO_HELD, drain, forward, local,
    },
    scene6,
};

/// [`TO_HELD`] as it leaves for the standby server.
const ONWARD: Flow = Flow {
    from_mac: OUT_MAC,
    to_mac: STANDBY_MAC,
    ttl: TO_HELD.ttl - 1,
    ..TO_HELD
};

/// [`TO_HELD`] turned round to the source.
const TURNED: Flow = Flow {
    from_mac: CHOSEN_MAC,
    to_mac: SOURCE_MAC,
    ..TO_HELD
};

fn forwarded(bench: &mut Bench) {
    let held = forward(bench.index(Port::Chosen), bench.index(Port::Out));
    bench.hold(held);
    bench.hold6(held);
}

fn draining(bench: &mut Bench) {
    let held = drain(bench.index(Port::Chosen));
    bench.hold(held);
    bench.hold6(held);
}

fn held(bench: &mut Bench) {
    let held = local(bench.index(Port::Chosen));
    bench.hold(held);
    bench.hold6(held);
}

/// The same way over IPv6.
fn over6(flow: &Flow) -> Flow6 {
    Flow6 {
        from_mac: flow.from_mac,
        to_mac: flow.to_mac,
        hops: flow.ttl,
        ..scene6::TO_HELD
    }
}

fn bfd() -> Vec<u8> {
    let request = Bfd::request(7, REMOTE_DISCRIMINATOR);

    Bfd::reply_to(&request, MIN_RX_US).octets().to_vec()
}

/// From a reflector, to the port that our requests come from.
fn reply(flow: &Flow) -> Vec<u8> {
    udp(flow, SBFD_PORT, SOURCE_PORT, &bfd())
}

fn reply6(flow: &Flow) -> Vec<u8> {
    frames6::udp(&over6(flow), SBFD_PORT, SOURCE_PORT, &bfd())
}

/// The same ports, and nothing of S-BFD.
fn datagram(flow: &Flow) -> Vec<u8> {
    udp(flow, SBFD_PORT, SOURCE_PORT, b"to whom it may concern")
}

/// An echo as long as ours, with the number of a session of ours and its cookie.
fn echo(flow: &Flow) -> Vec<u8> {
    frames::echo_reply(flow, ICMP, 1, &payload())
}

fn echo6(flow: &Flow) -> Vec<u8> {
    frames6::echo_reply(&over6(flow), scene6::ICMP, 1, &payload())
}

fn payload() -> Vec<u8> {
    [&COOKIE.to_be_bytes()[..], &[0; 10]].concat()
}

pub(crate) fn rows() -> Vec<Row> {
    type Made = fn(&Flow) -> Vec<u8>;
    let kinds: [(&str, Made); 5] = [
        ("a reply", reply),
        ("a reply over IPv6", reply6),
        ("a datagram from a reflector's port", datagram),
        ("an echo", echo),
        ("an echo over IPv6", echo6),
    ];
    let rows = kinds.map(|(kind, made)| {
        let sent_on = Row::redirect("", made(&TO_HELD), Verdict::Forwarded, made(&ONWARD))
            .given(forwarded)
            .counted();
        let turned = Row::transmit("", made(&TO_HELD), Verdict::Drained, made(&TURNED))
            .given(draining)
            .counted();

        [
            sent_on.named(format!("{kind} for the standby server")),
            turned.named(format!("{kind} for the source that has its address back")),
        ]
    });

    rows.into_iter().flatten().chain(locally()).collect()
}

/// Where this host's kernel has the address, the daemon has the port, and nobody waits for an answer that is not measured.
fn locally() -> Vec<Row> {
    let passed = |name, frame| {
        Row::pass(name, frame, Verdict::PassLocal)
            .given(held)
            .counted()
    };

    vec![
        Row::drop(
            "a reply to a held address that the kernel has",
            reply(&Flow {
                ttl: 255,
                ..TO_HELD
            }),
            Verdict::ReplyUnknownSession,
        )
        .given(held),
        passed(
            "an echo for a held address that the kernel has",
            echo(&TO_HELD),
        ),
        passed(
            "an echo over IPv6 for a held address that the kernel has",
            echo6(&TO_HELD),
        ),
    ]
}

#[test]
fn what_looks_like_an_answer_goes_the_way_of_its_address() {
    check(&rows());
}

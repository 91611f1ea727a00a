//! Answers to our TCP requests over IPv6, and in VLANs.

use etherparse::TcpOptionElement::{MaximumSegmentSize, SelectiveAcknowledgementPermitted};
use failover_ebpf::{abi::Session, verdict::Verdict};
use failover_tests::{
    edits::{with, with_trailer},
    frames6::{L4, next, with_extension, with_fragment},
    segments::Segment,
};

use crate::{
    harness::Bench,
    initiator::SEQUENCE,
    row::{Row, check},
    scene::{FROM_SOURCE, TCP, tcp_session},
    scene6,
    tcp::{RST_ACK, SYN_ACK, answer_for, padded},
};

/// Where the checksum of a segment is, two octets.
const CHECKSUM: usize = L4 + 16;

fn accepted(session: u16) -> Segment {
    Segment {
        options: vec![MaximumSegmentSize(1440), SelectiveAcknowledgementPermitted],
        ..answer_for(session, SYN_ACK, SEQUENCE)
    }
}

fn sent(bench: &mut Bench) {
    bench.sent(TCP, SEQUENCE);
    bench.sent(scene6::TCP, SEQUENCE);
}

/// The IPv4 session is in VLAN 5, or in VLAN 6 within 5.
fn in_vlans(bench: &mut Bench, tags: [u16; 2]) {
    let session = Session {
        tags,
        ..tcp_session()
    };
    bench.maps.set_session(TCP, session).unwrap();
    sent(bench);
}

/// The frame with these tags, each a type and control information, behind its MACs.
fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tags = tags
        .iter()
        .flat_map(|(kind, control)| [kind.to_be_bytes(), control.to_be_bytes()].concat());

    frame[..12]
        .iter()
        .copied()
        .chain(tags)
        .chain(frame[12..].iter().copied())
        .collect()
}

pub(crate) fn rows() -> Vec<Row> {
    [over_ipv6(), in_a_vlan()].concat()
}

fn over_ipv6() -> Vec<Row> {
    let flow = scene6::FROM_SOURCE;
    let valid = || accepted(scene6::TCP).frame6(&flow);
    let reset = accepted(scene6::TCP).reset6(&flow);
    let measured = |name, frame| {
        Row::transmit(name, frame, Verdict::TcpMeasured, reset.clone())
            .given(sent as fn(&mut Bench))
    };
    let passed = |name, frame| Row::pass(name, frame, Verdict::PassUnrelated).given(sent);

    vec![
        measured("a SYN-ACK over IPv6", valid()),
        measured("a SYN-ACK over IPv6 with a trailer", {
            with_trailer(valid(), 12)
        }),
        Row::drop(
            "a refusal over IPv6",
            answer_for(scene6::TCP, RST_ACK, SEQUENCE).frame6(&flow),
            Verdict::TcpRefused,
        )
        .given(sent),
        Row::drop(
            "a wrong checksum over IPv6",
            with(valid(), CHECKSUM, &[1, 2]),
            Verdict::TcpBadChecksum,
        )
        .given(sent),
        passed(
            "an answer over IPv6 that names the session over IPv4",
            accepted(TCP).frame6(&flow),
        ),
        passed(
            "an answer over IPv4 that names the session over IPv6",
            accepted(scene6::TCP).frame(&FROM_SOURCE),
        ),
        passed(
            "extension headers, with which we ask nobody",
            with_extension(&valid(), next::DESTINATION, &[0, 0, 1, 4, 0, 0, 0, 0]),
        ),
        passed("a fragment over IPv6", with_fragment(&valid(), 0, true)),
    ]
}

fn in_a_vlan() -> Vec<Row> {
    const ONE: &[(u16, u16)] = &[(0x8100, 0xe005)];
    const TWO: &[(u16, u16)] = &[(0x88a8, 5), (0x8100, 6)];
    let measured = |name, segment: &Segment, tags| {
        let frame = tagged(&segment.frame(&FROM_SOURCE), tags);
        let output = padded(tagged(&segment.reset(&FROM_SOURCE), tags), &frame);

        Row::transmit(name, frame, Verdict::TcpMeasured, output)
    };
    let bare = answer_for(TCP, SYN_ACK, SEQUENCE);

    vec![
        measured("a SYN-ACK in a VLAN", &accepted(TCP), ONE).given(|bench| in_vlans(bench, [5, 0])),
        measured("a SYN-ACK without options in a VLAN", &bare, ONE)
            .given(|bench| in_vlans(bench, [5, 0])),
        // RFC 894: what fills a frame up is zeros, whatever filled up the one that is answered.
        {
            let frame = tagged(&bare.frame(&FROM_SOURCE), ONE);
            let output = padded(
                tagged(&bare.reset(&FROM_SOURCE), ONE),
                &with_trailer(frame.clone(), 2),
            );

            Row::transmit(
                "a SYN-ACK in a VLAN, filled up",
                with_trailer(frame, 2),
                Verdict::TcpMeasured,
                output,
            )
            .given(|bench| in_vlans(bench, [5, 0]))
        },
        measured("a SYN-ACK in a VLAN in a VLAN", &accepted(TCP), TWO)
            .given(|bench| in_vlans(bench, [5, 6])),
        Row::pass(
            "a SYN-ACK in another VLAN",
            tagged(&accepted(TCP).frame(&FROM_SOURCE), ONE),
            Verdict::PassUnrelated,
        )
        .given(sent),
    ]
}

#[test]
fn over_ipv6_and_in_vlans_tcp_answers_are_measured_and_reset() {
    check(&rows());
}

//! Answers to our TCP requests: measured and reset, or counted as refusals.

use etherparse::TcpOptionElement::{
    MaximumSegmentSize, SelectiveAcknowledgementPermitted, Timestamp, WindowScale,
};
use failover_ebpf::{
    abi::{MAX_SESSIONS, RING, answered_mark, initial_sequence, refused_mark},
    measure::slot,
    verdict::Verdict,
};
use failover_tests::{
    edits::{L4, at, meant, with, with_ip_options, with_trailer},
    frames::Flow,
    lab::clock::now_ns,
    segments::Segment,
};

use crate::{
    harness::{Bench, bench},
    initiator::SEQUENCE,
    row::{Row, check},
    scene::{
        FROM_SOURCE, HELD, ICMP, OTHER_MAC, Port, STRANGE, TCP, TCP_COOKIE, TCP_PORT,
        TCP_SOURCE_PORT, UNSET, local,
    },
};

pub(crate) const SYN_ACK: u8 = Segment::SYN | Segment::ACK;
pub(crate) const RST_ACK: u8 = Segment::RST | Segment::ACK;

/// The shortest frame on a wire.
const SHORTEST: usize = 60;
/// Where the checksum of a segment is, two octets.
const CHECKSUM: usize = L4 + 16;
/// Where its data offset is.
const DATA_OFFSET: usize = L4 + 12;

/// What the source answers to a request, without options.
fn answer(flags: u8, sequence: u16) -> Segment {
    answer_for(TCP, flags, sequence)
}

pub(crate) fn answer_for(session: u16, flags: u8, sequence: u16) -> Segment {
    Segment {
        from: TCP_PORT,
        to: TCP_SOURCE_PORT,
        sequence: 0x0102_0304,
        acknowledgment: initial_sequence(TCP_COOKIE, session, sequence).wrapping_add(1),
        flags,
        options: Vec::new(),
    }
}

/// As Linux accepts a connection: with a maximum segment size, and the right to acknowledge selectively.
fn accepted(sequence: u16) -> Segment {
    Segment {
        options: vec![MaximumSegmentSize(1460), SelectiveAcknowledgementPermitted],
        ..answer(SYN_ACK, sequence)
    }
}

/// The same with everything that a host may offer: the longest header.
fn talkative() -> Segment {
    let timestamps = [Timestamp(1, 2), Timestamp(3, 4), Timestamp(5, 6)];
    let sizes = [MaximumSegmentSize(1460), WindowScale(7), WindowScale(7)];

    Segment {
        options: [&timestamps[..], &sizes[..]].concat(),
        ..answer(SYN_ACK, SEQUENCE)
    }
}

fn sent(bench: &mut Bench) {
    bench.sent(TCP, SEQUENCE);
}

/// With as many zeros as Ethernet demands, if the frame that is answered was so long.
pub(crate) fn padded(mut reset: Vec<u8>, frame: &[u8]) -> Vec<u8> {
    if frame.len() >= SHORTEST && reset.len() < SHORTEST {
        reset.resize(SHORTEST, 0);
    }

    reset
}

/// Comes from the source, and is reset.
fn reset(name: &'static str, segment: &Segment, verdict: Verdict) -> Row {
    reset_of(name, segment, segment.frame(&FROM_SOURCE), verdict)
}

/// Another frame for the same segment, which is reset all the same.
fn reset_of(name: &'static str, segment: &Segment, frame: Vec<u8>, verdict: Verdict) -> Row {
    let output = padded(segment.reset(&FROM_SOURCE), &frame);

    Row::transmit(name, frame, verdict, output).given(sent)
}

fn dropped(name: &'static str, frame: Vec<u8>, verdict: Verdict) -> Row {
    Row::drop(name, frame, verdict).given(sent)
}

fn passed(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassUnrelated).given(sent)
}

/// The segment with the checksum that a host leaves to hardware: the sum of the pseudo-header, by hand.
fn left_to_hardware(segment: &Segment) -> Vec<u8> {
    let frame = segment.frame(&FROM_SOURCE);
    let length = (frame.len() - L4) as u32;
    // 10.0.0.10, 10.0.0.2, protocol 6.
    let sum = 0x0a00 + 0x000a + 0x0a00 + 0x0002 + 6 + length;

    with(frame, CHECKSUM, &(sum as u16).to_be_bytes())
}

pub(crate) fn rows() -> Vec<Row> {
    [
        accepting(),
        too_late(),
        refusing(),
        refused_frames(),
        of_others(),
    ]
    .concat()
}

fn accepting() -> Vec<Row> {
    let plain = answer(SYN_ACK, SEQUENCE);
    let measured = |name, segment: &Segment| reset(name, segment, Verdict::TcpMeasured);
    let measured_of =
        |name, segment: &Segment, frame| reset_of(name, segment, frame, Verdict::TcpMeasured);

    vec![
        measured("a SYN-ACK without options", &plain),
        measured("a SYN-ACK as Linux sends it", &accepted(SEQUENCE)),
        measured("a SYN-ACK with the longest header", &talkative()),
        measured_of(
            "a SYN-ACK as long as Ethernet demands",
            &plain,
            with_trailer(plain.frame(&FROM_SOURCE), 6),
        ),
        measured_of(
            "a SYN-ACK with a trailer that is too short to stay",
            &plain,
            with_trailer(plain.frame(&FROM_SOURCE), 4),
        ),
        measured_of(
            "a SYN-ACK with a long trailer",
            &plain,
            with_trailer(plain.frame(&FROM_SOURCE), 90),
        ),
        measured_of(
            "a SYN-ACK whose checksum was left to hardware that is not there",
            &accepted(SEQUENCE),
            left_to_hardware(&accepted(SEQUENCE)),
        ),
        measured(
            "a SYN-ACK that answers ECN",
            &Segment {
                flags: SYN_ACK | Segment::ECE,
                ..plain.clone()
            },
        ),
        measured_of(
            "a SYN-ACK that was routed",
            &plain,
            meant(plain.frame(&FROM_SOURCE), at::IP_TTL, &[63]),
        ),
        measured("a SYN-ACK of a sequence whose acknowledgment carries", &{
            accepted(u16::MAX)
        })
        .given(|bench| bench.sent(TCP, u16::MAX)),
    ]
}

/// What the source believes to have, and what we have not, is reset whatever it is.
fn too_late() -> Vec<Row> {
    let stray = |name, flags| reset(name, &answer(flags, SEQUENCE), Verdict::TcpStray);

    vec![
        reset(
            "the second of two SYN-ACKs",
            &accepted(SEQUENCE),
            Verdict::TcpDuplicate,
        )
        .given(|bench| {
            sent(bench);
            bench.run(Port::Chosen, &accepted(SEQUENCE).frame(&FROM_SOURCE));
        }),
        reset(
            "a SYN-ACK of a request that was never sent",
            &accepted(SEQUENCE + 1),
            Verdict::TcpStale,
        ),
        reset(
            "a SYN-ACK of a request too long ago to be told apart",
            &accepted(SEQUENCE),
            Verdict::TcpStale,
        )
        .given(|bench| {
            sent(bench);
            bench.sent(TCP, SEQUENCE + RING as u16);
        }),
        stray(
            "an acknowledgment of a segment out of the window",
            Segment::ACK,
        ),
        stray("the end of a connection", Segment::ACK | Segment::FIN),
        stray("a push of nothing", Segment::ACK | Segment::PSH),
    ]
}

fn refusing() -> Vec<Row> {
    let refused = || answer(RST_ACK, SEQUENCE).frame(&FROM_SOURCE);

    vec![
        dropped("a refusal", refused(), Verdict::TcpRefused),
        dropped(
            "a refusal as long as Ethernet demands",
            with_trailer(refused(), 6),
            Verdict::TcpRefused,
        ),
        dropped(
            "a refusal whose checksum was left to hardware",
            left_to_hardware(&answer(RST_ACK, SEQUENCE)),
            Verdict::TcpRefused,
        ),
        dropped(
            "a refusal that synchronises as well, which does not count",
            answer(RST_ACK | Segment::SYN, SEQUENCE).frame(&FROM_SOURCE),
            Verdict::TcpRefused,
        ),
        dropped(
            "a refusal of a request that was never sent",
            answer(RST_ACK, SEQUENCE + 1).frame(&FROM_SOURCE),
            Verdict::TcpRefusalStale,
        ),
        dropped(
            "a refusal of a request that was accepted",
            refused(),
            Verdict::TcpRefusalStale,
        )
        .given(|bench| {
            sent(bench);
            bench.run(Port::Chosen, &accepted(SEQUENCE).frame(&FROM_SOURCE));
        }),
    ]
}

/// Answers that nobody believes, and that are not answered.
fn refused_frames() -> Vec<Row> {
    let valid = || accepted(SEQUENCE).frame(&FROM_SOURCE);
    let checksum = |name, frame| dropped(name, frame, Verdict::TcpBadChecksum);
    let length = |name, frame| dropped(name, frame, Verdict::TcpTruncated);

    vec![
        checksum("a wrong IP checksum", {
            with(valid(), at::IP_CHECKSUM, &[1, 2])
        }),
        checksum("a wrong TCP checksum", with(valid(), CHECKSUM, &[1, 2])),
        checksum("no TCP checksum", with(valid(), CHECKSUM, &[0, 0])),
        checksum("an option that was changed on the way", {
            with(valid(), L4 + 22, &[9])
        }),
        checksum("the last option, changed on the way", {
            let frame = talkative().frame(&FROM_SOURCE);
            let last = frame.len() - 2;
            let octet = frame[last] ^ 0x40;

            with(frame, last, &[octet])
        }),
        checksum("a refusal with a wrong checksum", {
            with(
                answer(RST_ACK, SEQUENCE).frame(&FROM_SOURCE),
                CHECKSUM,
                &[1, 2],
            )
        }),
        length(
            "data, which no answer carries",
            accepted(SEQUENCE).frame_with(&FROM_SOURCE, b"data"),
        ),
        length("a header shorter than TCP's", {
            with(valid(), DATA_OFFSET, &[4 << 4])
        }),
        length("a header longer than the packet", {
            with(valid(), DATA_OFFSET, &[15 << 4])
        }),
        length("a header shorter than the packet", {
            with(valid(), DATA_OFFSET, &[5 << 4])
        }),
        length("a packet that ends within the header", {
            meant(valid(), at::IP_TOTAL_LEN, &[0, 36])
        }),
        length("a packet longer than the frame", {
            let longer = talkative().frame(&FROM_SOURCE);

            longer[..longer.len() - 2].to_vec()
        }),
    ]
}

/// What belongs to no session of ours: the kernel deals with it, or whoever has the address.
fn of_others() -> Vec<Row> {
    let to = |flow: Flow| accepted(SEQUENCE).frame(&flow);
    let from_source = |segment: Segment| segment.frame(&FROM_SOURCE);
    let plain = accepted(SEQUENCE);

    vec![
        passed(
            "a SYN without ACK: somebody calls",
            from_source(answer(Segment::SYN, SEQUENCE)),
        ),
        passed(
            "a reset without ACK",
            from_source(answer(Segment::RST, SEQUENCE)),
        ),
        passed("an acknowledgment of what we never sent", {
            from_source(Segment {
                acknowledgment: plain.acknowledgment ^ 0x0001_0000,
                ..plain.clone()
            })
        }),
        passed(
            "an acknowledgment that names a session that is not in use",
            from_source(answer_for(UNSET, SYN_ACK, SEQUENCE)),
        ),
        passed(
            "an acknowledgment that names a session of another kind",
            from_source(answer_for(ICMP, SYN_ACK, SEQUENCE)),
        ),
        passed(
            "an acknowledgment that names no session at all",
            from_source(answer_for(MAX_SESSIONS as u16, SYN_ACK, SEQUENCE)),
        ),
        passed("another port of the source", {
            from_source(Segment {
                from: TCP_PORT + 1,
                ..plain.clone()
            })
        }),
        passed("to another port of ours", {
            from_source(Segment {
                to: TCP_SOURCE_PORT + 1,
                ..plain.clone()
            })
        }),
        passed(
            "another host",
            to(Flow {
                from: STRANGE,
                ..FROM_SOURCE
            }),
        ),
        passed(
            "to another address of ours",
            to(Flow {
                to: STRANGE,
                ..FROM_SOURCE
            }),
        ),
        passed(
            "a fragment",
            meant(to(FROM_SOURCE), at::IP_FRAGMENT, &[0x20, 0]),
        ),
        passed(
            "IP options, with which we ask nobody",
            with_ip_options(&to(FROM_SOURCE), 1),
        ),
        passed("a host that watches nobody by TCP", to(FROM_SOURCE)).given(|bench| {
            sent(bench);
            bench.settings(|settings| settings.tcp_source_port = 0);
        }),
        Row::pass(
            "a SYN-ACK to another host's MAC",
            to(Flow {
                to_mac: OTHER_MAC,
                ..FROM_SOURCE
            }),
            Verdict::PassOtherHost,
        )
        .given(sent),
        Row::pass(
            "the same port on an address that is held",
            to(Flow {
                to: HELD,
                ..FROM_SOURCE
            }),
            Verdict::PassLocal,
        )
        .given(|bench| bench.hold(local(bench.index(Port::Chosen))))
        .counted(),
    ]
}

#[test]
fn tcp_answers_are_measured_and_reset_and_refusals_are_counted() {
    check(&rows());
}

#[test]
fn an_answer_gives_its_round_trip() {
    bench(|bench| {
        let sent_ns = now_ns() - 5_000_000;
        bench.sessions.sending(TCP, SEQUENCE, sent_ns);

        bench.run(Port::Chosen, &accepted(SEQUENCE).frame(&FROM_SOURCE));

        let rx = bench.measured(TCP);
        assert_eq!((rx.received, rx.late, rx.refused), (1, 0, 0));
        assert_eq!(rx.answered[slot(SEQUENCE)], answered_mark(SEQUENCE));
        assert_eq!(rx.rtt_min_ns, rx.last_ns - sent_ns);
        assert!(bench.sessions.answered(TCP, SEQUENCE));
        assert!(!bench.sessions.refused(TCP, SEQUENCE, sent_ns));
    });
}

#[test]
fn a_refusal_is_no_answer_and_is_known_as_what_it_is() {
    bench(|bench| {
        bench.sent(TCP, SEQUENCE - 1);
        bench.run(Port::Chosen, &accepted(SEQUENCE - 1).frame(&FROM_SOURCE));
        let before = bench.measured(TCP);
        let sent_ns = now_ns();
        bench.sessions.sending(TCP, SEQUENCE, sent_ns);

        bench.run(Port::Chosen, &answer(RST_ACK, SEQUENCE).frame(&FROM_SOURCE));

        let rx = bench.measured(TCP);
        assert!(bench.sessions.refused(TCP, SEQUENCE, sent_ns));
        assert!(!bench.sessions.refused(TCP, SEQUENCE - 1, sent_ns));
        assert!(!bench.sessions.answered(TCP, SEQUENCE));
        assert!(rx.refused_mark >= refused_mark(SEQUENCE, sent_ns));
        let wanted = failover_ebpf::abi::SessionRx {
            refused: 1,
            refused_mark: rx.refused_mark,
            ..before
        };
        assert_eq!(rx, wanted);
    });
}

#[test]
fn what_is_not_believed_is_not_measured() {
    let rows = [too_late(), refused_frames(), of_others()].concat();

    bench(|bench| {
        for row in rows {
            bench.reset();
            row.prepare(bench);
            let before = bench.measured(TCP);

            bench.run(row.ingress, &row.frame);

            assert_eq!(bench.measured(TCP), before, "{}", row.name);
        }
    });
}

//! Replies to our requests: consumed, whether they are valid or not.

use failover_ebpf::{
    abi::{MAX_SESSIONS, RING, discriminator},
    verdict::Verdict,
};
use failover_tests::{
    edits::{L4, at, meant, with, with_ip_options, with_trailer, without_udp_checksum},
    frames::{self, BROADCAST, Bfd, Flow, SBFD_PORT, udp},
    lab::{Mac, clock::now_ns},
};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{
        COOKIE, FROM_SOURCE, ICMP, MIN_RX_US, OTHER_MAC, Port, REMOTE_DISCRIMINATOR, SBFD,
        SOURCE_PORT, STRANGE, UNSET,
    },
};

/// The request that the tables' replies answer.
pub(crate) const SEQUENCE: u16 = 7;

/// What the source's reflector answers to the request with a sequence.
pub(crate) fn bfd(session: u16, sequence: u16) -> Bfd {
    let request = Bfd::request(discriminator(session, sequence), REMOTE_DISCRIMINATOR);

    Bfd::reply_to(&request, MIN_RX_US)
}

pub(crate) fn reply(bfd: Bfd) -> Vec<u8> {
    bfd.frame(&FROM_SOURCE, SBFD_PORT, SOURCE_PORT)
}

/// What the source answers to an echo request of ours.
pub(crate) fn echo(sequence: u16) -> Vec<u8> {
    echo_with(&FROM_SOURCE, ICMP, sequence, COOKIE)
}

fn echo_with(flow: &Flow, identifier: u16, sequence: u16, cookie: u64) -> Vec<u8> {
    let payload = [&cookie.to_be_bytes()[..], &[0; 10]].concat();

    frames::echo_reply(flow, identifier, sequence, &payload)
}

/// An echo that is sent to a MAC.
fn echo_to(to_mac: Mac) -> Vec<u8> {
    let flow = Flow {
        to_mac,
        ..FROM_SOURCE
    };

    echo_with(&flow, ICMP, SEQUENCE, COOKIE)
}

/// A reply to somebody who uses our port: a virtual machine behind a bridge, or whomever a switch could not find.
fn reply_to(to_mac: Mac) -> Vec<u8> {
    let flow = Flow {
        to_mac,
        ..FROM_SOURCE
    };

    bfd(SBFD, SEQUENCE).frame(&flow, SBFD_PORT, SOURCE_PORT)
}

/// Requests of both sessions are under way.
fn sent(bench: &mut Bench) {
    bench.sent(SBFD, SEQUENCE);
    bench.sent(ICMP, SEQUENCE);
}

pub(crate) fn rows() -> Vec<Row> {
    [
        measured(),
        frames_refused(),
        replies_refused(),
        replies_of_others(),
        echoes(),
    ]
    .concat()
}

fn measured() -> Vec<Row> {
    let valid = bfd(SBFD, SEQUENCE);
    let measured =
        |name, frame| Row::drop(name, frame, Verdict::ReplyMeasured).given(sent as fn(&mut Bench));

    vec![
        measured("a reply", reply(valid)),
        measured(
            "AdminDown, which is an answer too",
            reply(Bfd { state: 0, ..valid }),
        ),
        measured(
            "Final",
            reply(Bfd {
                flags: Bfd::FINAL,
                ..valid
            }),
        ),
        measured("no UDP checksum", without_udp_checksum(reply(valid))),
        measured("a trailer", with_trailer(reply(valid), 6)),
        Row::drop("the second of two", reply(valid), Verdict::ReplyDuplicate).given(|bench| {
            sent(bench);
            bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE)));
        }),
        Row::drop(
            "a request that was never sent",
            reply(bfd(SBFD, SEQUENCE + 1)),
            Verdict::ReplyStale,
        )
        .given(sent),
        Row::drop("no request at all", reply(valid), Verdict::ReplyStale),
        Row::drop(
            "a request that could not be sent",
            reply(valid),
            Verdict::ReplyStale,
        )
        .given(|bench| {
            sent(bench);
            bench.sessions.not_sent(SBFD, SEQUENCE);
        }),
        Row::drop(
            "a request that is not sent before in an hour",
            reply(valid),
            Verdict::ReplyStale,
        )
        .given(|bench| {
            let hour_ns = 3_600_000_000_000;

            bench.sessions.sending(SBFD, SEQUENCE, now_ns() + hour_ns);
        }),
        Row::drop(
            "a request too long ago to be told apart",
            reply(valid),
            Verdict::ReplyStale,
        )
        .given(|bench| {
            sent(bench);
            bench.sent(SBFD, SEQUENCE + RING as u16);
        }),
        measured("the oldest request that can be told apart", reply(valid)).given(|bench| {
            sent(bench);
            bench.sent(SBFD, SEQUENCE + RING as u16 - 1);
        }),
    ]
}

/// Frames that are wrong before one looks at BFD.
fn frames_refused() -> Vec<Row> {
    let valid = || reply(bfd(SBFD, SEQUENCE));
    let length = |name, frame| Row::drop(name, frame, Verdict::ReplyTruncated).given(sent);
    let checksum = |name, frame| Row::drop(name, frame, Verdict::ReplyBadChecksum).given(sent);

    vec![
        length("a payload that is too short", {
            udp(&FROM_SOURCE, SBFD_PORT, SOURCE_PORT, &[0x20; 22])
        }),
        length("octets behind BFD", {
            let payload = [&bfd(SBFD, SEQUENCE).octets()[..], &[0; 4]].concat();

            udp(&FROM_SOURCE, SBFD_PORT, SOURCE_PORT, &payload)
        }),
        length("a length that BFD does not have", {
            reply(Bfd {
                length: 23,
                ..bfd(SBFD, SEQUENCE)
            })
        }),
        length("a packet longer than the frame", {
            meant(valid(), at::IP_TOTAL_LEN, &[5, 0])
        }),
        length("a frame without its last octet", valid()[..65].to_vec()),
        checksum("a wrong IP checksum", {
            with(valid(), at::IP_CHECKSUM, &[1, 2])
        }),
        checksum("BFD changed on the way", with(valid(), at::BFD + 12, &[9])),
        Row::drop(
            "a first fragment of a reply",
            meant(valid(), at::IP_FRAGMENT, &[0x20, 0]),
            Verdict::ReplyFragment,
        )
        .given(sent),
        Row::drop(
            "IP options",
            with_ip_options(&valid(), 1),
            Verdict::ReplyIpOptions,
        )
        .given(sent),
        Row::drop(
            "a reply that was routed",
            meant(valid(), at::IP_TTL, &[254]),
            Verdict::ReplyRouted,
        )
        .given(sent),
    ]
}

/// Replies that are wrong in themselves, or not for the session that they name.
fn replies_refused() -> Vec<Row> {
    let valid = bfd(SBFD, SEQUENCE);
    let refused = |name, bfd, verdict| Row::drop(name, reply(bfd), verdict).given(sent);
    let malformed = |name, bfd| refused(name, bfd, Verdict::ReplyMalformed);
    let unknown =
        |name, session| refused(name, bfd(session, SEQUENCE), Verdict::ReplyUnknownSession);
    let wrong_host = |name, flow: Flow, valid: Bfd| {
        let frame = valid.frame(&flow, SBFD_PORT, SOURCE_PORT);

        Row::drop(name, frame, Verdict::ReplyWrongHost).given(sent)
    };

    vec![
        malformed(
            "version 0",
            Bfd {
                version: 0,
                ..valid
            },
        ),
        malformed("state Down", Bfd { state: 1, ..valid }),
        malformed("state Init", Bfd { state: 2, ..valid }),
        malformed(
            "detect multiplier 0",
            Bfd {
                detect_mult: 0,
                ..valid
            },
        ),
        malformed("multipoint", Bfd { flags: 1, ..valid }),
        refused(
            "Demand, as in a request that came back",
            Bfd {
                flags: Bfd::DEMAND,
                ..valid
            },
            Verdict::ReplyDemand,
        ),
        refused(
            "authentication",
            Bfd { flags: 4, ..valid },
            Verdict::ReplyAuthentication,
        ),
        unknown("session 0", 0),
        unknown("a session that is not in use", UNSET),
        unknown("a session of another kind", ICMP),
        unknown("the first number that is no session's", MAX_SESSIONS as u16),
        unknown("the last number", u16::MAX),
        wrong_host(
            "another host answers",
            Flow {
                from: STRANGE,
                ..FROM_SOURCE
            },
            valid,
        ),
        wrong_host(
            "to another address of ours",
            Flow {
                to: STRANGE,
                ..FROM_SOURCE
            },
            valid,
        ),
        wrong_host(
            "another reflector of the source answers",
            FROM_SOURCE,
            Bfd {
                my_discriminator: REMOTE_DISCRIMINATOR + 1,
                ..valid
            },
        ),
    ]
}

/// Replies that are sent to another host's MAC: none of our business, however wrong they are.
fn replies_of_others() -> Vec<Row> {
    let passed = |name, frame| Row::pass(name, frame, Verdict::PassOtherHost).given(sent);

    vec![
        passed("a reply to another host's MAC", reply_to(OTHER_MAC)),
        passed("a reply to everybody's MAC", reply_to(BROADCAST)),
        passed(
            "a reply to the MAC of another NIC of ours",
            reply_to(Port::Out.mac()),
        ),
        passed("a reply to another host's MAC, routed and broken", {
            with(
                meant(reply_to(OTHER_MAC), at::IP_TTL, &[9]),
                at::IP_CHECKSUM,
                &[1, 2],
            )
        }),
        passed("a reply to another host's MAC, without its end", {
            reply_to(OTHER_MAC)[..50].to_vec()
        }),
        passed(
            "a reply on a NIC that is not managed",
            reply_to(Port::Unmanaged.mac()),
        )
        .on(Port::Unmanaged),
        Row::drop(
            "a reply by another NIC of ours, to its MAC",
            reply_to(Port::Out.mac()),
            Verdict::ReplyMeasured,
        )
        .given(sent)
        .on(Port::Out),
    ]
}

fn echoes() -> Vec<Row> {
    let strange = Flow {
        from: STRANGE,
        ..FROM_SOURCE
    };
    let not_ours = |name, frame| Row::pass(name, frame, Verdict::PassUnrelated).given(sent);
    let consumed = |name, frame, verdict| Row::drop(name, frame, verdict).given(sent);

    vec![
        consumed("an echo", echo(SEQUENCE), Verdict::EchoMeasured),
        consumed(
            "an echo that was routed",
            meant(echo(SEQUENCE), at::IP_TTL, &[64]),
            Verdict::EchoMeasured,
        ),
        consumed(
            "an echo with a wrong checksum",
            with(echo(SEQUENCE), at::ICMP_CHECKSUM, &[1, 2]),
            Verdict::EchoBadChecksum,
        ),
        consumed(
            "an echo whose padding was changed on the way",
            with(echo(SEQUENCE), L4 + 20, &[0xff]),
            Verdict::EchoBadChecksum,
        ),
        consumed(
            "an echo with a wrong IP checksum",
            with(echo(SEQUENCE), at::IP_CHECKSUM, &[1, 2]),
            Verdict::EchoBadChecksum,
        ),
        consumed(
            "an echo of a request that was never sent",
            echo(SEQUENCE + 1),
            Verdict::EchoStale,
        ),
        Row::drop(
            "the second of two echoes",
            echo(SEQUENCE),
            Verdict::EchoDuplicate,
        )
        .given(|bench| {
            sent(bench);
            bench.run(Port::Chosen, &echo(SEQUENCE));
        }),
        not_ours(
            "an echo for this host's own ping, as long as ours",
            echo_with(&FROM_SOURCE, ICMP, SEQUENCE, COOKIE + 1),
        ),
        not_ours(
            "an echo for this host's own ping, of the usual length",
            frames::echo_reply(&FROM_SOURCE, ICMP, SEQUENCE, &[0x10; 56]),
        ),
        not_ours(
            "an echo with an identifier that no session has",
            echo_with(&FROM_SOURCE, u16::MAX, SEQUENCE, COOKIE),
        ),
        not_ours(
            "an echo with the number of an S-BFD session",
            echo_with(&FROM_SOURCE, SBFD, SEQUENCE, COOKIE),
        ),
        not_ours(
            "an echo from another host",
            echo_with(&strange, ICMP, SEQUENCE, COOKIE),
        ),
        not_ours(
            "an echo reply with a code",
            meant(echo(SEQUENCE), L4 + 1, &[1]),
        ),
        Row::pass(
            "an echo to another host's MAC",
            echo_to(OTHER_MAC),
            Verdict::PassOtherHost,
        )
        .given(sent),
        Row::pass(
            "an echo to another host's MAC, with a wrong checksum",
            with(echo_to(OTHER_MAC), at::ICMP_CHECKSUM, &[1, 2]),
            Verdict::PassOtherHost,
        )
        .given(sent),
        Row::pass(
            "an echo on a NIC that is not managed",
            echo_to(Port::Unmanaged.mac()),
            Verdict::PassOtherHost,
        )
        .given(sent)
        .on(Port::Unmanaged),
        consumed(
            "an echo by another NIC of ours, to its MAC",
            echo_to(Port::Out.mac()),
            Verdict::EchoMeasured,
        )
        .on(Port::Out),
        Row::pass(
            "an echo without its last octet",
            echo(SEQUENCE)[..57].to_vec(),
            Verdict::PassTruncated,
        )
        .given(sent),
    ]
}

#[test]
fn replies_are_consumed_and_counted_by_what_they_are() {
    check(&rows());
}

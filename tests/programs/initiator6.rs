//! Replies over IPv6: consumed, whether they are valid or not; ICMPv6 echoes that are not ours pass.

use failover_ebpf::{abi::discriminator, verdict::Verdict};
use failover_tests::{
    edits::{with, with_trailer},
    frames::{Bfd, SBFD_PORT},
    frames6::{self, Flow6, L4, at, meant, next, udp, with_extension, with_fragment},
};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{self, COOKIE, MIN_RX_US, OTHER_MAC, Port, REMOTE_DISCRIMINATOR, SOURCE_PORT, UNSET},
    scene6::{FROM_SOURCE, ICMP, SBFD, STRANGE},
};

/// The request that the tables' replies answer.
const SEQUENCE: u16 = 7;

/// What the source's reflector answers.
fn bfd(session: u16, sequence: u16) -> Bfd {
    let request = Bfd::request(discriminator(session, sequence), REMOTE_DISCRIMINATOR);

    Bfd::reply_to(&request, MIN_RX_US)
}

fn on(flow: &Flow6, bfd: Bfd) -> Vec<u8> {
    udp(flow, SBFD_PORT, SOURCE_PORT, &bfd.octets())
}

fn reply(bfd: Bfd) -> Vec<u8> {
    on(&FROM_SOURCE, bfd)
}

fn echo_with(flow: &Flow6, identifier: u16, sequence: u16, cookie: u64) -> Vec<u8> {
    let payload = [&cookie.to_be_bytes()[..], &[0; 10]].concat();

    frames6::echo_reply(flow, identifier, sequence, &payload)
}

/// What the source answers to an echo request of ours.
fn echo(sequence: u16) -> Vec<u8> {
    echo_with(&FROM_SOURCE, ICMP, sequence, COOKIE)
}

/// Requests of both sessions are under way.
fn sent(bench: &mut Bench) {
    bench.sent(SBFD, SEQUENCE);
    bench.sent(ICMP, SEQUENCE);
}

pub(crate) fn rows() -> Vec<Row> {
    [measured(), frames_refused(), replies_refused(), echoes()].concat()
}

fn measured() -> Vec<Row> {
    let valid = bfd(SBFD, SEQUENCE);
    let measured = |name, frame| Row::drop(name, frame, Verdict::ReplyMeasured).given(sent);

    vec![
        measured("IPv6: a reply", reply(valid)),
        measured(
            "IPv6: AdminDown, which is an answer too",
            reply(Bfd { state: 0, ..valid }),
        ),
        measured(
            "IPv6: Final",
            reply(Bfd {
                flags: Bfd::FINAL,
                ..valid
            }),
        ),
        measured("IPv6: a trailer", with_trailer(reply(valid), 6)),
        Row::drop(
            "IPv6: the second of two",
            reply(valid),
            Verdict::ReplyDuplicate,
        )
        .given(|bench| {
            sent(bench);
            bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE)));
        }),
        Row::drop(
            "IPv6: a request that was never sent",
            reply(bfd(SBFD, SEQUENCE + 1)),
            Verdict::ReplyStale,
        )
        .given(sent),
    ]
}

/// Frames that are wrong before one looks at BFD.
fn frames_refused() -> Vec<Row> {
    let valid = || reply(bfd(SBFD, SEQUENCE));
    let refused = |name, frame, verdict| Row::drop(name, frame, verdict).given(sent);

    vec![
        refused(
            "IPv6: no UDP checksum, which IPv6 does not allow, in a reply",
            with(valid(), at::UDP_CHECKSUM, &[0, 0]),
            Verdict::ReplyBadChecksum,
        ),
        refused(
            "IPv6: BFD changed on the way back",
            with(valid(), at::BFD + 12, &[9]),
            Verdict::ReplyBadChecksum,
        ),
        refused(
            "IPv6: a reply that was routed",
            with(valid(), at::HOP_LIMIT, &[254]),
            Verdict::ReplyRouted,
        ),
        refused(
            "IPv6: octets behind BFD in a reply",
            {
                let payload = [&bfd(SBFD, SEQUENCE).octets()[..], &[0; 4]].concat();

                udp(&FROM_SOURCE, SBFD_PORT, SOURCE_PORT, &payload)
            },
            Verdict::ReplyTruncated,
        ),
        refused(
            "IPv6: a reply in a packet longer than the frame",
            with(valid(), at::PAYLOAD_LEN, &[5, 0]),
            Verdict::ReplyTruncated,
        ),
        refused(
            "a reply behind destination options",
            with_extension(&valid(), next::DESTINATION, &[0, 0, 1, 4, 0, 0, 0, 0]),
            Verdict::ReplyExtensionHeaders,
        ),
        refused(
            "a reply behind hop-by-hop options",
            with_extension(&valid(), next::HOP_BY_HOP, &[0, 0, 1, 4, 0, 0, 0, 0]),
            Verdict::ReplyExtensionHeaders,
        ),
        refused(
            "IPv6: a first fragment of a reply",
            with_fragment(&valid(), 0, true),
            Verdict::ReplyFragment,
        ),
        Row::pass(
            "IPv6: a later fragment of a reply",
            with_fragment(&valid(), 3, false),
            Verdict::PassUnrelated,
        )
        .given(sent),
    ]
}

/// Replies that are wrong in themselves, or not for the session that they name.
fn replies_refused() -> Vec<Row> {
    let valid = bfd(SBFD, SEQUENCE);
    let refused = |name, bfd, verdict| Row::drop(name, reply(bfd), verdict).given(sent);
    let wrong_host =
        |name, flow: Flow6| Row::drop(name, on(&flow, valid), Verdict::ReplyWrongHost).given(sent);

    vec![
        refused(
            "IPv6: state Down",
            Bfd { state: 1, ..valid },
            Verdict::ReplyMalformed,
        ),
        refused(
            "IPv6: Demand, as in a request that came back",
            Bfd {
                flags: Bfd::DEMAND,
                ..valid
            },
            Verdict::ReplyDemand,
        ),
        refused(
            "IPv6: authentication",
            Bfd { flags: 4, ..valid },
            Verdict::ReplyAuthentication,
        ),
        refused(
            "IPv6: a session that is not in use",
            bfd(UNSET, SEQUENCE),
            Verdict::ReplyUnknownSession,
        ),
        refused(
            "IPv6: a session between IPv4 addresses",
            bfd(scene::SBFD, SEQUENCE),
            Verdict::ReplyWrongHost,
        ),
        refused(
            "IPv6: another reflector of the source answers",
            Bfd {
                my_discriminator: REMOTE_DISCRIMINATOR + 1,
                ..valid
            },
            Verdict::ReplyWrongHost,
        ),
        wrong_host(
            "IPv6: another host answers",
            Flow6 {
                from: STRANGE,
                ..FROM_SOURCE
            },
        ),
        wrong_host(
            "IPv6: to another address of ours",
            Flow6 {
                to: STRANGE,
                ..FROM_SOURCE
            },
        ),
        Row::pass(
            "IPv6: a reply to another host's MAC",
            on(
                &Flow6 {
                    to_mac: OTHER_MAC,
                    ..FROM_SOURCE
                },
                valid,
            ),
            Verdict::PassOtherHost,
        )
        .given(sent),
    ]
}

fn echoes() -> Vec<Row> {
    let consumed = |name, frame, verdict| Row::drop(name, frame, verdict).given(sent);
    let not_ours = |name, frame| Row::pass(name, frame, Verdict::PassUnrelated).given(sent);
    let strange = Flow6 {
        from: STRANGE,
        ..FROM_SOURCE
    };

    vec![
        consumed("ICMPv6: an echo", echo(SEQUENCE), Verdict::EchoMeasured),
        consumed(
            "ICMPv6: an echo that was routed",
            with(echo(SEQUENCE), at::HOP_LIMIT, &[64]),
            Verdict::EchoMeasured,
        ),
        Row::pass(
            "ICMPv6: an echo to another host's MAC",
            with(echo(SEQUENCE), 0, &OTHER_MAC.0),
            Verdict::PassOtherHost,
        )
        .given(sent),
        consumed(
            "ICMPv6: an echo with a wrong checksum",
            with(echo(SEQUENCE), at::ICMP_CHECKSUM, &[1, 2]),
            Verdict::EchoBadChecksum,
        ),
        consumed(
            "ICMPv6: an echo whose checksum does not cover its addresses, as in ICMP",
            {
                let mut frame = echo(SEQUENCE);
                let sum: u32 = frame[at::SRC..L4]
                    .chunks(2)
                    .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                    .sum::<u32>()
                    + 58
                    + 26;
                let checksum =
                    u16::from_be_bytes([frame[at::ICMP_CHECKSUM], frame[at::ICMP_CHECKSUM + 1]]);
                let without = (u32::from(checksum) + sum % 0xffff) % 0xffff;
                frame[at::ICMP_CHECKSUM..][..2].copy_from_slice(&(without as u16).to_be_bytes());

                frame
            },
            Verdict::EchoBadChecksum,
        ),
        consumed(
            "ICMPv6: an echo whose padding was changed on the way",
            with(echo(SEQUENCE), L4 + 20, &[0xff]),
            Verdict::EchoBadChecksum,
        ),
        consumed(
            "ICMPv6: an echo of a request that was never sent",
            echo(SEQUENCE + 1),
            Verdict::EchoStale,
        ),
        Row::drop(
            "ICMPv6: the second of two echoes",
            echo(SEQUENCE),
            Verdict::EchoDuplicate,
        )
        .given(|bench| {
            sent(bench);
            bench.run(Port::Chosen, &echo(SEQUENCE));
        }),
        not_ours(
            "ICMPv6: an echo for this host's own ping, as long as ours",
            echo_with(&FROM_SOURCE, ICMP, SEQUENCE, COOKIE + 1),
        ),
        not_ours(
            "ICMPv6: an echo for this host's own ping, of the usual length",
            frames6::echo_reply(&FROM_SOURCE, ICMP, SEQUENCE, &[0x10; 56]),
        ),
        not_ours(
            "ICMPv6: an echo for a session between IPv4 addresses",
            echo_with(&FROM_SOURCE, scene::ICMP, SEQUENCE, COOKIE),
        ),
        not_ours(
            "ICMPv6: an echo from another host",
            echo_with(&strange, ICMP, SEQUENCE, COOKIE),
        ),
        not_ours(
            "ICMPv6: an echo reply with a code",
            meant(echo(SEQUENCE), at::ICMP_CODE, &[1]),
        ),
        not_ours(
            "ICMPv6: an echo behind destination options",
            with_extension(
                &echo(SEQUENCE),
                next::DESTINATION,
                &[0, 0, 1, 4, 0, 0, 0, 0],
            ),
        ),
        not_ours(
            "ICMPv6: an echo request as long as our replies",
            frames6::echo_request(&FROM_SOURCE, ICMP, SEQUENCE, &[0; 18]),
        ),
        Row::pass(
            "ICMPv6: an echo without its last octet",
            echo(SEQUENCE)[..79].to_vec(),
            Verdict::PassTruncated,
        )
        .given(sent),
    ]
}

#[test]
fn replies_over_ipv6_are_consumed_and_counted_by_what_they_are() {
    check(&rows());
}

//! Signed replies: measured and refused.

use failover_ebpf::verdict::Verdict;
use failover_tests::{
    edits::{at, meant, with, with_trailer},
    frames::Bfd,
    frames6,
    signatures::Signature,
};

use super::{
    Ip, NEW, OLD, SEQUENCE, UNKNOWN, bfd, key, reply_with, send, session, signature,
    unsent_session, without_checksum,
    wrong::{Wrong, wrong},
    wrong_checksum,
};
use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{ICMP, Port, SBFD},
};

pub(super) fn measured_rows(ip: Ip) -> Vec<Row> {
    let measured = |name, frame| Row::drop(name, frame, Verdict::ReplyMeasured).given(session);

    let without_checksum = without_checksum(ip, reply_with(ip, NEW));

    vec![
        match ip {
            Ip::V4 => measured("signed, without a UDP checksum", without_checksum),
            Ip::V6 => Row::drop(
                "signed, without a UDP checksum",
                without_checksum,
                Verdict::ReplyBadChecksum,
            )
            .given(session),
        },
        measured("signed with the key that requests are", reply_with(ip, NEW)),
        measured("signed with the other key", reply_with(ip, OLD)),
        measured(
            "AdminDown, signed",
            ip.reply(&signature(NEW, SEQUENCE).sign(Bfd {
                state: 0,
                ..bfd(ip, SEQUENCE)
            })),
        ),
        measured(
            "signed, and a trailer",
            with_trailer(reply_with(ip, NEW), 5),
        ),
        measured(
            "signed, and a reserved octet",
            ip.reply(
                &Signature {
                    reserved: 1,
                    ..signature(NEW, SEQUENCE)
                }
                .sign(bfd(ip, SEQUENCE)),
            ),
        ),
        measured(
            "an answer to the request before the latest, across a turn of its low half",
            ip.reply(&signature(NEW, 0x8001_ffff).sign(bfd(ip, 0x8001_ffff))),
        )
        .given(|bench| {
            unsent_session(bench);
            send(bench, 0x8001_ffff);
            send(bench, 0x8002_0000);
        }),
    ]
}

pub(super) fn refused_rows(ip: Ip) -> Vec<Row> {
    let verdict = |wrong| match wrong {
        Wrong::Unsigned => Verdict::ReplyUnauthenticated,
        Wrong::Form => Verdict::ReplyBadAuthentication,
        Wrong::Key => Verdict::ReplyUnknownKey,
        Wrong::Digest => Verdict::ReplyBadDigest,
        Wrong::Truncated => Verdict::ReplyTruncated,
    };
    let replayed = |name, sequence| {
        let packet = signature(NEW, sequence).sign(bfd(ip, SEQUENCE));

        Row::drop(name, ip.reply(&packet), Verdict::ReplyReplayed).given(session)
    };
    let mut rows: Vec<Row> = wrong(bfd(ip, SEQUENCE), SEQUENCE)
        .into_iter()
        .map(|(wrong, name, packet)| {
            Row::drop(name, ip.reply(&packet), verdict(wrong)).given(session)
        })
        .collect();

    rows.extend([
        replayed("recorded a turn ago", SEQUENCE - 0x1_0000),
        replayed("recorded a turn ahead", SEQUENCE + 0x1_0000),
        replayed("the sequence of the request before", SEQUENCE - 1),
        replayed("the sequence without its high half", SEQUENCE & 0xffff),
        Row::drop(
            "the second of two",
            reply_with(ip, NEW),
            Verdict::ReplyDuplicate,
        )
        .given(|bench| {
            session(bench);
            for ip in Ip::ALL {
                bench.run(Port::Chosen, &reply_with(ip, NEW));
            }
        }),
        Row::drop(
            "no request at all",
            reply_with(ip, NEW),
            Verdict::ReplyStale,
        )
        .given(unsent_session),
        Row::drop(
            "signed, and the session has no key",
            reply_with(ip, NEW),
            Verdict::ReplyAuthentication,
        )
        .given(|bench| send(bench, SEQUENCE)),
        Row::drop(
            "signed with a key of another session",
            ip.reply(&signature((UNKNOWN, NEW.1), SEQUENCE).sign(bfd(ip, SEQUENCE))),
            Verdict::ReplyUnknownKey,
        )
        .given(|bench| {
            session(bench);
            bench
                .maps
                .signing_keys
                .set_session(ICMP, &[key((UNKNOWN, NEW.1))], 0)
                .unwrap();
        }),
        Row::drop(
            "signed, and damaged where it says who has sent it",
            {
                let frame = reply_with(ip, NEW);
                let damaged = frame[ip.bfd_at() + 4] ^ 1;

                with(frame, ip.bfd_at() + 4, &[damaged])
            },
            Verdict::ReplyBadChecksum,
        )
        .given(session),
        Row::drop(
            "signed with another secret, for a request that was never sent: it is not hashed",
            ip.reply(&Signature::new(NEW.0, b"guessed", SEQUENCE + 1).sign(bfd(ip, SEQUENCE + 1))),
            Verdict::ReplyStale,
        )
        .given(session),
        Row::drop(
            "signed, with a wrong UDP checksum",
            wrong_checksum(ip, reply_with(ip, NEW)),
            Verdict::ReplyBadChecksum,
        )
        .given(session),
        Row::drop(
            "signed, and routed",
            match ip {
                Ip::V4 => meant(reply_with(ip, NEW), at::IP_TTL, &[254]),
                Ip::V6 => with(reply_with(ip, NEW), frames6::at::HOP_LIMIT, &[254]),
            },
            Verdict::ReplyRouted,
        )
        .given(session),
    ]);

    rows
}

#[test]
fn replies_that_are_signed_with_any_key_of_the_session_are_measured() {
    for ip in Ip::ALL {
        check(&measured_rows(ip));
    }
}

#[test]
fn replies_that_are_not_signed_as_they_should_be_are_refused_and_counted_by_reason() {
    for ip in Ip::ALL {
        check(&refused_rows(ip));
    }
}

#[test]
fn a_reply_that_was_recorded_does_not_answer_the_same_discriminator_a_turn_later() {
    crate::harness::bench(|bench| {
        let ip = Ip::V4;
        session(bench);
        let recorded = reply_with(ip, NEW);
        bench.run(Port::Chosen, &recorded);
        let before = bench.measured(SBFD);

        bench.send(SBFD, SEQUENCE + 0x1_0000);
        bench.run(Port::Chosen, &recorded);

        let after = bench.measured(SBFD);
        assert_eq!((before.received, after.received), (1, 1));
        assert_eq!(before.last_ns, after.last_ns);
        assert_eq!(bench.tally().count(Verdict::ReplyReplayed), 1);
    });
}

#[test]
fn a_key_that_leaves_is_accepted_until_its_time_has_come() {
    crate::harness::bench(|bench| {
        let measured = |bench: &mut Bench| {
            let before = bench.measured(SBFD).received;
            bench.send(SBFD, SEQUENCE);
            bench.run(Port::Chosen, &reply_with(Ip::V4, OLD));
            bench.measured(SBFD).received - before
        };
        session(bench);
        bench
            .maps
            .signing_keys
            .set_session(SBFD, &[key(NEW)], 1000)
            .unwrap();

        bench.maps.signing_keys.expire(999).unwrap();
        assert_eq!(measured(bench), 1);
        bench.maps.signing_keys.expire(1000).unwrap();
        assert_eq!(measured(bench), 0);
        assert_eq!(bench.tally().count(Verdict::ReplyUnknownKey), 1);
    });
}

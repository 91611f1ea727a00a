//! Signed heartbeats on both sides: what is accepted, what is answered, and every way to refuse (RFC 5880 6.7.4, RFC 7880
//! section 11), over IPv4 and IPv6. The expected octets are hashed by another implementation.

use std::time::Instant;

use failover_ebpf::{
    abi::{self, discriminator, health, settings},
    verdict::Verdict,
};
use failover_tests::{
    edits::{at, meant, with, with_trailer},
    frames::{self, Bfd, SBFD_PORT},
    frames6,
    signatures::{AUTHENTICATION, HASH, LENGTH, SECTION, Signature},
};

use failover_user::{
    config::Secret,
    monitor::frames::{Endpoints, InitiatorState, SbfdRequest, SbfdSession, Signer},
};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{
        CLIENT_PORT, DISCRIMINATOR, FROM_CLIENT, FROM_SOURCE, ICMP, MIN_RX_US, Port,
        REMOTE_DISCRIMINATOR, SBFD, SOURCE_PORT,
    },
    scene6,
};

/// The version that heartbeats go over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ip {
    V4,
    V6,
}

impl Ip {
    const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The session that has it.
    fn session(self) -> u16 {
        match self {
            Self::V4 => SBFD,
            Self::V6 => scene6::SBFD,
        }
    }

    /// Where the checksum of a datagram is.
    fn checksum_at(self) -> usize {
        match self {
            Self::V4 => at::UDP_CHECKSUM,
            Self::V6 => frames6::at::UDP_CHECKSUM,
        }
    }

    /// From the client to our reflector.
    fn ask(self, packet: &[u8]) -> Vec<u8> {
        let ports = (CLIENT_PORT, SBFD_PORT);

        match self {
            Self::V4 => frames::udp(&FROM_CLIENT, ports.0, ports.1, packet),
            Self::V6 => frames6::udp(&scene6::FROM_CLIENT, ports.0, ports.1, packet),
        }
    }

    /// The way back.
    fn answer(self, packet: &[u8]) -> Vec<u8> {
        let ports = (SBFD_PORT, CLIENT_PORT);

        match self {
            Self::V4 => frames::udp(&FROM_CLIENT.back(), ports.0, ports.1, packet),
            Self::V6 => frames6::udp(&scene6::FROM_CLIENT.back(), ports.0, ports.1, packet),
        }
    }

    /// From the reflector of the source to us.
    fn reply(self, packet: &[u8]) -> Vec<u8> {
        let ports = (SBFD_PORT, SOURCE_PORT);

        match self {
            Self::V4 => frames::udp(&FROM_SOURCE, ports.0, ports.1, packet),
            Self::V6 => frames6::udp(&scene6::FROM_SOURCE, ports.0, ports.1, packet),
        }
    }
}

/// Two keys that are in use at once, the shortest and the longest that there are.
const OLD: (u8, &[u8]) = (0, b"s");
const NEW: (u8, &[u8]) = (255, b"12345678901234567890");
/// An id that no key has.
const UNKNOWN: u8 = 7;

/// Sequence of the request that the replies answer: the low half is in the discriminator.
const SEQUENCE: u32 = 0x8001_0007;

/// My Discriminator of the requests.
const MINE: u32 = 0x0007_0102;

fn key((id, secret): (u8, &[u8])) -> (u8, abi::Key) {
    let mut key = abi::Key {
        len: u32::try_from(secret.len()).unwrap(),
        ..abi::Key::default()
    };

    key.secret[..secret.len()].copy_from_slice(secret);

    (id, key)
}

/// The reflector has both keys.
fn reflector(bench: &mut Bench) {
    bench
        .maps
        .signing_keys
        .set_reflector(&[key(OLD), key(NEW)])
        .unwrap();
    bench.settings(|own| own.flags |= settings::AUTHENTICATE);
}

/// So it has on a host whose administrator wants no takeover.
fn on_hold(bench: &mut Bench) {
    reflector(bench);
    bench.health.set(health::ADMIN_DOWN);
}

/// So have the sessions, whose requests are under way.
fn session(bench: &mut Bench) {
    unsent_session(bench);
    send(bench, SEQUENCE);
}

fn unsent_session(bench: &mut Bench) {
    for number in Ip::ALL.map(Ip::session) {
        let session = abi::Session {
            authenticated: 1,
            ..bench.maps.session(number).unwrap()
        };

        bench
            .maps
            .signing_keys
            .set_session(number, &[key(NEW), key(OLD)], 0)
            .unwrap();
        bench.maps.set_session(number, session).unwrap();
    }
}

fn send(bench: &mut Bench, sequence: u32) {
    for number in Ip::ALL.map(Ip::session) {
        bench.send(number, sequence);
    }
}

fn signature((id, secret): (u8, &[u8]), sequence: u32) -> Signature<'_> {
    Signature::new(id, secret, sequence)
}

fn request() -> Bfd {
    Bfd::request(MINE, DISCRIMINATOR)
}

/// A request and its answer, signed alike.
fn exchange(ip: Ip, request: Bfd, signature: &Signature<'_>) -> (Vec<u8>, Vec<u8>) {
    let reply = Bfd::reply_to(&request, MIN_RX_US);

    (
        ip.ask(&signature.sign(request)),
        ip.answer(&signature.sign(reply)),
    )
}

fn answered(name: &'static str, (request, reply): (Vec<u8>, Vec<u8>)) -> Row {
    Row::transmit(name, request, Verdict::RequestAnswered, reply).given(reflector)
}

/// What the source's reflector answers to the request with a sequence.
fn bfd(ip: Ip, sequence: u32) -> Bfd {
    let mine = discriminator(ip.session(), sequence as u16);
    let request = Bfd::request(mine, REMOTE_DISCRIMINATOR);

    Bfd::reply_to(&request, MIN_RX_US)
}

/// A reply that is good, signed with this key.
fn reply_with(ip: Ip, key: (u8, &[u8])) -> Vec<u8> {
    ip.reply(&signature(key, SEQUENCE).sign(bfd(ip, SEQUENCE)))
}

fn without_checksum(ip: Ip, frame: Vec<u8>) -> Vec<u8> {
    with(frame, ip.checksum_at(), &[0, 0])
}

fn wrong_checksum(ip: Ip, frame: Vec<u8>) -> Vec<u8> {
    with(frame, ip.checksum_at(), &[0x12, 0x34])
}

/// The ways in which a signed packet can be wrong in itself, whoever it is for.
fn wrong(packet: Bfd, sequence: u32) -> Vec<(Wrong, &'static str, Vec<u8>)> {
    let good = signature(NEW, sequence);
    let other_section = |kind, length: u8| {
        let whole = Signature {
            kind,
            length,
            ..good
        };
        let stated = Bfd {
            flags: packet.flags | AUTHENTICATION,
            length: 24 + length,
            ..packet
        };
        let mut octets = whole.sign_as_it_is(stated);

        octets.truncate(24 + usize::from(length));

        octets
    };
    let stating = |length| {
        good.sign_as_it_is(Bfd {
            flags: packet.flags | AUTHENTICATION,
            length,
            ..packet
        })
    };
    let changed = |at: usize| {
        let mut octets = good.sign(packet);

        octets[at] ^= 1;

        octets
    };
    let of_kind = |kind| Signature { kind, ..good }.sign(packet);
    let stated = |length| Signature { length, ..good }.sign(packet);

    vec![
        (Wrong::Unsigned, "no signature", packet.octets().to_vec()),
        (Wrong::Form, "Keyed SHA1, not meticulous", of_kind(4)),
        (Wrong::Form, "type 0", of_kind(0)),
        (Wrong::Form, "a type that nobody has", of_kind(255)),
        (Wrong::Form, "Keyed MD5", other_section(2, 24)),
        (Wrong::Form, "Meticulous Keyed MD5", other_section(3, 24)),
        (Wrong::Form, "a simple password", other_section(1, 4)),
        (Wrong::Form, "a section that is one octet short", stated(27)),
        (Wrong::Form, "a section that is one octet long", stated(29)),
        (Wrong::Form, "the A bit and no section", stating(24)),
        (Wrong::Form, "a packet that is one octet short", stating(51)),
        (
            Wrong::Key,
            "a key that is not configured",
            signature((UNKNOWN, NEW.1), sequence).sign(packet),
        ),
        (
            Wrong::Digest,
            "another secret",
            signature((NEW.0, b"12345678901234567891"), sequence).sign(packet),
        ),
        (
            Wrong::Digest,
            "the secret of the other key",
            signature((OLD.0, NEW.1), sequence).sign(packet),
        ),
        (
            Wrong::Digest,
            "a secret that is longer than the key",
            signature((OLD.0, b"s\x01"), sequence).sign(packet),
        ),
        (Wrong::Digest, "the first octet of the hash", changed(HASH)),
        (
            Wrong::Digest,
            "the last octet of the hash",
            changed(usize::from(LENGTH) - 1),
        ),
        (
            Wrong::Digest,
            "an interval that was changed on the way",
            changed(15),
        ),
        (
            Wrong::Digest,
            "a reserved octet that was changed on the way",
            changed(SECTION + 3),
        ),
        (
            Wrong::Truncated,
            "octets behind the packet",
            [good.sign(packet), vec![0, 0]].concat(),
        ),
        (Wrong::Truncated, "octets that are missing", {
            let mut octets = good.sign(packet);

            octets.truncate(50);

            octets
        }),
    ]
}

/// What is wrong.
#[derive(Clone, Copy)]
enum Wrong {
    Unsigned,
    Form,
    Key,
    Digest,
    Truncated,
}

pub(crate) fn rows() -> Vec<Row> {
    let tables = |ip| {
        [
            requests_answered(ip),
            requests_refused(ip),
            replies_measured(ip),
            replies_refused(ip),
        ]
        .concat()
    };

    Ip::ALL.map(tables).concat()
}

fn requests_answered(ip: Ip) -> Vec<Row> {
    let good = signature(NEW, 9);
    let (ask_rounding, answer_rounding) = rounding_exchange(ip);
    let exchanged = exchange(ip, request(), &good);
    // A reserved octet is ignored on receipt, and zero on transmit (RFC 5880 4.4).
    let (with_reserved, _) = exchange(
        ip,
        request(),
        &Signature {
            reserved: 0xa5,
            ..good
        },
    );

    let mut rows = vec![
        answered("signed with one key", exchanged.clone()),
        answered(
            "signed with the other key",
            exchange(ip, request(), &signature(OLD, 9)),
        ),
        answered(
            "Poll is answered with Final",
            exchange(
                ip,
                Bfd {
                    flags: Bfd::DEMAND | Bfd::POLL,
                    ..request()
                },
                &good,
            ),
        ),
        answered(
            "the sequence is sent back, whatever it is",
            exchange(ip, request(), &signature(OLD, u32::MAX)),
        ),
        answered(
            "a sequence that was answered before is answered again",
            exchanged.clone(),
        )
        .given(|bench| {
            reflector(bench);
            for (ip, sequence) in [(Ip::V4, 9), (Ip::V6, 9), (Ip::V4, 10), (Ip::V6, 10)] {
                let (request, _) = exchange(ip, request(), &signature(NEW, sequence));

                bench.run(Port::Chosen, &request);
            }
        }),
        answered(
            "a reserved octet is cleared",
            (with_reserved, exchanged.1.clone()),
        ),
        answered(
            "a checksum that comes out as zero is sent as all ones",
            (ask_rounding, answer_rounding),
        ),
        answered(
            "a trailer is kept",
            (
                with_trailer(exchanged.0.clone(), 3),
                with_trailer(exchanged.1.clone(), 3),
            ),
        ),
    ];
    let exchanged_request = exchanged.0.clone();
    let [request, reply] = [exchanged.0, exchanged.1].map(|frame| without_checksum(ip, frame));

    let admin_down = Bfd {
        state: 0,
        diagnostic: 7,
        ..Bfd::reply_to(&self::request(), MIN_RX_US)
    };
    rows.push(
        Row::transmit(
            "by a host on hold, whose state is signed as well",
            exchanged_request,
            Verdict::RequestAdminDown,
            ip.answer(&good.sign(admin_down)),
        )
        .given(on_hold),
    );
    rows.push(match ip {
        Ip::V4 => answered("no UDP checksum", (request, reply)),
        Ip::V6 => {
            Row::drop("no UDP checksum", request, Verdict::RequestBadChecksum).given(reflector)
        }
    });

    rows
}

/// An exchange whose reply has a UDP checksum of 0, which is sent as 0xffff (RFC 768).
fn rounding_exchange(ip: Ip) -> (Vec<u8>, Vec<u8>) {
    (0..1_000_000)
        .map(|sequence| exchange(ip, request(), &signature(NEW, sequence)))
        .find(|(_, reply)| reply[ip.checksum_at()..ip.checksum_at() + 2] == [0xff, 0xff])
        .expect("one in 65,535")
}

fn requests_refused(ip: Ip) -> Vec<Row> {
    let verdict = |wrong| match wrong {
        Wrong::Unsigned => Verdict::RequestUnauthenticated,
        Wrong::Form => Verdict::RequestBadAuthentication,
        Wrong::Key => Verdict::RequestUnknownKey,
        Wrong::Digest => Verdict::RequestBadDigest,
        Wrong::Truncated => Verdict::RequestTruncated,
    };
    let good = signature(NEW, 9);
    let refused = |name, packet: &[u8], verdict| Row::drop(name, ip.ask(packet), verdict);
    let mut rows: Vec<Row> = wrong(request(), 9)
        .into_iter()
        .map(|(wrong, name, packet)| refused(name, &packet, verdict(wrong)).given(reflector))
        .collect();

    rows.extend([
        refused(
            "signed, and no key is configured",
            &good.sign(request()),
            Verdict::RequestAuthentication,
        ),
        refused(
            "signed with a key that is configured no more",
            &good.sign(request()),
            Verdict::RequestUnknownKey,
        )
        .given(|bench| {
            reflector(bench);
            bench.maps.signing_keys.set_reflector(&[key(OLD)]).unwrap();
        }),
        refused(
            "signed, for a discriminator that is not ours",
            &good.sign(Bfd::request(MINE, DISCRIMINATOR + 1)),
            Verdict::RequestUnknownDiscriminator,
        )
        .given(reflector),
        Row::drop(
            "signed, with a wrong UDP checksum",
            wrong_checksum(ip, ip.ask(&good.sign(request()))),
            Verdict::RequestBadChecksum,
        )
        .given(reflector),
        Row::drop(
            "signed, and cut short on the way",
            {
                let mut frame = ip.ask(&good.sign(request()));

                frame.truncate(frame.len() - 1);

                frame
            },
            Verdict::RequestTruncated,
        )
        .given(reflector),
        Row::drop(
            "our own signed reply, sent to a reflector",
            {
                let reply = good.sign(Bfd::reply_to(&request(), MIN_RX_US));

                ip.ask(&reply)
            },
            Verdict::RequestNotDemand,
        )
        .given(reflector),
    ]);

    rows
}

fn replies_measured(ip: Ip) -> Vec<Row> {
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

fn replies_refused(ip: Ip) -> Vec<Row> {
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
fn requests_are_answered_with_the_signature_of_the_key_that_they_have() {
    for ip in Ip::ALL {
        check(&requests_answered(ip));
    }
}

#[test]
fn requests_that_are_not_signed_as_they_should_be_are_refused_and_counted_by_reason() {
    for ip in Ip::ALL {
        check(&requests_refused(ip));
    }
}

#[test]
fn replies_that_are_signed_with_any_key_of_the_session_are_measured() {
    for ip in Ip::ALL {
        check(&replies_measured(ip));
    }
}

#[test]
fn replies_that_are_not_signed_as_they_should_be_are_refused_and_counted_by_reason() {
    for ip in Ip::ALL {
        check(&replies_refused(ip));
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

/// Nanoseconds for one frame, of which the kernel measures many together.
fn cost(bench: &mut Bench, frame: &[u8]) -> u128 {
    const RUNS: u32 = 20_000;
    const CALLS: usize = 5;

    let runs = (0..CALLS).map(|_| bench.duration(Port::Chosen, frame, RUNS).as_nanos());

    runs.min().expect("some calls")
}

/// Nanoseconds that the heartbeat thread needs to make a signed request ready.
fn signing() -> u128 {
    const TIMES: u32 = 100_000;

    let mut request = SbfdRequest::new(&SbfdSession {
        endpoints: Endpoints {
            source_mac: FROM_CLIENT.from_mac.0,
            destination_mac: FROM_CLIENT.to_mac.0,
            source: FROM_CLIENT.from.into(),
            destination: FROM_CLIENT.to.into(),
        },
        source_port: SOURCE_PORT,
        state: InitiatorState::Up,
        misses: 3,
        interval_us: 1000,
        remote_discriminator: DISCRIMINATOR,
        signer: Some(Signer {
            id: NEW.0,
            secret: Secret::from_file(NEW.1).unwrap(),
        }),
    });
    let begun = Instant::now();

    for sequence in 0..TIMES {
        request.patch(sequence);
        request.sign(sequence);
        std::hint::black_box(request.frame());
    }

    begun.elapsed().as_nanos() / u128::from(TIMES)
}

#[test]
fn a_hash_costs_less_than_two_microseconds() {
    crate::harness::bench(|bench| {
        let ip = Ip::V4;
        reflector(bench);
        session(bench);
        // Frames that are not changed, so that they can come again and again: refused, or the second of two.
        let requests = [(UNKNOWN, NEW.1), (NEW.0, OLD.1)]
            .map(|key| cost(bench, &ip.ask(&signature(key, 9).sign(request()))));
        let replies = [(UNKNOWN, NEW.1), NEW].map(|key| {
            cost(
                bench,
                &ip.reply(&signature(key, SEQUENCE).sign(bfd(ip, SEQUENCE))),
            )
        });

        eprintln!("signing a request in user space: {} ns", signing());
        for (what, [without, with]) in [("request", requests), ("reply", replies)] {
            let hash = with.saturating_sub(without);

            eprintln!("{what}: {without} ns before the hash, {with} ns with it: {hash} ns");
            assert!(hash < 2000, "{what}: {hash} ns");
        }
    });
}

//! Signed requests: answered and refused.

use failover_ebpf::{abi::settings, verdict::Verdict};
use failover_tests::{edits::with_trailer, frames::Bfd, signatures::Signature};

use super::{
    Ip, MINE, NEW, OLD, answered, exchange, key, on_hold, reflector, request, signature,
    without_checksum,
    wrong::{Wrong, wrong},
    wrong_checksum,
};
use crate::{
    rate::exhaust_by,
    row::{Row, check},
    scene::{DISCRIMINATOR, MIN_RX_US, Port},
};

pub(super) fn answered_rows(ip: Ip) -> Vec<Row> {
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

pub(super) fn refused_rows(ip: Ip) -> Vec<Row> {
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
        refused(
            "signed with another secret, for a discriminator that is not ours: it is not hashed",
            &Signature::new(NEW.0, b"guessed", 9).sign(Bfd::request(MINE, DISCRIMINATOR + 1)),
            Verdict::RequestUnknownDiscriminator,
        )
        .given(reflector),
        refused(
            "signed with another secret, by an initiator that may not ask: it is not hashed",
            &Signature::new(NEW.0, b"guessed", 9).sign(request()),
            Verdict::RequestInitiatorRefused,
        )
        .given(|bench| {
            reflector(bench);
            bench.settings(|own| own.flags &= !settings::ANY_INITIATOR);
        }),
        refused(
            "signed with another secret, oftener than its initiator may ask",
            &Signature::new(NEW.0, b"guessed", 9).sign(request()),
            Verdict::RequestBadDigest,
        )
        .given(|bench| {
            reflector(bench);
            for ip in Ip::ALL {
                let (good, _) = exchange(ip, request(), &signature(NEW, 1));

                exhaust_by(bench, &good);
            }
        }),
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

#[test]
fn requests_are_answered_with_the_signature_of_the_key_that_they_have() {
    for ip in Ip::ALL {
        check(&answered_rows(ip));
    }
}

#[test]
fn requests_that_are_not_signed_as_they_should_be_are_refused_and_counted_by_reason() {
    for ip in Ip::ALL {
        check(&refused_rows(ip));
    }
}

//! The frames of the floods at a pair that signs its heartbeats: of those that are signed wrongly each in its way.
//!
//! A reply is asked for its sequence before it is hashed, and the sequences of these are all older than the session
//! remembers: one that is signed with another secret is stale, like one that was recorded.

use failover_ebpf::verdict::Verdict;
use failover_tests::{
    edits::{at, meant},
    frames::{Bfd, SBFD_PORT, udp},
    signatures::{HASH, SECTION, Signature},
};
use rand::{Rng as _, rngs::StdRng};

use super::mix::{Invalid, Session, cut, other_than, spoiled};

/// Id of the key that the pair has.
pub(super) const KEY_ID: u8 = 7;
/// Its secret.
pub(super) const SECRET: &str = "correct horse";
/// Somebody else's secret.
const GUESSED: &[u8] = b"password";

/// Requests for the reflector.
pub(super) fn requests(session: &Session, count: usize, random: &mut StdRng) -> Vec<Invalid> {
    (0..count).map(|_| request(session, random)).collect()
}

/// Replies for the initiator.
pub(super) fn replies(session: &Session, count: usize, random: &mut StdRng) -> Vec<Invalid> {
    (0..count).map(|_| reply(session, random)).collect()
}

fn request(session: &Session, random: &mut StdRng) -> Invalid {
    let valid = session.request();
    let flow = session.to_reflector(session.initiator);
    let port = random.random_range(49_152..=u16::MAX);
    let ask = |payload: &[u8]| udp(&flow, port, SBFD_PORT, payload);
    let right = Signature::new(KEY_ID, SECRET.as_bytes(), random.random());
    let (frame, reason) = match random.random_range(0..9) {
        0 => (ask(&valid.octets()), Verdict::RequestUnauthenticated),
        1 | 2 => {
            let secret = GUESSED;
            let guessed = Signature { secret, ..right }.sign(valid);
            (ask(&guessed), Verdict::RequestBadDigest)
        }
        3 => {
            let changed = changed(ask(&right.sign(valid)), random);
            (changed, Verdict::RequestBadDigest)
        }
        4 => {
            let key_id = other_key(random);
            let unknown = Signature { key_id, ..right }.sign(valid);
            (ask(&unknown), Verdict::RequestUnknownKey)
        }
        5 => {
            let other = other_form(right, random).sign(valid);
            (ask(&other), Verdict::RequestBadAuthentication)
        }
        6 => {
            let your_discriminator = other_than(session.your_discriminator, random);
            let elsewhere = Bfd {
                your_discriminator,
                ..valid
            };
            let reason = Verdict::RequestUnknownDiscriminator;
            (ask(&right.sign(elsewhere)), reason)
        }
        7 => {
            let cut = cut(ask(&right.sign(valid)), random);
            (cut, Verdict::RequestTruncated)
        }
        _ => {
            let spoiled = spoiled(ask(&right.sign(valid)), random);
            (spoiled, Verdict::RequestBadChecksum)
        }
    };
    Invalid { frame, reason }
}

fn reply(session: &Session, random: &mut StdRng) -> Invalid {
    let replayed = session.reply();
    let flow = session.to_initiator(session.reflector);
    let say = |payload: &[u8]| udp(&flow, SBFD_PORT, session.port, payload);
    let right = Signature::new(KEY_ID, SECRET.as_bytes(), random.random());
    let (frame, reason) = match random.random_range(0..7) {
        0 => (say(&replayed.octets()), Verdict::ReplyUnauthenticated),
        1 => (say(&right.sign(replayed)), Verdict::ReplyStale),
        2 => {
            let secret = GUESSED;
            let guessed = Signature { secret, ..right }.sign(replayed);
            (say(&guessed), Verdict::ReplyStale)
        }
        3 => {
            let other = other_form(right, random).sign(replayed);
            (say(&other), Verdict::ReplyBadAuthentication)
        }
        4 => {
            let my_discriminator = other_than(session.your_discriminator, random);
            let other = Bfd {
                my_discriminator,
                ..replayed
            };
            (say(&right.sign(other)), Verdict::ReplyWrongHost)
        }
        5 => {
            let cut = cut(say(&right.sign(replayed)), random);
            (cut, Verdict::ReplyTruncated)
        }
        _ => {
            let spoiled = spoiled(say(&right.sign(replayed)), random);
            (spoiled, Verdict::ReplyBadChecksum)
        }
    };
    Invalid { frame, reason }
}

fn other_key(random: &mut StdRng) -> u8 {
    KEY_ID ^ random.random_range(1..=u8::MAX)
}

/// Another type of authentication (RFC 5880 4.1), or another length of its section.
fn other_form<'a>(right: Signature<'a>, random: &mut StdRng) -> Signature<'a> {
    if random.random() {
        let kind = [0, 1, 2, 3, 4, 6][random.random_range(0..6)];
        Signature { kind, ..right }
    } else {
        let length = [0, 8, 24, 27, 29][random.random_range(0..5)];
        Signature { length, ..right }
    }
}

/// An octet of the sequence or the hash changed, with the checksum of a sender who means it.
fn changed(frame: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    let at = at::BFD + random.random_range(SECTION + 4..HASH + 20);
    let octet = frame[at] ^ random.random_range(1..=u8::MAX);
    meant(frame, at, &[octet])
}

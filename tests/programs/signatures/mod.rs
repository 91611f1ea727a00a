//! Signed heartbeats on both sides: what is accepted, what is answered, and every way to refuse (RFC 5880 6.7.4, RFC 7880
//! section 11), over IPv4 and IPv6. The expected octets are hashed by another implementation.

mod hash_cost;
mod replies;
mod requests;
mod wrong;

use failover_ebpf::{
    abi::{self, discriminator, health, settings},
    verdict::Verdict,
};
use failover_tests::{
    edits::{at, with},
    frames::{self, Bfd, SBFD_PORT},
    frames6,
    signatures::Signature,
};

use crate::{
    harness::Bench,
    row::Row,
    scene::{
        CLIENT_PORT, DISCRIMINATOR, FROM_CLIENT, FROM_SOURCE, MIN_RX_US, REMOTE_DISCRIMINATOR,
        SBFD, SOURCE_PORT,
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

    /// Where BFD begins.
    fn bfd_at(self) -> usize {
        match self {
            Self::V4 => at::BFD,
            Self::V6 => frames6::at::BFD,
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

pub(crate) fn rows() -> Vec<Row> {
    let tables = |ip| {
        [
            requests::answered_rows(ip),
            requests::refused_rows(ip),
            replies::measured_rows(ip),
            replies::refused_rows(ip),
        ]
        .concat()
    };

    Ip::ALL.map(tables).concat()
}

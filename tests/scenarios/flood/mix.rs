//! The frames of the floods: heartbeats that are invalid each in its way, drawn at random, with the reason that each has to
//! be refused for.

use std::net::Ipv4Addr;

use failover_ebpf::verdict::Verdict;
use failover_tests::{
    edits::{at, meant, with, with_ip_options},
    frames::{Bfd, Flow, SBFD_PORT, udp},
    lab::{Capture, Direction, Mac},
};
use rand::{Rng as _, rngs::StdRng};

use crate::pair::PATIENCE;

/// Whoever floods.
const STRANGER_MAC: Mac = Mac([0x02, 0, 0, 0, 0xee, 1]);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
/// The A bit: an authentication section follows (RFC 5880 4.1).
const AUTHENTICATED: u8 = 0x04;
/// The M bit, reserved (RFC 5880 4.1).
const MULTIPOINT: u8 = 0x01;
/// How many requests ago the replayed reply was due: more than are remembered (64), and so many that the session does not come
/// to this sequence again within a minute, as sequences repeat after 65,536.
const REPLAYED: u16 = 5000;

/// A heartbeat that nobody may answer or believe.
pub(super) struct Invalid {
    pub(super) frame: Vec<u8>,
    /// What it has to be counted as.
    pub(super) reason: Verdict,
}

/// What somebody who listens knows of a session: all that a forgery needs.
pub(super) struct Session {
    initiator: Ipv4Addr,
    reflector: Ipv4Addr,
    initiator_mac: Mac,
    reflector_mac: Mac,
    /// UDP port of the initiator.
    port: u16,
    my_discriminator: u32,
    your_discriminator: u32,
}

impl Session {
    /// From a request on the reflector's wire.
    pub(super) fn learn(wire: &Capture, reflector_mac: Mac) -> Self {
        let request = wire.wait_for(PATIENCE, "a request", |frame| {
            let to = frame.udp().map(|(_, to, _)| to);
            frame.direction == Direction::In && to == Some(SBFD_PORT)
        });
        let (port, _, bfd) = request.udp().expect("a datagram");
        let address = |at: usize| {
            let octets: [u8; 4] = request.octets[at..at + 4].try_into().expect("an address");
            Ipv4Addr::from(octets)
        };
        let word = |at: usize| u32::from_be_bytes(bfd[at..at + 4].try_into().expect("a word"));
        Self {
            initiator: address(at::IP_SRC),
            reflector: address(at::IP_SRC + 4),
            initiator_mac: Mac(request.octets[at::ETH_SRC..][..6]
                .try_into()
                .expect("a MAC")),
            reflector_mac,
            port,
            my_discriminator: word(4),
            your_discriminator: word(8),
        }
    }

    fn request(&self) -> Bfd {
        Bfd::request(self.my_discriminator, self.your_discriminator)
    }

    /// A reply to what this session sent a while ago: valid once, and stale now.
    fn reply(&self) -> Bfd {
        let [a, b, high, low] = self.my_discriminator.to_be_bytes();
        let sequence = u16::from_be_bytes([high, low]).wrapping_sub(REPLAYED);
        let [high, low] = sequence.to_be_bytes();
        let replayed = u32::from_be_bytes([a, b, high, low]);
        Bfd::reply_to(&Bfd::request(replayed, self.your_discriminator), 50)
    }

    fn to_reflector(&self, from: Ipv4Addr) -> Flow {
        Flow {
            from_mac: STRANGER_MAC,
            to_mac: self.reflector_mac,
            from,
            to: self.reflector,
            ttl: 255,
        }
    }

    fn to_initiator(&self, from: Ipv4Addr) -> Flow {
        Flow {
            from_mac: STRANGER_MAC,
            to_mac: self.initiator_mac,
            from,
            to: self.initiator,
            ttl: 255,
        }
    }
}

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
    let from = [session.initiator, STRANGER][random.random_range(0..2)];
    let flow = session.to_reflector(from);
    let port = random.random_range(49_152..=u16::MAX);
    let ask = |bfd: Bfd| bfd.frame(&flow, port, SBFD_PORT);
    let (frame, reason) = match random.random_range(0..12) {
        0 => {
            let your_discriminator = other_than(session.your_discriminator, random);
            let bfd = Bfd {
                your_discriminator,
                ..valid
            };
            (ask(bfd), Verdict::RequestUnknownDiscriminator)
        }
        1 => (ask(Bfd { flags: 0, ..valid }), Verdict::RequestNotDemand),
        2 => (
            valid.frame(&flow, SBFD_PORT, SBFD_PORT),
            Verdict::RequestFromReflector,
        ),
        3 => (cut(ask(valid), random), Verdict::RequestTruncated),
        4 => (
            shortened(&flow, port, SBFD_PORT, &valid, random),
            Verdict::RequestTruncated,
        ),
        5 => (lying(ask(valid), random), Verdict::RequestTruncated),
        6 => (spoiled(ask(valid), random), Verdict::RequestBadChecksum),
        7 => {
            let version = [0, 2, 3, 7][random.random_range(0..4)];
            (ask(Bfd { version, ..valid }), Verdict::RequestBadVersion)
        }
        8 => (ask(malformed(valid, random)), Verdict::RequestMalformed),
        9 => {
            let flags = Bfd::DEMAND | AUTHENTICATED;
            (ask(Bfd { flags, ..valid }), Verdict::RequestAuthentication)
        }
        10 => (with_ip_options(&ask(valid), 1), Verdict::RequestIpOptions),
        _ => (
            meant(ask(valid), at::IP_FRAGMENT, &[0x20, 0]),
            Verdict::RequestFragment,
        ),
    };
    Invalid { frame, reason }
}

fn reply(session: &Session, random: &mut StdRng) -> Invalid {
    let replayed = session.reply();
    let flow = session.to_initiator(session.reflector);
    let port = session.port;
    let say = |bfd: Bfd| bfd.frame(&flow, SBFD_PORT, port);
    let (frame, reason) = match random.random_range(0..14) {
        0 => {
            // The session's number is in the upper half; there is no other session.
            let your_discriminator = loop {
                let other = other_than(session.my_discriminator, random);
                if other >> 16 != session.my_discriminator >> 16 {
                    break other;
                }
            };
            (
                say(Bfd {
                    your_discriminator,
                    ..replayed
                }),
                Verdict::ReplyUnknownSession,
            )
        }
        1 => {
            let stranger = session.to_initiator(STRANGER);
            (
                replayed.frame(&stranger, SBFD_PORT, port),
                Verdict::ReplyWrongHost,
            )
        }
        2 => {
            let my_discriminator = other_than(session.your_discriminator, random);
            (
                say(Bfd {
                    my_discriminator,
                    ..replayed
                }),
                Verdict::ReplyWrongHost,
            )
        }
        3 | 4 => (say(replayed), Verdict::ReplyStale),
        5 => (cut(say(replayed), random), Verdict::ReplyTruncated),
        6 => (
            shortened(&flow, SBFD_PORT, port, &replayed, random),
            Verdict::ReplyTruncated,
        ),
        7 => (lying(say(replayed), random), Verdict::ReplyTruncated),
        8 => (spoiled(say(replayed), random), Verdict::ReplyBadChecksum),
        9 => {
            let ttl = random.random_range(1..255);
            (
                replayed.frame(&Flow { ttl, ..flow }, SBFD_PORT, port),
                Verdict::ReplyRouted,
            )
        }
        10 => (say(malformed(replayed, random)), Verdict::ReplyMalformed),
        11 => (
            say(Bfd {
                flags: Bfd::DEMAND,
                ..replayed
            }),
            Verdict::ReplyDemand,
        ),
        12 => (
            say(Bfd {
                flags: AUTHENTICATED,
                ..replayed
            }),
            Verdict::ReplyAuthentication,
        ),
        _ => (with_ip_options(&say(replayed), 1), Verdict::ReplyIpOptions),
    };
    Invalid { frame, reason }
}

/// Any number but this one and 0.
fn other_than(number: u32, random: &mut StdRng) -> u32 {
    loop {
        let other = random.random_range(1..=u32::MAX);
        if other != number {
            return other;
        }
    }
}

/// The frame without its end, but with its ports.
fn cut(mut frame: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    frame.truncate(random.random_range(at::UDP_LENGTH..frame.len()));
    frame
}

/// A datagram that is shorter than BFD, and says so.
fn shortened(flow: &Flow, from: u16, to: u16, bfd: &Bfd, random: &mut StdRng) -> Vec<u8> {
    let length = random.random_range(0..usize::from(Bfd::LENGTH));
    udp(flow, from, to, &bfd.octets()[..length])
}

/// A length field that says something else than the others.
fn lying(frame: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    match random.random_range(0..3) {
        0 => meant(frame, at::UDP_LENGTH, &[0, random.random_range(8..32)]),
        1 => meant(frame, at::IP_TOTAL_LEN, &[random.random_range(1..6), 0]),
        _ => meant(frame, at::BFD + 3, &[random.random_range(25..=u8::MAX)]),
    }
}

/// An octet that is not what the checksum says, which is still there: zeros would mean that there is none (RFC 768).
fn spoiled(frame: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    let places = [at::IP_CHECKSUM, at::UDP_CHECKSUM, at::BFD + 4, at::BFD + 16];
    loop {
        let at = places[random.random_range(0..places.len())];
        let octet = frame[at] ^ random.random_range(1..=u8::MAX);
        let spoiled = with(frame.clone(), at, &[octet]);
        if spoiled[at::UDP_CHECKSUM..][..2] != [0, 0] {
            return spoiled;
        }
    }
}

/// What RFC 5880 6.8.6 has every receiver discard.
fn malformed(bfd: Bfd, random: &mut StdRng) -> Bfd {
    if random.random() {
        Bfd {
            detect_mult: 0,
            ..bfd
        }
    } else {
        Bfd {
            flags: bfd.flags | MULTIPOINT,
            ..bfd
        }
    }
}

//! Changes to an input that know what a frame is made of: fields get values that mean something here, frames get other VLANs and
//! lengths, and octets other bits.

use std::net::IpAddr;

use rand::{Rng, seq::IndexedRandom as _};

use super::{
    FRAME_AT, LONGEST,
    scene::{
        CLIENT, CLIENT_MAC, CLIENT6, HELD, HOST, HOST6, IDENTITY, MACS, SBFD_PORT, SERVER_MAC,
        SESSIONS, SOURCE, SOURCE_MAC, SOURCE6, TCP_ASKED, TCP_PORT, addresses,
    },
};
use crate::{
    frames::with_vlans,
    lab::Mac,
    oracle::dissect::{self, octets},
};

/// Octets from the start of a frame that decide something.
const HEADERS: usize = 130;
/// UDP port of reflectors.
const REFLECTOR: u16 = 7784;

/// VLANs that a frame may be in.
const VLANS: [&[u16]; 7] = [
    &[],
    &[],
    &[0],
    &[100],
    &[100, 200],
    &[100, 0],
    &[200, 100, 5],
];

/// Changes an input, once or a few times.
pub fn mutate(random: &mut impl Rng, input: &mut Vec<u8>) {
    // One change more often than several: each is likely to make a frame nobody's business.
    let times = *[1, 1, 1, 2, 2, 3, 5].choose(random).expect("some");

    for _ in 0..times {
        once(random, input);
    }

    input.truncate(LONGEST);
}

fn once(random: &mut impl Rng, input: &mut Vec<u8>) {
    let Some(selector) = input.first_mut() else {
        input.push(0);

        return;
    };

    match random.random_range(0..12) {
        0 => *selector = random.random(),
        1 => *selector ^= 1 << random.random_range(0..6),
        2 => bit(random, &mut input[FRAME_AT..]),
        3 | 4 => octet(random, &mut input[FRAME_AT..]),
        5 => macs(random, &mut input[FRAME_AT..]),
        6 | 7 => ip(random, &mut input[FRAME_AT..]),
        8 => ports(random, &mut input[FRAME_AT..]),
        9 => payload(random, &mut input[FRAME_AT..]),
        10 => vlans(random, input),
        _ => length(random, input),
    }
}

fn bit(random: &mut impl Rng, frame: &mut [u8]) {
    if let Some(octet) = near(random, frame) {
        *octet ^= 1 << random.random_range(0..8);
    }
}

fn octet(random: &mut impl Rng, frame: &mut [u8]) {
    let value = [0, 1, 2, 4, 24, 28, 52, 64, 128, 254, 255]
        .choose(random)
        .copied()
        .filter(|_| random.random())
        .unwrap_or(random.random());

    if let Some(octet) = near(random, frame) {
        *octet = value;
    }
}

/// One of the octets that decide something.
fn near<'a>(random: &mut impl Rng, frame: &'a mut [u8]) -> Option<&'a mut u8> {
    let end = frame.len().min(HEADERS);

    (end > 0).then(|| &mut frame[random.random_range(0..end)])
}

fn macs(random: &mut impl Rng, frame: &mut [u8]) {
    let others = [
        CLIENT_MAC,
        SOURCE_MAC,
        SERVER_MAC,
        Mac([0xff; 6]),
        Mac([0x33, 0x33, 0, 0, 0, 1]),
    ];
    let mac = [&MACS[..], &others].concat()[random.random_range(0..MACS.len() + others.len())];

    put(frame, 6 * random.random_range(0..2), &mac.0);
}

/// An address, the hops to live, the protocol, a fragment, or a field of ARP.
fn ip(random: &mut impl Rng, frame: &mut [u8]) {
    let Some((at, ethertype)) = dissect::link(frame).map(|link| (link.at, link.ethertype)) else {
        return;
    };
    let address = address(random, ethertype != 0x86dd);
    let field = random.random_range(0..6);

    match (ethertype, field) {
        (0x0800, 0 | 1) => put(frame, at + 12 + 4 * field, &octets(address)),
        (0x0800, 2) => put(frame, at + 8, &[hops(random)]),
        (0x0800, 3) => put(frame, at + 9, &[*[1, 6, 17].choose(random).expect("some")]),
        (0x0800, 4) => put(frame, at + 6, &fragment(random)),
        (0x86dd, 0 | 1) => put(frame, at + 8 + 16 * field, &octets(address)),
        (0x86dd, 2) => put(frame, at + 7, &[hops(random)]),
        (0x86dd, 3) => {
            let next = *[0, 6, 17, 43, 44, 51, 58, 60].choose(random).expect("some");

            put(frame, at + 6, &[next]);
        }
        (0x0806, 0) => put(frame, at + 14, &octets(address)),
        (0x0806, 1) => put(frame, at + 24, &octets(address)),
        (0x0806, 2) => put(frame, at + 6, &[0, random.random_range(0..3)]),
        (0x0806, 3) => put(frame, at + 8, &SOURCE_MAC.0),
        _ => put(
            frame,
            at,
            &[*[0x45, 0x46, 0x60, 0x65].choose(random).expect("some")],
        ),
    }
}

fn address(random: &mut impl Rng, v4: bool) -> IpAddr {
    let mut known: Vec<IpAddr> = vec![
        HOST.into(),
        HOST6.into(),
        CLIENT.into(),
        CLIENT6.into(),
        SOURCE.into(),
        SOURCE6.into(),
        IpAddr::from([0; 4]),
        IpAddr::from([0; 16]),
    ];

    known.extend(
        HELD.iter()
            .flat_map(|(interface, ..)| addresses(*interface)),
    );
    known.extend(addresses(IDENTITY));
    known.retain(|address| address.is_ipv4() == v4);

    known[random.random_range(0..known.len())]
}

fn hops(random: &mut impl Rng) -> u8 {
    *[0, 1, 2, 64, 254, 255].choose(random).expect("some")
}

fn fragment(random: &mut impl Rng) -> [u8; 2] {
    *[[0, 0], [0x40, 0], [0x20, 0], [0x20, 1], [0, 1]]
        .choose(random)
        .expect("some")
}

fn ports(random: &mut impl Rng, frame: &mut [u8]) {
    let known = [REFLECTOR, SBFD_PORT, TCP_PORT, TCP_ASKED, 53, 49_152];
    let port = known[random.random_range(0..known.len())];

    if let Some(at) = transport(frame) {
        put(
            frame,
            at + 2 * random.random_range(0..2),
            &port.to_be_bytes(),
        );
    }
}

/// Sessions, identifiers, bits: what is behind the first octets of a transport header.
fn payload(random: &mut impl Rng, frame: &mut [u8]) {
    let Some(at) = transport(frame) else {
        return;
    };
    let session = SESSIONS[random.random_range(0..SESSIONS.len())].number;

    match random.random_range(0..6) {
        // Your Discriminator.
        0 => put(frame, at + 8 + 8, &session.to_be_bytes()),
        // The bits of BFD,
        1 => put(frame, at + 8 + 1, &[random.random()]),
        // and its key.
        2 => put(
            frame,
            at + 8 + 26,
            &[*[1, 2, 200].choose(random).expect("some")],
        ),
        // The identifier of an echo.
        3 => put(frame, at + 4, &session.to_be_bytes()),
        // Control bits of TCP.
        4 => put(frame, at + 13, &[random.random::<u8>() & 0x3f]),
        // The type of an ICMP message.
        _ => put(
            frame,
            at,
            &[*[0, 8, 128, 129, 135, 136].choose(random).expect("some")],
        ),
    }
}

fn transport(frame: &[u8]) -> Option<usize> {
    let link = dissect::link(frame)?;

    Some(link.at + dissect::packet(&link)?.payload_at)
}

fn vlans(random: &mut impl Rng, input: &mut Vec<u8>) {
    let Some(at) = dissect::link(&input[FRAME_AT..]).map(|link| link.at) else {
        return;
    };
    let frame = &input[FRAME_AT..];
    let untagged = [&frame[..12], &frame[at - 2..]].concat();
    let vlans = VLANS[random.random_range(0..VLANS.len())];

    input.truncate(FRAME_AT);
    input.extend(with_vlans(&untagged, vlans));
}

fn length(random: &mut impl Rng, input: &mut Vec<u8>) {
    let length = match random.random_range(0..4) {
        0 => random.random_range(FRAME_AT..=input.len()),
        1 => input.len() + random.random_range(0..40),
        2 => FRAME_AT + 60,
        _ => random.random_range(FRAME_AT..=LONGEST),
    };

    input.resize(length, random.random());
}

fn put(frame: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

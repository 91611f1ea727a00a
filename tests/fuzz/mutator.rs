//! Makes random changes meant: most of what a checksum refuses is never looked at again, so three of four inputs get right
//! lengths and checksums after they were changed.

use failover_tests::oracle::dissect::{self, be16, ones};

use crate::target::FRAME_AT;

/// Puts the frame of an input right, or leaves it as it came.
pub(crate) fn repair(input: &mut [u8], seed: u32) {
    if seed.is_multiple_of(4) {
        return;
    }

    if let Some(frame) = input.get_mut(FRAME_AT..) {
        if seed % 4 != 1 {
            lengths(frame);
        }

        checksums(frame);
    }
}

/// The IP packet, and a UDP datagram in it, end where the frame does.
fn lengths(frame: &mut [u8]) {
    let Some(link) = dissect::link(frame) else {
        return;
    };
    let (at, rest) = (link.at, link.rest.len());

    match link.ethertype {
        0x0800 if rest >= 20 => put(frame, at + 2, rest as u16),
        0x86dd if rest >= 40 => put(frame, at + 4, (rest - 40) as u16),
        _ => return,
    }

    let Some((payload, protocol)) = transport(frame) else {
        return;
    };
    let left = frame.len() - payload;

    if protocol == 17 && left >= 8 {
        put(frame, payload + 4, left as u16);
    }
}

/// The IPv4 header's checksum, and that of UDP, TCP, ICMP or ICMPv6.
fn checksums(frame: &mut [u8]) {
    let Some(link) = dissect::link(frame) else {
        return;
    };

    if link.ethertype == 0x0800 && link.rest.len() >= 20 {
        let (at, words) = (link.at, usize::from(link.rest[0] & 0x0f));

        if frame.len() >= at + 4 * words && words >= 5 {
            put(frame, at + 10, 0);

            let sum = !ones(&[&frame[at..at + 4 * words]]);

            put(frame, at + 10, sum);
        }
    }

    let Some((payload, protocol)) = transport(frame) else {
        return;
    };
    let at = match protocol {
        1 | 58 => 2,
        6 => 16,
        17 => 6,
        _ => return,
    };

    if be16(frame, payload + at).is_none() {
        return;
    }

    put(frame, payload + at, 0);

    let sum = match (dissect::link(frame), protocol) {
        (Some(link), 1) => dissect::packet(&link).map(|packet| ones(&[packet.payload])),
        (Some(link), _) => dissect::packet(&link).map(|packet| packet.transport_sum()),
        (None, _) => None,
    };

    if let Some(sum) = sum {
        put(frame, payload + at, if sum == 0xffff { sum } else { !sum });
    }
}

/// Where the payload of the IP packet begins, and its protocol.
fn transport(frame: &[u8]) -> Option<(usize, u8)> {
    let link = dissect::link(frame)?;
    let packet = dissect::packet(&link)?;
    let at = link.at + packet.payload_at;

    (at <= frame.len()).then_some((at, packet.protocol))
}

fn put(frame: &mut [u8], at: usize, value: u16) {
    if let Some(octets) = frame.get_mut(at..at + 2) {
        octets.copy_from_slice(&value.to_be_bytes());
    }
}

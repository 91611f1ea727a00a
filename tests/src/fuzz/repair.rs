//! Makes random changes meant: most of what a checksum refuses is never looked at again, so most inputs get right lengths,
//! signatures and checksums after they were changed.

use super::{FRAME_AT, scene::keys};
use crate::oracle::{
    self,
    dissect::{self, be16, ones},
};

/// How much of an input is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing.
    None,
    /// Checksums.
    Checksums,
    /// Signatures and checksums.
    Signatures,
    /// Lengths as well.
    Lengths,
}

impl Repair {
    /// One of them, half of the time the last.
    pub fn of(seed: u32) -> Self {
        match seed % 8 {
            0 => Self::None,
            1 => Self::Checksums,
            2 | 3 => Self::Signatures,
            _ => Self::Lengths,
        }
    }
}

/// Puts the frame of an input right, as far as it is to be.
pub fn repair(input: &mut [u8], how: Repair) {
    let Some(frame) = input.get_mut(FRAME_AT..) else {
        return;
    };

    if how == Repair::Lengths {
        lengths(frame);
    }

    if matches!(how, Repair::Lengths | Repair::Signatures) {
        signature(frame);
    }

    if how != Repair::None {
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

/// A control packet that says that it is signed is, with the key that it names.
fn signature(frame: &mut [u8]) {
    const AUTHENTICATION: u8 = 0x04;

    if let Some((payload, 17)) = transport(frame)
        && let Some(bfd) = frame.get_mut(payload + 8..)
        && bfd.get(1).is_some_and(|bits| bits & AUTHENTICATION != 0)
    {
        // A key that nobody has stays one.
        oracle::sign(bfd, &keys());
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
        // RFC 768, RFC 8200 8.1: a computed 0 is sent as all ones.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::seeds;

    #[test]
    fn what_was_spoiled_is_as_it_was() {
        for input in seeds::inputs() {
            let mut spoiled = input.clone();
            let frame = &mut spoiled[FRAME_AT..];

            if let Some((payload, 17)) = transport(frame) {
                put(frame, payload + 4, 0);
                put(frame, payload + 6, 0x1234);
            }
            repair(&mut spoiled, Repair::Lengths);

            assert_eq!(spoiled, input);
        }
    }
}

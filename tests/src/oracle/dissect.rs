//! Frames taken apart, by the texts of the standards and independently of the code under test: slowly, with slices and
//! options, and with nothing shared.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lab::Mac;

/// An Ethernet frame (IEEE 802.3, 802.1Q, 802.1ad).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// Destination.
    pub dst: Mac,
    /// Source.
    pub src: Mac,
    /// VLAN identifiers, the outermost first.
    pub vlans: Vec<u16>,
    /// What follows the tags.
    pub ethertype: u16,
    /// Where the network header begins, from the destination MAC on.
    pub at: usize,
    /// From there to the end of the frame.
    pub rest: &'a [u8],
}

/// Tags that are looked behind.
const MAX_TAGS: usize = 2;

/// Takes the link layer off; `None` where the frame ends in it.
pub fn link(frame: &[u8]) -> Option<Link<'_>> {
    let mut vlans = Vec::new();
    let mut at = 12;

    loop {
        let ethertype = be16(frame, at)?;

        if !matches!(ethertype, 0x8100 | 0x88a8) || vlans.len() == MAX_TAGS {
            return Some(Link {
                dst: mac(frame, 0)?,
                src: mac(frame, 6)?,
                vlans,
                ethertype,
                at: at + 2,
                rest: &frame[at + 2..],
            });
        }

        vlans.push(be16(frame, at + 2)? & 0x0fff);
        at += 4;
    }
}

/// What the network header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// Protocol of the payload, behind IPv6 extension headers that are known.
    pub protocol: u8,
    /// It is a part of a packet only.
    pub fragment: bool,
    /// And not the first one.
    pub later_fragment: bool,
    /// It has IPv4 options or IPv6 extension headers.
    pub extended: bool,
    /// The header checksum is right; IPv6 has none.
    pub intact: bool,
    /// Octets of the packet, its header included, as the header states them.
    pub length: usize,
    /// Whether the frame holds all of them.
    pub complete: bool,
    /// The payload, as far as the frame holds it and the header says that it goes.
    pub payload: &'a [u8],
    /// The frame from there on, whatever the header says of it.
    pub behind: &'a [u8],
    /// Where the payload begins, from the network header on.
    pub payload_at: usize,
}

/// Takes an IP packet apart (RFC 791, RFC 8200); `None` where it contradicts itself or ends in its header.
pub fn packet<'a>(link: &Link<'a>) -> Option<Packet<'a>> {
    match link.ethertype {
        0x0800 => ipv4(link.rest),
        0x86dd => ipv6(link.rest, FARTHEST.saturating_sub(link.at)),
        _ => None,
    }
}

fn ipv4(octets: &[u8]) -> Option<Packet<'_>> {
    let fixed: &[u8; 20] = octets.first_chunk()?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    let length = usize::from(be16(fixed, 2)?);

    if fixed[0] >> 4 != 4 || header < 20 || length < header {
        return None;
    }

    Some(Packet {
        src: v4(fixed, 12)?.into(),
        dst: v4(fixed, 16)?.into(),
        hops: fixed[8],
        protocol: fixed[9],
        fragment: be16(fixed, 6)? & 0x3fff != 0,
        later_fragment: be16(fixed, 6)? & 0x1fff != 0,
        extended: header > 20,
        intact: octets
            .get(..header)
            .is_some_and(|header| ones(&[header]) == 0xffff),
        length,
        complete: length <= octets.len(),
        payload: octets.get(header..length.min(octets.len())).unwrap_or(&[]),
        behind: octets.get(header..).unwrap_or(&[]),
        payload_at: header,
    })
}

/// No header is looked for behind so many octets of a frame, as the README says.
const FARTHEST: usize = 256;

/// A protocol that is none of those which mean anything here (RFC 3692: for experiments).
const UNKNOWN: u8 = 253;

/// Protocols that are extension headers (RFC 8200 4, RFC 4302): hop-by-hop, routing, fragment, authentication and destination
/// options.
const EXTENSIONS: [u8; 5] = [0, 43, 44, 51, 60];

/// Extension headers are walked through, four of them at most, as long as they begin and end before `farthest`.
fn ipv6(octets: &[u8], farthest: usize) -> Option<Packet<'_>> {
    let fixed: &[u8; 40] = octets.first_chunk()?;

    let (src, dst) = (v6(fixed, 8)?, v6(fixed, 24)?);
    // RFC 4291 2.5.5.2: such addresses stand for IPv4 ones inside a host, and have no place on the wire.
    let mapped = src.to_ipv4_mapped().or(dst.to_ipv4_mapped()).is_some();

    if fixed[0] >> 4 != 6 || mapped {
        return None;
    }

    let length = 40 + usize::from(be16(fixed, 4)?);
    let mut protocol = fixed[6];
    let mut at = 40;
    let (mut fragment, mut later_fragment) = (false, false);

    for _ in 0..4 {
        let Some(header) = octets
            .get(at..)
            .filter(|_| EXTENSIONS.contains(&protocol) && at <= farthest)
            .and_then(<[u8]>::first_chunk::<2>)
        else {
            break;
        };
        let [next, length] = header.map(usize::from);

        at += match protocol {
            44 => {
                fragment = true;
                later_fragment |= be16(octets, at + 2).is_none_or(|offset| offset & 0xfff8 != 0);
                8
            }
            51 => 4 * (length + 2),
            _ => 8 * (length + 1),
        };
        protocol = next as u8;
    }

    // What is too far away is not looked at.
    if at > farthest {
        protocol = UNKNOWN;
    }

    Some(Packet {
        src: src.into(),
        dst: dst.into(),
        hops: fixed[7],
        protocol,
        fragment,
        later_fragment,
        extended: at > 40,
        intact: true,
        length,
        complete: length <= octets.len(),
        payload: octets.get(at..length.min(octets.len())).unwrap_or(&[]),
        behind: octets.get(at..).unwrap_or(&[]),
        payload_at: at,
    })
}

impl Packet<'_> {
    /// One's complement sum of the pseudo-header and the payload (RFC 768, RFC 8200 8.1): 0xffff where the checksum in the
    /// payload is right.
    pub fn transport_sum(&self) -> u16 {
        sum(self.src, self.dst, self.protocol, self.payload)
    }
}

/// One's complement sum of a pseudo-header and what follows it.
pub fn sum(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();

    ones(&[&octets(src), &octets(dst), &length, &[0, protocol], payload])
}

/// The octets of an address.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// One's complement sum of 16-bit words (RFC 1071) over parts that each begin a word; an odd octet at the end of a part is
/// padded.
pub fn ones(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = parts
        .iter()
        .flat_map(|part| part.chunks(2))
        .map(|word| {
            u32::from(u16::from_be_bytes([
                word[0],
                word.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum();

    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }

    sum as u16
}

/// The two octets at an offset, as a number.
pub fn be16(octets: &[u8], at: usize) -> Option<u16> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|word| u16::from_be_bytes(*word))
}

/// The four octets at an offset, as a number.
pub fn be32(octets: &[u8], at: usize) -> Option<u32> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_be_bytes(*word))
}

/// The MAC address at an offset.
pub fn mac(octets: &[u8], at: usize) -> Option<Mac> {
    octets.get(at..)?.first_chunk().copied().map(Mac)
}

/// The IPv4 address at an offset.
pub fn v4(octets: &[u8], at: usize) -> Option<Ipv4Addr> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|address: &[u8; 4]| (*address).into())
}

/// The IPv6 address at an offset.
pub fn v6(octets: &[u8], at: usize) -> Option<Ipv6Addr> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|address: &[u8; 16]| (*address).into())
}

//! A frame with its Ethernet and IP headers, and its checksum: what all kinds of requests have in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Endpoints;

const IP: usize = 14;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// RFC 4594 3.1: heartbeats are network control traffic.
const CS6: u8 = 48 << 2;
/// TTL or hop limit. RFC 7881: SHOULD be 255.
const HOPS: u8 = 255;

/// What is behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Icmp,
    Tcp,
    Udp,
}

/// A frame that is sent again and again. It is allocated once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    bytes: Box<[u8]>,
    /// Where the transport header begins.
    transport: usize,
    /// Sum of the pseudo-header's words (RFC 768, RFC 8200 8.1), without regard to what the transport is.
    pseudo_header: u32,
}

impl Frame {
    /// A frame with `length` octets of zeros behind its IP header; `length` is even.
    pub(super) fn new(endpoints: &Endpoints, protocol: Protocol, length: usize) -> Self {
        match (endpoints.source, endpoints.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Self::ipv4(endpoints, (source, destination), protocol, length)
            }
            (source, destination) => Self::ipv6(
                endpoints,
                (ipv6(source), ipv6(destination)),
                protocol,
                length,
            ),
        }
    }

    fn ipv4(
        endpoints: &Endpoints,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        protocol: Protocol,
        length: usize,
    ) -> Self {
        const DONT_FRAGMENT: u8 = 0x40;
        let number: u8 = match protocol {
            Protocol::Icmp => 1,
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        };
        let mut frame = Self::ethernet(endpoints, [0x08, 0x00], IPV4_HEADER, length);
        let header = &mut frame.bytes[IP..IP + IPV4_HEADER];
        // Version 4, five words. An identification is of no use to what is never fragmented (RFC 6864 4.1).
        header[0] = 0x45;
        header[1] = CS6;
        header[2..4].copy_from_slice(&((IPV4_HEADER + length) as u16).to_be_bytes());
        header[6] = DONT_FRAGMENT;
        header[8] = HOPS;
        header[9] = number;
        header[12..16].copy_from_slice(&source.octets());
        header[16..20].copy_from_slice(&destination.octets());
        let checksum = !fold(sum(header));
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        frame.pseudo_header = sum(&header[12..20]) + u32::from(number) + length as u32;
        frame
    }

    fn ipv6(
        endpoints: &Endpoints,
        (source, destination): (Ipv6Addr, Ipv6Addr),
        protocol: Protocol,
        length: usize,
    ) -> Self {
        let number: u8 = match protocol {
            Protocol::Icmp => 58,
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        };
        let mut frame = Self::ethernet(endpoints, [0x86, 0xdd], IPV6_HEADER, length);
        let header = &mut frame.bytes[IP..IP + IPV6_HEADER];
        // Version 6 and the traffic class, four bits later than in IPv4; no flow label, which is a MAY (RFC 6437 3).
        header[0] = 6 << 4 | CS6 >> 4;
        header[1] = CS6 << 4;
        header[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        header[6] = number;
        header[7] = HOPS;
        header[8..24].copy_from_slice(&source.octets());
        header[24..40].copy_from_slice(&destination.octets());
        frame.pseudo_header = sum(&header[8..40]) + u32::from(number) + length as u32;
        frame
    }

    fn ethernet(endpoints: &Endpoints, kind: [u8; 2], header: usize, length: usize) -> Self {
        let transport = IP + header;
        let mut bytes = vec![0; transport + length].into_boxed_slice();
        bytes[..6].copy_from_slice(&endpoints.destination_mac);
        bytes[6..12].copy_from_slice(&endpoints.source_mac);
        bytes[12..14].copy_from_slice(&kind);
        Self {
            bytes,
            transport,
            pseudo_header: 0,
        }
    }

    /// The whole frame.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is behind the IP header.
    pub(super) fn transport(&self) -> &[u8] {
        &self.bytes[self.transport..]
    }

    /// The same, to be written. The checksum does not follow by itself.
    pub(super) fn transport_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.transport..]
    }

    /// Whether its addresses are IPv6.
    pub(super) fn is_ipv6(&self) -> bool {
        self.transport == IP + IPV6_HEADER
    }

    /// Sends to another MAC address from now on.
    pub(super) fn set_destination_mac(&mut self, mac: [u8; 6]) {
        self.bytes[..6].copy_from_slice(&mac);
    }

    /// Checksum of what is behind the IP header, where its checksum field is zero: of these octets alone (ICMP).
    pub(super) fn checksum(&self) -> u16 {
        !fold(sum(self.transport()))
    }

    /// Checksum of what is behind the IP header, where its checksum field is zero: with the pseudo-header (UDP, TCP, ICMPv6).
    pub(super) fn checksum_with_pseudo_header(&self) -> u16 {
        !fold(self.pseudo_header + sum(self.transport()))
    }

    /// The word at an offset behind the IP header.
    pub(super) fn word(&self, offset: usize) -> u16 {
        let transport = self.transport();
        u16::from_be_bytes([transport[offset], transport[offset + 1]])
    }

    /// Writes a word at an offset behind the IP header.
    pub(super) fn set_word(&mut self, offset: usize, value: u16) {
        self.transport_mut()[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// Writes a word at an even offset behind the IP header, and what that makes of the checksum at another.
    pub(super) fn update(&mut self, offset: usize, value: u16, checksum: usize) {
        let updated = replace(self.word(checksum), self.word(offset), value);
        self.set_word(offset, value);
        self.set_word(checksum, updated);
    }
}

/// Addresses of two families are nobody's endpoints; what a frame then says of them is at least well-formed.
fn ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// Sum of 16-bit words (RFC 1071); `bytes` has an even length.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The checksum after a word changed from `old` to `new` (RFC 1624, equation 3).
fn replace(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u32::from(!checksum) + u32::from(!old) + u32::from(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_a_word_follows_the_example_of_rfc_1624() {
        // RFC 1624 4: checksum 0xdd2f, a word changes from 0x5555 to 0x3285.
        assert_eq!(replace(0xdd2f, 0x5555, 0x3285), 0x0000);
    }
}

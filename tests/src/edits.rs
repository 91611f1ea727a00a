//! Changes to frames, for those that no well-behaved sender makes. Offsets are from the destination MAC on.

use etherparse::{Ipv4Header, UdpHeader};

/// Where the network header begins.
pub const L3: usize = 14;
/// Where the transport header of a packet without IP options begins.
pub const L4: usize = L3 + 20;
/// Where the payload of a UDP datagram without IP options begins.
pub const UDP_PAYLOAD: usize = L4 + 8;

/// Offsets in frames without VLAN tags and IP options.
pub mod at {
    use super::{L3, L4, UDP_PAYLOAD};

    /// Ethernet destination.
    pub const ETH_DST: usize = 0;
    /// Ethernet source.
    pub const ETH_SRC: usize = 6;
    /// EtherType.
    pub const ETHERTYPE: usize = 12;
    /// Type of service.
    pub const IP_TOS: usize = L3 + 1;
    /// Length of the IP packet, two octets.
    pub const IP_TOTAL_LEN: usize = L3 + 2;
    /// Identification, two octets.
    pub const IP_ID: usize = L3 + 4;
    /// Flags and fragment offset, two octets.
    pub const IP_FRAGMENT: usize = L3 + 6;
    /// Time to live.
    pub const IP_TTL: usize = L3 + 8;
    /// Header checksum, two octets.
    pub const IP_CHECKSUM: usize = L3 + 10;
    /// Source address, four octets.
    pub const IP_SRC: usize = L3 + 12;
    /// Length of the datagram, two octets.
    pub const UDP_LENGTH: usize = L4 + 4;
    /// Checksum of the datagram, two octets.
    pub const UDP_CHECKSUM: usize = L4 + 6;
    /// Checksum of an ICMP packet, two octets.
    pub const ICMP_CHECKSUM: usize = L4 + 2;
    /// First octet of the payload of a datagram: BFD's version and diagnostic.
    pub const BFD: usize = UDP_PAYLOAD;
}

/// The frame with other octets at an offset, and every checksum as it was.
pub fn with(mut frame: Vec<u8>, at: usize, octets: &[u8]) -> Vec<u8> {
    frame[at..at + octets.len()].copy_from_slice(octets);

    frame
}

/// The frame with other octets at an offset and the checksums of a sender who meant it.
pub fn meant(frame: Vec<u8>, at: usize, octets: &[u8]) -> Vec<u8> {
    with_checksums(with(frame, at, octets))
}

/// The frame with the IP header's checksum computed again, and UDP's if there is a whole datagram that has one.
pub fn with_checksums(mut frame: Vec<u8>) -> Vec<u8> {
    let Ok((ip, _)) = Ipv4Header::from_slice(&frame[L3..]) else {
        return frame;
    };
    let l4 = L3 + ip.header_len();

    frame[at::IP_CHECKSUM..at::IP_CHECKSUM + 2]
        .copy_from_slice(&ip.calc_header_checksum().to_be_bytes());

    let Ok((udp, _)) = UdpHeader::from_slice(&frame[l4..]) else {
        return frame;
    };
    let payload = l4 + 8..l4 + usize::from(udp.length);

    if ip.protocol == etherparse::IpNumber::UDP
        && udp.checksum != 0
        && let Some(payload) = frame.get(payload)
    {
        let checksum = udp
            .calc_checksum_ipv4_raw(ip.source, ip.destination, payload)
            .expect("a payload that fits");

        frame[l4 + 6..l4 + 8].copy_from_slice(&checksum.to_be_bytes());
    }

    frame
}

/// The frame without a UDP checksum, which IPv4 allows (RFC 768).
pub fn without_udp_checksum(frame: Vec<u8>) -> Vec<u8> {
    with(frame, at::UDP_CHECKSUM, &[0, 0])
}

/// The frame with octets behind its packet, as Ethernet pads short ones.
pub fn with_trailer(mut frame: Vec<u8>, octets: usize) -> Vec<u8> {
    frame.resize(frame.len() + octets, 0xa5);

    frame
}

/// The frame with IP options: `words` times four "no operation".
pub fn with_ip_options(frame: &[u8], words: u8) -> Vec<u8> {
    const NO_OPERATION: u8 = 1;

    let added = 4 * usize::from(words);
    let mut longer = frame[..L4].to_vec();

    longer.resize(L4 + added, NO_OPERATION);
    longer.extend(&frame[L4..]);
    longer[L3] += words;

    let total_len = u16::try_from(longer.len() - L3).expect("a short frame");

    meant(longer, at::IP_TOTAL_LEN, &total_len.to_be_bytes())
}

/// Octets of a frame that its headers speak of, a trailer not included.
pub fn stated_length(frame: &[u8]) -> usize {
    const TAG: usize = 4;

    match frame[at::ETHERTYPE..] {
        [0x81, 0x00, ..] | [0x88, 0xa8, ..] => TAG + stated_length(&frame[TAG..]),
        [0x08, 0x06, ..] => 42,
        [0x08, 0x00, _, _, high, low, ..] => L3 + usize::from(u16::from_be_bytes([high, low])),
        [0x86, 0xdd, _, _, _, _, high, low, ..] => {
            L3 + 40 + usize::from(u16::from_be_bytes([high, low]))
        }
        _ => frame.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        frames::{Flow, udp},
        lab::Mac,
    };

    const FLOW: Flow = Flow {
        from_mac: Mac([2, 0, 0, 0, 0x0a, 1]),
        to_mac: Mac([2, 0, 0, 0, 0x0b, 1]),
        from: Ipv4Addr::new(10, 0, 0, 1),
        to: Ipv4Addr::new(10, 0, 0, 2),
        ttl: 255,
    };

    #[test]
    fn checksums_computed_again_are_those_of_the_builder() {
        let built = udp(&FLOW, 1, 2, b"odd");

        let spoiled = with(with(built.clone(), at::IP_CHECKSUM, &[1, 2]), 40, &[3, 4]);

        assert_eq!(with_checksums(spoiled), built);
    }

    #[test]
    fn options_lengthen_the_header_and_nothing_else() {
        let plain = udp(&FLOW, 1, 2, b"payload");

        let optional = with_ip_options(&plain, 2);

        assert_eq!(optional.len(), plain.len() + 8);
        assert_eq!(optional[L3], 0x47);
        assert_eq!(optional[L4 + 8..], plain[L4..]);
        assert_eq!(stated_length(&optional), optional.len());
    }
}

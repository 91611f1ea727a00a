//! Single frames of IPv6, built with `etherparse` and by hand, independently of the code under test.

use std::net::Ipv6Addr;

use etherparse::PacketBuilder;

use crate::lab::Mac;

/// Where the network header begins.
pub const L3: usize = 14;
/// Where the transport header of a packet without extension headers begins.
pub const L4: usize = L3 + 40;

/// To every node of a link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The MAC of that group (RFC 2464 7).
pub const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

/// Next Header of extension headers, and of what they may be in front of.
pub mod next {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Authentication header.
    pub const AUTHENTICATION: u8 = 51;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
}

/// Offsets in frames without VLAN tags and extension headers.
pub mod at {
    use super::{L3, L4};

    /// Version, traffic class and flow label, four octets.
    pub const FIRST_WORD: usize = L3;
    /// Length of the payload, two octets.
    pub const PAYLOAD_LEN: usize = L3 + 4;
    /// Next Header.
    pub const NEXT_HEADER: usize = L3 + 6;
    /// Hop limit.
    pub const HOP_LIMIT: usize = L3 + 7;
    /// Source address.
    pub const SRC: usize = L3 + 8;
    /// Destination address.
    pub const DST: usize = L3 + 24;
    /// Length of a UDP datagram, two octets.
    pub const UDP_LENGTH: usize = L4 + 4;
    /// Checksum of a UDP datagram, two octets.
    pub const UDP_CHECKSUM: usize = L4 + 6;
    /// First octet of the payload of a datagram: BFD's version and diagnostic.
    pub const BFD: usize = L4 + 8;
    /// ICMPv6 type.
    pub const ICMP_TYPE: usize = L4;
    /// ICMPv6 code.
    pub const ICMP_CODE: usize = L4 + 1;
    /// ICMPv6 checksum, two octets.
    pub const ICMP_CHECKSUM: usize = L4 + 2;
    /// Target of neighbour discovery.
    pub const TARGET: usize = L4 + 8;
    /// First option of neighbour discovery.
    pub const OPTION: usize = L4 + 24;
}

/// Where a packet comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow6 {
    /// Sender's MAC.
    pub from_mac: Mac,
    /// Receiver's MAC.
    pub to_mac: Mac,
    /// Sender's address.
    pub from: Ipv6Addr,
    /// Receiver's address.
    pub to: Ipv6Addr,
    /// Hop limit.
    pub hops: u8,
}

impl Flow6 {
    /// The way back, with a hop limit of 255.
    pub fn back(self) -> Self {
        Self {
            from_mac: self.to_mac,
            to_mac: self.from_mac,
            from: self.to,
            to: self.from,
            hops: 255,
        }
    }
}

/// A UDP datagram.
pub fn udp(flow: &Flow6, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv6(flow.from.octets(), flow.to.octets(), flow.hops)
        .udp(from_port, to_port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// A segment of TCP that opens a connection.
pub fn tcp(flow: &Flow6, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv6(flow.from.octets(), flow.to.octets(), flow.hops)
        .tcp(from_port, to_port, 0x0102_0304, 65_535)
        .syn();
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// An ICMPv6 packet: type, code, the four octets behind the checksum, and the rest.
pub fn icmp(flow: &Flow6, kind: u8, code: u8, word: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv6(flow.from.octets(), flow.to.octets(), flow.hops)
        .icmpv6_raw(kind, code, word);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// An ICMPv6 echo request (RFC 4443 4.1).
pub fn echo_request(flow: &Flow6, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let ([a, b], [c, d]) = (id.to_be_bytes(), sequence.to_be_bytes());

    icmp(flow, 128, 0, [a, b, c, d], payload)
}

/// An ICMPv6 echo reply (RFC 4443 4.2).
pub fn echo_reply(flow: &Flow6, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let ([a, b], [c, d]) = (id.to_be_bytes(), sequence.to_be_bytes());

    icmp(flow, 129, 0, [a, b, c, d], payload)
}

/// The source link-layer address option (RFC 4861 4.6.1).
pub fn source_option(mac: Mac) -> Vec<u8> {
    [&[1, 1][..], &mac.0].concat()
}

/// The target link-layer address option.
pub fn target_option(mac: Mac) -> Vec<u8> {
    [&[2, 1][..], &mac.0].concat()
}

/// A neighbour solicitation (RFC 4861 4.3).
pub fn solicitation(flow: &Flow6, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    icmp(
        flow,
        135,
        0,
        [0; 4],
        &[&target.octets()[..], options].concat(),
    )
}

/// The flags of an advertisement.
pub mod flag {
    /// The sender is a router.
    pub const ROUTER: u8 = 0x80;
    /// It answers a solicitation.
    pub const SOLICITED: u8 = 0x40;
    /// Caches are to take the new MAC.
    pub const OVERRIDE: u8 = 0x20;
}

/// A neighbour advertisement (RFC 4861 4.4).
pub fn advertisement(flow: &Flow6, flags: u8, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    let payload = [&target.octets()[..], options].concat();

    icmp(flow, 136, 0, [flags, 0, 0, 0], &payload)
}

/// The solicited-node group of an address (RFC 4291 2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();

    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The MAC of a group (RFC 2464 7).
pub fn group_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();

    Mac([0x33, 0x33, a, b, c, d])
}

/// The frame with an extension header of a kind in front of what follows its IPv6 header. The first octet of the header,
/// which says what follows, is written here.
pub fn with_extension(frame: &[u8], kind: u8, header: &[u8]) -> Vec<u8> {
    let mut longer = frame[..L4].to_vec();

    longer.extend(header);
    longer[L4] = frame[at::NEXT_HEADER];
    longer.extend(&frame[L4..]);
    longer[at::NEXT_HEADER] = kind;
    let payload = u16::from_be_bytes([frame[at::PAYLOAD_LEN], frame[at::PAYLOAD_LEN + 1]]);
    let payload = payload + u16::try_from(header.len()).expect("a short header");
    longer[at::PAYLOAD_LEN..][..2].copy_from_slice(&payload.to_be_bytes());

    longer
}

/// The frame with a fragment header: offset in units of eight octets, and whether more follow.
pub fn with_fragment(frame: &[u8], offset: u16, more: bool) -> Vec<u8> {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();

    with_extension(frame, next::FRAGMENT, &[0, 0, high, low, 1, 2, 3, 4])
}

/// The frame with other octets at an offset and the checksum of a sender who meant it.
pub fn meant(mut frame: Vec<u8>, at: usize, octets: &[u8]) -> Vec<u8> {
    frame[at..at + octets.len()].copy_from_slice(octets);

    with_checksum(frame)
}

/// The frame with the checksum of its UDP datagram or ICMPv6 packet computed again, if all of it is there.
pub fn with_checksum(mut frame: Vec<u8>) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes([
        frame[at::PAYLOAD_LEN],
        frame[at::PAYLOAD_LEN + 1],
    ]));
    let kind = frame[at::NEXT_HEADER];
    let place = match kind {
        17 => at::UDP_CHECKSUM,
        58 => at::ICMP_CHECKSUM,
        _ => return frame,
    };

    if length < 8 || frame.len() < L4 + length {
        return frame;
    }

    frame[place..place + 2].copy_from_slice(&[0, 0]);
    let covered = [
        &frame[at::SRC..L4],
        &(length as u32).to_be_bytes(),
        &[0, 0, 0, kind],
        &frame[L4..L4 + length],
        &[0; 1][..length % 2],
    ]
    .concat();
    let sum: u64 = covered
        .chunks(2)
        .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = sum % 0xffff;
    let checksum = match !(folded as u16) {
        0 => 0xffff,
        sum => sum,
    };
    frame[place..place + 2].copy_from_slice(&checksum.to_be_bytes());

    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow6 = Flow6 {
        from_mac: Mac([2, 0, 0, 0, 0x0a, 1]),
        to_mac: Mac([2, 0, 0, 0, 0x0b, 1]),
        from: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        to: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
        hops: 255,
    };

    #[test]
    fn checksums_computed_again_are_those_of_the_builder() {
        for built in [
            udp(&FLOW, 1, 2, b"odd"),
            echo_reply(&FLOW, 1, 2, b"even"),
            solicitation(&FLOW, FLOW.to, &source_option(FLOW.from_mac)),
        ] {
            let spoiled = meant(built.clone(), at::UDP_CHECKSUM, &[3, 4]);
            let restored = meant(spoiled, at::UDP_CHECKSUM, &built[at::UDP_CHECKSUM..][..2]);

            assert_eq!(restored, built);
        }
    }

    #[test]
    fn an_extension_header_is_in_front_of_everything_else() {
        let plain = udp(&FLOW, 1, 2, b"payload");

        let longer = with_extension(&plain, next::DESTINATION, &[0; 8]);

        assert_eq!(longer.len(), plain.len() + 8);
        assert_eq!(longer[at::NEXT_HEADER], 60);
        assert_eq!(longer[L4], 17);
        assert_eq!(longer[at::PAYLOAD_LEN + 1], 8 + 7 + 8);
        assert_eq!(longer[L4 + 8..], plain[L4..]);
    }

    #[test]
    fn a_solicitation_is_laid_out_as_in_rfc_4861() {
        let frame = solicitation(&FLOW, FLOW.to, &source_option(FLOW.from_mac));

        assert_eq!(frame.len(), 14 + 40 + 32);
        assert_eq!(frame[at::ICMP_TYPE..at::ICMP_CHECKSUM], [135, 0]);
        assert_eq!(frame[at::TARGET..at::OPTION], FLOW.to.octets());
        assert_eq!(frame[at::OPTION..], [1, 1, 2, 0, 0, 0, 0x0a, 1]);
    }

    #[test]
    fn the_solicited_node_group_ends_in_the_address() {
        let group = solicited_node("2001:db8::12:3456".parse().expect("an address"));

        assert_eq!(
            group,
            "ff02::1:ff12:3456".parse::<Ipv6Addr>().expect("an address")
        );
        assert_eq!(group_mac(group), Mac([0x33, 0x33, 0xff, 0x12, 0x34, 0x56]));
    }
}

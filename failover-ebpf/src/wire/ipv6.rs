//! IPv6 (RFC 8200).

use super::{
    be16, be64,
    ip::{CS6, IpHeader, Shape},
    octets, put,
};
use crate::{abi, checksum};

/// Values of Next Header.
pub mod next {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Authentication header (RFC 4302).
    pub const AUTHENTICATION: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
}

/// The unspecified address (RFC 4291 2.5.2).
pub const UNSPECIFIED: abi::Ip = [0; 16];
/// All nodes of a link: ff02::1 (RFC 4291 2.7.1).
pub const ALL_NODES: abi::Ip = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Whether an address is a multicast group's (RFC 4291 2.7).
#[inline(always)]
pub const fn is_multicast(address: &abi::Ip) -> bool {
    address[0] == 0xff
}

/// Whether an address is IPv4-mapped (RFC 4291 2.5.5.2). Maps have IPv4 addresses in this form; on the wire there are none.
#[inline(always)]
pub const fn is_ipv4_mapped(address: &abi::Ip) -> bool {
    be64!(address, 0) == 0 && be64!(address, 8) >> 32 == 0xffff
}

/// Whether an address is a solicited-node group's: ff02::1:ff00:0/104 (RFC 4291 2.7.1).
#[inline(always)]
pub const fn is_solicited_node(address: &abi::Ip) -> bool {
    be64!(address, 0) == 0xff02 << 48 && be64!(address, 8) >> 24 == 0x01_ff
}

/// An IPv6 header.
#[repr(C, align(2))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    /// Version to hop limit.
    pub head: [u8; 8],
    /// Source address.
    pub src: abi::Ip,
    /// Destination address.
    pub dst: abi::Ip,
}

const _: () = assert!(size_of::<Ipv6>() == Ipv6::LEN);

// SAFETY: octets only, with alignment 2 and no padding, as the size shows.
unsafe impl super::Header for Ipv6 {}

impl Ipv6 {
    /// Its length, octets.
    pub const LEN: usize = 40;

    /// Version.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.head[0] >> 4
    }

    /// Version, traffic class and flow label.
    #[inline(always)]
    pub const fn first_word(&self) -> [u8; 4] {
        octets!(self.head, 0, 4)
    }

    /// Length of what follows this header, extension headers included, octets.
    #[inline(always)]
    pub const fn payload_len(&self) -> u16 {
        be16!(self.head, 4)
    }

    /// What follows this header.
    #[inline(always)]
    pub const fn next_header(&self) -> u8 {
        self.head[6]
    }

    /// Sum of the pseudo-header of a packet of `protocol` that is `length` octets long (RFC 8200 8.1).
    #[inline(always)]
    pub fn pseudo_header_sum(&self, protocol: u8, length: u16) -> u32 {
        let sum = checksum::sum(0, &self.src);
        checksum::sum(sum, &self.dst) + protocol as u32 + length as u32
    }

    /// Makes this the header of an ICMPv6 packet of neighbour discovery, `length` octets long (RFC 4861 4.4: hop limit 255).
    #[inline(always)]
    pub const fn write_discovery(&mut self, src: &abi::Ip, dst: &abi::Ip, length: u16) {
        put!(self.head, 0, [0x60u8, 0, 0, 0]);
        put!(self.head, 4, length.to_be_bytes());
        self.head[6] = next::ICMPV6;
        self.head[7] = 255;
        self.src = *src;
        self.dst = *dst;
    }
}

impl IpHeader for Ipv6 {
    const LEN: usize = Self::LEN;
    const UDP_CHECKSUM_OPTIONAL: bool = false;

    type Address<'a> = &'a abi::Ip;

    #[inline(always)]
    fn source(&self) -> &abi::Ip {
        &self.src
    }

    #[inline(always)]
    fn destination(&self) -> &abi::Ip {
        &self.dst
    }

    #[inline(always)]
    fn packet_len(&self) -> u32 {
        Self::LEN as u32 + self.payload_len() as u32
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.head[7]
    }

    #[inline(always)]
    fn set_hops(&mut self, hops: u8) {
        self.head[7] = hops;
    }

    #[inline(always)]
    fn shape(&self, protocol: u8) -> Shape {
        if self.next_header() == protocol {
            Shape::Plain
        } else if self.next_header() == next::FRAGMENT {
            Shape::Fragment
        } else {
            Shape::Extensions
        }
    }

    #[inline(always)]
    fn intact(&self) -> bool {
        true
    }

    #[inline(always)]
    fn udp_pseudo_header(&self, length: u16) -> u32 {
        self.pseudo_header_sum(next::UDP, length)
    }

    #[inline(always)]
    fn echo_pseudo_header(&self, length: u16) -> u32 {
        self.pseudo_header_sum(next::ICMPV6, length)
    }

    #[inline(always)]
    fn turn_round(&mut self) {
        core::mem::swap(&mut self.src, &mut self.dst);
    }

    #[inline(always)]
    fn addresses_sum(&self) -> u32 {
        checksum::sum(checksum::sum(0, &self.src), &self.dst)
    }

    /// No flow label, which is a MAY (RFC 6437 3).
    #[inline(always)]
    fn answer(&mut self, protocol: u8, payload: u16) {
        self.turn_round();
        put!(self.head, 0, [6 << 4 | CS6 >> 4, CS6 << 4, 0, 0]);
        put!(self.head, 4, payload.to_be_bytes());
        self.head[6] = protocol;
        self.head[7] = 255;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_known_by_their_prefix() {
        let node: abi::Ip = [
            0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x12, 0x34, 0x56,
        ];

        assert!(is_multicast(&node) && is_solicited_node(&node));
        assert!(is_multicast(&ALL_NODES) && !is_solicited_node(&ALL_NODES));
        assert!(!is_multicast(&UNSPECIFIED) && !is_solicited_node(&UNSPECIFIED));
        for octet in 0..13 {
            let mut other = node;
            other[octet] ^= 0x10;
            assert!(!is_solicited_node(&other), "octet {octet}");
        }
    }

    #[test]
    fn the_transport_header_of_a_plain_packet_is_right_behind_this_one() {
        let mut header = Ipv6 {
            head: [0; 8],
            src: UNSPECIFIED,
            dst: UNSPECIFIED,
        };
        for (following, shape) in [
            (next::UDP, Shape::Plain),
            (next::HOP_BY_HOP, Shape::Extensions),
            (next::FRAGMENT, Shape::Fragment),
        ] {
            header.head[6] = following;

            assert_eq!(header.shape(next::UDP), shape);
        }
    }
}

//! What IPv4 and IPv6 have in common, as heartbeats and steering see them.

use core::borrow::Borrow;

use super::Header;
use crate::abi;

/// Whether the transport header is right behind the fixed part of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It is.
    Plain,
    /// IPv4 options are between.
    Options,
    /// IPv6 extension headers are between.
    Extensions,
    /// The packet is a fragment, and may have none.
    Fragment,
}

/// The fixed part of the header of either version.
pub trait IpHeader: Header {
    /// Its length, octets.
    const LEN: usize;

    /// An address as map key: made for IPv4, for IPv6 where it lies.
    type Address<'a>: Borrow<abi::Ip>
    where
        Self: 'a;

    /// Source address.
    fn source(&self) -> Self::Address<'_>;

    /// Destination address.
    fn destination(&self) -> Self::Address<'_>;

    /// Length of the packet, header included, octets.
    fn packet_len(&self) -> u32;

    /// Time to live, or hop limit.
    fn hops(&self) -> u8;

    /// Sets it; a checksum follows (RFC 1624).
    fn set_hops(&mut self, hops: u8);

    /// What is between this header and one of `protocol`.
    fn shape(&self, protocol: u8) -> Shape;

    /// Whether the header's own checksum is right, where it has one. For a header without options.
    fn intact(&self) -> bool;

    /// Whether a UDP datagram may go without a checksum: over IPv4 (RFC 768), not over IPv6 (RFC 8200 8.1).
    const UDP_CHECKSUM_OPTIONAL: bool;

    /// Sum of the pseudo-header that a UDP checksum covers.
    fn udp_pseudo_header(&self, length: u16) -> u32;

    /// Sum of what the checksum of an echo of `length` octets covers before the echo itself: a pseudo-header in ICMPv6
    /// (RFC 4443 2.3), nothing in ICMP.
    fn echo_pseudo_header(&self, length: u16) -> u32;

    /// Sends the packet back; a checksum stays right.
    fn turn_round(&mut self);

    /// Sum of both addresses.
    fn addresses_sum(&self) -> u32;

    /// Becomes the header of a packet of ours with `payload` octets of `protocol` that goes back to where this one came from:
    /// network control traffic (RFC 4594 3.1), never fragmented, with 255 hops to live.
    fn answer(&mut self, protocol: u8, payload: u16);
}

/// The class selector of network control traffic (RFC 4594 3.1), as the upper bits of an octet.
pub const CS6: u8 = 48 << 2;

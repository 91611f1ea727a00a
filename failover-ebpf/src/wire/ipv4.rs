//! IPv4 (RFC 791), without options.

use super::{be16, header, octets, put};
use crate::checksum;

/// Protocol numbers.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
}

header! {
    /// The fixed part of an IPv4 header.
    Ipv4, 20
}

impl Ipv4 {
    /// Version.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.0[0] >> 4
    }

    /// Length of the header with its options, octets.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        (self.0[0] & 0x0f) as usize * 4
    }

    /// Length of the packet, header included, octets.
    #[inline(always)]
    pub const fn total_len(&self) -> u16 {
        be16!(self.0, 2)
    }

    /// Whether this is a fragment, the first one included.
    #[inline(always)]
    pub const fn is_fragment(&self) -> bool {
        be16!(self.0, 6) & 0x3fff != 0
    }

    /// Time to live.
    #[inline(always)]
    pub const fn ttl(&self) -> u8 {
        self.0[8]
    }

    /// Protocol.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        self.0[9]
    }

    /// Source address.
    #[inline(always)]
    pub const fn src(&self) -> [u8; 4] {
        octets!(self.0, 12, 4)
    }

    /// Destination address.
    #[inline(always)]
    pub const fn dst(&self) -> [u8; 4] {
        octets!(self.0, 16, 4)
    }

    /// Whether the checksum of a header without options is right.
    #[inline(always)]
    pub fn checksum_valid(&self) -> bool {
        checksum::valid(checksum::sum(0, &self.0))
    }

    /// Sum of both addresses.
    #[inline(always)]
    pub fn addresses_sum(&self) -> u32 {
        checksum::sum(checksum::sum(0, &self.src()), &self.dst())
    }

    /// The header of a packet of ours with `payload` octets that goes back to where this one came from: network control
    /// traffic (RFC 4594 3.1) that is never fragmented, so that it needs no identification (RFC 6864 4.1).
    #[inline(always)]
    pub fn reply(&self, payload: u16) -> Self {
        const CS6: u8 = 48 << 2;
        const DONT_FRAGMENT: u8 = 0x40;
        let mut reply = Self([0; Self::LEN]);
        reply.0[0] = 4 << 4 | (Self::LEN / 4) as u8;
        reply.0[1] = CS6;
        put!(reply.0, 2, (Self::LEN as u16 + payload).to_be_bytes());
        reply.0[6] = DONT_FRAGMENT;
        reply.0[8] = 255;
        reply.0[9] = self.protocol();
        put!(reply.0, 12, self.dst());
        put!(reply.0, 16, self.src());
        let checksum = !checksum::fold(checksum::sum(0, &reply.0));
        put!(reply.0, 10, checksum.to_be_bytes());
        reply
    }

    /// Sum of the pseudo-header that UDP's checksum covers (RFC 768).
    #[inline(always)]
    pub fn pseudo_header_sum(&self, length: u16) -> u32 {
        self.addresses_sum() + self.protocol() as u32 + length as u32
    }

    /// Sets the time to live; the checksum follows (RFC 1624).
    #[inline(always)]
    pub const fn set_ttl(&mut self, ttl: u8) {
        let old = be16!(self.0, 8);
        let new = u16::from_be_bytes([ttl, self.0[9]]);
        put!(
            self.0,
            10,
            checksum::update(be16!(self.0, 10), old, new).to_be_bytes()
        );
        self.0[8] = ttl;
    }

    /// Sends the packet back; the checksum stays right.
    #[inline(always)]
    pub const fn turn_round(&mut self) {
        let (src, dst) = (self.src(), self.dst());
        put!(self.0, 12, dst);
        put!(self.0, 16, src);
    }
}

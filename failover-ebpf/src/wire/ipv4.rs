//! IPv4 (RFC 791).

use super::{
    be16, header,
    ip::{CS6, IpHeader, Shape},
    octets, put,
};
use crate::{abi, checksum};

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

    /// Whether it is a fragment that does not begin with the transport header.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        be16!(self.0, 6) & 0x1fff != 0
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
}

impl IpHeader for Ipv4 {
    const LEN: usize = Self::LEN;
    const UDP_CHECKSUM_OPTIONAL: bool = true;

    type Address<'a> = abi::Ip;

    #[inline(always)]
    fn source(&self) -> abi::Ip {
        abi::ipv4_key(self.src())
    }

    #[inline(always)]
    fn destination(&self) -> abi::Ip {
        abi::ipv4_key(self.dst())
    }

    #[inline(always)]
    fn packet_len(&self) -> u32 {
        self.total_len() as u32
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.ttl()
    }

    #[inline(always)]
    fn set_hops(&mut self, hops: u8) {
        let old = be16!(self.0, 8);
        let new = u16::from_be_bytes([hops, self.0[9]]);
        put!(
            self.0,
            10,
            checksum::update(be16!(self.0, 10), old, new).to_be_bytes()
        );
        self.0[8] = hops;
    }

    #[inline(always)]
    fn shape(&self, _protocol: u8) -> Shape {
        if self.is_fragment() {
            Shape::Fragment
        } else if self.header_len() != Self::LEN {
            Shape::Options
        } else {
            Shape::Plain
        }
    }

    #[inline(always)]
    fn intact(&self) -> bool {
        checksum::valid(checksum::sum(0, &self.0))
    }

    #[inline(always)]
    fn udp_pseudo_header(&self, length: u16) -> u32 {
        let sum = checksum::sum(0, &self.src());
        checksum::sum(sum, &self.dst()) + protocol::UDP as u32 + length as u32
    }

    #[inline(always)]
    fn echo_pseudo_header(&self, _length: u16) -> u32 {
        0
    }

    #[inline(always)]
    fn turn_round(&mut self) {
        let (src, dst) = (self.src(), self.dst());
        put!(self.0, 12, dst);
        put!(self.0, 16, src);
    }

    #[inline(always)]
    fn addresses_sum(&self) -> u32 {
        checksum::sum(checksum::sum(0, &self.src()), &self.dst())
    }

    /// An identification is of no use to what is never fragmented (RFC 6864 4.1).
    #[inline(always)]
    fn answer(&mut self, protocol: u8, payload: u16) {
        const DONT_FRAGMENT: u8 = 0x40;
        self.turn_round();
        self.0[0] = 4 << 4 | (Self::LEN / 4) as u8;
        self.0[1] = CS6;
        put!(self.0, 2, (Self::LEN as u16 + payload).to_be_bytes());
        put!(self.0, 4, [0, 0, DONT_FRAGMENT, 0]);
        put!(self.0, 8, [255, protocol, 0, 0]);
        let checksum = !checksum::fold(checksum::sum(0, &self.0));
        put!(self.0, 10, checksum.to_be_bytes());
    }
}

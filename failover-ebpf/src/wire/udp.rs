//! UDP (RFC 768).

use super::{be16, header, put};

/// Its protocol number.
pub const PROTOCOL: u8 = 17;

header! {
    /// A UDP header.
    Udp, 8
}

impl Udp {
    /// Source port.
    #[inline(always)]
    pub const fn src(&self) -> u16 {
        be16!(self.0, 0)
    }

    /// Destination port.
    #[inline(always)]
    pub const fn dst(&self) -> u16 {
        be16!(self.0, 2)
    }

    /// Length of header and payload, octets.
    #[inline(always)]
    pub const fn length(&self) -> u16 {
        be16!(self.0, 4)
    }

    /// Checksum; 0: none.
    #[inline(always)]
    pub const fn checksum(&self) -> u16 {
        be16!(self.0, 6)
    }

    /// Replaces the checksum.
    #[inline(always)]
    pub const fn set_checksum(&mut self, checksum: u16) {
        put!(self.0, 6, checksum.to_be_bytes());
    }

    /// Sends the datagram back, with another checksum.
    #[inline(always)]
    pub const fn turn_round(&mut self, checksum: u16) {
        let (src, dst) = (self.src().to_be_bytes(), self.dst().to_be_bytes());
        put!(self.0, 0, dst);
        put!(self.0, 2, src);
        put!(self.0, 6, checksum.to_be_bytes());
    }
}

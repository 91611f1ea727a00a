//! TCP (RFC 9293).

use super::{be16, be32, header, put};

/// Control bits (RFC 9293 3.1).
pub mod flag {
    /// No more data.
    pub const FIN: u8 = 1;
    /// A connection begins.
    pub const SYN: u8 = 1 << 1;
    /// A connection ends at once.
    pub const RST: u8 = 1 << 2;
    /// The acknowledgment number means something.
    pub const ACK: u8 = 1 << 4;
}

header! {
    /// The fixed part of a TCP header.
    Tcp, 20
}

/// Its protocol number.
pub const PROTOCOL: u8 = 6;

/// The longest header, octets: the data offset has four bits.
pub const MAX_HEADER: usize = 60;

impl Tcp {
    /// Where the destination port is.
    pub const DESTINATION: usize = 2;

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

    /// Acknowledgment number.
    #[inline(always)]
    pub const fn acknowledgment(&self) -> u32 {
        be32!(self.0, 8)
    }

    /// Length of the header with its options, octets.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        (self.0[12] >> 4) as usize * 4
    }

    /// Control bits.
    #[inline(always)]
    pub const fn flags(&self) -> u8 {
        self.0[13]
    }

    /// Checksum.
    #[inline(always)]
    pub const fn checksum(&self) -> u16 {
        be16!(self.0, 16)
    }

    /// The reset that answers this segment, which acknowledges something: `<SEQ=SEG.ACK><CTL=RST>` (RFC 9293 3.10.7.1 and
    /// 3.10.7.3), without a checksum so far.
    #[inline(always)]
    pub const fn reset(&self) -> Self {
        let mut reset = Self([0; Self::LEN]);
        put!(reset.0, 0, self.dst().to_be_bytes());
        put!(reset.0, 2, self.src().to_be_bytes());
        put!(reset.0, 4, self.acknowledgment().to_be_bytes());
        reset.0[12] = ((Self::LEN / 4) as u8) << 4;
        reset.0[13] = flag::RST;
        reset
    }

    /// Sets the checksum.
    #[inline(always)]
    pub const fn set_checksum(&mut self, checksum: u16) {
        put!(self.0, 16, checksum.to_be_bytes());
    }
}

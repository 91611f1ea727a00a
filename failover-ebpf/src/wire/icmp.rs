//! ICMP echo (RFC 792); ICMPv6 has it in the same form, with other types (RFC 4443 4).

use super::{be16, header};

/// Types.
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
}

/// Length of the payload of our echo requests, octets: the cookie, and zeros up to the shortest Ethernet frame.
pub const PAYLOAD: usize = 18;

header! {
    /// An echo packet as we send it: header and payload.
    Echo, 26
}

const _: () = assert!(Echo::LEN == 8 + PAYLOAD);

impl Echo {
    /// Type.
    #[inline(always)]
    pub const fn kind(&self) -> u8 {
        self.0[0]
    }

    /// Code.
    #[inline(always)]
    pub const fn code(&self) -> u8 {
        self.0[1]
    }

    /// Identifier: our session number.
    #[inline(always)]
    pub const fn identifier(&self) -> u16 {
        be16!(self.0, 4)
    }

    /// Sequence.
    #[inline(always)]
    pub const fn sequence(&self) -> u16 {
        be16!(self.0, 6)
    }

    /// The first eight octets of the payload.
    #[inline(always)]
    pub const fn cookie(&self) -> u64 {
        u64::from_be_bytes([
            self.0[8], self.0[9], self.0[10], self.0[11], self.0[12], self.0[13], self.0[14],
            self.0[15],
        ])
    }
}

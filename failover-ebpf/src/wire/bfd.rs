//! BFD control packets (RFC 5880 4.1) as S-BFD uses them (RFC 7880, RFC 7881).

use super::{be32, header, octets, put};
use crate::sha1::Digest;

/// UDP port of the S-BFD reflector (RFC 7881).
pub const SBFD_PORT: u16 = 7784;

/// Session states.
pub mod state {
    /// Out of service on purpose.
    pub const ADMIN_DOWN: u8 = 0;
    /// Down.
    pub const DOWN: u8 = 1;
    /// Up.
    pub const UP: u8 = 3;
}

/// Diagnostic codes (RFC 5880 4.1).
pub mod diagnostic {
    /// Nothing to say.
    pub const NONE: u8 = 0;
    /// Administratively down.
    pub const ADMIN_DOWN: u8 = 7;
}

/// Bits of the second octet.
mod bit {
    pub(super) const POLL: u8 = 0x20;
    pub(super) const FINAL: u8 = 0x10;
    pub(super) const AUTHENTICATION: u8 = 0x04;
    pub(super) const DEMAND: u8 = 0x02;
    pub(super) const MULTIPOINT: u8 = 0x01;
}

header! {
    /// The mandatory section of a BFD control packet.
    Bfd, 24
}

impl Bfd {
    /// Protocol version; 1.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.0[0] >> 5
    }

    /// Session state.
    #[inline(always)]
    pub const fn state(&self) -> u8 {
        self.0[1] >> 6
    }

    /// P: the sender wants an answer with F.
    #[inline(always)]
    pub const fn poll(&self) -> bool {
        self.0[1] & bit::POLL != 0
    }

    /// A: an authentication section follows.
    #[inline(always)]
    pub const fn authentication(&self) -> bool {
        self.0[1] & bit::AUTHENTICATION != 0
    }

    /// D: set by an S-BFD initiator, clear in what a reflector sends.
    #[inline(always)]
    pub const fn demand(&self) -> bool {
        self.0[1] & bit::DEMAND != 0
    }

    /// M: reserved, zero.
    #[inline(always)]
    pub const fn multipoint(&self) -> bool {
        self.0[1] & bit::MULTIPOINT != 0
    }

    /// Detect Mult.
    #[inline(always)]
    pub const fn detect_mult(&self) -> u8 {
        self.0[2]
    }

    /// Length of the packet, authentication included, octets.
    #[inline(always)]
    pub const fn length(&self) -> u8 {
        self.0[3]
    }

    /// My Discriminator.
    #[inline(always)]
    pub const fn my_discriminator(&self) -> u32 {
        be32!(self.0, 4)
    }

    /// Your Discriminator.
    #[inline(always)]
    pub const fn your_discriminator(&self) -> u32 {
        be32!(self.0, 8)
    }

    /// Required Min RX Interval, microseconds.
    #[inline(always)]
    pub const fn required_min_rx(&self) -> u32 {
        be32!(self.0, 16)
    }

    /// Required Min Echo RX Interval, microseconds.
    #[inline(always)]
    pub const fn required_min_echo_rx(&self) -> u32 {
        be32!(self.0, 20)
    }

    /// Version, diagnostic, state and flags, as one number: the first word that a checksum covers.
    #[inline(always)]
    pub const fn first_word(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// Turns this request into what a reflector sends back (RFC 7880 7.2.2): D clear, the reflector's state and diagnostic,
    /// discriminators swapped, our own Required Min RX, no echo; P asks for F (7.5).
    #[inline(always)]
    pub const fn reflect(&mut self, state: u8, diagnostic: u8, min_rx_us: u32) {
        let (mine, yours) = (octets!(self.0, 4, 4), octets!(self.0, 8, 4));
        let last = if self.poll() { bit::FINAL } else { 0 };
        // Whoever signs it again needs the section that it has.
        let flags = last | self.0[1] & bit::AUTHENTICATION;
        self.0[0] = 1 << 5 | diagnostic;
        self.0[1] = state << 6 | flags;
        put!(self.0, 4, yours);
        put!(self.0, 8, mine);
        put!(self.0, 16, min_rx_us.to_be_bytes());
        put!(self.0, 20, [0u8; 4]);
    }
}

header! {
    /// An authentication section of Keyed SHA1 (RFC 5880 4.4).
    Authentication, 28
}

impl Authentication {
    /// Auth Type: Meticulous Keyed SHA1.
    pub const METICULOUS_KEYED_SHA1: u8 = 5;

    /// Auth Type.
    #[inline(always)]
    pub const fn kind(&self) -> u8 {
        self.0[0]
    }

    /// Auth Len, octets.
    #[inline(always)]
    pub const fn length(&self) -> u8 {
        self.0[1]
    }

    /// Auth Key ID.
    #[inline(always)]
    pub const fn key_id(&self) -> u8 {
        self.0[2]
    }

    /// Clears the reserved octet, which MUST be zero on transmit (RFC 5880 4.4).
    #[inline(always)]
    pub const fn clear_reserved(&mut self) {
        self.0[3] = 0;
    }

    /// Sequence Number.
    #[inline(always)]
    pub const fn sequence(&self) -> u32 {
        be32!(self.0, 4)
    }

    /// Auth Key/Hash.
    #[inline(always)]
    pub const fn digest(&self) -> Digest {
        Digest([
            be32!(self.0, 8),
            be32!(self.0, 12),
            be32!(self.0, 16),
            be32!(self.0, 20),
            be32!(self.0, 24),
        ])
    }

    /// Replaces Auth Key/Hash.
    #[inline(always)]
    pub const fn set_digest(&mut self, digest: &Digest) {
        let Digest([a, b, c, d, e]) = *digest;
        put!(self.0, 8, a.to_be_bytes());
        put!(self.0, 12, b.to_be_bytes());
        put!(self.0, 16, c.to_be_bytes());
        put!(self.0, 20, d.to_be_bytes());
        put!(self.0, 24, e.to_be_bytes());
    }
}

//! ICMPv6 (RFC 4443), and of neighbour discovery (RFC 4861) what address resolution needs.

use super::{be16, eth::Mac, header, octets, put};
use crate::abi;

/// Types.
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Neighbour solicitation: who has it?
    pub const SOLICITATION: u8 = 135;
    /// Neighbour advertisement: I have it.
    pub const ADVERTISEMENT: u8 = 136;
}

/// Types of options.
pub mod option {
    /// Source link-layer address.
    pub const SOURCE_LINK_LAYER: u8 = 1;
    /// Target link-layer address.
    pub const TARGET_LINK_LAYER: u8 = 2;
}

/// Flags of an advertisement, in its fifth octet.
pub mod flag {
    /// It answers a solicitation.
    pub const SOLICITED: u8 = 0x40;
    /// Caches are to take the new MAC.
    pub const OVERRIDE: u8 = 0x20;
}

header! {
    /// The fixed part of a solicitation or an advertisement.
    Discovery, 24
}

impl Discovery {
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

    /// Flags of an advertisement.
    #[inline(always)]
    pub const fn flags(&self) -> u8 {
        self.0[4]
    }

    /// The address that it is about.
    #[inline(always)]
    pub const fn target(&self) -> abi::Ip {
        octets!(self.0, 8, 16)
    }
}

/// Options come in units of so many octets.
pub const UNIT: usize = 8;

header! {
    /// Eight octets of options: a whole one, such as a link-layer address, or part of a longer one.
    Unit, 8
}

impl Unit {
    /// Type of the option that begins here.
    #[inline(always)]
    pub const fn kind(&self) -> u8 {
        self.0[0]
    }

    /// Length of the option that begins here, in units.
    #[inline(always)]
    pub const fn units(&self) -> u8 {
        self.0[1]
    }

    /// What it says if it is a link-layer address.
    #[inline(always)]
    pub const fn mac(&self) -> Mac {
        octets!(self.0, 2, 6)
    }
}

header! {
    /// An advertisement with the option that says the MAC.
    Advertisement, 32
}

impl Advertisement {
    /// `target` is at `mac`. The checksum is yet to be set.
    #[inline(always)]
    pub const fn write(&mut self, flags: u8, target: &abi::Ip, mac: Mac) {
        put!(self.0, 0, [kind::ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0]);
        put!(self.0, 8, *target);
        put!(self.0, 24, [option::TARGET_LINK_LAYER, 1]);
        put!(self.0, 26, mac);
    }

    /// Sets the checksum.
    #[inline(always)]
    pub const fn set_checksum(&mut self, checksum: u16) {
        put!(self.0, 2, checksum.to_be_bytes());
    }

    /// Checksum.
    #[inline(always)]
    pub const fn checksum(&self) -> u16 {
        be16!(self.0, 2)
    }
}

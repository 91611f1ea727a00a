//! ARP for IPv4 over Ethernet (RFC 826).

use super::{be16, eth::Mac, header, octets, put};

/// Operations.
pub mod operation {
    /// Who has it?
    pub const REQUEST: u16 = 1;
    /// I have it.
    pub const REPLY: u16 = 2;
}

header! {
    /// An ARP packet.
    Arp, 28
}

impl Arp {
    /// Whether it is about IPv4 over Ethernet.
    #[inline(always)]
    pub const fn is_ipv4_over_ethernet(&self) -> bool {
        be16!(self.0, 0) == 1 && be16!(self.0, 2) == 0x0800 && self.0[4] == 6 && self.0[5] == 4
    }

    /// Operation.
    #[inline(always)]
    pub const fn operation(&self) -> u16 {
        be16!(self.0, 6)
    }

    /// Sender hardware address.
    #[inline(always)]
    pub const fn sha(&self) -> Mac {
        octets!(self.0, 8, 6)
    }

    /// Sender protocol address.
    #[inline(always)]
    pub const fn spa(&self) -> [u8; 4] {
        octets!(self.0, 14, 4)
    }

    /// Target protocol address.
    #[inline(always)]
    pub const fn tpa(&self) -> [u8; 4] {
        octets!(self.0, 24, 4)
    }

    /// Turns this request into its reply: `mac` has the address.
    #[inline(always)]
    pub const fn answer(&mut self, mac: Mac) {
        let (sha, spa, tpa) = (self.sha(), self.spa(), self.tpa());
        put!(self.0, 6, operation::REPLY.to_be_bytes());
        put!(self.0, 8, mac);
        put!(self.0, 14, tpa);
        put!(self.0, 18, sha);
        put!(self.0, 24, spa);
    }
}

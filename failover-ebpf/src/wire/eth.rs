//! Ethernet II (IEEE 802.3).

use super::{be16, header, octets, put};

/// A MAC address.
pub type Mac = [u8; 6];

/// ff:ff:ff:ff:ff:ff
pub const BROADCAST: Mac = [0xff; 6];

/// EtherTypes.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// IEEE 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad service tag.
    pub const QINQ: u16 = 0x88a8;
}

header! {
    /// An Ethernet header.
    Eth, 14
}

impl Eth {
    /// Destination MAC.
    #[inline(always)]
    pub const fn dst(&self) -> Mac {
        octets!(self.0, 0, 6)
    }

    /// Source MAC.
    #[inline(always)]
    pub const fn src(&self) -> Mac {
        octets!(self.0, 6, 6)
    }

    /// EtherType.
    #[inline(always)]
    pub const fn ethertype(&self) -> u16 {
        be16!(self.0, 12)
    }

    /// Sends the frame from `src` to `dst`.
    #[inline(always)]
    pub const fn readdress(&mut self, dst: Mac, src: Mac) {
        put!(self.0, 0, dst);
        put!(self.0, 6, src);
    }
}

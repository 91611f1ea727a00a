//! VLAN tags (IEEE 802.1Q; service tags 802.1ad).

use super::{be16, eth::ethertype, header};

header! {
    /// A tag without its leading type: tag control information, and the type of what follows.
    Vlan, 4
}

impl Vlan {
    /// VLAN identifier; 0: none, the tag says a priority only.
    #[inline(always)]
    pub const fn identifier(&self) -> u16 {
        be16!(self.0, 0) & 0x0fff
    }

    /// EtherType of what follows.
    #[inline(always)]
    pub const fn ethertype(&self) -> u16 {
        be16!(self.0, 2)
    }
}

/// Whether an EtherType says that a tag follows.
#[inline(always)]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, ethertype::VLAN | ethertype::QINQ)
}

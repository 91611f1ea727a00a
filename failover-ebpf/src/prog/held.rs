//! The takeover map, as stages ask it.

use failover_ebpf::{
    abi::{Held, Ip, Tags},
    verdict::Verdict,
};

use super::maps;

/// How an address is held in these VLANs, or why it is none of our business.
#[inline(always)]
pub(super) fn find(ip: &Ip, tags: Tags) -> Result<&'static Held, Verdict> {
    // SAFETY: user space replaces entries as a whole.
    match unsafe { maps::ADDRESSES.get(ip) } {
        Some(held) if held.tags == tags => Ok(held),
        Some(_) => Err(Verdict::PassOtherVlan),
        None => Err(Verdict::PassUnrelated),
    }
}

/// How an address is held in whatever VLAN.
#[inline(always)]
pub(super) fn any(ip: &Ip) -> Option<&'static Held> {
    // SAFETY: user space replaces entries as a whole.
    unsafe { maps::ADDRESSES.get(ip) }
}

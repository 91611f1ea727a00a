//! The takeover map, as stages ask it.

use failover_ebpf::{
    abi::{Held, Ip, Tags},
    maybe_held,
    verdict::Verdict,
};

use super::maps;

/// How an address is held in these VLANs, or why it is none of our business.
#[inline(always)]
pub(super) fn find(ip: &Ip, tags: Tags) -> Result<&'static Held, Verdict> {
    match any(ip) {
        Some(held) if held.tags == tags => Ok(held),
        Some(_) => Err(Verdict::PassOtherVlan),
        None => Err(Verdict::PassUnrelated),
    }
}

/// How an address is held in whatever VLAN.
#[inline(always)]
pub(super) fn any(ip: &Ip) -> Option<&'static Held> {
    if !maybe(ip) {
        return None;
    }
    // SAFETY: user space replaces entries as a whole.
    unsafe { maps::ADDRESSES.get(ip) }
}

/// Whether it is worth a lookup, which costs several times as much as this. Most packets of a busy host are for no held address.
#[inline(always)]
fn maybe(ip: &Ip) -> bool {
    let (word, bit) = maybe_held::place(ip);
    maps::MAYBE_HELD
        .get(word)
        .is_some_and(|bits| bits & bit != 0)
}

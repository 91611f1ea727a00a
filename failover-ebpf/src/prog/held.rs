//! The takeover map, as stages ask it.

use core::borrow::Borrow as _;

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::{Held, Ip, Tags, held},
    link::Link,
    maybe_held,
    verdict::Verdict,
    wire::ip::IpHeader,
};

use super::{maps, packet::Packet};

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

/// Whether a packet is for an address that is held, and leaves this host again.
#[inline(always)]
pub(super) fn is_sent_on<I: IpHeader>(ctx: &XdpContext, link: Link) -> bool {
    find_sent_on::<I>(ctx, link) != 0
}

/// A function of its own, so that its stack is not that of every stage. It returns a number as the verifier wants to see one
/// returned.
#[inline(never)]
fn find_sent_on<I: IpHeader>(ctx: &XdpContext, link: Link) -> u32 {
    let packet = Packet::of(ctx, link);
    let Some(ip) = packet.network::<I>() else {
        return 0;
    };
    match find(ip.destination().borrow(), link.tags) {
        Ok(target) => (target.mode != held::LOCAL) as u32,
        Err(_) => 0,
    }
}

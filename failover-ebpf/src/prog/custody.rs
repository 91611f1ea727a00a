//! Whether this host may answer, and use its identity, now.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use failover_ebpf::{
    abi::{Health, Ip, Settings, settings},
    health::{self, Fence, Gate},
};

use super::maps;

#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// What the reflector answers. Without an entry, which an array map always has, it answers.
#[inline(always)]
pub(super) fn gate(now: u64) -> Gate {
    maps::HEALTH
        .get(0)
        .map_or(Gate::Up, |own| health::gate(own, now))
}

/// Which addresses must not be used now.
#[inline(always)]
pub(super) fn fence() -> Fence {
    maps::HEALTH
        .get(0)
        .map_or(Fence::Open, |own: &Health| health::fence(own, now()))
}

/// Whether an address is of this host's identity, and must not be used now, in whatever VLAN: too much is fenced rather than
/// too little. A host without an identity pays one look at
/// its settings.
#[inline(always)]
pub(super) fn is_fenced(own: &Settings, ip: &Ip) -> bool {
    own.flags & settings::IDENTITY != 0 && withheld_now(ip) != 0
}

/// A function of its own, so that its stack is not that of every stage.
#[inline(never)]
fn withheld_now(ip: &Ip) -> u32 {
    withheld(fence(), ip) as u32
}

/// The same, with a fence that is known.
#[inline(always)]
pub(super) fn withheld(fence: Fence, ip: &Ip) -> bool {
    if fence == Fence::Open {
        return false;
    }
    // SAFETY: an entry is one number, written as a whole.
    unsafe { maps::IDENTITY.get(ip) }.is_some_and(|entry| health::fenced(fence, *entry))
}

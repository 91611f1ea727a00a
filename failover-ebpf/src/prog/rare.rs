//! Messages that must not become a flood: each kind at most once a second.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use failover_ebpf::abi::Rare;

use super::maps;

const INTERVAL_NS: u64 = 1_000_000_000;

/// Whether a message of this kind may be logged now.
#[inline(always)]
pub(super) fn due(kind: Rare) -> bool {
    // SAFETY: the helper has no preconditions.
    due_at(kind, unsafe { bpf_ktime_get_ns() })
}

/// The same at a time that is known. Two CPUs may agree at the same instant: then there are two lines.
#[inline(always)]
pub(super) fn due_at(kind: Rare, now: u64) -> bool {
    let Some(last) = maps::RARE.get_ptr_mut(kind as u32) else {
        return false;
    };
    // SAFETY: the pointer is to an element of the map; a torn time costs at most one line.
    unsafe {
        if *last != 0 && now.saturating_sub(*last) < INTERVAL_NS {
            return false;
        }
        *last = now;
    }
    true
}

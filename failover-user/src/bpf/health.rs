//! The entry by which the program knows that this host is healthy, mapped into memory: a tick costs no system call.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};

use failover_ebpf::abi::{Health, map};

use super::{pins::Pins, shared::Mapping};

/// The entry. Several handles may write: the dead-man's thread ticks, the daemon sets and clears flags.
pub struct HealthBoard(Mapping<Health>);

impl HealthBoard {
    /// Maps the pinned array.
    pub fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self(Mapping::open(pins, map::HEALTH, 1)?))
    }

    /// Says that the daemon ran at `at_ns`.
    pub fn tick(&self, at_ns: u64) {
        self.tick_ns().store(at_ns, Release);
    }

    /// Says how old a tick may become; 0: as old as it likes.
    pub fn set_dead_man(&self, nanoseconds: u64) {
        self.dead_man_ns().store(nanoseconds, Release);
    }

    /// Sets flags, and leaves the others.
    pub fn set(&self, flags: u32) {
        self.flags().fetch_or(flags, AcqRel);
    }

    /// Clears flags, and leaves the others.
    pub fn clear(&self, flags: u32) {
        self.flags().fetch_and(!flags, AcqRel);
    }

    /// Sets or clears flags.
    pub fn put(&self, flags: u32, on: bool) {
        if on {
            self.set(flags);
        } else {
            self.clear(flags);
        }
    }

    /// The entry as it is now.
    pub fn get(&self) -> Health {
        Health {
            tick_ns: self.tick_ns().load(Acquire),
            dead_man_ns: self.dead_man_ns().load(Acquire),
            flags: self.flags().load(Acquire),
            reserved: 0,
        }
    }

    /// Everything as if no daemon had ever written it.
    pub fn reset(&self) {
        // The dead-man's time first: without it an old tick says nothing.
        self.set_dead_man(0);
        self.clear(u32::MAX);
        self.tick(0);
    }

    fn tick_ns(&self) -> &AtomicU64 {
        // SAFETY: inside the mapping, which lives as long as `self`; aligned, as the kernel aligns elements to eight octets;
        // only ever accessed atomically, or read by the program.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.0.element(0)).tick_ns) }
    }

    fn dead_man_ns(&self) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.0.element(0)).dead_man_ns) }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.0.element(0)).flags) }
    }
}

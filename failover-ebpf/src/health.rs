//! Whether this host may answer heartbeats, and whether it may use its identity: what a frozen daemon, a failed health
//! check, an administrator and another host at the same address lead to.
//!
//! The daemon is known to run by its tick (a dead-man's handle): it is the kernel that notices when it stops, so that a
//! host whose userland is frozen falls silent, and stays away from its addresses, by itself.

use crate::abi::{Health, health};

/// What the reflector answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// State Up.
    Up,
    /// State AdminDown: nobody may take over.
    AdminDown,
    /// Nothing, which counts as a miss.
    Silent,
}

/// Which addresses of the identity this host must not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// It may use all of them.
    Open,
    /// Those whose entry in the map of the identity says so.
    Some,
    /// All.
    All,
}

/// Whether the daemon has not run for longer than it may.
#[inline(always)]
pub const fn expired(health: &Health, now: u64) -> bool {
    health.dead_man_ns != 0 && now.saturating_sub(health.tick_ns) > health.dead_man_ns
}

/// Whether a failed check counts: an administrator who has put the host on hold works on what is checked.
#[inline(always)]
const fn unwell(health: &Health) -> bool {
    health.flags & (health::CHECKS_FAILED | health::ADMIN_DOWN) == health::CHECKS_FAILED
}

/// What the reflector answers at `now`.
#[inline(always)]
pub const fn gate(health: &Health, now: u64) -> Gate {
    if expired(health, now) || unwell(health) {
        Gate::Silent
    } else if health.flags & health::ADMIN_DOWN != 0 {
        Gate::AdminDown
    } else {
        Gate::Up
    }
}

/// Which addresses must not be used at `now`.
#[inline(always)]
pub const fn fence(health: &Health, now: u64) -> Fence {
    let ill = health.flags & health::SELF_FENCE != 0 && (unwell(health) || expired(health, now));
    if ill || health.flags & health::UNPROVEN != 0 {
        Fence::All
    } else if health.flags & health::WITHHELD != 0 {
        Fence::Some
    } else {
        Fence::Open
    }
}

/// Whether an address of the identity, with these flags in the map, must not be used.
#[inline(always)]
pub const fn fenced(fence: Fence, entry: u32) -> bool {
    match fence {
        Fence::Open => false,
        Fence::Some => entry != 0,
        Fence::All => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::identity;

    const MS: u64 = 1_000_000;
    /// Some time after the machine was started.
    const THEN: u64 = 1_000_000 * MS;

    fn ticked(flags: u32) -> Health {
        Health {
            tick_ns: THEN,
            dead_man_ns: 500 * MS,
            flags,
            reserved: 0,
        }
    }

    fn both(flags: u32, now: u64) -> (Gate, Fence) {
        (gate(&ticked(flags), now), fence(&ticked(flags), now))
    }

    #[test]
    fn nothing_written_yet_gates_and_fences_nothing() {
        let health = Health::default();

        assert_eq!(
            (gate(&health, THEN), fence(&health, THEN)),
            (Gate::Up, Fence::Open)
        );
    }

    #[test]
    fn a_daemon_that_stops_ticking_is_dead_just_behind_the_dead_mans_time() {
        let at = |now| both(health::SELF_FENCE, now);

        assert_eq!(at(THEN + 500 * MS), (Gate::Up, Fence::Open));
        assert_eq!(at(THEN + 500 * MS + 1), (Gate::Silent, Fence::All));
    }

    #[test]
    fn without_self_fence_a_dead_daemon_only_makes_silent() {
        assert_eq!(both(0, THEN + 501 * MS), (Gate::Silent, Fence::Open));
    }

    #[test]
    fn a_tick_ahead_of_time_vouches_for_a_successor() {
        assert_eq!(
            both(health::SELF_FENCE, THEN - 10_000 * MS),
            (Gate::Up, Fence::Open)
        );
    }

    #[test]
    fn a_failed_check_makes_silent_and_fences_if_so_configured() {
        assert_eq!(
            both(health::CHECKS_FAILED, THEN),
            (Gate::Silent, Fence::Open)
        );
        assert_eq!(
            both(health::CHECKS_FAILED | health::SELF_FENCE, THEN),
            (Gate::Silent, Fence::All)
        );
    }

    #[test]
    fn on_hold_a_failed_check_is_the_administrators_work() {
        let flags = health::CHECKS_FAILED | health::SELF_FENCE | health::ADMIN_DOWN;

        assert_eq!(both(flags, THEN), (Gate::AdminDown, Fence::Open));
    }

    #[test]
    fn a_dead_daemon_is_silent_and_fenced_on_hold_too() {
        let flags = health::SELF_FENCE | health::ADMIN_DOWN;

        assert_eq!(both(flags, THEN), (Gate::AdminDown, Fence::Open));
        assert_eq!(both(flags, THEN + 501 * MS), (Gate::Silent, Fence::All));
    }

    #[test]
    fn a_host_whose_addresses_are_elsewhere_answers_heartbeats_all_the_same() {
        assert_eq!(both(health::WITHHELD, THEN), (Gate::Up, Fence::Some));
        assert_eq!(both(health::UNPROVEN, THEN), (Gate::Up, Fence::All));
    }

    #[test]
    fn of_some_only_those_that_are_withheld_are_fenced() {
        assert!(!fenced(Fence::Open, identity::HELD_ELSEWHERE));
        assert!(fenced(Fence::Some, identity::HELD_ELSEWHERE));
        assert!(fenced(Fence::Some, identity::UNPROVEN));
        assert!(!fenced(Fence::Some, 0));
        assert!(fenced(Fence::All, 0));
    }
}

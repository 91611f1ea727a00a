//! The source's side: whether this host may answer and use its identity, and who asks its reflector.

use super::Ip;

/// Flags of [`Health::flags`].
pub mod health {
    /// A health check has failed.
    pub const CHECKS_FAILED: u32 = 1;
    /// An administrator of this host wants no takeover.
    pub const ADMIN_DOWN: u32 = 1 << 1;
    /// A host that is not healthy does not use its identity.
    pub const SELF_FENCE: u32 = 1 << 2;
    /// It is not known yet whether another host uses the identity: this one does not, until it is.
    pub const UNPROVEN: u32 = 1 << 3;
    /// At least one address of the identity is withheld, as the map of the identity says.
    pub const WITHHELD: u32 = 1 << 4;
}

/// Whether this host may answer heartbeats and use its identity; see `crate::health`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When the daemon was last known to run. It may lie ahead: a daemon that hands over vouches for its successor.
    pub tick_ns: u64,
    /// How old that may become; 0: the daemon need not run.
    pub dead_man_ns: u64,
    /// [`health`] flags.
    pub flags: u32,
    /// Explicit padding.
    pub reserved: u32,
}

/// Flags of an entry of the identity. None: this host uses the address.
pub mod identity {
    /// Another host uses it.
    pub const HELD_ELSEWHERE: u32 = 1;
    /// It is not known yet whether another host does.
    pub const UNPROVEN: u32 = 1 << 1;
}

/// Key of the map of watchers.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watcher {
    /// The initiator.
    pub initiator: Ip,
    /// The address that it asks.
    pub asked: Ip,
}

/// What the reflector remembers of a watcher.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatcherState {
    /// Theoretical arrival time of the rate limiter (GCRA).
    pub tat_ns: u64,
    /// When it was last answered.
    pub answered_ns: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests refused because they came faster than the reflector's Required Min RX Interval.
    pub refused: u64,
    /// When it last asked, whether or not it was answered.
    pub asked_ns: u64,
}

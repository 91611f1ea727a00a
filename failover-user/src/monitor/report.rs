//! What the thread tells the daemon.

use super::Outcome;
use crate::policy::{Cause, Finding, PathId, PathState, UnitId};

/// News from the heartbeat thread, or from its worker.
///
/// When a verdict stands, what comes is, in this order: [`Self::Heard`], [`Self::Path`], and, if the thread acts on it,
/// [`Self::TakenOver`], for a long takeover [`Self::Began`] and later [`Self::TakenOver`].
#[derive(Clone, Debug)]
pub enum Report {
    /// A path changed its state or missed another request.
    Path {
        /// Which.
        path: PathId,
        /// Its state.
        state: PathState,
        /// Misses in a row.
        missed: u32,
        /// Misses among them that the source refused (a reset of a closed port).
        refused: u32,
        /// When, nanoseconds of the monotonic clock.
        at_ns: u64,
        /// When the latest valid reply arrived; 0: never.
        last_reply_ns: u64,
    },
    /// What the ARP probes for a unit's addresses found: when its verdict has just come to stand, or because
    /// [`super::Monitor::probe`] asked.
    Heard {
        /// Which unit.
        unit: UnitId,
        /// What was found.
        finding: Finding,
    },
    /// A long takeover has been decided and is being carried out beside the heartbeats. [`Self::TakenOver`] follows.
    Began {
        /// Which unit.
        unit: UnitId,
        /// Why.
        cause: Cause,
    },
    /// A takeover was carried out.
    TakenOver {
        /// Which unit.
        unit: UnitId,
        /// Why.
        cause: Cause,
        /// From the last valid reply to the verdict; 0 without a verdict.
        detect_ns: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// A witness has begun to answer, or has left three requests in a row unanswered.
    Witness {
        /// Index into `Config::witnesses`.
        index: usize,
        /// Whether it answers.
        answers: bool,
    },
    /// The thread ran late by more than an interval. Reported at most once a second.
    Stalled {
        /// By how much at the worst, nanoseconds.
        late_ns: u64,
        /// How often since the last such report.
        times: u64,
    },
    /// Requests are sent at another pace from now on, because the reflector says how fast it can be asked.
    Pace {
        /// Which path.
        path: PathId,
        /// Time between two requests, nanoseconds.
        pace_ns: u64,
        /// The configured one.
        interval_ns: u64,
    },
    /// The source says that its administrator has put it on hold (S-BFD AdminDown), or that it is in service again. Comes before
    /// what is judged of its replies.
    RemoteHold {
        /// By which path.
        path: PathId,
        /// Whether it is on hold.
        on: bool,
    },
    /// A NIC could not be opened for sending.
    NicFailed {
        /// Its name.
        name: String,
        /// Why.
        error: String,
    },
}

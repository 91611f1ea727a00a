//! What `failover drill SOURCE --json` prints: what would happen if the source failed now, and how long it would take.

use serde::{Deserialize, Serialize};

use crate::policy::{Finding, Hook, State};

/// A drill of one source. Nothing was moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    /// Name of the source.
    pub source: String,
    /// When, RFC 3339.
    pub at: String,
    /// What fails over together: the source, or with `trigger = "path"` each of its paths.
    pub units: Vec<DrillUnit>,
}

impl DrillReport {
    /// Whether a hook would keep a takeover from happening.
    pub fn is_aborted(&self) -> bool {
        let aborted = |unit: &DrillUnit| unit.result == DrillResult::Aborted;
        self.units.iter().any(aborted)
    }
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillResult {
    /// This host would hold the addresses.
    TakenOver,
    /// A hook would keep it from that.
    Aborted,
    /// Nothing would be taken: the last step says why.
    NotTaken,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillUnit {
    /// Number of the path, from 1; absent: the whole source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<usize>,
    /// What it comes to.
    pub result: DrillResult,
    /// From the state as it is now, in order.
    pub steps: Vec<DrillStep>,
    /// A person would be asked; the steps behind that are those after a yes.
    pub would_ask: bool,
    /// Who answers ARP for the addresses now; absent: not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Finding>,
    /// Its addresses.
    pub addresses: Vec<DrillAddress>,
    /// The hooks, which ran with `FAILOVER_DRY_RUN=1`.
    pub hooks: Vec<DrillHook>,
    /// Until the verdict.
    pub detection: DrillDetection,
    /// From the decision to the last announcement, measured.
    pub takeover: DrillTakeover,
    /// From the failure until the last announcement at the latest, `before_takeover` included and the time that a person
    /// takes to answer not; absent: not known, or nothing would be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ns: Option<u64>,
    /// What else a person should know.
    pub warnings: Vec<String>,
}

/// A state on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStep {
    /// Which.
    pub state: State,
    /// Why.
    pub cause: String,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillAddress {
    /// With its prefix length.
    pub ip: String,
    /// The NIC that would take it.
    pub nic: String,
    /// `local` or `forward IP`.
    pub deliver: String,
    /// Why it would not be taken, or be of no use.
    pub problems: Vec<String>,
}

/// A hook that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillHook {
    /// Which.
    pub hook: Hook,
    /// Program and arguments.
    pub program: Vec<String>,
    /// How long it ran.
    pub took_ns: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// What it printed, the end of it.
    pub output: String,
}

/// How long a failure goes unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillDetection {
    /// The configured interval.
    pub interval_ns: u64,
    /// The interval that is kept: the configured one, or the shortest that the reflector can take.
    pub pace_ns: u64,
    /// Misses in a row that make a verdict.
    pub misses: u32,
    /// `pace_ns` times `misses`: a source that fails just before a request is due.
    pub detect_ns: u64,
    /// One interval more: a source that fails just behind its answer.
    pub detect_max_ns: u64,
}

impl DrillDetection {
    /// For these.
    pub fn new(interval_ns: u64, pace_ns: u64, misses: u32) -> Self {
        Self {
            interval_ns,
            pace_ns,
            misses,
            detect_ns: pace_ns.saturating_mul(u64::from(misses)),
            detect_max_ns: pace_ns.saturating_mul(u64::from(misses) + 1),
        }
    }
}

/// How long the takeover itself takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillTakeover {
    /// As long as the same work took in a network namespace of its own.
    Rehearsed {
        /// Putting addresses and rules on the NICs.
        addresses_ns: u64,
        /// Writing the takeover map.
        entries_ns: u64,
        /// Sending the announcements.
        announcements_ns: u64,
        /// All of it.
        takeover_ns: u64,
    },
    /// It could not be measured.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl DrillTakeover {
    /// All of it, if known.
    pub fn takeover_ns(&self) -> Option<u64> {
        match self {
            Self::Rehearsed { takeover_ns, .. } => Some(*takeover_ns),
            Self::Unknown { .. } => None,
        }
    }
}

//! What goes over the control socket.
//!
//! A client writes one line, a [`Request`] in JSON. The daemon answers with one line, a [`Reply`]. A connection takes any
//! number of requests, one after the other.
//!
//! # Following
//!
//! [`Request::Events`] with `follow` is answered by a stream that begins with the full state and goes on until either side
//! closes:
//!
//! 1. [`Reply::Status`], as `status` gives it. Its [`seq`](Status::seq) is the number of the latest event that it includes.
//! 2. [`Reply::Events`]: the events kept so far, oldest first, up to that number.
//! 3. An [`Event`] a line, each one that comes after that number, once, in the order of the numbers. Where the client was too
//!    slow, one called `skipped` stands for those that it missed: ask for the state again.
//!
//! On such a connection `status` can still be asked: the answer comes among the events, behind every event that it includes
//! and before every other. Any other request is refused there; use another connection. An event has the keys `at` and
//! `event`, a reply has one key, its kind.
//!
//! # Versions
//!
//! Every [`Status`] names the [`VERSION`] that the daemon speaks. Within a version fields, kinds of events and requests are
//! added, and nothing else changes: a client passes over what it does not know. Version 1 had no numbers, and its stream
//! began with the events. A client of version 2 says so when it meets such a daemon; one of version 1 that follows a daemon
//! of version 2 meets a `status` first and has to end; everything else is the same in both.

use serde::{Deserialize, Serialize};

use super::drill::DrillReport;
use crate::policy::State;

/// Version of this protocol, in every [`Status`].
pub const VERSION: u32 = 2;

/// Longest request line, octets.
pub const MAX_REQUEST: usize = 64 * 1024;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Everything that `failover status` shows.
    Status {
        /// Only this source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// Past events, oldest first.
    Events {
        /// The state first, and new events as they happen; see the module.
        #[serde(default)]
        follow: bool,
    },
    /// Take a source (or one path of it) over now.
    Takeover {
        /// Name of the source.
        source: String,
        /// Index of the path, with `trigger = "path"`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<usize>,
        /// The source may be healthy: a planned switchover.
        #[serde(default)]
        even_if_healthy: bool,
    },
    /// Give a source its addresses back. Answered when the addresses are off the NICs.
    Failback {
        /// Name of the source.
        source: String,
        /// Send no more heartbeats to it afterwards.
        #[serde(default)]
        stop_monitoring: bool,
    },
    /// Yes to the prompt of a source in `awaiting-approval`.
    Approve {
        /// Name of the source.
        source: String,
    },
    /// No to it.
    Decline {
        /// Name of the source.
        source: String,
    },
    /// Do nothing about a source by itself until `resume`. Answered when that is on the disk.
    Hold {
        /// Name of the source.
        source: String,
    },
    /// The end of `hold`.
    Resume {
        /// Name of the source.
        source: String,
    },
    /// Have nobody take this host over by itself until `resume-self`: its reflector answers AdminDown. Answered when that is on
    /// the disk.
    HoldSelf,
    /// The end of `hold-self`.
    ResumeSelf,
    /// Read the configuration file anew, and apply what differs. Answered when that is done.
    Reload,
    /// What would happen if a source failed now, its hooks run in dry run. Nothing is moved.
    Drill {
        /// Name of the source.
        source: String,
    },
    /// End the daemon.
    Stop {
        /// Give everything back first; otherwise the data plane stays as it is for the next process.
        #[serde(default)]
        release: bool,
    },
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Answer to `status`.
    Status(Box<Status>),
    /// Answer to `events`: those kept so far.
    Events(Vec<Event>),
    /// Answer to `drill`.
    Drill(Box<DrillReport>),
    /// Done, with one sentence for the administrator.
    Done(String),
    /// Not done.
    Error(Failure),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure, for scripts.
    pub kind: FailureKind,
    /// One line, what to do about it included. Of a bad configuration: every problem with its place in the file, on as many
    /// lines as it takes.
    pub message: String,
}

/// Kinds of [`Failure`], and with them the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request could not be read, or names something unknown. Exit code 2.
    BadRequest,
    /// The configuration file cannot be used; nothing was changed. Exit code 2.
    BadConfiguration,
    /// The state does not allow it. Exit code 4.
    Refused,
    /// It was tried and failed. Exit code 1.
    Failed,
}

/// One line of `failover events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number: one more than that of the event before it. A restart leaves some out, and never goes back.
    #[serde(default)]
    pub seq: u64,
    /// When, RFC 3339 with nanoseconds, UTC.
    pub at: String,
    /// Which source, if one.
    pub source: Option<String>,
    /// What: the name of an [`EventKind`](super::event_kind::EventKind), or of one that a newer daemon has.
    pub event: String,
    /// The event's own fields.
    #[serde(flatten)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// What may come on a connection that follows events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Message {
    /// Something happened.
    Event(Event),
    /// The answer to a request.
    Reply(Reply),
}

/// Everything that `failover status --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Number of the latest event that had happened: whatever has a higher one comes after this state.
    #[serde(default)]
    pub seq: u64,
    /// Version of the daemon.
    pub daemon: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// When the daemon started, RFC 3339.
    pub started: String,
    /// How the heartbeat thread is scheduled: `deadline`, `fifo` or `normal`.
    pub scheduling: String,
    /// Managed NICs.
    pub nics: Vec<NicStatus>,
    /// Sources, in the order of the configuration.
    pub sources: Vec<SourceStatus>,
    /// Addresses that are held, and not in the configuration any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<StrayStatus>,
    /// This host's reflector, if it has one.
    pub reflector: Option<ReflectorStatus>,
    /// The program's verdicts by name, those that are not zero.
    pub counters: std::collections::BTreeMap<String, u64>,
}

/// An address that is held, and not in the configuration any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrayStatus {
    /// The address.
    pub ip: String,
    /// The NIC that has it; `gone` if there is none.
    pub nic: String,
}

/// A managed NIC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NicStatus {
    /// Its name.
    pub name: String,
    /// `native`, `generic`, or `none` while it is absent.
    pub xdp_mode: String,
    /// Whether it has carrier.
    pub carrier: bool,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its state; with `trigger = "path"` that of the worst path.
    pub state: State,
    /// Since when, RFC 3339.
    pub since: String,
    /// Why, in a few words.
    pub cause: String,
    /// `false` after `failback --stop-monitoring`.
    pub monitored: bool,
    /// An administrator has put it on hold: nothing is done by itself. The state is `held` then, unless addresses are held or
    /// something is under way.
    #[serde(default)]
    pub hold: bool,
    /// `failover approve` or `failover decline` is waited for; `cause` says what about.
    #[serde(default)]
    pub asks: bool,
    /// `automatic` or `ask`.
    pub on_failure: String,
    /// What a heartbeat is, as the configuration has it: `sbfd`, `icmp`, `arp` or `tcp:PORT`.
    #[serde(default)]
    pub probe: String,
    /// Interval between heartbeats.
    pub interval_ns: u64,
    /// Misses in a row that make a verdict.
    pub misses: u32,
    /// Its paths.
    pub paths: Vec<PathStatus>,
    /// The latest takeover, if there was one.
    pub last_takeover: Option<TakeoverStatus>,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathStatus {
    /// Where heartbeats go.
    pub monitor: String,
    /// The NIC that they leave by.
    pub nic: String,
    /// Where addresses are taken by default.
    pub target_nic: String,
    /// With `trigger = "path"` the path's own state, otherwise its source's.
    pub state: State,
    /// How heartbeats fare: `unknown`, `up`, `missing`, `down`, `isolated`.
    pub heartbeat: crate::policy::PathState,
    /// MAC of the source, if it is known.
    pub mac: Option<String>,
    /// Id of the key that requests are signed with, and replies have to be signed; `null`: neither are.
    #[serde(default)]
    pub key_id: Option<u8>,
    /// Requests sent.
    pub sent: u64,
    /// Valid replies.
    pub received: u64,
    /// Replies after their timeout.
    pub late: u64,
    /// Requests without a reply in time.
    pub missed: u64,
    /// Requests that the source refused: nobody listens at the port of a `tcp:PORT` probe. They are missed as well.
    #[serde(default)]
    pub refused: u64,
    /// Unanswered requests in a row, now.
    pub consecutive_missed: u32,
    /// Round-trip times, nanoseconds; 0 while nothing was measured.
    pub rtt_ns: RttStatus,
    /// How many replies took how long: pairs of the shortest time that counts into a bucket, nanoseconds, and the number of
    /// replies in it. Rising; the width of a bucket is an eighth of its octave, and empty ones are left out.
    #[serde(default)]
    pub rtt_histogram: Vec<(u64, u64)>,
    /// Longest time between two replies, nanoseconds.
    pub max_gap_ns: u64,
    /// How often one miss more would have been a verdict.
    pub near_misses: u64,
    /// The addresses.
    pub addresses: Vec<AddressStatus>,
}

/// Round-trip times measured in the kernel, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RttStatus {
    /// Shortest.
    pub min: u64,
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Longest.
    pub max: u64,
}

/// An address of a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressStatus {
    /// With its prefix length.
    pub ip: String,
    /// The NIC that takes it.
    pub nic: String,
    /// `local` or `forward IP`.
    pub deliver: String,
    /// Whether this host holds it.
    pub held: bool,
    /// Packets for it since it was taken.
    pub packets: u64,
    /// Octets of them.
    pub bytes: u64,
}

/// A takeover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakeoverStatus {
    /// When it was complete, RFC 3339.
    pub at: String,
    /// From the last valid reply to the verdict; 0 if there was no verdict.
    pub detect_ns: u64,
    /// From the decision to the last announcement.
    pub takeover_ns: u64,
    /// Why.
    pub cause: crate::policy::Cause,
}

/// The reflector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReflectorStatus {
    /// Discriminators that it answers to.
    pub discriminators: Vec<String>,
    /// Required Min RX Interval, microseconds.
    pub min_rx_us: u32,
    /// Ids of the keys that requests have to be signed with one of; empty: requests must not be signed.
    #[serde(default)]
    pub key_ids: Vec<u8>,
    /// What it answers: `up`, `admin-down`, or `silent` for nothing.
    #[serde(default)]
    pub answers: String,
    /// Why not `up`.
    #[serde(default)]
    pub cause: Option<String>,
    /// How long the daemon may stand still.
    #[serde(default)]
    pub dead_man_ns: u64,
    /// Whether a host that is silent keeps off its identity.
    #[serde(default)]
    pub self_fence: bool,
    /// The addresses of this host's identity.
    #[serde(default)]
    pub identity: Vec<IdentityStatus>,
    /// Its health checks.
    #[serde(default)]
    pub checks: Vec<CheckStatus>,
    /// Who asks.
    pub watchers: Vec<WatcherStatus>,
}

/// An address of this host's identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityStatus {
    /// The address.
    pub ip: String,
    /// This host does not use it.
    pub fenced: bool,
    /// Who has it: `ours`, `elsewhere`, or `asking` while that is being found out.
    pub standing: String,
    /// Why it is fenced, or not known to be ours.
    pub cause: Option<String>,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// What is checked: `tcp 127.0.0.1:80`.
    pub name: String,
    /// `good`, `bad`, or `unknown` before the first result.
    pub state: String,
    /// Results in a row that contradict that.
    pub against: u32,
    /// Why the latest one failed.
    pub error: Option<String>,
}

/// Somebody who watches this host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatcherStatus {
    /// Its address.
    pub initiator: String,
    /// The address that it asks.
    pub asked: String,
    /// Nanoseconds since it was last answered; never: since this host was started.
    pub answered_ago_ns: u64,
    /// Nanoseconds since it last asked, answered or not.
    #[serde(default)]
    pub asked_ago_ns: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests refused for their rate.
    pub refused: u64,
}

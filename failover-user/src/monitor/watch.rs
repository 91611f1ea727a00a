//! What the thread is told to watch.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;

use super::frames;
use crate::policy::{PathId, UnitId};

/// What is sent on a path, and how it is judged.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Which path.
    pub path: PathId,
    /// Which unit it belongs to.
    pub unit: UnitId,
    /// Its session number.
    pub session: u16,
    /// The NIC that requests leave by (ifindex).
    pub nic: u32,
    /// Time between two requests; also the timeout of each.
    pub interval: Duration,
    /// Misses in a row that make a verdict.
    pub misses: u32,
    /// It had answered an earlier daemon a moment ago: its silence is a failure.
    pub remembered: bool,
    /// It is watched anew behind an outage of ours; whether the verdict stood before.
    pub outage: Option<bool>,
    /// The request.
    pub request: Request,
    /// Where the thread counts.
    pub stats: Arc<PathStats>,
}

impl Watch {
    /// Whether a path that is watched as `other` says goes on as it is, with nothing new to be known of it.
    pub fn adds_nothing_to(&self, other: &Self) -> bool {
        let Self {
            path,
            unit,
            session,
            nic,
            interval,
            misses,
            remembered,
            outage,
            request,
            stats,
        } = self;
        let first = *remembered || outage.is_some();
        !first
            && (path, unit, session, nic) == (&other.path, &other.unit, &other.session, &other.nic)
            && (interval, misses, request) == (&other.interval, &other.misses, &other.request)
            && Arc::ptr_eq(stats, &other.stats)
    }
}

/// A request to be sent again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// S-BFD.
    Sbfd(frames::SbfdRequest),
    /// ICMP echo.
    Icmp(frames::EchoRequest),
    /// ARP.
    Arp(Bytes),
    /// A TCP connection.
    Tcp(frames::TcpRequest),
}

/// How a witness is asked.
#[derive(Clone, Debug)]
pub struct WitnessWatch {
    /// Index into `Config::witnesses`.
    pub index: usize,
    /// Who it is.
    pub address: IpAddr,
    /// The NIC that it vouches for, and by which it is asked (ifindex).
    pub nic: u32,
    /// The request; `None` as long as the witness cannot be asked, which counts like a request without an answer.
    pub request: Option<WitnessRequest>,
}

/// A request to a witness.
#[derive(Clone, Debug)]
pub enum WitnessRequest {
    /// ICMP echo, measured in the kernel like a path's.
    Icmp {
        /// Its session number.
        session: u16,
        /// The request.
        request: frames::EchoRequest,
    },
    /// An ARP request or a neighbour solicitation, answered if anything is heard of the address.
    Neighbour {
        /// The address's slot among those that are listened for.
        slot: u32,
        /// The request.
        frame: Bytes,
    },
}

/// What the thread counts on a path. One writer, any number of readers.
#[derive(Debug, Default)]
pub struct PathStats {
    /// Requests sent.
    pub sent: AtomicU64,
    /// Requests without a reply in time.
    pub missed: AtomicU64,
    /// Misses in a row, now.
    pub missed_in_a_row: AtomicU32,
    /// How often one miss more would have been a verdict.
    pub near_misses: AtomicU64,
}

impl PathStats {
    /// Misses in a row, now.
    pub fn missed_in_a_row(&self) -> u32 {
        self.missed_in_a_row.load(Relaxed)
    }
}

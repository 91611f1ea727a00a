//! A takeover, prepared while there is time and carried out when there is none.

use std::{net::IpAddr, time::Duration};

use failover_ebpf::abi::{Held, held};

use super::{clock, nics::Nics};
use crate::{
    bpf::{addresses::Addresses, pins::Pins},
    config::L2Alive,
    net::batch::{Batch, BatchError, BatchSocket, Operation, Request},
    policy::UnitId,
};

/// Addresses of one slice, at most. While a slice's requests are in the kernel nothing else runs on that processor if the
/// kernel is not preemptible (`PREEMPT_NONE`).
pub const SLICE: usize = 16;

const _: () = assert!(SLICE <= Refused::MOST);

/// Requests to the kernel beyond which a takeover takes longer than the time that the thread has reserved in a period.
const LONG: usize = 32;

const BROKEN_OFF: &str = "the takeover was broken off";

/// Everything that a takeover of one unit does, and what is asked before.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is taken over.
    pub unit: UnitId,
    /// What is done, slice by slice, so that the first addresses are served early.
    pub slices: Vec<Slice>,
    /// Addresses that are not taken, and why, in words for a person.
    pub skipped: Vec<(IpAddr, String)>,
    /// Probes for its addresses, those of one NIC together; at most [`super::finding::MAX_PROBES`].
    pub probes: Vec<Probe>,
    /// Every known MAC of the source: a Linux host answers for any of its addresses from any of its NICs.
    pub source_macs: Vec<[u8; 6]>,
    /// What to do when the source answers ARP or neighbour discovery all the same.
    pub l2_alive: L2Alive,
}

/// A part of a takeover, in the order in which it is done.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Addresses and policy rules for the NICs.
    pub batch: Batch,
    /// Entries of the takeover map.
    pub entries: Vec<(IpAddr, Held)>,
    /// What the network is told of them.
    pub announcements: Vec<Announcement>,
}

/// A frame that tells where an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The place of the address among [`Slice::entries`].
    pub entry: usize,
    /// The NIC that it leaves by (ifindex).
    pub nic: u32,
    /// The frame.
    pub frame: bytes::Bytes,
}

/// A probe for one address: an ARP probe (RFC 5227 1.1) or a neighbour solicitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The NIC that it leaves by (ifindex): the one that takes the address.
    pub nic: u32,
    /// The frame that is sent at the first miss, and tells others who would stand in that this host is about to: see
    /// [`crate::net::announce::probe`].
    pub frame: bytes::Bytes,
    /// The frame that is sent whenever else somebody wants to know, also while the source may be starting: see
    /// [`crate::net::announce::question`].
    pub question: bytes::Bytes,
    /// The address's slot among those that are listened for.
    pub slot: u32,
    /// The address.
    pub ip: IpAddr,
    /// MAC of the NIC.
    pub own_mac: [u8; 6],
}

/// How a takeover went. Times are nanoseconds of the monotonic clock; those of a takeover in slices are of the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When it was decided.
    pub decided_ns: u64,
    /// When the addresses were on the NICs.
    pub addresses_ns: u64,
    /// When the takeover map had its entries.
    pub entries_ns: u64,
    /// When the last announcement was sent.
    pub announced_ns: u64,
    /// Addresses that are held now.
    pub held: usize,
    /// The first error.
    pub error: Option<String>,
}

/// What it takes to carry a plan out. It belongs to the network namespace of the thread that opened it.
pub(super) struct Means {
    netlink: BatchSocket,
    addresses: Addresses,
    pub(super) nics: Nics,
}

impl Means {
    pub(super) fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self {
            netlink: BatchSocket::open()?,
            addresses: Addresses::open(pins)?,
            nics: Nics::new()?,
        })
    }
}

impl Plan {
    /// Whether carrying it out takes more than the heartbeat thread's usual turn.
    pub(super) fn is_long(&self) -> bool {
        let requests: usize = self
            .slices
            .iter()
            .map(|slice| slice.batch.requests().len())
            .sum();
        requests > LONG
    }

    /// Carries the plan out. An address that cannot be taken does not keep the others from being taken.
    pub(super) fn execute(&self, decided_ns: u64, means: &mut Means) -> Outcome {
        let mut progress = Progress::new(self, decided_ns);
        while progress.step(means) {}
        progress.finish()
    }
}

impl Slice {
    /// Puts the addresses on their NICs. Says which could not be taken: whatever the kernel has refused of what it takes to
    /// serve an address, the network must not be told that it is here.
    fn take(&self, netlink: &mut BatchSocket, error: &mut Option<String>) -> Refused {
        let mut refused = Refused::default();
        let mut first: Option<(Request, i32)> = None;
        let mut times = 0;
        let result = netlink.execute_each(&self.batch, |request, errno| {
            first.get_or_insert((*request, errno));
            times += 1;
            let place = self.entries.iter().position(|(ip, _)| *ip == request.ip);
            if let Some(place) = place.filter(|_| is_needed(request.operation)) {
                refused.insert(place);
            }
        });
        if let Err(reason) = result {
            // It is not known what was done: nothing that can be relied on.
            error.get_or_insert_with(|| reason.to_string());
            return Refused::all();
        }
        if let Some((first, errno)) = first {
            error.get_or_insert_with(|| {
                BatchError::Refused {
                    first,
                    errno,
                    refused: times,
                }
                .to_string()
            });
        }
        refused
    }
}

/// Whether an address cannot be served without it.
fn is_needed(operation: Operation) -> bool {
    match operation {
        Operation::AddAddress | Operation::AddProxy | Operation::AddRule => true,
        // The kernel makes one by itself, later; the others take nothing.
        Operation::AddLocalRoute
        | Operation::RemoveAddress
        | Operation::RemoveRule
        | Operation::RemoveLocalRoute
        | Operation::RemoveProxy => false,
    }
}

/// Addresses of a slice, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Refused(u64);

impl Refused {
    /// How many places it can tell apart.
    const MOST: usize = 64;

    fn all() -> Self {
        Self(u64::MAX)
    }

    fn insert(&mut self, place: usize) {
        self.0 |= 1 << place.min(Self::MOST - 1);
    }

    fn contains(self, place: usize) -> bool {
        self.0 & 1 << place.min(Self::MOST - 1) != 0
    }

    fn any(self) -> bool {
        self.0 != 0
    }
}

/// A plan that is being carried out.
pub(super) struct Progress<'a> {
    rest: std::slice::Iter<'a, Slice>,
    plan: &'a Plan,
    outcome: Outcome,
}

impl<'a> Progress<'a> {
    pub(super) fn new(plan: &'a Plan, decided_ns: u64) -> Self {
        Self {
            rest: plan.slices.iter(),
            plan,
            outcome: Outcome {
                error: None,
                ..Outcome::unprepared(decided_ns)
            },
        }
    }

    /// Carries the next slice out; `false`: there was none.
    pub(super) fn step(&mut self, means: &mut Means) -> bool {
        let Some(slice) = self.rest.next() else {
            return false;
        };
        let Outcome { held, error, .. } = &mut self.outcome;
        crate::fault::point("takeover:decided");
        let mut refused = slice.take(&mut means.netlink, error);
        crate::fault::point("takeover:addresses");
        let addresses_ns = clock::now();

        let now_unix_ns = clock::unix_now();
        let mut undone = Batch::builder();
        for (place, (ip, entry)) in slice.entries.iter().enumerate() {
            let before = match means.addresses.get(*ip) {
                Ok(Some(held)) if held.mode != held::DRAIN => Some(held),
                Ok(_) | Err(_) => None,
            };
            if refused.contains(place) {
                // What was held before and is to be put right stays as it was.
                if before.is_none() {
                    undone = undone.remove_held(entry.nic, *ip);
                }
                continue;
            }
            // What is held already was taken when it says so: by an earlier daemon, or before its NIC was made anew.
            let taken_at_unix_ns = before.map_or(now_unix_ns, |held| held.taken_at_unix_ns);
            match means.addresses.set(
                *ip,
                Held {
                    taken_at_unix_ns,
                    ..*entry
                },
            ) {
                Ok(()) => *held += 1,
                Err(reason) => {
                    refused.insert(place);
                    undone = undone.remove_held(entry.nic, *ip);
                    error.get_or_insert_with(|| format!("the takeover map refuses {ip}: {reason}"));
                }
            }
            crate::fault::point("takeover:entry");
        }
        crate::fault::point("takeover:entries");
        let entries_ns = clock::now();

        let known = slice.announcements.iter();
        for Announcement { nic, frame, .. } in known.filter(|one| !refused.contains(one.entry)) {
            if let Err(refused) = means.nics.send(*nic, frame) {
                error.get_or_insert_with(|| format!("an announcement was not sent: {refused}"));
            }
        }
        crate::fault::point("takeover:announced");
        if refused.any() {
            // Not `error`: why they were refused is told, and the daemon looks for what is left behind a takeover with an error.
            if let Err(error) = means.netlink.execute(&undone.build()) {
                tracing::warn!(%error, "what was taken of a refused address stays for now");
            }
        }
        self.outcome.addresses_ns = addresses_ns;
        self.outcome.entries_ns = entries_ns;
        self.outcome.announced_ns = clock::now();
        true
    }

    /// The rest is not done.
    pub(super) fn break_off(&mut self) {
        if self.rest.len() > 0 {
            self.outcome
                .error
                .get_or_insert_with(|| BROKEN_OFF.to_owned());
        }
    }

    pub(super) fn finish(mut self) -> Outcome {
        if let Some((ip, why)) = self.plan.skipped.first() {
            self.outcome
                .error
                .get_or_insert_with(|| format!("{ip} is not taken: {why}"));
        }
        self.outcome
    }
}

impl Outcome {
    /// Nothing was prepared for this unit, so nothing could be done.
    pub(super) fn unprepared(now: u64) -> Self {
        Self {
            decided_ns: now,
            addresses_ns: now,
            entries_ns: now,
            announced_ns: now,
            held: 0,
            error: Some("nothing is prepared for this takeover".to_owned()),
        }
    }

    /// It was abandoned before it began.
    pub(super) fn broken_off(now: u64) -> Self {
        Self {
            error: Some(BROKEN_OFF.to_owned()),
            ..Self::unprepared(now)
        }
    }

    /// From the decision to the last announcement.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.announced_ns - self.decided_ns)
    }
}

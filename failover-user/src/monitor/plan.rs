//! A takeover, prepared while there is time and carried out when there is none.

use std::{net::Ipv4Addr, time::Duration};

use failover_ebpf::abi::Held;

use super::{clock, nics::Nics};
use crate::{
    bpf::maps::Addresses,
    net::batch::{Batch, BatchSocket},
    policy::UnitId,
};

/// Everything that a takeover of one unit does, in the order in which it is done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is taken over.
    pub unit: UnitId,
    /// Addresses and policy rules for the NICs.
    pub batch: Batch,
    /// Entries of the takeover map.
    pub entries: Vec<(Ipv4Addr, Held)>,
    /// Announcements: the NIC that each leaves by (ifindex), and the frame.
    pub announcements: Vec<(u32, bytes::Bytes)>,
    /// Addresses that are not taken, because their NIC (name) is not there.
    pub skipped: Vec<(Ipv4Addr, String)>,
}

/// How a takeover went. Times are nanoseconds of the monotonic clock.
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

/// Requests to the kernel beyond which a takeover takes longer than the time that the thread has reserved in a period.
const LONG: usize = 32;

impl Plan {
    /// Whether carrying it out takes more than the thread's usual turn.
    pub(super) fn is_long(&self) -> bool {
        self.batch.requests().len() > LONG
    }

    /// Carries the plan out. An address that cannot be taken does not keep the others from being taken.
    pub(super) fn execute(
        &self,
        decided_ns: u64,
        netlink: &mut BatchSocket,
        addresses: &mut Addresses,
        nics: &mut Nics,
    ) -> Outcome {
        crate::fault::point("takeover:decided");
        let mut error = netlink
            .execute(&self.batch)
            .err()
            .map(|error| error.to_string());
        crate::fault::point("takeover:addresses");
        let addresses_ns = clock::now();

        let taken_at_unix_ns = clock::unix_now();
        let mut held = 0;
        for (ip, entry) in &self.entries {
            match addresses.set(
                *ip,
                Held {
                    taken_at_unix_ns,
                    ..*entry
                },
            ) {
                Ok(()) => held += 1,
                Err(refused) => {
                    error
                        .get_or_insert_with(|| format!("the takeover map refuses {ip}: {refused}"));
                }
            }
            crate::fault::point("takeover:entry");
        }
        crate::fault::point("takeover:entries");
        let entries_ns = clock::now();

        for (nic, frame) in &self.announcements {
            if let Err(refused) = nics.send(*nic, frame) {
                error.get_or_insert_with(|| format!("an announcement was not sent: {refused}"));
            }
        }
        crate::fault::point("takeover:announced");
        if let Some((ip, nic)) = self.skipped.first() {
            error.get_or_insert_with(|| format!("{ip} is not taken: there is no NIC {nic}"));
        }
        Outcome {
            decided_ns,
            addresses_ns,
            entries_ns,
            announced_ns: clock::now(),
            held,
            error,
        }
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

    /// From the decision to the last announcement.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.announced_ns - self.decided_ns)
    }
}

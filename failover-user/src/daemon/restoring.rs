//! Held addresses that somebody has removed, or that a NIC has lost, and what puts them back.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use failover_ebpf::abi::{held, held_flag};
use serde_json::json;

use super::{Daemon, layout};
use crate::{
    events::EventKind,
    monitor::clock,
    net::{
        RULE_PRIORITY,
        batch::{Batch, BatchError},
        links::Link,
        subnet::single,
        table_of,
    },
    policy::{Cause, UnitId},
};

/// How long it is waited for more of them: whoever removes one address often removes all.
const GATHER_NS: u64 = 5_000_000;
/// From one time to the next, if something removes them again.
const SHORTEST_NS: u64 = 50_000_000;
/// That doubles each time up to this.
const LONGEST_NS: u64 = 10_000_000_000;
/// Nothing was removed for so long: the next time is a first one again.
const QUIET_NS: u64 = 60_000_000_000;

/// What is missing of one unit, and when it is put back. Times are nanoseconds of the monotonic clock.
#[derive(Debug, Default)]
struct Missing {
    addresses: BTreeSet<IpAddr>,
    due_ns: Option<u64>,
    /// When addresses were put back last; 0: never.
    last_ns: u64,
    /// From then to the next time.
    wait_ns: u64,
}

impl Missing {
    fn lost(&mut self, ip: IpAddr, now: u64) {
        self.addresses.insert(ip);
        if now.saturating_sub(self.last_ns) >= QUIET_NS {
            self.wait_ns = 0;
        }
        let earliest = self.last_ns.saturating_add(self.wait_ns);
        self.due_ns
            .get_or_insert(earliest.max(now.saturating_add(GATHER_NS)));
    }

    /// What is to be put back now.
    fn take(&mut self, now: u64) -> BTreeSet<IpAddr> {
        if self.due_ns.is_none_or(|due| due > now) {
            return BTreeSet::new();
        }
        self.due_ns = None;
        self.last_ns = now;
        self.wait_ns = (self.wait_ns * 2).clamp(SHORTEST_NS, LONGEST_NS);
        std::mem::take(&mut self.addresses)
    }
}

/// Everything that is missing.
#[derive(Debug, Default)]
pub(super) struct Restoring {
    units: BTreeMap<UnitId, Missing>,
    /// What people were told that it cannot be put back.
    told: BTreeSet<IpAddr>,
}

impl Restoring {
    fn lost(&mut self, unit: UnitId, ip: IpAddr, now: u64) {
        self.units.entry(unit).or_default().lost(ip, now);
    }

    /// It is there, whoever has seen to that.
    fn there(&mut self, ip: IpAddr) {
        for missing in self.units.values_mut() {
            missing.addresses.remove(&ip);
        }
        self.told.remove(&ip);
    }

    /// When [`Daemon::put_back_what_is_due`] has something to do.
    pub(super) fn next(&self) -> Option<u64> {
        self.units.values().filter_map(|unit| unit.due_ns).min()
    }
}

impl Daemon {
    /// An address is on one of our NICs.
    pub(super) fn address_came(&mut self, ip: IpAddr) {
        self.restoring.there(ip);
    }

    /// An address is on a NIC no more. If it is held there, it is put back.
    pub(super) fn address_went(&mut self, index: u32, ip: IpAddr, prefix: u8) {
        let mut addresses = layout::addresses(&self.config);
        let path = addresses
            .find(|(_, address)| address.ip == ip && prefix == single(ip))
            .map(|(path, _)| path);
        drop(addresses);
        if let Some(path) = path
            && self.is_to_be_on(index, ip)
        {
            let unit = layout::unit_of(&self.config, path);
            self.restoring.lost(unit, ip, clock::now());
        }
    }

    /// Whether an address is held on a NIC that can have it. One that is gone takes its addresses with it, one that is switched
    /// off its IPv6 addresses, and gets them again when it is back.
    fn is_to_be_on(&self, index: u32, ip: IpAddr) -> bool {
        let Some((path, _)) = layout::addresses(&self.config).find(|(_, address)| address.ip == ip)
        else {
            return false;
        };
        let entry = self.maps.addresses.get(ip).unwrap_or_else(|error| {
            tracing::error!(%ip, error = %format!("{error:#}"), "it is not known whether an address is held");
            None
        });
        self.policy.serves(layout::unit_of(&self.config, path))
            && entry.is_some_and(|held| held.nic == index && held.mode == held::LOCAL)
            && self.network.by_index(index).is_some_and(|link| link.up)
    }

    /// The time has come to put addresses back.
    pub(super) fn put_back_what_is_due(&mut self) {
        let now = clock::now();
        let due: Vec<_> = self
            .restoring
            .units
            .iter_mut()
            .map(|(unit, missing)| (*unit, missing.take(now)))
            .filter(|(_, addresses)| !addresses.is_empty())
            .collect();
        for (unit, addresses) in due {
            if let Err(error) = self.put_back(unit, &addresses) {
                tracing::error!(error = %format!("{error:#}"), "held addresses are missing");
                for ip in addresses {
                    self.restoring.lost(unit, ip, now);
                }
            }
        }
        let serves = |unit: &UnitId| self.policy.serves(*unit);
        self.restoring.units.retain(|unit, _| serves(unit));
    }

    /// Puts these addresses back where they are held, and nothing else: the takeover map has had them all the time, and XDP has
    /// answered for them.
    fn put_back(&mut self, unit: UnitId, addresses: &BTreeSet<IpAddr>) -> anyhow::Result<()> {
        let mut wanted = Vec::new();
        let mut batch = Batch::builder();
        for ip in addresses {
            let Some(held) = self.maps.addresses.get(*ip)? else {
                continue;
            };
            if self.is_to_be_on(held.nic, *ip) {
                batch = batch
                    .hold(held.nic, *ip)
                    .add_rule(*ip, table_of(held.nic), RULE_PRIORITY);
                wanted.push((*ip, held));
            }
        }
        let batch = batch.build();
        if batch.requests().is_empty() {
            return Ok(());
        }
        let mut refused = BTreeMap::new();
        self.batches.execute_each(&batch, |request, errno| {
            refused.entry(request.ip).or_insert((*request, errno));
        })?;
        for (ip, held) in wanted {
            if let Some((first, errno)) = refused.get(&ip).copied() {
                self.not_put_back(
                    unit,
                    &BatchError::Refused {
                        first,
                        errno,
                        refused: 1,
                    },
                    ip,
                );
                continue;
            }
            self.restoring.told.remove(&ip);
            let nic = self.network.by_index(held.nic);
            let nic = nic.map(|link| link.name.clone()).unwrap_or_default();
            let fields = json!({ "address": ip.to_string(), "nic": nic });
            self.record(Some(unit), EventKind::PutBack, fields);
            // A source that is to find its addresses free must not hear of us.
            if held.flags & held_flag::YIELDING == 0 {
                for frame in self.announcement(ip, &held) {
                    if let Err(error) = self.senders.send(held.nic, &frame) {
                        tracing::warn!(%ip, %error, "an announcement was not sent");
                    }
                }
            }
        }
        Ok(())
    }

    /// It is tried again and again; people are told once.
    fn not_put_back(&mut self, unit: UnitId, error: &BatchError, ip: IpAddr) {
        self.restoring.lost(unit, ip, clock::now());
        if self.restoring.told.insert(ip) {
            let error = format!("a held address is missing: {error}");
            self.record(Some(unit), EventKind::Error, json!({ "error": error }));
        }
    }

    /// A NIC that was made anew, or switched on, has lost addresses that it held; one with another MAC has to be announced. Addresses
    /// that are going back stay away.
    pub(super) fn restore_addresses_on(&mut self, link: &Link) {
        for unit in self.served_on(link) {
            self.monitor.take_over(unit, Cause::Adopted);
        }
    }

    /// A link is back, perhaps at another port: switches and neighbours may look for what is held where it was, or may never
    /// have heard of it. If another failover host has taken it meanwhile, the probes tell it whom it has to do with.
    pub(super) fn announce_on(&mut self, link: &Link) {
        for unit in self.served_on(link) {
            self.announce(unit);
            self.probe_held(unit);
        }
    }

    /// The units of which addresses are served on a NIC.
    fn served_on(&self, link: &Link) -> Vec<UnitId> {
        let uses = |unit| {
            layout::addresses_of(&self.config, unit)
                .any(|(_, address)| address.target_nic == link.name)
        };
        self.policy
            .units()
            .filter(|unit| self.policy.serves(*unit) && uses(*unit))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const START: u64 = 1_000_000 * MS;

    fn ip(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn all_that_are_removed_at_once_are_put_back_at_once() {
        let mut missing = Missing::default();

        for last in 1..=100 {
            missing.lost(ip(last), START + u64::from(last));
        }

        let due = missing.due_ns.expect("a time");
        assert!(due - START < 10 * MS);
        assert_eq!(missing.take(due - 1).len(), 0);
        assert_eq!(missing.take(due).len(), 100);
        assert_eq!((missing.due_ns, missing.take(due).len()), (None, 0));
    }

    #[test]
    fn what_is_removed_again_and_again_is_put_back_more_and_more_seldom() {
        let mut missing = Missing::default();
        let mut waits = Vec::new();
        let mut now = START;

        for _ in 0..12 {
            missing.lost(ip(1), now);
            let due = missing.due_ns.expect("a time");
            waits.push((due - now) / MS);
            missing.take(due);
            now = due;
        }
        missing.lost(ip(1), now + QUIET_NS);
        let afterwards = missing.due_ns.expect("a time") - (now + QUIET_NS);

        assert_eq!(
            waits,
            [
                5, 50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000
            ]
        );
        assert_eq!(afterwards, GATHER_NS);
    }

    #[test]
    fn what_somebody_else_has_put_back_is_not_missing() {
        let unit = UnitId {
            source: 0,
            path: None,
        };
        let mut restoring = Restoring::default();
        restoring.lost(unit, ip(1), START);

        restoring.there(ip(1));

        let due = restoring.next().expect("a time");
        let missing = restoring.units.get_mut(&unit).expect("a unit");
        assert!(missing.take(due).is_empty());
    }
}

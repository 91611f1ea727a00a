//! What is marked as ours in the kernel, and no entry of the takeover map explains: what an earlier daemon had begun when it was
//! killed, what could not be removed, what a NIC that is gone has left.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use anyhow::Context as _;
use failover_ebpf::abi::Held;

use super::Daemon;
use crate::{
    bpf::addresses::Addresses,
    net::{
        self, RULE_PRIORITY,
        batch::{Batch, Builder},
        table_of,
    },
};

/// Everything with our mark.
#[derive(Debug, Default)]
struct Marked {
    /// Addresses, and the NIC of each.
    addresses: Vec<(u32, IpAddr)>,
    /// Addresses that a NIC listens for as a proxy, and the NIC.
    proxies: Vec<(u32, Ipv6Addr)>,
    /// Rules: the address that each is for, and its table.
    rules: Vec<(IpAddr, u32)>,
}

impl Marked {
    async fn list(handle: &rtnetlink::Handle) -> anyhow::Result<Self> {
        Ok(Self {
            addresses: net::cleanup::addresses(handle).await?,
            proxies: net::cleanup::proxies(handle).await?,
            rules: net::cleanup::rules(handle).await?,
        })
    }

    /// Those that `held` does not explain: it says on which NIC an address is held, if it is.
    fn unexplained(self, held: impl Fn(IpAddr) -> Option<u32>) -> Self {
        let Self {
            mut addresses,
            mut proxies,
            mut rules,
        } = self;
        addresses.retain(|(_, ip)| held(*ip).is_none());
        proxies.retain(|(_, ip)| held((*ip).into()).is_none());
        rules.retain(|(ip, table)| held(*ip).map(table_of) != Some(*table));
        Self {
            addresses,
            proxies,
            rules,
        }
    }

    fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.proxies.is_empty() && self.rules.is_empty()
    }

    /// What removes them.
    fn removal(&self) -> Builder {
        let mut batch = Batch::builder();
        for (index, ip) in &self.addresses {
            batch = batch.unhold(*index, *ip);
        }
        for (index, ip) in &self.proxies {
            batch = batch.remove_proxy(*index, *ip);
        }
        for (ip, table) in &self.rules {
            batch = batch.remove_rule(*ip, *table, RULE_PRIORITY);
        }
        batch
    }
}

impl Daemon {
    /// At the start: removes what an earlier daemon left, before anything is taken.
    pub(super) async fn remove_orphans(&mut self, held: &[(IpAddr, Held)]) -> anyhow::Result<()> {
        let nics: BTreeMap<IpAddr, u32> = held.iter().map(|(ip, held)| (*ip, held.nic)).collect();
        let marked = Marked::list(&self.netlink).await?;
        let orphans = marked.unexplained(|ip| nics.get(&ip).copied());
        for (_, ip) in &orphans.addresses {
            tracing::warn!(%ip, "an unfinished takeover of an earlier daemon is undone");
        }
        self.undo(orphans.removal())
            .context("removing the addresses of an unfinished takeover")?;
        let managed: BTreeSet<u32> = self
            .managed()
            .iter()
            .filter_map(|name| self.network.links.get(name))
            .map(|link| link.index)
            .collect();
        net::tables::clear_others(&self.netlink, &managed)
            .await
            .context("removing the routes of NICs that are not used any more")
    }

    /// While the daemon runs: removes what is marked and not held, if something may have been left behind.
    pub(super) async fn remove_leftovers(&mut self) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.leftovers) {
            return Ok(());
        }
        let result = self.try_remove_leftovers().await;
        // Until there is nothing left to remove.
        self.leftovers = result.is_err();
        result.context("what was taken and is not held any more cannot be removed")
    }

    async fn try_remove_leftovers(&mut self) -> anyhow::Result<()> {
        let marked = Marked::list(&self.netlink).await?;
        let before = nics_of(&self.maps.addresses)?;
        let suspects = marked.unexplained(|ip| before.get(&ip).copied());
        if suspects.is_empty() {
            return Ok(());
        }
        // What the heartbeat thread is taking in this moment has no entry yet, and has one when it is done with it.
        let (addresses, batches) = (&self.maps.addresses, &mut self.batches);
        self.monitor.while_nothing_is_taken(|| {
            let now = nics_of(addresses)?;
            let left = suspects.unexplained(|ip| now.get(&ip).copied());
            for (_, ip) in &left.addresses {
                tracing::warn!(%ip, "an address that is not held any more is removed");
            }
            let batch = left.removal().build();
            if batch.requests().is_empty() {
                return Ok(());
            }
            Ok(batches.execute(&batch)?)
        })
    }

    /// The rules that send replies to the table of a NIC that is gone: they would go nowhere.
    pub(super) async fn remove_rules_of(&mut self, index: u32) -> anyhow::Result<()> {
        let mut batch = Batch::builder();
        for (ip, table) in net::cleanup::rules(&self.netlink).await? {
            if table == table_of(index) {
                batch = batch.remove_rule(ip, table, RULE_PRIORITY);
            }
        }
        self.undo(batch)
            .context("removing the rules of a NIC that is gone")
    }
}

fn nics_of(addresses: &Addresses) -> anyhow::Result<BTreeMap<IpAddr, u32>> {
    let held = addresses.all()?;
    Ok(held.into_iter().map(|(ip, held)| (ip, held.nic)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_entry_explains_is_left_over_and_nothing_else() {
        let v4 = |last: u8| IpAddr::from([10, 0, 0, last]);
        let v6 = |last: u16| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last);
        let held = BTreeMap::from([(v4(10), 3), (v6(10).into(), 4)]);
        let marked = Marked {
            addresses: vec![(3, v4(10)), (3, v4(11)), (4, v6(11).into())],
            proxies: vec![(4, v6(10)), (4, v6(12))],
            rules: vec![
                (v4(10), table_of(3)),
                (v4(10), table_of(2)),
                (v6(10).into(), table_of(4)),
                (v4(11), table_of(3)),
            ],
        };

        let left = marked.unexplained(|ip| held.get(&ip).copied());

        assert_eq!(left.addresses, [(3, v4(11)), (4, v6(11).into())]);
        assert_eq!(left.proxies, [(4, v6(12))]);
        assert_eq!(left.rules, [(v4(10), table_of(2)), (v4(11), table_of(3))]);
        // An IPv6 address has a local route besides.
        assert_eq!(left.removal().build().requests().len(), 3 + 1 + 2);
    }
}

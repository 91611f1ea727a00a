//! What changes in the network while the daemon runs: NICs, their addresses, neighbours.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Daemon, layout, problems::Problems};
use crate::{
    config::Deliver,
    events::EventKind,
    monitor::clock,
    net::{
        link_watch::LinkEvent, links::Link, neighbours::NeighbourEvent, subnet::single, xdp::Mode,
    },
};

impl Daemon {
    /// A NIC or an address of one has changed.
    pub(super) async fn on_link(&mut self, event: LinkEvent) -> anyhow::Result<()> {
        let result = self.on_link_event(event).await;
        let known = self.know_own_macs();
        self.follow_links();
        result.and(known)
    }

    /// The program has to know every NIC of this host, or what the others say for us would be said by another host.
    pub(super) fn know_own_macs(&mut self) -> anyhow::Result<()> {
        let macs = self.network.links.values().map(|link| link.mac);
        // A loopback has none, nor has a tunnel.
        self.maps
            .set_link_macs(macs.filter(|mac| *mac != [0; 6]).collect())
    }

    async fn on_link_event(&mut self, event: LinkEvent) -> anyhow::Result<()> {
        match event {
            LinkEvent::Appeared(link) => self.appeared(link).await,
            LinkEvent::Disappeared(link) => self.disappeared(&link).await,
            LinkEvent::Changed { before, after } => self.changed(&before, after).await,
            LinkEvent::AddressAdded { index, ip, prefix } => {
                self.readdressed(index, |addresses| {
                    if !addresses.contains(&(ip, prefix)) {
                        addresses.push((ip, prefix));
                    }
                });
                self.address_came(ip);
                self.on_own_address(ip, prefix).await
            }
            LinkEvent::AddressRemoved { index, ip, prefix } => {
                self.readdressed(index, |addresses| {
                    addresses.retain(|address| *address != (ip, prefix));
                });
                self.address_went(index, ip, prefix);
                self.on_own_address(ip, prefix).await
            }
        }
    }

    fn readdressed(&mut self, index: u32, change: impl FnOnce(&mut Vec<(IpAddr, u8)>)) {
        let mut links = self.network.links.values_mut();
        if let Some(link) = links.find(|link| link.index == index) {
            change(&mut link.addresses);
        }
    }

    /// An address of ours is there, or is gone: it may be the one that heartbeats come from, that a standby server is
    /// reached by, or that the reflector answers for.
    async fn on_own_address(&mut self, ip: IpAddr, prefix: u8) -> anyhow::Result<()> {
        // What is held is on no subnet, and there may be thousands of them in one takeover.
        if prefix == single(ip) && layout::addresses(&self.config).any(|(_, held)| held.ip == ip) {
            return Ok(());
        }
        self.write_settings()?;
        self.refresh_plans();
        self.manage_missing().await?;
        self.refresh_standbys()?;
        self.watch_all()
    }

    /// The NICs that standby servers are behind.
    pub(super) fn refresh_standbys(&mut self) -> anyhow::Result<()> {
        for (nic, version) in self.ways_out() {
            if self.attached.contains_key(&nic) {
                self.forwarding.enable(&nic, version)?;
            }
        }
        for standby in self.standbys() {
            self.refresh_forwarded(standby)?;
        }
        Ok(())
    }

    async fn appeared(&mut self, link: Link) -> anyhow::Result<()> {
        // One that we have listed before the kernel began to tell of changes may have changed in between.
        if let Some(known) = self.network.by_index(link.index).cloned() {
            return Box::pin(self.caught_up(known, link)).await;
        }
        let before = self.network.links.insert(link.name.clone(), link.clone());
        // What had the name before is gone, whether we have heard of that or not.
        if let Some(before) = before.filter(|before| before.index != link.index) {
            self.attached.remove(&before.name);
            self.groups.forget(before.index);
            self.monitor.close_nic(before.index);
            self.senders.close(before.index);
        }
        self.write_settings()?;
        self.refresh_plans();
        self.manage_missing().await?;
        self.watch_all()
    }

    /// A NIC is not as it was when we listed it.
    async fn caught_up(&mut self, known: Link, now: Link) -> anyhow::Result<()> {
        let index = now.index;
        let (before, after) = (known.addresses.clone(), now.addresses.clone());
        let mut problems = Problems::default();
        if (Link {
            addresses: Vec::new(),
            ..known.clone()
        }) != (Link {
            addresses: Vec::new(),
            ..now.clone()
        }) {
            problems.keep(self.changed(&known, now).await);
        }
        let gone = before.iter().filter(|address| !after.contains(address));
        for (ip, prefix) in gone.copied() {
            let event = LinkEvent::AddressRemoved { index, ip, prefix };
            problems.keep(Box::pin(self.on_link_event(event)).await);
        }
        let new = after.iter().filter(|address| !before.contains(address));
        for (ip, prefix) in new.copied() {
            let event = LinkEvent::AddressAdded { index, ip, prefix };
            problems.keep(Box::pin(self.on_link_event(event)).await);
        }
        problems.into_result()
    }

    async fn disappeared(&mut self, link: &Link) -> anyhow::Result<()> {
        let ours = self
            .network
            .links
            .get(&link.name)
            .is_some_and(|known| known.index == link.index);
        if !ours {
            return Ok(());
        }
        self.network.links.remove(&link.name);
        self.groups.forget(link.index);
        let mut problems = Problems::default();
        if self.attached.remove(&link.name).is_some() {
            self.monitor.close_nic(link.index);
            self.senders.close(link.index);
            self.record(
                None,
                EventKind::Nic,
                serde_json::json!({ "nic": link.name, "xdp_mode": "none", "carrier": false }),
            );
            problems.keep(self.forget_absent());
        }
        self.unmanageable.remove(&link.name);
        self.unrouted.remove(&link.name);
        problems.keep(self.write_settings());
        self.refresh_plans();
        problems.keep(self.watch_all());
        // The kernel has removed its addresses and routes, and leaves the rules.
        problems.keep(self.remove_rules_of(link.index).await);
        problems.into_result()
    }

    async fn changed(&mut self, before: &Link, after: Link) -> anyhow::Result<()> {
        if before.name != after.name {
            self.disappeared(before).await?;
            return self.appeared(after).await;
        }
        let addresses = self
            .network
            .links
            .get(&after.name)
            .map(|known| known.addresses.clone());
        let link = Link {
            addresses: addresses.unwrap_or_else(|| after.addresses.clone()),
            ..after
        };
        self.network.links.insert(link.name.clone(), link.clone());
        let Some(mode) = self.attached.get(&link.name).copied() else {
            return Ok(());
        };
        // What brings the service back comes first, and what goes wrong keeps nothing else from being done.
        let mut problems = Problems::default();
        if (before.mac, before.mtu) != (link.mac, link.mtu) {
            problems.keep(self.maps.set_nic(link.index, self.nic(&link)));
            self.refresh_plans();
            self.restore_addresses_on(&link);
            problems.keep(self.watch_all());
        }
        if before.usable() != link.usable() {
            self.record(
                None,
                EventKind::Nic,
                serde_json::json!({
                    "nic": link.name,
                    "xdp_mode": mode.name(),
                    "carrier": link.usable(),
                }),
            );
        }
        if !before.up && link.up {
            // It has lost its IPv6 addresses.
            self.restore_addresses_on(&link);
            // The kernel has flushed its routes in every table, too.
            problems.keep(self.prepare_table(&link).await);
        }
        if !before.usable() && link.usable() {
            self.announce_on(&link);
            self.resolve(true);
        }
        problems.into_result()
    }

    /// The MAC of a neighbour is known, or has changed.
    pub(super) fn on_neighbour(&mut self, event: &NeighbourEvent) -> anyhow::Result<()> {
        let (Some(mac), Some(link)) = (event.mac, self.network.by_index(event.ifindex)) else {
            return Ok(());
        };
        // An address that we hold is answered by our own NICs.
        if self.network.links.values().any(|link| link.mac == mac) {
            return Ok(());
        }
        let key = (link.name.clone(), event.ip);
        let monitored = layout::paths(&self.config)
            .find(|(_, _, path)| path.nic == key.0 && path.monitor == key.1)
            .map(|(id, ..)| id);
        let witness = self.witness_neighbours().contains(&key);
        let wanted = match monitored {
            Some(id) => self.is_to_be_learnt(id) && !self.is_stand_in(id, event.ip, mac),
            None => witness || self.standbys().contains(&event.ip),
        };
        if !wanted || self.network.neighbours.get(&key) == Some(&mac) {
            return Ok(());
        }
        self.network.neighbours.insert(key, mac);
        if let Some(id) = monitored {
            self.turned_ns.insert(id, clock::now());
        }
        self.refresh_plans();
        if witness {
            self.watch_witnesses();
        }
        match monitored {
            Some(id) => self.watch(id),
            None => self.refresh_forwarded(event.ip),
        }
    }

    /// Starts or renews every heartbeat.
    pub(super) fn watch_all(&mut self) -> anyhow::Result<()> {
        self.watch_witnesses();
        for id in layout::paths(&self.config)
            .map(|(id, ..)| id)
            .collect::<Vec<_>>()
        {
            self.watch(id)?;
        }
        Ok(())
    }

    /// Prepares every takeover anew.
    pub(super) fn refresh_plans(&mut self) {
        self.refresh_ways_out();
        self.refresh_routers();
        self.refresh_groups();
        for unit in self.policy.units() {
            self.monitor.prepare(super::plans::plan(
                &self.config,
                &self.layout,
                &self.network,
                unit,
            ));
        }
    }

    /// Which NICs take no frames from others, and people are told of what cannot be sent on for that reason.
    fn refresh_ways_out(&mut self) {
        let attached = self.attached.iter();
        let generic = attached.filter(|(_, mode)| **mode == Mode::Generic);
        self.network.generic = generic.map(|(name, _)| name.clone()).collect();
        let lost: BTreeSet<(String, String)> = layout::addresses(&self.config)
            .filter_map(|(_, address)| match address.deliver {
                Deliver::Forward(standby) => {
                    let nic = &address.target_nic;
                    let why = self.network.no_way_out(nic, standby)?;
                    Some((nic.clone(), why))
                }
                Deliver::Local => None,
            })
            .collect();
        for (nic, error) in lost.difference(&self.no_way_out) {
            self.record(
                None,
                EventKind::Error,
                serde_json::json!({ "nic": nic, "error": error }),
            );
        }
        self.no_way_out = lost;
    }

    /// The standby server of addresses that are held already has another MAC.
    fn refresh_forwarded(&mut self, standby: IpAddr) -> anyhow::Result<()> {
        for (_, address) in layout::addresses(&self.config) {
            if address.deliver != Deliver::Forward(standby) {
                continue;
            }
            let Some(mut held) = self.maps.addresses.get(address.ip)? else {
                continue;
            };
            if held.mode != failover_ebpf::abi::held::FORWARD {
                continue;
            }
            if let Some(out) = self.network.nic_towards(standby) {
                held.out = out.index;
                held.out_mac = out.mac;
                held.out_mtu = out.mtu;
                held.next_hop = self.network.mac(&out.name, standby).unwrap_or_default();
                self.maps.addresses.set(address.ip, held)?;
            }
        }
        Ok(())
    }
}

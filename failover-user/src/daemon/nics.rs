//! The managed NICs: the program on each, what it knows of them, and what happens when one goes or comes.

use std::{collections::BTreeSet, net::Ipv4Addr};

use failover_ebpf::abi::{Nic, nic};

use super::{Daemon, layout};
use crate::{
    config::Deliver,
    net::{self, link_watch::LinkEvent, links::Link, neighbours::NeighbourEvent, xdp::Mode},
    policy::{Cause, State},
};

impl Daemon {
    /// Names of the NICs that the configuration uses.
    pub(super) fn managed(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (_, _, path) in layout::paths(&self.config) {
            names.insert(path.nic.clone());
            names.insert(path.target_nic.clone());
        }
        for (_, address) in layout::addresses(&self.config) {
            names.insert(address.target_nic.clone());
        }
        names.extend(self.out_nics());
        names.extend(
            self.config
                .reflector
                .iter()
                .flat_map(|reflector| reflector.nics.iter().cloned()),
        );
        names
    }

    /// NICs with a standby server behind them.
    fn out_nics(&self) -> BTreeSet<String> {
        self.standbys()
            .into_iter()
            .filter_map(|standby| self.network.nic_towards(standby))
            .map(|link| link.name.clone())
            .collect()
    }

    /// Puts the program on every managed NIC that is there. At the start a NIC that refuses is an error.
    pub(super) async fn manage_nics(&mut self) -> anyhow::Result<()> {
        for name in self.managed() {
            if let Some(link) = self.network.links.get(&name).cloned() {
                self.manage(&link).await?;
            }
        }
        self.forget_absent()?;
        // Programs on NICs that an earlier configuration had used.
        for name in self.pins.linked_nics()? {
            if !self.managed().contains(&name) {
                self.program.detach(&name)?;
            }
        }
        Ok(())
    }

    async fn manage(&mut self, link: &Link) -> anyhow::Result<()> {
        self.maps.set_nic(link.index, self.nic(link))?;
        let mode = self.attach(link).await?;
        self.senders.open(link.index, &link.name)?;
        self.monitor.open_nic(link.index, &link.name);
        self.prepare_table(link).await?;
        if self.out_nics().contains(&link.name) {
            self.forwarding.enable(&link.name)?;
        }
        self.attached.insert(link.name.clone(), mode);
        self.record(
            None,
            "nic",
            serde_json::json!({
                "nic": link.name,
                "xdp_mode": mode.name(),
                "carrier": link.carrier,
            }),
        );
        Ok(())
    }

    /// A NIC as the program knows it.
    fn nic(&self, link: &Link) -> Nic {
        Nic {
            mac: link.mac,
            mtu: link.mtu,
            flags: if self.reflects_on(&link.name) {
                nic::REFLECT
            } else {
                0
            },
            ..Nic::default()
        }
    }

    /// Whether our reflector answers on a NIC, and at its addresses.
    fn reflects_on(&self, name: &str) -> bool {
        self.config
            .reflector
            .as_ref()
            .is_some_and(|reflector| reflector.nics.iter().any(|nic| nic == name))
    }

    async fn attach(&mut self, link: &Link) -> anyhow::Result<Mode> {
        let ours = self.program.id()?;
        // A pinned link may be of a NIC that had this name before and goes on under another one: it is given up, and then
        // there is none to adopt.
        for _ in 0..2 {
            let current = net::xdp::on_nic(&self.netlink, link.index).await?;
            self.program
                .attach(&link.name, link.index, self.config.daemon.xdp, current)?;
            if let Some(on) = net::xdp::on_nic(&self.netlink, link.index).await?
                && on.program == ours
            {
                return Ok(on.mode);
            }
            self.program.detach(&link.name)?;
        }
        anyhow::bail!(
            "{} does not carry the program although it was attached",
            link.name
        )
    }

    fn forget_absent(&mut self) -> anyhow::Result<()> {
        let mut managed = self.managed();
        // A standby server's NIC stays known while it has lost the address that makes it one.
        managed.extend(self.attached.keys().cloned());
        let present: Vec<u32> = self
            .network
            .links
            .values()
            .filter(|link| managed.contains(&link.name))
            .map(|link| link.index)
            .collect();
        self.maps.retain_nics(&present)
    }

    /// The routes that replies of addresses held on this NIC take.
    async fn prepare_table(&self, link: &Link) -> anyhow::Result<()> {
        let subnets: Vec<_> = layout::addresses(&self.config)
            .filter(|(_, address)| {
                address.target_nic == link.name && address.deliver == Deliver::Local
            })
            .map(|(_, address)| (address.ip, address.prefix))
            .collect();
        net::tables::prepare(&self.netlink, link, &subnets).await
    }

    /// A NIC or an address of one has changed.
    pub(super) async fn on_link(&mut self, event: LinkEvent) -> anyhow::Result<()> {
        match event {
            LinkEvent::Appeared(link) => self.appeared(link).await,
            LinkEvent::Disappeared(link) => self.disappeared(&link),
            LinkEvent::Changed { before, after } => self.changed(&before, after).await,
            LinkEvent::AddressAdded { index, ip, prefix } => {
                self.readdressed(index, |addresses| {
                    if !addresses.contains(&(ip, prefix)) {
                        addresses.push((ip, prefix));
                    }
                });
                self.on_own_address(ip, prefix).await
            }
            LinkEvent::AddressRemoved { index, ip, prefix } => {
                self.readdressed(index, |addresses| {
                    addresses.retain(|address| *address != (ip, prefix));
                });
                self.on_own_address(ip, prefix).await
            }
        }
    }

    fn readdressed(&mut self, index: u32, change: impl FnOnce(&mut Vec<(Ipv4Addr, u8)>)) {
        let mut links = self.network.links.values_mut();
        if let Some(link) = links.find(|link| link.index == index) {
            change(&mut link.addresses);
        }
    }

    /// An address of ours is there, or is gone: it may be the one that heartbeats come from, that a standby server is
    /// reached by, or that the reflector answers for.
    async fn on_own_address(&mut self, ip: Ipv4Addr, prefix: u8) -> anyhow::Result<()> {
        // What is held is on no subnet, and there may be thousands of them in one takeover.
        if prefix == 32 && layout::addresses(&self.config).any(|(_, held)| held.ip == ip) {
            return Ok(());
        }
        self.write_settings()?;
        self.refresh_plans();
        self.manage_missing().await?;
        self.refresh_standbys()?;
        self.watch_all()
    }

    /// The NICs that standby servers are behind.
    fn refresh_standbys(&mut self) -> anyhow::Result<()> {
        for nic in self.out_nics() {
            if self.attached.contains_key(&nic) {
                self.forwarding.enable(&nic)?;
            }
        }
        for standby in self.standbys() {
            self.refresh_forwarded(standby)?;
        }
        Ok(())
    }

    async fn appeared(&mut self, link: Link) -> anyhow::Result<()> {
        let known = self
            .network
            .links
            .get(&link.name)
            .is_some_and(|known| known.index == link.index);
        self.network.links.insert(link.name.clone(), link.clone());
        if known {
            return Ok(());
        }
        // What had the name before is gone, whether we have heard of that or not.
        self.attached.remove(&link.name);
        self.write_settings()?;
        self.manage_missing().await
    }

    /// Puts the program on the NICs that lack it: one that has come back under the same name and with another index, one
    /// that has its address only now, one that could not be managed before.
    pub(super) async fn manage_missing(&mut self) -> anyhow::Result<()> {
        let missing: Vec<Link> = self
            .managed()
            .iter()
            .filter(|name| !self.attached.contains_key(*name))
            .filter_map(|name| self.network.links.get(name).cloned())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        for link in missing {
            match self.manage(&link).await {
                Ok(()) => {
                    self.unmanageable.remove(&link.name);
                    self.settle_in(&link).await?;
                }
                Err(error) => self.cannot_manage(&link, &error),
            }
        }
        Ok(())
    }

    /// A NIC is managed from now on.
    async fn settle_in(&mut self, link: &Link) -> anyhow::Result<()> {
        self.forget_absent()?;
        self.refresh_plans();
        self.refresh_standbys()?;
        self.restore_addresses_on(link);
        self.watch_all()?;
        self.resolve(false).await;
        Ok(())
    }

    /// It is tried again and again; people are told once.
    fn cannot_manage(&mut self, link: &Link, error: &anyhow::Error) {
        let error = format!("{error:#}");
        let told = self.unmanageable.insert(link.name.clone(), error.clone());
        if told.as_ref() != Some(&error) {
            self.record(
                None,
                "error",
                serde_json::json!({ "nic": link.name, "error": error }),
            );
        }
    }

    /// A NIC that was made anew has lost the addresses that it held; one with another MAC has to be announced. Addresses
    /// that are going back stay away.
    fn restore_addresses_on(&mut self, link: &Link) {
        for unit in self.policy.units().collect::<Vec<_>>() {
            let uses = layout::addresses_of(&self.config, unit)
                .any(|(_, address)| address.target_nic == link.name);
            if uses && self.policy.state(unit) == Some(State::TakenOver) {
                self.monitor.take_over(unit, Cause::Adopted);
            }
        }
    }

    fn disappeared(&mut self, link: &Link) -> anyhow::Result<()> {
        let ours = self
            .network
            .links
            .get(&link.name)
            .is_some_and(|known| known.index == link.index);
        if !ours {
            return Ok(());
        }
        self.network.links.remove(&link.name);
        if self.attached.remove(&link.name).is_some() {
            self.monitor.close_nic(link.index);
            self.senders.close(link.index);
            self.record(
                None,
                "nic",
                serde_json::json!({ "nic": link.name, "xdp_mode": "none", "carrier": false }),
            );
            self.forget_absent()?;
        }
        self.unmanageable.remove(&link.name);
        self.write_settings()?;
        self.refresh_plans();
        self.watch_all()
    }

    async fn changed(&mut self, before: &Link, after: Link) -> anyhow::Result<()> {
        if before.name != after.name {
            self.disappeared(before)?;
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
        if (before.mac, before.mtu) != (link.mac, link.mtu) {
            self.maps.set_nic(link.index, self.nic(&link))?;
            self.refresh_plans();
            self.restore_addresses_on(&link);
            self.watch_all()?;
        }
        if before.usable() != link.usable() {
            self.record(
                None,
                "nic",
                serde_json::json!({
                    "nic": link.name,
                    "xdp_mode": mode.name(),
                    "carrier": link.usable(),
                }),
            );
        }
        if !before.up && link.up {
            // The kernel has flushed the NIC's routes in every table.
            self.prepare_table(&link).await?;
        }
        if !before.usable() && link.usable() {
            self.resolve(true).await;
        }
        Ok(())
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
        let wanted = match monitored {
            Some(id) => !self.policy.holds(layout::unit_of(&self.config, id)),
            None => self.standbys().contains(&event.ip),
        };
        if !wanted || self.network.neighbours.get(&key) == Some(&mac) {
            return Ok(());
        }
        self.network.neighbours.insert(key, mac);
        self.refresh_plans();
        match monitored {
            Some(id) => self.watch(id),
            None => self.refresh_forwarded(event.ip),
        }
    }

    /// Starts or renews every heartbeat.
    pub(super) fn watch_all(&mut self) -> anyhow::Result<()> {
        for id in layout::paths(&self.config)
            .map(|(id, ..)| id)
            .collect::<Vec<_>>()
        {
            self.watch(id)?;
        }
        Ok(())
    }

    /// Prepares every takeover anew.
    pub(super) fn refresh_plans(&self) {
        for unit in self.policy.units() {
            self.monitor.prepare(super::plans::plan(
                &self.config,
                &self.layout,
                &self.network,
                unit,
            ));
        }
    }

    /// The standby server of addresses that are held already has another MAC.
    fn refresh_forwarded(&mut self, standby: Ipv4Addr) -> anyhow::Result<()> {
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

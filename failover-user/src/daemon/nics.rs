//! The managed NICs: the program on each, and what it knows of them.

use std::collections::BTreeSet;

use failover_ebpf::abi::{Nic, nic};

use super::{Daemon, layout, network::Network, problems::Problems};
use crate::{
    config::{Config, Deliver},
    events::EventKind,
    net::{self, links::Link, sysctl::Version, xdp::Mode},
};

/// Names of the NICs that a configuration uses.
pub(super) fn managed(config: &Config, network: &Network) -> BTreeSet<String> {
    let mut names = out_nics(config, network);
    for (_, _, path) in layout::paths(config) {
        names.insert(path.nic.clone());
        names.insert(path.target_nic.clone());
    }
    for (_, address) in layout::addresses(config) {
        names.insert(address.target_nic.clone());
    }
    names.extend(config.witnesses.iter().map(|witness| witness.nic.clone()));
    let reflector = config.reflector.iter();
    names.extend(reflector.flat_map(|reflector| reflector.nics.iter().cloned()));
    names
}

/// NICs with a standby server behind them.
fn out_nics(config: &Config, network: &Network) -> BTreeSet<String> {
    let ways = ways_out(config, network);
    ways.into_iter().map(|(name, _)| name).collect()
}

/// The same, with the IP versions that are spoken there.
fn ways_out(config: &Config, network: &Network) -> BTreeSet<(String, Version)> {
    let standbys = layout::standbys(config).into_iter();
    standbys
        .filter_map(|standby| {
            let link = network.nic_towards(standby)?;
            Some((link.name.clone(), Version::of(standby)))
        })
        .collect()
}

impl Daemon {
    /// Names of the NICs that the configuration uses.
    pub(super) fn managed(&self) -> BTreeSet<String> {
        let mut names = managed(&self.config, &self.network);
        names.extend(self.kept.iter().cloned());
        names
    }

    /// NICs with a standby server behind them, and the IP versions that are spoken there.
    pub(super) fn ways_out(&self) -> BTreeSet<(String, Version)> {
        ways_out(&self.config, &self.network)
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
        for name in self.pins.fenced_nics()? {
            if !self.is_fence_on(&name) {
                self.program.unfence(&name)?;
            }
        }
        Ok(())
    }

    async fn manage(&mut self, link: &Link) -> anyhow::Result<()> {
        self.maps.set_nic(link.index, self.nic(link))?;
        if self.is_fence_on(&link.name) {
            self.program.fence(&link.name)?;
        }
        let mode = self.attach(link).await?;
        self.senders.open(link.index, &link.name)?;
        self.monitor.open_nic(link.index, &link.name);
        let result = self.prepare_table(link).await;
        self.note(result);
        for (nic, version) in self.ways_out() {
            if nic == link.name {
                self.forwarding.enable(&nic, version)?;
            }
        }
        self.attached.insert(link.name.clone(), mode);
        self.record(
            None,
            EventKind::Nic,
            serde_json::json!({
                "nic": link.name,
                "xdp_mode": mode.name(),
                "carrier": link.carrier,
            }),
        );
        Ok(())
    }

    /// A NIC as the program knows it.
    pub(super) fn nic(&self, link: &Link) -> Nic {
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

    pub(super) async fn attach(&mut self, link: &Link) -> anyhow::Result<Mode> {
        // Some drivers take seconds for it, and there may be many NICs: the loop is slow then, and alive.
        self.side.beat();
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

    pub(super) fn forget_absent(&mut self) -> anyhow::Result<()> {
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

    /// The main table has changed, and the tables of the NICs follow.
    pub(super) async fn prepare_tables(&mut self) -> anyhow::Result<()> {
        let names = self.attached.keys().cloned().collect();
        self.route_again(names).await
    }

    /// Those that could not be filled before.
    pub(super) async fn route_unrouted(&mut self) -> anyhow::Result<()> {
        let names = std::mem::take(&mut self.unrouted);
        self.route_again(names).await
    }

    async fn route_again(&mut self, names: BTreeSet<String>) -> anyhow::Result<()> {
        let mut problems = Problems::default();
        for name in names {
            if let Some(link) = self.network.links.get(&name).cloned() {
                problems.keep(self.prepare_table(&link).await);
            }
        }
        problems.into_result()
    }

    /// The routes that replies of addresses held on this NIC take. Without them they leave as the main table says, and it is
    /// tried again.
    pub(super) async fn prepare_table(&mut self, link: &Link) -> anyhow::Result<()> {
        let result = self.fill_table(link).await;
        if result.is_err() {
            self.unrouted.insert(link.name.clone());
        }
        result
    }

    async fn fill_table(&self, link: &Link) -> anyhow::Result<()> {
        let subnets: Vec<_> = layout::addresses(&self.config)
            .filter(|(_, address)| {
                address.target_nic == link.name && address.deliver == Deliver::Local
            })
            .map(|(_, address)| (address.ip, address.prefix))
            .collect();
        net::tables::prepare(&self.netlink, link, &subnets).await
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
        let mut problems = Problems::default();
        for link in missing {
            match self.manage(&link).await {
                Ok(()) => {
                    self.unmanageable.remove(&link.name);
                    problems.keep(self.settle_in(&link));
                }
                Err(error) => self.cannot_manage(&link, &error),
            }
        }
        problems.into_result()
    }

    /// A NIC is managed from now on.
    fn settle_in(&mut self, link: &Link) -> anyhow::Result<()> {
        // What brings the service back comes first, and what goes wrong keeps nothing else from being done.
        self.refresh_plans();
        self.restore_addresses_on(link);
        let mut problems = Problems::default();
        problems.keep(self.forget_absent());
        problems.keep(self.refresh_standbys());
        problems.keep(self.watch_all());
        self.resolve(false);
        problems.into_result()
    }

    /// The heartbeat thread, or its worker, cannot send by a NIC. It is told to try again, as long as it fails.
    pub(super) fn on_nic_failed(&mut self, name: String, error: String) {
        if let Some(link) = self.network.links.get(&name).cloned() {
            self.cannot_manage(&link, &anyhow::anyhow!(error));
            self.unopened.insert(name);
        }
    }

    /// Has those opened that could not be.
    pub(super) fn open_unopened(&mut self) {
        for name in std::mem::take(&mut self.unopened) {
            if self.attached.contains_key(&name)
                && let Some(link) = self.network.links.get(&name)
            {
                self.monitor.open_nic(link.index, &name);
            }
        }
    }

    /// It is tried again and again; people are told once.
    fn cannot_manage(&mut self, link: &Link, error: &anyhow::Error) {
        let error = format!("{error:#}");
        let told = self.unmanageable.insert(link.name.clone(), error.clone());
        if told.as_ref() != Some(&error) {
            self.record(
                None,
                EventKind::Error,
                serde_json::json!({ "nic": link.name, "error": error }),
            );
        }
    }
}

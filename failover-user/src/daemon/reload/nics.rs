//! The NICs that another configuration needs, and those that it does not need any more.

use std::{collections::BTreeSet, net::IpAddr};

use failover_ebpf::abi::{Held, Nic};
use serde_json::json;

use super::super::{Daemon, nics};
use crate::{
    config::Config,
    events::EventKind,
    net::{self, links::Link},
};

impl Daemon {
    /// Puts the program on the NICs that are needed from now on, where it passes everything until it is told more. If one
    /// refuses, none of them has it.
    pub(super) async fn try_nics(&mut self, config: &Config, links: &[Link]) -> anyhow::Result<()> {
        let managed = self.managed();
        let needed: Vec<String> = nics::managed(config, &self.network)
            .into_iter()
            .filter(|name| !managed.contains(name) && !self.attached.contains_key(name))
            .collect();
        let mut tried = Vec::new();
        for name in &needed {
            // The kernel may not have told of a NIC yet that it has listed.
            let listed = links.iter().find(|link| link.name == *name);
            let Some(link) = self.network.links.get(name).or(listed).cloned() else {
                continue;
            };
            tried.push(name);
            if let Err(error) = self.try_nic(&link).await {
                for name in tried {
                    if let Err(error) = self.program.detach(name) {
                        tracing::warn!(nic = name, error = %format!("{error:#}"), "the program stays on it");
                    }
                }
                self.forget_absent()?;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn try_nic(&mut self, link: &Link) -> anyhow::Result<()> {
        let nic = Nic {
            mac: link.mac,
            mtu: link.mtu,
            ..Nic::default()
        };
        self.maps.set_nic(link.index, nic)?;
        self.attach(link).await.map(drop)
    }

    /// Whether our reflector answers on them may have changed.
    pub(super) fn rewrite_nics(&mut self) -> anyhow::Result<()> {
        for name in self.attached.keys() {
            if let Some(link) = self.network.links.get(name) {
                self.maps.set_nic(link.index, self.nic(link))?;
            }
        }
        Ok(())
    }

    /// Takes the program off the NICs that were needed before, and are not needed any more. One that has to do with an
    /// address that is held keeps it.
    pub(super) async fn release_nics(
        &mut self,
        before: &BTreeSet<String>,
        held: &[(IpAddr, Held)],
    ) -> anyhow::Result<()> {
        self.kept = self.nics_of_strays(held);
        let now = self.managed();
        self.unmanageable.retain(|name, _| now.contains(name));
        for name in before.difference(&now) {
            let Some(link) = self.network.links.get(name).cloned() else {
                continue;
            };
            let in_use = held
                .iter()
                .any(|(_, held)| held.nic == link.index || held.out == link.index);
            if in_use || self.attached.remove(name).is_none() {
                continue;
            }
            self.program.detach(name)?;
            self.monitor.close_nic(link.index);
            self.senders.close(link.index);
            net::tables::clear(&self.netlink, link.index).await?;
            let fields = json!({ "nic": name, "xdp_mode": "none", "carrier": link.usable() });
            self.record(None, EventKind::Nic, fields);
        }
        self.forget_absent()
    }
}

//! What the policy says, done.

use std::net::IpAddr;

use anyhow::anyhow;
use bytes::Bytes;
use failover_ebpf::abi::{Held, held, held_flag};
use serde_json::json;

use super::{Daemon, layout, plans};
use crate::{
    events::EventKind,
    monitor::{
        claimant::{RECENT, claimed_since, is_elsewhere, read_mac, waits_for},
        clock,
    },
    net::{
        announce::{announcement, probe},
        batch::Batch,
    },
    policy::{Action, Input, UnitId},
};

impl Daemon {
    /// Performs an action. What is done at once gives its result as the next input; takeovers report later.
    pub(super) fn perform(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Arm { unit, armed } => {
                self.monitor.arm(unit, armed);
                None
            }
            Action::TakeOver { unit, cause } => {
                self.monitor.take_over(unit, cause);
                None
            }
            Action::Yield { unit } => {
                let addresses = self.let_find_free(unit).unwrap_or_else(|error| {
                    tracing::error!(error = %format!("{error:#}"), "the source is not let find its addresses free");
                    Vec::new()
                });
                Some(Input::Yielded { unit, addresses })
            }
            Action::Drain { unit } => {
                crate::fault::point("failback:drain");
                let result = self.drain(unit);
                crate::fault::point("failback:drained");
                self.note_failback(unit, &result);
                self.stepped(unit, "drain", result)
            }
            Action::LetGo { unit } => {
                let result = self.let_go(unit);
                self.note_failback(unit, &result);
                self.stepped(unit, "let-go", result)
            }
            Action::Probe { unit } => {
                self.monitor.probe(unit);
                None
            }
            Action::Inquire { unit, round } => {
                self.inquire(unit, round);
                None
            }
            Action::Defend { unit, ip } => {
                self.defend(unit, ip);
                None
            }
            Action::Reassure { ip, .. } => {
                self.reassure(ip);
                None
            }
            Action::Introduce { ip, mac, .. } => {
                match read_mac(&mac) {
                    Some(mac) => self.introduce(ip, mac),
                    None => tracing::error!(%ip, mac, "no MAC, so that nobody is told who has it"),
                }
                None
            }
            Action::AnnounceSource { unit } => {
                self.announce_source(unit);
                None
            }
            Action::RunHook {
                unit,
                hook,
                state,
                cause,
            } => {
                self.run_hook(unit, hook, state, &cause);
                None
            }
            Action::RemoveAddresses { unit } => {
                crate::fault::point("failback:remove");
                let result = self.remove_addresses(unit);
                crate::fault::point("failback:removed");
                self.settle_failback(unit, &result);
                self.stepped(unit, "addresses-removed", result)
            }
            Action::Forget { unit } => {
                crate::fault::point("failback:forget");
                let result = self.forget(unit);
                crate::fault::point("failback:forgotten");
                self.stepped(unit, "done", result)
            }
            Action::Announce { unit } => {
                crate::fault::point("announce:begin");
                self.announce(unit);
                crate::fault::point("announce:sent");
                None
            }
            Action::Transition {
                unit,
                from,
                to,
                cause,
            } => {
                self.transition(unit, from, to, &cause);
                None
            }
        }
    }

    fn stepped(&mut self, unit: UnitId, step: &str, result: anyhow::Result<()>) -> Option<Input> {
        let error = result.err().map(|error| format!("{error:#}"));
        let mut fields = json!({ "step": step, "at_ns": clock::now() });
        if let Some(error) = &error {
            fields["error"] = json!(error);
        }
        self.record(Some(unit), EventKind::Failback, fields);
        Some(Input::StepDone { unit, error })
    }

    /// The addresses of a unit that are held, with how.
    pub(super) fn held(&self, unit: UnitId) -> anyhow::Result<Vec<(IpAddr, Held)>> {
        let mut all = Vec::new();
        for (_, address) in layout::addresses_of(&self.config, unit) {
            if let Some(held) = self.maps.addresses.get(address.ip)? {
                all.push((address.ip, held));
            }
        }
        Ok(all)
    }

    /// The addresses of a unit that are held on NICs that are there.
    pub(super) fn taken(&self, unit: UnitId) -> Vec<String> {
        let held = self.held(unit).unwrap_or_else(|error| {
            tracing::error!(error = %format!("{error:#}"), "it is not known what is held");
            Vec::new()
        });
        held.into_iter()
            .filter(|(_, held)| self.network.by_index(held.nic).is_some())
            .map(|(ip, _)| ip.to_string())
            .collect()
    }

    /// Lets the source find those addresses free that it asks for, and says which. Whatever else comes is still answered.
    fn let_find_free(&mut self, unit: UnitId) -> anyhow::Result<Vec<IpAddr>> {
        self.monitor.abandon(unit);
        let now = clock::now();
        let mut addresses = Vec::new();
        for (ip, held) in self.held(unit)? {
            let source_mac = self.source_mac(unit, ip).unwrap_or(held.source_mac);
            let heard = self.board.get(self.layout.slot(ip));
            if !waits_for(&heard, source_mac, now) {
                continue;
            }
            let entry = Held {
                source_mac,
                flags: held.flags | held_flag::YIELDING,
                ..held
            };
            let lately = now.saturating_sub(RECENT.as_nanos() as u64);
            if claimed_since(&heard, lately).any(|by| by == source_mac) {
                // It may keep off the address only now, and who has heard it before is to be served until it is back.
                self.announce_held(ip, &held);
            }
            self.maps.addresses.set(ip, entry)?;
            addresses.push(ip);
        }
        if !addresses.is_empty() {
            let shown: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            let fields = json!({ "step": "yield", "addresses": shown, "at_ns": now });
            self.record(Some(unit), EventKind::Failback, fields);
        }
        Ok(addresses)
    }

    /// Tells the network that the source has its addresses back, and turns round what still comes here.
    fn drain(&mut self, unit: UnitId) -> anyhow::Result<()> {
        self.monitor.abandon(unit);
        let held = self.held(unit)?;
        let mut unknown = 0;
        let mut announcements = Vec::new();
        for (ip, held) in held {
            let source_mac = self.source_mac(unit, ip).unwrap_or(held.source_mac);
            if source_mac == [0; 6] {
                unknown += 1;
                continue;
            }
            self.maps.addresses.set(
                ip,
                plans::draining(held, source_mac, self.network.by_index(held.nic)),
            )?;
            announcements.push((
                held.nic,
                // Whether the source is a router is its own to say: with its next advertisement.
                announcement(ip, source_mac, held.nic_mac, false),
            ));
            crate::fault::point("failback:entry-turned");
        }
        crate::fault::point("failback:turned");
        // A dead NIC keeps nobody from hearing of the addresses on the others.
        let mut refused = None;
        for (nic, frames) in announcements {
            for frame in frames {
                if let Err(error) = self.senders.send(nic, &frame) {
                    refused.get_or_insert_with(|| {
                        let nic = self.network.by_index(nic);
                        let name = nic.map_or("a NIC that is gone", |link| link.name.as_str());
                        anyhow!("the source was not announced by {name}: {error}")
                    });
                }
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        anyhow::ensure!(
            unknown == 0,
            "the source's MAC is not known for {unknown} addresses: they are given back without a drain"
        );
        Ok(())
    }

    /// Marks the addresses as going back to a source that does not answer: whoever starts now goes on from here.
    fn let_go(&mut self, unit: UnitId) -> anyhow::Result<()> {
        self.monitor.abandon(unit);
        for (ip, held) in self.held(unit)? {
            let link = self.network.by_index(held.nic);
            let entry = plans::draining(held, held.source_mac, link);
            self.maps.addresses.set(ip, entry)?;
        }
        Ok(())
    }

    /// Tells the network where the source is, on the NICs that would have carried its addresses, except for those that another host
    /// has by now.
    fn announce_source(&mut self, unit: UnitId) {
        let mut announced = Vec::new();
        let addresses: Vec<_> = layout::addresses_of(&self.config, unit)
            .map(|(_, address)| (address.ip, address.target_nic.clone()))
            .collect();
        for (ip, nic) in addresses {
            let Some(source_mac) = self.source_mac(unit, ip) else {
                continue;
            };
            let Some(link) = self.network.links.get(&nic) else {
                continue;
            };
            let heard = self.board.get(self.layout.slot(ip));
            if is_elsewhere(&heard, |mac| self.is_of_source(unit, mac), clock::now()) {
                continue;
            }
            for frame in announcement(ip, source_mac, link.mac, false) {
                if let Err(error) = self.senders.send(link.index, &frame) {
                    tracing::warn!(%ip, %error, "the source was not announced");
                }
            }
            announced.push(ip.to_string());
        }
        self.record(
            Some(unit),
            EventKind::SourceAnnounced,
            json!({ "addresses": announced, "at_ns": clock::now() }),
        );
    }

    /// MAC of the source's NIC that carries an address.
    fn source_mac(&self, unit: UnitId, ip: IpAddr) -> Option<[u8; 6]> {
        let (path, _) =
            layout::addresses_of(&self.config, unit).find(|(_, address)| address.ip == ip)?;
        let path = &self.config.sources[path.source].paths[path.path];
        self.network.source_mac(&path.nic, path.monitor)
    }

    fn remove_addresses(&mut self, unit: UnitId) -> anyhow::Result<()> {
        self.monitor.abandon(unit);
        let mut batch = Batch::builder();
        for (_, address) in layout::addresses_of(&self.config, unit) {
            let index = match self.maps.addresses.get(address.ip)? {
                Some(held) => held.nic,
                None => continue,
            };
            // Whatever the configuration says now, an earlier one may have had it delivered here.
            batch = batch.remove_held(index, address.ip);
        }
        let batch = batch.build();
        // Whatever stays is looked for behind it.
        self.leftovers = true;
        if batch.requests().is_empty() {
            return Ok(());
        }
        let removed = self.batches.execute(&batch);
        self.forget_undrained(unit)?;
        Ok(removed?)
    }

    /// Addresses of which nobody knows where the source has them: XDP would go on answering for them, and what comes has
    /// nobody to be turned round to. The source is left to answer for itself.
    fn forget_undrained(&mut self, unit: UnitId) -> anyhow::Result<()> {
        for (ip, held) in self.held(unit)? {
            if held.mode != held::DRAIN || held.next_hop == [0; 6] {
                self.maps.addresses.remove(ip)?;
                self.maps.clear_traffic(held.slot)?;
            }
        }
        Ok(())
    }

    fn forget(&mut self, unit: UnitId) -> anyhow::Result<()> {
        for (ip, held) in self.held(unit)? {
            self.maps.addresses.remove(ip)?;
            self.maps.clear_traffic(held.slot)?;
            crate::fault::point("failback:entry-forgotten");
        }
        Ok(())
    }

    /// Probes for what is held, by which another failover host knows us.
    pub(super) fn probe_held(&mut self, unit: UnitId) {
        let held = self.held(unit).unwrap_or_else(|error| {
            tracing::error!(error = %format!("{error:#}"), "held addresses are not probed for");
            Vec::new()
        });
        for (ip, held) in held {
            if let Err(error) = self.senders.send(held.nic, &probe(ip, held.nic_mac)) {
                tracing::debug!(%ip, %error, "a held address is not probed for");
            }
        }
    }

    /// The frames that tell where a held address is.
    pub(super) fn announcement(&self, ip: IpAddr, held: &Held) -> Vec<Bytes> {
        announcement(ip, held.nic_mac, held.nic_mac, self.is_router_for(held))
    }

    pub(super) fn is_router_for(&self, held: &Held) -> bool {
        let link = self.network.by_index(held.nic);
        link.is_some_and(|link| self.network.is_router(&link.name))
    }

    /// Tells the network where a held address is.
    pub(super) fn announce_held(&mut self, ip: IpAddr, held: &Held) {
        for frame in self.announcement(ip, held) {
            if let Err(error) = self.senders.send(held.nic, &frame) {
                tracing::warn!(%ip, %error, "an announcement was not sent");
            }
        }
    }

    /// Tells the network again where the held addresses are.
    pub(super) fn announce(&mut self, unit: UnitId) {
        let held = match self.held(unit) {
            Ok(held) => held,
            Err(error) => {
                tracing::error!(error = %format!("{error:#}"), "held addresses are not announced");
                return;
            }
        };
        let mut announced = Vec::new();
        for (ip, held) in held
            .into_iter()
            .filter(|(_, held)| held.mode != held::DRAIN && held.flags & held_flag::YIELDING == 0)
        {
            self.announce_held(ip, &held);
            announced.push(ip.to_string());
        }
        self.record(
            Some(unit),
            EventKind::Announced,
            json!({ "addresses": announced }),
        );
    }
}

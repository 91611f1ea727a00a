//! Who has the addresses: probes out, what was heard in, and the map of the identity behind it.

use std::{collections::BTreeSet, net::IpAddr};

use bytes::Bytes;
use failover_ebpf::{
    abi::{Heard, health as flag},
    health::{Fence, fence},
};
use serde_json::json;

use super::{super::Daemon, slots};
use crate::{
    control::event_kind::EventKind,
    monitor::{claimant::show_mac, clock},
    net::{
        announce::{announcement, probe},
        links::Link,
        unresolved,
    },
    reflector::custody::{Act, Standing},
};

impl Daemon {
    /// Looks after everything that time brings about.
    pub(in super::super) fn on_side_clock(&mut self) {
        self.side.looked_ns = clock::now();
        // The flag first: the thread says that it was late before it sets the flag, and whichever of the two is seen means that
        // nothing is known any more.
        let unproven = self.side.board.get().flags & flag::UNPROVEN != 0;
        let late = self
            .side
            .dead_man
            .as_ref()
            .is_some_and(|one| one.was_late());
        if late {
            self.record(
                None,
                EventKind::StoodStill,
                json!({ "at_ns": clock::now() }),
            );
        }
        if late || unproven {
            let acts = self.side.custody.doubt();
            self.carry_out_acts(acts);
            // By now each address says for itself that it is withheld.
            self.side.board.clear(flag::UNPROVEN);
        }
        let board = &self.board;
        let known: Vec<(IpAddr, Heard)> = slots(&self.config)
            .map(|(ip, slot)| (ip, board.get(slot)))
            .collect();
        let heard = |ip| {
            let found = known.iter().find(|(other, _)| *other == ip);
            found.map_or_else(Heard::default, |(_, heard)| *heard)
        };
        let acts = self.side.custody.on_clock(clock::now(), heard);
        self.carry_out_acts(acts);
        self.follow_fence();
        self.tell_of_gate();
    }

    /// Frames that are made by hand pass no fence: heartbeats and questions of this host must not speak for an address that
    /// it keeps off. A path without another one is as one whose own address is lost.
    pub(super) fn follow_fence(&mut self) {
        if self.learn_fence() {
            self.refresh_plans();
            let result = self.watch_all();
            self.note(result);
        }
    }

    /// Takes note of the addresses that this host keeps off; whether they are others than before.
    pub(super) fn learn_fence(&mut self) -> bool {
        let side = &self.side;
        let kept_off: BTreeSet<IpAddr> = match fence(&side.board.get(), clock::now()) {
            Fence::Open => BTreeSet::new(),
            Fence::Some => side.withheld.clone(),
            Fence::All => side.custody.addresses().collect(),
        };
        let before = std::mem::replace(&mut self.network.kept_off, kept_off);
        before != self.network.kept_off
    }

    /// NICs have changed: behind a dead link nobody is heard.
    pub(in super::super) fn follow_links(&mut self) {
        for ip in self.side.custody.addresses().collect::<Vec<_>>() {
            let link = self.has_link(ip);
            let acts = self.side.custody.set_link(ip, link);
            self.carry_out_acts(acts);
        }
        self.follow_fence();
    }

    /// Whether the NIC that has an address can be heard by others.
    pub(super) fn has_link(&self, ip: IpAddr) -> bool {
        self.link_of(ip).is_some_and(Link::usable)
    }

    /// The reflector's NIC that has an address, or the first of them: an address may come later.
    fn link_of(&self, ip: IpAddr) -> Option<&Link> {
        let reflector = self.config.reflector.as_ref()?;
        let mut links = reflector
            .nics
            .iter()
            .filter_map(|name| self.network.links.get(name));
        let has = |link: &&Link| link.addresses.iter().any(|(own, _)| *own == ip);
        links.clone().find(has).or_else(|| links.next())
    }

    /// Does what the custody says, in this order.
    pub(super) fn carry_out_acts(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Probe(ip) => {
                    if !self.send_for(ip, |link| vec![probe(ip, link.mac)]) {
                        self.side.custody.not_sent(ip);
                    }
                }
                Act::Announce(ip) => {
                    let router = self
                        .link_of(ip)
                        .is_some_and(|link| self.network.is_router(&link.name));
                    if self.send_for(ip, |link| announcement(ip, link.mac, link.mac, router)) {
                        let fields = json!({ "address": ip.to_string(), "at_ns": clock::now() });
                        self.record(None, EventKind::OwnAnnounced, fields);
                    }
                }
                Act::Write(ip, flags) => self.write_identity(ip, flags),
                Act::Tell(ip, standing) => self.tell_of_custody(ip, standing),
            }
        }
    }

    /// Whether all of it was sent.
    fn send_for(&mut self, ip: IpAddr, frames: impl FnOnce(&Link) -> Vec<Bytes>) -> bool {
        let Some(link) = self.link_of(ip) else {
            return false;
        };
        let (index, frames) = (link.index, frames(link));
        let mut sent = true;
        for frame in frames {
            if let Err(error) = self.senders.send(index, &frame) {
                tracing::debug!(%ip, %error, "nothing was sent about an address of this host");
                sent = false;
            }
        }
        sent
    }

    /// The summary before the entry when an address is withheld, and behind it when it is freed.
    fn write_identity(&mut self, ip: IpAddr, flags: u32) {
        if flags != 0 {
            self.side.withheld.insert(ip);
            self.put_withheld();
        }
        if let Err(error) = self.maps.set_identity(ip, flags) {
            tracing::error!(%ip, error = %format!("{error:#}"), "the fence does not follow");
            return;
        }
        if flags == 0 && self.side.withheld.remove(&ip) {
            self.put_withheld();
            self.ask_anew(ip);
        }
    }

    /// Whom the kernel has asked for in vain behind the fence it asks for at once, when it has something to say.
    fn ask_anew(&self, ip: IpAddr) {
        let Some(link) = self.link_of(ip) else {
            return;
        };
        match unresolved::forget(link.index) {
            Ok(neighbours) => tracing::debug!(%ip, neighbours, "neighbours are asked for anew"),
            Err(error) => {
                tracing::warn!(%ip, %error, "neighbours are not asked for anew: the first replies may be late");
            }
        }
    }

    /// Whether any entry is to be looked at.
    pub(super) fn put_withheld(&self) {
        let any = !self.side.withheld.is_empty();
        self.side.board.put(flag::WITHHELD, any);
    }

    fn tell_of_custody(&self, ip: IpAddr, standing: Standing) {
        let mut fields = json!({ "address": ip.to_string(), "at_ns": clock::now() });
        match standing {
            Standing::Ours => fields["standing"] = json!("ours"),
            Standing::Asking { .. } => fields["standing"] = json!("asking"),
            Standing::Elsewhere { by } => {
                fields["standing"] = json!("elsewhere");
                fields["by"] = json!(show_mac(by));
            }
        }
        self.record(None, EventKind::Custody, fields);
    }
}

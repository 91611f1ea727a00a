//! Another host claims what this one holds.

use std::net::IpAddr;

use failover_ebpf::abi::Claim;
use serde_json::json;

use super::{Daemon, layout};
use crate::{
    bpf::keys::ip,
    events::EventKind,
    monitor::{
        claimant::{Heeded, claimant, heeded, show_mac},
        clock,
    },
    policy::{Claimant, Input, UnitId},
};

impl Daemon {
    pub(super) fn on_claim(&mut self, claim: &Claim) {
        let now = clock::now();
        let ip = ip(&claim.ip);
        let path = layout::addresses(&self.config)
            .find(|(_, address)| address.ip == ip)
            .map(|(path, _)| path);
        let Some(path) = path else {
            return;
        };
        let unit = layout::unit_of(&self.config, path);
        let by = self.claimant(unit, ip, claim.mac, now);
        match heeded(claim.at_ns, by, now) {
            Heeded::No => return,
            Heeded::Later { again_ns } => {
                self.introduce(ip, claim.mac);
                self.strangers.push_back((again_ns, *claim));
                return;
            }
            Heeded::Yes => {}
        }
        let mac = show_mac(claim.mac);
        self.record(
            Some(unit),
            EventKind::Claim,
            json!({
                "address": ip.to_string(),
                "mac": mac,
                "by": by,
                "nic": self.network.by_index(claim.nic).map(|link| link.name.as_str()),
                "at_ns": claim.at_ns,
            }),
        );
        self.feed(Input::Claim { unit, ip, mac, by });
    }

    /// Claims by hosts that nobody knew when they were heard are due: by now it is known whether they are other failover hosts.
    pub(super) fn look_at_strangers(&mut self) {
        let now = clock::now();
        while self.strangers.front().is_some_and(|(due, _)| *due <= now)
            && let Some((_, claim)) = self.strangers.pop_front()
        {
            self.on_claim(&claim);
        }
    }

    /// When [`Self::look_at_strangers`] has something to do.
    pub(super) fn strangers_due(&self) -> Option<u64> {
        self.strangers.front().map(|(due, _)| *due)
    }

    /// Who a MAC belongs to.
    fn claimant(&self, unit: UnitId, ip: IpAddr, mac: [u8; 6], now: u64) -> Claimant {
        let held = self.maps.addresses.get(ip).unwrap_or_else(|error| {
            tracing::error!(%ip, error = %format!("{error:#}"), "it is not known how an address is held");
            None
        });
        let others = layout::addresses_of(&self.config, unit).map(|(_, address)| address.ip);
        let heard = std::iter::once(ip)
            .chain(others)
            .map(|ip| self.board.get(self.layout.slot(ip)));
        claimant(mac, held.as_ref(), self.is_of_source(unit, mac), heard, now)
    }

    /// Whether a MAC is known to be one of the source's.
    pub(super) fn is_of_source(&self, unit: UnitId, mac: [u8; 6]) -> bool {
        layout::paths(&self.config)
            .filter(|(id, ..)| id.source == unit.source)
            .any(|(_, _, path)| self.network.source_mac(&path.nic, path.monitor) == Some(mac))
    }
}

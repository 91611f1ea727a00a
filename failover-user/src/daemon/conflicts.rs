//! Another host claims what this one holds.

use std::{net::IpAddr, time::Duration};

use failover_ebpf::abi::Claim;
use serde_json::json;

use super::{Daemon, layout};
use crate::{
    bpf::keys::ip,
    events::EventKind,
    monitor::clock,
    policy::{Claimant, DEFEND_INTERVAL, Input, UnitId},
};

/// A failover host that has probed for an address in this time is one that takes or defends it.
pub(super) const PROBED_LATELY: Duration = DEFEND_INTERVAL.saturating_add(RECENT);

/// A claim that is older was made while no daemon ran, or is too old to answer.
const RECENT: Duration = Duration::from_secs(5);

impl Daemon {
    pub(super) fn on_claim(&mut self, claim: &Claim) {
        let now = clock::now();
        if now.saturating_sub(claim.at_ns) > RECENT.as_nanos() as u64 {
            return;
        }
        let ip = ip(&claim.ip);
        let path = layout::addresses(&self.config)
            .find(|(_, address)| address.ip == ip)
            .map(|(path, _)| path);
        let Some(path) = path else {
            return;
        };
        let unit = layout::unit_of(&self.config, path);
        let by = self.claimant(unit, ip, claim.mac, now);
        let mac = claim.mac.map(|octet| format!("{octet:02x}")).join(":");
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

    /// Who a MAC belongs to. A failover host probes for what it defends, which nobody else does for an address that he has.
    fn claimant(&self, unit: UnitId, ip: IpAddr, mac: [u8; 6], now: u64) -> Claimant {
        let held = self.maps.addresses.get(ip).unwrap_or_else(|error| {
            tracing::error!(%ip, error = %format!("{error:#}"), "it is not known how an address is held");
            None
        });
        let of_source = layout::paths(&self.config)
            .filter(|(id, ..)| id.source == unit.source)
            .any(|(_, _, path)| self.network.source_mac(&path.nic, path.monitor) == Some(mac));
        if of_source || held.is_some_and(|held| held.source_mac == mac) {
            return Claimant::Source;
        }
        let heard = self.board.get(self.layout.slot(ip));
        let lately = PROBED_LATELY.as_nanos() as u64;
        let probed = heard.probed_by == mac && now.saturating_sub(heard.probed_ns) < lately;
        match held {
            Some(held) if probed => Claimant::Peer {
                keeps: mac < held.nic_mac,
            },
            Some(_) | None => Claimant::Stranger,
        }
    }
}

//! Who is the source, and who only has its address: another failover host takes it, with a MAC of its own.

use std::net::IpAddr;

use super::{Daemon, layout, network::Mac};
use crate::{
    config::Probe,
    monitor::{claimant::PROBED_LATELY, clock},
    policy::{PathId, PathState, State},
};

impl Daemon {
    /// Whether a MAC that has the monitored address now is that of a host which stands in for the source. Heartbeats must not
    /// go there.
    ///
    /// A failover host probes for what it takes. Later, the S-BFD reflector of a host that stands in does not answer for the
    /// address, so that asking it does no harm, and a source that has come back with another NIC is found; an echo request it
    /// would answer like the source.
    pub(super) fn is_stand_in(&self, id: PathId, ip: IpAddr, mac: Mac) -> bool {
        let heard = self
            .layout
            .listened_slot(ip)
            .map(|slot| self.board.get(slot));
        let probed = heard.is_some_and(|heard| {
            let ago_ns = clock::now().saturating_sub(heard.probed_ns);
            heard.probed_by == mac && ago_ns < PROBED_LATELY.as_nanos() as u64
        });
        let elsewhere = || {
            let unit = layout::unit_of(&self.config, id);
            let proves_itself = self.config.sources[id.source].probe == Probe::Sbfd;
            !proves_itself && self.policy.state(unit) == Some(State::HeldElsewhere)
        };
        let path = &self.config.sources[id.source].paths[id.path];
        self.network.source_mac(&path.nic, path.monitor) != Some(mac) && (probed || elsewhere())
    }

    /// Takes the MACs that heartbeats are answered from for those of the sources.
    pub(super) fn know_sources(&mut self) {
        let mut news = Vec::new();
        for (id, source, path) in layout::paths(&self.config) {
            let key = (path.nic.clone(), path.monitor);
            let Some(mac) = self.network.neighbours.get(&key) else {
                continue;
            };
            if self.network.sources.get(&key) == Some(mac)
                || self.paths.get(&id) != Some(&PathState::Up)
            {
                continue;
            }
            // An answer that comes earlier may be to a request that went to the MAC before.
            let turned_ns = self.turned_ns.get(&id).copied().unwrap_or(0);
            let since_ns = turned_ns.saturating_add(source.interval.as_nanos() as u64);
            if self.sessions.last_reply(self.layout.session(id)) > since_ns {
                news.push((key, *mac));
            }
        }
        let known = |daemon: &Self, nic: &str, ip| daemon.network.source_mac(nic, ip);
        let differs = news
            .iter()
            .any(|((nic, ip), mac)| known(self, nic, *ip) != Some(*mac));
        self.network.sources.extend(news);
        if differs {
            self.refresh_plans();
        }
    }
}

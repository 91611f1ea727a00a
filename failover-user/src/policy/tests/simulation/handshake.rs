//! The source's own side, seen from outside: **f** and **g** of the [`super::checker`].

use failover_ebpf::abi::held_flag;

use super::{network::Host, world::World};
use crate::policy::{Now, State, UnitId};

/// Addresses that a target hands back to a source that waits for them.
#[derive(Debug)]
pub(super) struct Handshake {
    target: usize,
    daemon: u32,
    unit: UnitId,
    lans: Vec<usize>,
    since: Now,
}

impl World {
    /// A target begins to hand addresses back to a source that asks for them.
    pub(super) fn watch_handshake(&mut self, target: usize, unit: UnitId, lans: &[usize]) {
        let served = |lan: &usize| {
            let mac = self.client_mac(*lan);
            mac.is_some_and(|mac| self.serves(*lan, mac).is_some())
        };
        // One that uses some of them beside the target, and may find that out only now, is not what this is about.
        let kept_off = |lan: &usize| self.source.uses_since(*lan).is_none();
        if lans.is_empty() || !lans.iter().all(|lan| served(lan) && kept_off(lan)) {
            return;
        }
        let handshake = Handshake {
            target,
            daemon: self.targets[target].daemons,
            unit,
            lans: lans.to_vec(),
            since: self.now,
        };
        self.checker.handshakes.push(handshake);
    }

    /// While addresses are handed back, and nothing goes wrong, the client is served at every instant.
    pub(super) fn check_handshakes(&mut self) {
        let mut handshakes = std::mem::take(&mut self.checker.handshakes);
        handshakes.retain(|handshake| self.is_undisturbed(handshake));
        let unserved = handshakes.iter().find_map(|handshake| {
            let mut lans = handshake.lans.iter().copied();
            let lan = lans.find(|lan| {
                let mac = self.client_mac(*lan);
                mac.is_some_and(|mac| self.serves(*lan, mac).is_none())
            })?;
            Some((handshake.target, lan))
        });
        self.checker.handshakes = handshakes;
        if let Some((target, lan)) = unserved {
            let words = format!(
                "nobody serves the client while target {target} hands the address of LAN {lan} back"
            );
            self.complain('f', words);
        }
    }

    /// Whether a handshake goes on between hosts with which all has been well since it began.
    fn is_undisturbed(&self, handshake: &Handshake) -> bool {
        let Handshake {
            target,
            daemon,
            unit,
            lans,
            since,
        } = handshake;
        let place = &self.targets[*target];
        let state = place
            .daemon
            .as_ref()
            .and_then(|daemon| daemon.policy.state(*unit));
        let host = Host::Target(*target);
        let pairs = [
            (Host::Client, host),
            (Host::Client, Host::Source),
            (host, Host::Source),
        ];
        let well = |lan: &usize| {
            let clean = pairs.iter().all(|(one, other)| {
                let clean = self.network.clean_since(*lan, *one, *other);
                clean.is_some_and(|clean| clean < *since)
            });
            let others = self.targets.iter().enumerate();
            let alone = others
                .filter(|(other, _)| other != target)
                .all(|(_, other)| other.kernel.held[*lan].is_none());
            clean && alone
        };
        place.daemons == *daemon
            && state == Some(State::FailingBack)
            && self
                .source
                .lives_since()
                .is_some_and(|lives| lives < *since)
            && lans.iter().all(well)
    }

    /// A source with our daemon does not use what a target holds. While it is handed back both serve, until the source has announced
    /// the last of the addresses.
    pub(super) fn check_source_keeps_off(&mut self, lan: usize) {
        let Some(uses) = self.source.uses_since(lan) else {
            return;
        };
        if !self.source.is_careful() {
            return;
        }
        for target in 0..self.targets.len() {
            let place = &self.targets[target];
            let (Some(holds), Some(runs)) = (place.kernel.local_since[lan], &place.daemon) else {
                continue;
            };
            let clean = self
                .network
                .clean_since(lan, Host::Target(target), Host::Source);
            let handed_back =
                place.kernel.held[lan].is_some_and(|entry| entry.flags & held_flag::YIELDING != 0);
            let Some(clean) = clean.filter(|_| !handed_back) else {
                continue;
            };
            let since = uses.max(holds).max(clean).max(runs.born);
            if self.now > since + self.source_may_use_for() {
                let words = format!(
                    "the source uses the address of LAN {lan} since {uses}, which target {target} holds since {holds}"
                );
                return self.complain('g', words);
            }
        }
    }
}

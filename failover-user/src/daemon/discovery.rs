//! What IPv6 neighbour discovery asks of a host that may stand in for others.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Daemon, layout};
use crate::{
    events::EventKind,
    net::{
        announce::solicited_node,
        groups::Membership,
        sysctl::{self, Version},
    },
};

impl Daemon {
    /// Listens to the solicited-node groups of all addresses that may be taken, on the NICs that would take them: who asks
    /// for such an address, or is about to take it, is heard only so. While an address is held the kernel listens as well,
    /// and goes on without this process.
    pub(super) fn refresh_groups(&mut self) {
        let wanted: BTreeSet<Membership> = layout::addresses(&self.config)
            .filter_map(|(_, address)| match address.ip {
                IpAddr::V4(_) => None,
                IpAddr::V6(ip) => {
                    let link = self.network.links.get(&address.target_nic)?;
                    Some((link.index, solicited_node(ip)))
                }
            })
            .collect();
        let refused = self.groups.follow(&wanted);
        let refused: BTreeSet<_> = refused
            .into_iter()
            .map(|((index, group), error)| {
                let nic = self.network.by_index(index).map(|link| link.name.clone());
                let nic = nic.unwrap_or_default();
                (nic, format!("{group} cannot be listened to: {error}"))
            })
            .collect();
        // It is tried whenever something changes; people are told once.
        for (nic, error) in refused.difference(&self.unheard) {
            self.record(
                None,
                EventKind::Error,
                serde_json::json!({ "nic": nic, "error": error }),
            );
        }
        self.unheard = refused;
    }

    /// Takes note of the NICs on which this host is an IPv6 router: there its advertisements say so.
    pub(super) fn refresh_routers(&mut self) {
        let taken = layout::addresses(&self.config)
            .filter(|(_, address)| address.ip.is_ipv6())
            .map(|(_, address)| &address.target_nic);
        let own = self
            .config
            .reflector
            .iter()
            .filter(|reflector| reflector.identity.iter().any(|own| own.ip.is_ipv6()))
            .flat_map(|reflector| &reflector.nics);
        let nics: BTreeSet<String> = taken.chain(own).cloned().collect();
        self.network.routers = nics
            .into_iter()
            // A NIC that is not there, or has no IPv6, is no router's.
            .filter(|nic| {
                sysctl::read(Version::V6, nic, "forwarding").is_ok_and(|value| value != "0")
            })
            .collect();
    }
}

//! A held address that another host claims: who is told what of it.
//!
//! RFC 5227 2.4 limits announcements, which all hosts hear, to one in ten seconds. What is sent to one host alone is none.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use bytes::Bytes;
use failover_ebpf::abi::held;
use serde_json::json;

use super::{Daemon, network::Mac};
use crate::{
    events::EventKind,
    monitor::clock,
    net::{
        announce::{introduction, probe},
        neighbours::NeighbourEvent,
    },
    policy::UnitId,
};

/// Hosts that are told of a held address one by one, at most: more would be a flood of our own.
const MOST_TOLD: usize = 1024;

/// Every neighbour that the kernel has the MAC of, by NIC: the hosts that this one has talked to lately.
#[derive(Debug, Default)]
pub(super) struct Neighbourhood(BTreeMap<(u32, IpAddr), Mac>);

impl Neighbourhood {
    /// Keeps up with the kernel.
    pub(super) fn note(&mut self, event: &NeighbourEvent) {
        let key = (event.ifindex, event.ip);
        match event.mac {
            Some(mac) => self.0.insert(key, mac),
            None => self.0.remove(&key),
        };
    }

    /// MACs of the neighbours on a NIC that speak the version of `ip`.
    fn on(&self, nic: u32, ip: IpAddr) -> BTreeSet<Mac> {
        let here = |((index, known), _): &(&(u32, IpAddr), &Mac)| {
            *index == nic && known.is_ipv4() == ip.is_ipv4()
        };
        self.0.iter().filter(here).map(|(_, mac)| *mac).collect()
    }
}

impl Daemon {
    /// Probes for a held address that another host claims, by which another failover host knows us, and announces it, once
    /// (RFC 5227 2.4).
    pub(super) fn defend(&mut self, unit: UnitId, ip: IpAddr) {
        let held = match self.maps.addresses.get(ip) {
            Ok(Some(held)) if held.mode != held::DRAIN => held,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%ip, error = %format!("{error:#}"), "a held address is not defended");
                return;
            }
        };
        let announcement = self.announcement(ip, &held);
        for frame in [probe(ip, held.nic_mac), announcement[0].clone()] {
            if let Err(error) = self.senders.send(held.nic, &frame) {
                tracing::warn!(%ip, %error, "a held address is not defended");
            }
        }
        self.record(
            Some(unit),
            EventKind::Defended,
            json!({ "address": ip.to_string(), "at_ns": clock::now() }),
        );
    }

    /// Makes this host known to one that claims a held address, and to nobody else: by a probe, as a failover host, and by a
    /// claim, to which it answers likewise, or gives the address up, if it is one.
    pub(super) fn introduce(&mut self, ip: IpAddr, other: [u8; 6]) {
        let held = match self.maps.addresses.get(ip) {
            Ok(Some(held)) if held.mode != held::DRAIN => held,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%ip, error = %format!("{error:#}"), "it is not known how an address is held");
                return;
            }
        };
        for frame in introduction(ip, held.nic_mac, self.is_router_for(&held), other) {
            if let Err(error) = self.senders.send(held.nic, &frame) {
                tracing::warn!(%ip, %error, "whoever claims a held address is not asked who it is");
            }
        }
    }

    /// Tells each neighbour on the NIC that has a held address where it is: another host, which goes on claiming it, may have told
    /// them otherwise.
    pub(super) fn reassure(&mut self, ip: IpAddr) {
        let held = match self.maps.addresses.get(ip) {
            Ok(Some(held)) if held.mode != held::DRAIN => held,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%ip, error = %format!("{error:#}"), "neighbours are not told who has an address");
                return;
            }
        };
        let told: Vec<Mac> = self
            .neighbourhood
            .on(held.nic, ip)
            .into_iter()
            .filter(|mac| *mac != held.source_mac)
            .filter(|mac| !self.network.links.values().any(|link| link.mac == *mac))
            .take(MOST_TOLD)
            .collect();
        let announcement = self.announcement(ip, &held);
        tracing::debug!(%ip, hosts = told.len(), "neighbours are told who has an address");
        for mac in told {
            if let Err(error) = self
                .senders
                .send(held.nic, &straight(&announcement[0], mac))
            {
                tracing::warn!(%ip, %error, "a neighbour is not told who has an address");
            }
        }
    }
}

/// A frame for everybody, sent to one host alone.
fn straight(frame: &Bytes, to: [u8; 6]) -> Bytes {
    [&to[..], &frame[6..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(ifindex: u32, ip: &str, mac: Option<u8>) -> NeighbourEvent {
        NeighbourEvent {
            ifindex,
            ip: ip.parse().expect("an address"),
            mac: mac.map(|last| [2, 0, 0, 0, 0, last]),
        }
    }

    #[test]
    fn neighbours_are_those_of_the_nic_and_of_the_version_each_once() {
        let mut known = Neighbourhood::default();
        for event in [
            event(3, "10.0.0.7", Some(7)),
            event(3, "10.0.0.8", Some(7)),
            event(3, "10.0.0.9", Some(9)),
            event(3, "fd00::7", Some(6)),
            event(4, "10.0.0.7", Some(4)),
            event(3, "10.0.0.9", None),
        ] {
            known.note(&event);
        }

        let here = known.on(3, IpAddr::from([10, 0, 0, 10]));

        assert_eq!(here, BTreeSet::from([[2, 0, 0, 0, 0, 7]]));
    }

    #[test]
    fn a_frame_for_everybody_can_be_sent_to_one() {
        let frame = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);

        let to_one = straight(&frame, [2, 0, 0, 0, 0, 7]);

        assert_eq!(to_one, [2, 0, 0, 0, 0, 7, 1, 2, 3][..]);
    }
}

//! What is known of the network: NICs, neighbours, sources. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use crate::net::{
    links::Link,
    subnet::{is_neighbour, single},
};

/// A MAC address.
pub(super) type Mac = [u8; 6];

/// What is known of the network.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// NICs by name.
    pub(super) links: BTreeMap<String, Link>,
    /// MAC addresses of neighbours, by NIC and address. Kept when a neighbour falls silent.
    pub(super) neighbours: BTreeMap<(String, IpAddr), Mac>,
    /// MAC addresses of sources, by NIC and monitored address: those that heartbeats were answered from. A host that stands
    /// in for a source is a neighbour of that address, too.
    pub(super) sources: BTreeMap<(String, IpAddr), Mac>,
    /// NICs on which this host is an IPv6 router.
    pub(super) routers: BTreeSet<String>,
    /// Addresses on NICs that this host keeps off now: nothing is sent from them.
    pub(super) kept_off: BTreeSet<IpAddr>,
    /// NICs whose driver cannot run the program: generic XDP.
    pub(super) generic: BTreeSet<String>,
}

impl Network {
    /// MAC of a neighbour.
    pub(super) fn mac(&self, nic: &str, ip: IpAddr) -> Option<Mac> {
        self.neighbours.get(&(nic.to_owned(), ip)).copied()
    }

    /// MAC of a source; before its first answers, whoever has the monitored address.
    pub(super) fn source_mac(&self, nic: &str, monitor: IpAddr) -> Option<Mac> {
        let answered = self.sources.get(&(nic.to_owned(), monitor)).copied();
        answered.or_else(|| self.mac(nic, monitor))
    }

    /// The address of ours on a NIC that a neighbour is asked from: one in its subnet, so that a link-local neighbour is
    /// asked from a link-local address, and another one from another. Held addresses are on no subnet, and one that this host
    /// keeps off is not spoken for.
    ///
    /// Of several the first in IPv4, which is the primary one, and the lowest in IPv6, where the order means nothing.
    pub(super) fn own_address(&self, nic: &str, neighbour: IpAddr) -> Option<IpAddr> {
        let link = self.links.get(nic)?;
        let mut own = link
            .addresses
            .iter()
            .filter(|own| is_neighbour(**own, neighbour))
            .map(|(ip, _)| *ip)
            .filter(|ip| !self.kept_off.contains(ip));
        match neighbour {
            IpAddr::V4(_) => own.next(),
            IpAddr::V6(_) => own.min(),
        }
    }

    /// The IPv6 address that whoever has `ip` is asked from: as above, or any of the NIC.
    pub(super) fn asker(&self, link: &Link, ip: IpAddr) -> Option<Ipv6Addr> {
        let near = self.own_address(&link.name, ip);
        let own = link.addresses.iter().filter(|own| own.1 < single(own.0));
        let any = own
            .map(|(ip, _)| *ip)
            .filter(|ip| ip.is_ipv6() && !self.kept_off.contains(ip))
            .min();
        match near.or(any)? {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(ip),
        }
    }

    /// Whether announcements from a NIC say that a router sends them (RFC 4861 7.2.6: as its other advertisements do).
    pub(super) fn is_router(&self, nic: &str) -> bool {
        self.routers.contains(nic)
    }

    /// The NIC with a subnet that a host is on.
    pub(super) fn nic_towards(&self, host: IpAddr) -> Option<&Link> {
        let near = |link: &&Link| link.addresses.iter().any(|own| is_neighbour(*own, host));
        let mut links = self.links.values().filter(|link| !link.loopback);
        links.find(near)
    }

    /// Why packets that come in by a NIC cannot be sent on to a standby server, if they cannot. A driver that cannot run XDP
    /// takes no frames from one that can (`ndo_xdp_xmit`), and the kernel does not say so to the program: all would be lost.
    pub(super) fn no_way_out(&self, nic: &str, standby: IpAddr) -> Option<String> {
        let out = &self.nic_towards(standby)?.name;
        let lost = self.generic.contains(out) && !self.generic.contains(nic);
        lost.then(|| {
            format!(
                "nothing can be sent on from {nic}, with native XDP, to {standby} by {out}, whose driver has only generic XDP: \
                 write xdp = \"generic\" into [daemon], or put the standby server behind another NIC"
            )
        })
    }

    /// The NIC with an index.
    pub(super) fn by_index(&self, index: u32) -> Option<&Link> {
        self.links.values().find(|link| link.index == index)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::daemon) fn link(index: u32, name: &str, address: [u8; 4]) -> Link {
        Link {
            index,
            name: name.to_owned(),
            mac: [2, 0, 0, 0, 0, index as u8],
            mtu: 1500,
            up: true,
            carrier: true,
            loopback: false,
            addresses: vec![(address.into(), 24)],
        }
    }

    pub(in crate::daemon) fn network() -> Network {
        let links = [
            link(1, "ens1", [10, 0, 0, 2]),
            link(2, "ens2", [10, 0, 5, 1]),
        ];
        let mut network = Network {
            links: links
                .into_iter()
                .map(|link| (link.name.clone(), link))
                .collect(),
            neighbours: BTreeMap::new(),
            sources: BTreeMap::new(),
            routers: BTreeSet::new(),
            kept_off: BTreeSet::new(),
            generic: BTreeSet::new(),
        };
        network.neighbours.insert(
            ("ens1".to_owned(), [10, 0, 0, 10].into()),
            [2, 0, 0, 0, 0, 10],
        );
        network.neighbours.insert(
            ("ens2".to_owned(), [10, 0, 5, 20].into()),
            [2, 0, 0, 0, 0, 20],
        );
        network
    }

    #[test]
    fn whoever_claims_the_address_of_a_silent_source_is_not_taken_for_it() {
        let mut network = network();
        let key = ("ens1".to_owned(), IpAddr::from([10, 0, 0, 10]));
        network.sources.insert(key.clone(), [2, 0, 0, 0, 0, 10]);

        network.neighbours.insert(key.clone(), [2, 0, 0, 0, 0, 99]);

        assert_eq!(network.mac(&key.0, key.1), Some([2, 0, 0, 0, 0, 99]));
        assert_eq!(network.source_mac(&key.0, key.1), Some([2, 0, 0, 0, 0, 10]));
    }

    #[test]
    fn a_neighbour_is_asked_from_an_address_of_its_subnet_and_scope() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let mut network = network();
        let link = network.links.get_mut("ens1").expect("a NIC");
        link.addresses = vec![
            (ip("10.0.0.2"), 24),
            (ip("fd00:0:0:1::9"), 64),
            (ip("fd00:0:0:1::2"), 64),
            (ip("fd00:0:0:1::1"), 128),
            (ip("fe80::2"), 64),
        ];

        let asked_from = ["10.0.0.10", "fd00:0:0:1::10", "fe80::10", "fd00:0:0:2::10"]
            .map(|neighbour| network.own_address("ens1", ip(neighbour)));

        let expected = ["10.0.0.2", "fd00:0:0:1::2", "fe80::2"].map(|own| Some(ip(own)));
        assert_eq!(asked_from[..3], expected);
        assert_eq!(asked_from[3], None);
    }

    #[test]
    fn nothing_is_asked_from_an_address_that_this_host_keeps_off() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let mut network = network();
        let link = network.links.get_mut("ens1").expect("a NIC");
        link.addresses = vec![
            (ip("10.0.0.2"), 24),
            (ip("10.0.0.3"), 24),
            (ip("fd00:0:0:1::2"), 64),
        ];
        let link = link.clone();
        let source = ip("10.0.0.10");
        let before = network.own_address("ens1", source);

        network.kept_off = [ip("10.0.0.2"), ip("fd00:0:0:1::2")].into();
        let other = network.own_address("ens1", source);
        let asker = network.asker(&link, ip("fd00:0:0:1::10"));
        network.kept_off.insert(ip("10.0.0.3"));
        let none = network.own_address("ens1", source);

        assert_eq!(before, Some(ip("10.0.0.2")));
        assert_eq!((other, asker, none), (Some(ip("10.0.0.3")), None, None));
        // Where the network is does not depend on who may speak there.
        let towards = network.nic_towards(source).map(|link| link.name.as_str());
        assert_eq!(towards, Some("ens1"));
    }
}

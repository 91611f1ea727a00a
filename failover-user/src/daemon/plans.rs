//! From configuration and the state of the NICs to what a takeover writes. Pure.

use std::{collections::BTreeMap, net::Ipv4Addr};

use failover_ebpf::abi::{Held, held};

use super::layout::{self, Layout};
use crate::{
    config::{Address, Config, Deliver},
    monitor::{Plan, Probe, SLICE, Slice, finding::MAX_PROBES},
    net::{
        RULE_PRIORITY,
        announce::{arp_probe, gratuitous_arp},
        batch::Batch,
        links::Link,
        table_of,
    },
    policy::{PathId, UnitId},
};

/// A MAC address.
pub(super) type Mac = [u8; 6];

/// What is known of the network.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// NICs by name.
    pub(super) links: BTreeMap<String, Link>,
    /// MAC addresses of neighbours, by NIC and address. Kept when a neighbour falls silent.
    pub(super) neighbours: BTreeMap<(String, Ipv4Addr), Mac>,
}

impl Network {
    /// MAC of a neighbour.
    pub(super) fn mac(&self, nic: &str, ip: Ipv4Addr) -> Option<Mac> {
        self.neighbours.get(&(nic.to_owned(), ip)).copied()
    }

    /// The address of ours on a NIC that a neighbour is asked from. Held addresses are /32 and on no subnet.
    pub(super) fn own_address(&self, nic: &str, neighbour: Ipv4Addr) -> Option<Ipv4Addr> {
        let link = self.links.get(nic)?;
        link.addresses
            .iter()
            .find(|(ip, prefix)| same_subnet(*ip, neighbour, *prefix))
            .map(|(ip, _)| *ip)
    }

    /// The NIC with a subnet that a host is on.
    pub(super) fn nic_towards(&self, host: Ipv4Addr) -> Option<&Link> {
        self.links
            .values()
            .find(|link| !link.loopback && self.own_address(&link.name, host).is_some())
    }

    /// The NIC with an index.
    pub(super) fn by_index(&self, index: u32) -> Option<&Link> {
        self.links.values().find(|link| link.index == index)
    }
}

/// Whether two addresses are on one subnet that is more than a single address.
fn same_subnet(own: Ipv4Addr, other: Ipv4Addr, prefix: u8) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    prefix < 32 && own.to_bits() & mask == other.to_bits() & mask
}

/// What taking a unit over does, as far as its NICs are there.
pub(super) fn plan(config: &Config, layout: &Layout, network: &Network, unit: UnitId) -> Plan {
    let mut taken = Vec::new();
    let mut skipped = Vec::new();
    for (path, address) in layout::addresses_of(config, unit) {
        match network.links.get(&address.target_nic) {
            Some(link) => taken.push((path, address, link)),
            None => skipped.push((address.ip, address.target_nic.clone())),
        }
    }
    let slices = taken
        .chunks(SLICE)
        .map(|part| slice(config, layout, network, part))
        .collect();
    Plan {
        unit,
        slices,
        skipped,
        probes: probes(layout, &taken),
        source_macs: source_macs(config, network, unit.source),
        l2_alive: config.sources[unit.source].l2_alive,
    }
}

/// An address that is taken, and where.
type Taken<'a> = (PathId, &'a Address, &'a Link);

fn slice(config: &Config, layout: &Layout, network: &Network, part: &[Taken]) -> Slice {
    let mut batch = Batch::builder();
    let mut entries = Vec::new();
    let mut requests = Vec::new();
    let mut replies = Vec::new();
    for &(path, address, link) in part {
        if address.deliver == Deliver::Local {
            batch = batch.add_address(link.index, address.ip);
        }
        batch = batch.add_rule(address.ip, table_of(link.index), RULE_PRIORITY);
        let configured = &config.sources[path.source].paths[path.path];
        let source_mac = network
            .mac(&configured.nic, configured.monitor)
            .unwrap_or_default();
        entries.push((
            address.ip,
            entry(address, layout, network, link, source_mac),
        ));
        let [request, reply] = gratuitous_arp(address.ip, link.mac, link.mac);
        requests.push((link.index, request));
        replies.push((link.index, reply));
    }
    // Each address once before any of them twice.
    requests.append(&mut replies);
    Slice {
        batch: batch.build(),
        entries,
        announcements: requests,
    }
}

/// ARP probes for addresses, one NIC after the other.
fn probes(layout: &Layout, taken: &[Taken]) -> Vec<Probe> {
    let mut probes: Vec<Probe> = taken
        .iter()
        .take(MAX_PROBES)
        .map(|(_, address, link)| Probe {
            nic: link.index,
            frame: arp_probe(address.ip, link.mac),
            slot: layout.slot(address.ip),
            ip: address.ip,
            own_mac: link.mac,
        })
        .collect();
    probes.sort_by_key(|probe| probe.nic);
    probes
}

/// What is known of a source's NICs.
fn source_macs(config: &Config, network: &Network, source: usize) -> Vec<Mac> {
    let paths = config.sources[source].paths.iter();
    paths
        .filter_map(|path| network.mac(&path.nic, path.monitor))
        .collect()
}

fn entry(
    address: &Address,
    layout: &Layout,
    network: &Network,
    link: &Link,
    source_mac: Mac,
) -> Held {
    let here = Held {
        mode: held::LOCAL,
        nic: link.index,
        out: link.index,
        out_mtu: link.mtu,
        slot: layout.slot(address.ip),
        prefix: u32::from(address.prefix),
        nic_mac: link.mac,
        out_mac: link.mac,
        next_hop: [0; 6],
        source_mac,
        ..Held::default()
    };
    match address.deliver {
        Deliver::Local => here,
        Deliver::Forward(standby) => {
            let forward = Held {
                mode: held::FORWARD,
                ..here
            };
            match network.nic_towards(standby) {
                Some(out) => Held {
                    out: out.index,
                    out_mtu: out.mtu,
                    out_mac: out.mac,
                    next_hop: network.mac(&out.name, standby).unwrap_or_default(),
                    ..forward
                },
                None => forward,
            }
        }
    }
}

/// How a held address is given back to a source that answers: packets are turned round to it on the chosen NIC.
pub(super) fn draining(held: Held, source_mac: Mac, link: Option<&Link>) -> Held {
    Held {
        mode: held::DRAIN,
        out: held.nic,
        out_mtu: link.map_or(held.out_mtu, |link| link.mtu),
        out_mac: held.nic_mac,
        next_hop: source_mac,
        source_mac,
        ..held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn link(index: u32, name: &str, address: [u8; 4]) -> Link {
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

    fn network() -> Network {
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

    const TEXT: &str = r#"
        [[source]]
        name = "a"
        [[source.path]]
        monitor = "10.0.0.10"
        nic = "ens1"
        target_nic = "ens1"
        addresses = [
            "10.0.0.10/24",
            { ip = "10.0.0.11/24", target_nic = "ens2" },
            { ip = "10.0.0.12/24", deliver = { forward = "10.0.5.20" } },
        ]
    "#;

    fn planned() -> Plan {
        let config = config::parse("test.toml", TEXT)
            .expect("a good configuration")
            .config;
        let layout = Layout::new(&config, &BTreeMap::new());
        plan(
            &config,
            &layout,
            &network(),
            UnitId {
                source: 0,
                path: None,
            },
        )
    }

    #[test]
    fn each_address_goes_to_the_nic_that_the_configuration_names() {
        let plan = planned();

        let nics: Vec<_> = plan.slices[0]
            .entries
            .iter()
            .map(|(ip, held)| (ip.octets()[3], held.nic, held.nic_mac[5]))
            .collect();
        assert_eq!(nics, [(10, 1, 1), (11, 2, 2), (12, 1, 1)]);
    }

    #[test]
    fn a_forwarded_address_is_not_put_on_this_host() {
        let plan = planned();

        let (_, forwarded) = plan.slices[0].entries[2];
        assert_eq!(
            (forwarded.mode, forwarded.out, forwarded.next_hop[5]),
            (held::FORWARD, 2, 20)
        );
        // Two addresses and three rules.
        assert_eq!(plan.slices[0].batch.requests().len(), 5);
    }

    #[test]
    fn every_address_is_announced_as_a_request_before_any_is_as_a_reply() {
        let plan = planned();

        let operations: Vec<u8> = plan.slices[0]
            .announcements
            .iter()
            .map(|(_, frame)| frame[21])
            .collect();
        assert_eq!(operations, [1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn the_sources_mac_is_kept_for_failback() {
        let plan = planned();

        let back = draining(
            plan.slices[0].entries[1].1,
            plan.slices[0].entries[1].1.source_mac,
            None,
        );
        assert_eq!(
            (back.mode, back.out, back.next_hop),
            (held::DRAIN, 2, [2, 0, 0, 0, 0, 10])
        );
    }

    #[test]
    fn every_address_is_asked_for_by_the_nic_that_takes_it() {
        let plan = planned();

        let probes: Vec<_> = plan
            .probes
            .iter()
            .map(|probe| {
                (
                    probe.nic,
                    probe.ip.octets()[3],
                    probe.slot,
                    probe.own_mac[5],
                )
            })
            .collect();
        assert_eq!(probes, [(1, 10, 0, 1), (1, 12, 2, 1), (2, 11, 1, 2)]);
        assert_eq!(plan.source_macs, [[2, 0, 0, 0, 0, 10]]);
    }

    #[test]
    fn a_thousand_addresses_are_taken_slice_by_slice_and_the_first_of_them_are_asked_for() {
        let addresses: Vec<String> = (0..1000u32)
            .map(|n| format!("\"{}/8\"", Ipv4Addr::from_bits(0x0a01_0000 + n)))
            .collect();
        let text = format!(
            "[[source]]\nname = \"a\"\n[[source.path]]\nmonitor = \"10.0.0.10\"\ntarget_nic = \"ens1\"\naddresses = [{}]\n",
            addresses.join(",")
        );
        let config = config::parse("test.toml", &text)
            .expect("a good configuration")
            .config;
        let unit = UnitId {
            source: 0,
            path: None,
        };

        let plan = plan(
            &config,
            &Layout::new(&config, &BTreeMap::new()),
            &network(),
            unit,
        );

        let of_slices: Vec<_> = plan
            .slices
            .iter()
            .map(|slice| {
                let announced = slice.announcements.len();
                (slice.entries.len(), slice.batch.requests().len(), announced)
            })
            .collect();
        let full = (SLICE, 2 * SLICE, 2 * SLICE);
        assert!(of_slices[..1000 / SLICE].iter().all(|slice| *slice == full));
        assert_eq!(of_slices.iter().map(|slice| slice.0).sum::<usize>(), 1000);
        assert_eq!(plan.probes.len(), MAX_PROBES);
    }
}

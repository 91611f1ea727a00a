//! From configuration and the state of the NICs to what a takeover writes. Pure.

use std::net::IpAddr;

use failover_ebpf::abi::{Held, held};

use super::{
    layout::{self, Layout},
    network::{Mac, Network},
};
use crate::{
    config::{Address, Config, Deliver},
    monitor::{Announcement, Plan, Probe, SLICE, Slice, finding::MAX_PROBES},
    net::{
        RULE_PRIORITY,
        announce::{announcement, probe, question},
        batch::Batch,
        links::Link,
        table_of,
    },
    policy::{PathId, UnitId},
};

/// What taking a unit over does, as far as its NICs are there.
pub(super) fn plan(config: &Config, layout: &Layout, network: &Network, unit: UnitId) -> Plan {
    let mut taken = Vec::new();
    let mut skipped = Vec::new();
    for (path, address) in layout::addresses_of(config, unit) {
        let nic = &address.target_nic;
        let lost = match address.deliver {
            Deliver::Forward(standby) => network.no_way_out(nic, standby),
            Deliver::Local => None,
        };
        match (network.links.get(nic), lost) {
            (Some(link), None) => taken.push((path, address, link)),
            (Some(_), Some(why)) => skipped.push((address.ip, why)),
            (None, _) => skipped.push((address.ip, format!("there is no NIC {nic}"))),
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
        probes: probes(layout, network, &taken),
        source_macs: source_macs(config, network, unit.source),
        l2_alive: config.sources[unit.source].l2_alive,
    }
}

/// An address that is taken, and where.
type Taken<'a> = (PathId, &'a Address, &'a Link);

fn slice(config: &Config, layout: &Layout, network: &Network, part: &[Taken]) -> Slice {
    let mut batch = Batch::builder();
    let mut entries = Vec::new();
    let mut announcements = Vec::new();
    let mut once_more = Vec::new();
    for &(path, address, link) in part {
        batch = match (address.deliver, address.ip) {
            (Deliver::Local, ip) => batch.hold(link.index, ip),
            (Deliver::Forward(_), IpAddr::V6(ip)) => batch.add_proxy(link.index, ip),
            (Deliver::Forward(_), IpAddr::V4(_)) => batch,
        };
        batch = batch.add_rule(address.ip, table_of(link.index), RULE_PRIORITY);
        let configured = &config.sources[path.source].paths[path.path];
        let source_mac = network
            .source_mac(&configured.nic, configured.monitor)
            .unwrap_or_default();
        entries.push((
            address.ip,
            entry(address, layout, network, link, source_mac),
        ));
        let router = network.is_router(&link.name);
        let told = |frame| Announcement {
            entry: entries.len() - 1,
            nic: link.index,
            frame,
        };
        let mut frames = announcement(address.ip, link.mac, link.mac, router).into_iter();
        announcements.extend(frames.next().map(told));
        once_more.extend(frames.map(told));
    }
    // Each address once before any of them twice.
    announcements.append(&mut once_more);
    Slice {
        batch: batch.build(),
        entries,
        announcements,
    }
}

/// Probes for addresses, one NIC after the other.
fn probes(layout: &Layout, network: &Network, taken: &[Taken]) -> Vec<Probe> {
    let mut probes: Vec<Probe> = taken
        .iter()
        .take(MAX_PROBES)
        .map(|(_, address, link)| Probe {
            nic: link.index,
            frame: probe(address.ip, link.mac),
            question: question(address.ip, link.mac, network.asker(link, address.ip)),
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
        .filter_map(|path| network.source_mac(&path.nic, path.monitor))
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
        flags: 0,
        ..held
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::network::tests::network, *};
    use crate::{config, net::batch::Operation};

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
        planned_in(&network())
    }

    fn planned_in(network: &Network) -> Plan {
        let config = config::parse("test.toml", TEXT)
            .expect("a good configuration")
            .config;
        let layout = Layout::new(&config, &BTreeMap::new());
        plan(
            &config,
            &layout,
            network,
            UnitId {
                source: 0,
                path: None,
            },
        )
    }

    fn last(ip: IpAddr) -> u8 {
        match ip {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        }
    }

    #[test]
    fn each_address_goes_to_the_nic_that_the_configuration_names() {
        let plan = planned();

        let nics: Vec<_> = plan.slices[0]
            .entries
            .iter()
            .map(|(ip, held)| (last(*ip), held.nic, held.nic_mac[5]))
            .collect();
        assert_eq!(nics, [(10, 1, 1), (11, 2, 2), (12, 1, 1)]);
    }

    #[test]
    fn a_host_that_stands_in_for_a_source_is_not_known_as_the_source() {
        let path = ("ens1".to_owned(), [10, 0, 0, 10].into());
        let mut network = network();
        network.sources.insert(path.clone(), [2, 0, 0, 0, 0, 10]);
        network.neighbours.insert(path, [2, 0, 0, 0, 0, 99]);

        let plan = planned_in(&network);

        assert_eq!(plan.source_macs, [[2, 0, 0, 0, 0, 10]]);
        assert_eq!(plan.slices[0].entries[0].1.source_mac[5], 10);
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
    fn an_address_whose_packets_would_be_lost_on_their_way_out_is_not_taken() {
        let mut network = network();
        let taken = |network: &Network| {
            let plan = planned_in(network);
            let taken: usize = plan.slices.iter().map(|slice| slice.entries.len()).sum();
            (taken, plan.skipped)
        };
        let both_native = taken(&network).0;
        network.generic.insert("ens2".to_owned());
        let (native_to_generic, skipped) = taken(&network);
        network.generic.insert("ens1".to_owned());
        let both_generic = taken(&network).0;

        assert_eq!([both_native, native_to_generic, both_generic], [3, 2, 3]);
        let [(ip, why)] = &skipped[..] else {
            panic!("{skipped:?}");
        };
        assert_eq!(last(*ip), 12);
        assert!(why.contains("only generic XDP"), "{why}");
    }

    #[test]
    fn every_address_is_announced_as_a_request_before_any_is_as_a_reply() {
        let plan = planned();

        let operations: Vec<(usize, u8)> = plan.slices[0]
            .announcements
            .iter()
            .map(|one| (one.entry, one.frame[21]))
            .collect();
        assert_eq!(operations, [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]);
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
            .map(|probe| (probe.nic, last(probe.ip), probe.slot, probe.own_mac[5]))
            .collect();
        assert_eq!(probes, [(1, 10, 0, 1), (1, 12, 2, 1), (2, 11, 1, 2)]);
        assert_eq!(plan.source_macs, [[2, 0, 0, 0, 0, 10]]);
    }

    #[test]
    fn a_thousand_addresses_are_taken_slice_by_slice_and_the_first_of_them_are_asked_for() {
        let addresses: Vec<String> = (0..1000u32)
            .map(|n| format!("\"{}/8\"", std::net::Ipv4Addr::from_bits(0x0a01_0000 + n)))
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

    const TEXT_6: &str = r#"
        [[source]]
        name = "a"
        [[source.path]]
        monitor = "10.0.0.10"
        target_nic = "ens1"
        addresses = [
            "fd00:0:0:1::10/64",
            { ip = "fd00:0:0:1::11/64", deliver = { forward = "fd00:0:0:5::20" } },
        ]
    "#;

    #[test]
    fn ipv6_addresses_are_held_asked_for_and_announced_in_their_own_way() {
        let config = config::parse("test.toml", TEXT_6)
            .expect("a good configuration")
            .config;
        let layout = Layout::new(&config, &BTreeMap::new());
        let mut network = network();
        network.routers.insert("ens1".to_owned());
        let unit = UnitId {
            source: 0,
            path: None,
        };

        let plan = plan(&config, &layout, &network, unit);

        let [slice] = &plan.slices[..] else {
            panic!("{plan:?}");
        };
        let operations: Vec<_> = slice
            .batch
            .requests()
            .iter()
            .map(|request| request.operation)
            .collect();
        assert_eq!(
            operations,
            [
                Operation::AddAddress,
                Operation::AddLocalRoute,
                Operation::AddRule,
                // The kernel of this host does not have it, and its NIC listens all the same.
                Operation::AddProxy,
                Operation::AddRule,
            ]
        );
        // One advertisement each, which says that a router sends it.
        assert_eq!(slice.announcements.len(), 2);
        assert!(
            slice
                .announcements
                .iter()
                .all(|one| (one.nic, one.frame[58]) == (1, 0xa0))
        );
        // Without an IPv6 address of its own a NIC can only ask as one who wants the address.
        assert!(
            plan.probes
                .iter()
                .all(|probe| probe.frame == probe.question)
        );
    }
}

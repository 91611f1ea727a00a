use std::{net::Ipv4Addr, path::PathBuf, thread};

use failover_ebpf::abi::{Held, held};
use failover_user::{
    config::L2Alive,
    monitor::{Announcement, Plan, Slice, rehearsal::rehearse},
    net::{RULE_PRIORITY, announce::announcement, batch::Batch, links, table_of},
    policy::UnitId,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::lab::in_namespace;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A takeover of `count` addresses, in turn on each of `nics`.
fn plan(count: u32, nics: &[u32]) -> Plan {
    let first = Ipv4Addr::new(10, 0, 1, 0).to_bits();
    let addresses: Vec<(Ipv4Addr, u32)> = (first..first + count)
        .map(Ipv4Addr::from_bits)
        .zip(nics.iter().copied().cycle())
        .collect();
    let batch = addresses
        .iter()
        .fold(Batch::builder(), |builder, &(ip, nic)| {
            builder
                .add_address(nic, ip)
                .add_rule(ip, table_of(nic), RULE_PRIORITY)
        });
    let entry = |nic| Held {
        mode: held::LOCAL,
        nic,
        out: nic,
        out_mtu: 1500,
        slot: 0,
        prefix: 24,
        nic_mac: MAC,
        out_mac: MAC,
        next_hop: [0; 6],
        ..Held::default()
    };
    Plan {
        unit: UnitId {
            source: 0,
            path: None,
        },
        slices: vec![Slice {
            batch: batch.build(),
            entries: addresses
                .iter()
                .map(|&(ip, nic)| (ip.into(), entry(nic)))
                .collect(),
            announcements: addresses
                .iter()
                .enumerate()
                .flat_map(|(entry, &(ip, nic))| {
                    announcement(ip.into(), MAC, MAC, false)
                        .into_iter()
                        .map(move |frame| Announcement { entry, nic, frame })
                })
                .collect(),
        }],
        skipped: Vec::new(),
        probes: Vec::new(),
        source_macs: Vec::new(),
        l2_alive: L2Alive::Ask,
    }
}

/// The network namespace of this thread.
fn namespace() -> PathBuf {
    std::fs::read_link("/proc/thread-self/ns/net").unwrap()
}

#[test]
fn a_takeover_of_a_thousand_addresses_is_rehearsed_and_leaves_no_trace() {
    in_namespace(async |lab| {
        let nics = [lab.nic("one").await, lab.nic("two").await];
        let (links, routes, rules) = (
            links::list(&lab.0).await.unwrap(),
            lab.routes().await,
            lab.rules().await,
        );
        let here = namespace();

        let rehearsal = rehearse(&plan(1000, &nics)).unwrap();

        eprintln!(
            "1000 addresses, rehearsed in {:?}: {rehearsal:?}",
            rehearsal.total()
        );
        assert_eq!(rehearsal.refused, None);
        assert!(
            [
                rehearsal.addresses,
                rehearsal.entries,
                rehearsal.announcements
            ]
            .iter()
            .all(|stage| !stage.is_zero())
        );
        assert_eq!(links::list(&lab.0).await.unwrap(), links);
        assert_eq!(lab.routes().await, routes);
        assert_eq!(lab.rules().await, rules);
        assert_eq!(namespace(), here);
    });
}

#[test]
fn what_the_kernel_refuses_is_told() {
    let mut plan = plan(2, &[1]);
    plan.slices[0].announcements[0].frame = vec![0; 1].into();

    let rehearsal = rehearse(&plan).unwrap();

    let refused = rehearsal.refused.unwrap();
    assert!(refused.contains("announcement"), "{refused}");
}

#[test]
fn without_permission_it_says_what_is_missing() {
    let error = thread::spawn(|| {
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        // Of this thread only, and of those that it starts.
        set_capabilities(None, none).unwrap();
        rehearse(&plan(1, &[1])).unwrap_err()
    })
    .join()
    .unwrap();

    let text = format!("{error:#}");
    assert!(
        text.contains("network namespace") && text.contains("not permitted"),
        "{text}"
    );
}

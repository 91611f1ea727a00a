use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use failover_user::net::{
    batch::{Batch, BatchSocket},
    link_watch::{self, LinkEvent},
    links,
};
use rtnetlink::LinkUnspec;

use crate::lab::{Namespace, in_namespace, wait};

const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10));

fn appeared(event: &LinkEvent) -> Option<links::Link> {
    if let LinkEvent::Appeared(link) = event {
        Some(link.clone())
    } else {
        None
    }
}

fn changed(event: &LinkEvent) -> Option<(links::Link, links::Link)> {
    if let LinkEvent::Changed { before, after } = event {
        Some((before.clone(), after.clone()))
    } else {
        None
    }
}

#[test]
fn links_are_listed_with_their_addresses() {
    in_namespace(async |lab| {
        let nic = lab.nic("eth0.100").await;
        lab.address(nic, IP, 24).await;

        let links = links::list(&lab.0).await.unwrap();

        let find = |name: &str| links.iter().find(|link| link.name == name).unwrap();
        assert_eq!(links.len(), 3);
        let (lo, nic) = (find("lo"), find("eth0.100"));
        assert!(lo.loopback && !lo.up);
        assert!(
            nic.usable() && !nic.loopback && nic.mac != [0; 6] && nic.mtu == 1500,
            "{nic:?}"
        );
        assert_eq!(nic.addresses, [(IP, 24)]);
    });
}

#[test]
fn a_watch_begins_with_what_is_there_and_goes_on_with_what_changes() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        lab.address(nic, IP, 24).await;
        let mut events = link_watch::watch().unwrap();
        let there = wait(&mut events, |event| {
            appeared(event).filter(|link| link.index == nic)
        })
        .await;
        assert_eq!(there.addresses, [(IP, 24)]);

        let index = lab.nic("another").await;
        let new = wait(&mut events, |event| {
            appeared(event).filter(|link| link.index == index)
        })
        .await;
        assert_eq!((new.index, new.name.as_str()), (index, "another"));

        lab.change(LinkUnspec::new_with_index(nic).mtu(9000).build())
            .await;
        let (before, after) = wait(&mut events, |event| {
            changed(event).filter(|(link, _)| link.index == nic)
        })
        .await;
        assert_eq!((before.mtu, after.mtu), (1500, 9000));

        let mac = [2, 0, 0, 0, 0, 0x77];
        lab.change(
            LinkUnspec::new_with_index(nic)
                .address(mac.to_vec())
                .build(),
        )
        .await;
        wait(&mut events, |event| {
            changed(event).filter(|(_, after)| after.index == nic && after.mac == mac)
        })
        .await;

        let (ip, prefix) = (IP, 32);
        lab.address(nic, ip, prefix).await;
        let added = wait(&mut events, |event| Some(event.clone())).await;
        assert_eq!(
            added,
            LinkEvent::AddressAdded {
                index: nic,
                ip,
                prefix
            }
        );

        lab.remove(nic).await;
        let gone = wait(&mut events, |event| {
            if let LinkEvent::Disappeared(link) = event {
                Some(link.index)
            } else {
                None
            }
        })
        .await;
        assert_eq!(gone, nic);
    });
}

#[test]
fn a_pulled_cable_is_a_lost_carrier() {
    let far = Namespace::new();
    in_namespace(async |lab| {
        lab.veth("near", "far", &far).await;
        lab.up("near").await;
        far.run(async |lab| lab.up("far").await);
        let mut events = link_watch::watch().unwrap();
        let there = wait(&mut events, |event| {
            appeared(event).filter(|link| link.name == "near")
        })
        .await;
        assert!(there.usable());

        far.run(async |lab| lab.down("far").await);

        let (_, after) = wait(&mut events, |event| {
            changed(event).filter(|(_, after)| !after.carrier)
        })
        .await;
        assert!(after.up && after.name == "near");
    });
}

#[test]
fn lost_notifications_are_made_up_for() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        let mut events = link_watch::watch().unwrap();
        wait(&mut events, |event| {
            appeared(event).filter(|link| link.index == nic)
        })
        .await;
        let first = Ipv4Addr::new(10, 1, 0, 0).to_bits();
        let addresses: BTreeSet<_> = (first..first + 3000)
            .map(Ipv4Addr::from_bits)
            .map(IpAddr::V4)
            .collect();
        let batch = addresses
            .iter()
            .fold(Batch::builder(), |builder, ip| {
                builder.add_address(nic, *ip)
            })
            .build();

        // The watch is on this thread too and does not run meanwhile, so that more comes than its socket can queue.
        BatchSocket::open().unwrap().execute(&batch).unwrap();

        let mut told = BTreeSet::new();
        wait(&mut events, |event| {
            if let LinkEvent::AddressAdded { ip, .. } = event {
                assert!(told.insert(*ip), "{ip} came twice");
            }
            (told.len() == addresses.len()).then_some(())
        })
        .await;
        assert_eq!(told, addresses);
    });
}

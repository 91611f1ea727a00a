use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use failover_user::net::{
    RULE_PRIORITY,
    batch::{Batch, BatchError, BatchSocket, Operation, Request},
    table_of,
};

use crate::lab::{Lab, in_namespace};

fn held(count: u32) -> Vec<Ipv4Addr> {
    let first = Ipv4Addr::new(10, 0, 1, 0).to_bits();
    (first..first + count).map(Ipv4Addr::from_bits).collect()
}

fn take(nic: u32, addresses: &[Ipv4Addr]) -> Batch {
    addresses
        .iter()
        .fold(Batch::builder(), |builder, ip| {
            builder
                .add_address(nic, *ip)
                .add_rule(*ip, table_of(nic), RULE_PRIORITY)
        })
        .build()
}

fn release(nic: u32, addresses: &[Ipv4Addr]) -> Batch {
    addresses
        .iter()
        .fold(Batch::builder(), |builder, ip| {
            builder
                .remove_address(nic, *ip)
                .remove_rule(*ip, table_of(nic), RULE_PRIORITY)
        })
        .build()
}

/// A NIC with a primary address and a secondary one in the same subnet.
async fn nic(lab: &Lab) -> u32 {
    let nic = lab.nic("nic").await;
    for ip in [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)] {
        lab.address(nic, ip, 16).await;
    }
    nic
}

#[test]
fn a_thousand_addresses_come_and_go_and_leave_the_others_alone() {
    in_namespace(async |lab| {
        let nic = nic(&lab).await;
        let own = lab.link("nic").await.addresses;
        let (routes, rules) = (lab.routes().await, lab.rules().await);
        let addresses = held(1000);
        let (take, release) = (take(nic, &addresses), release(nic, &addresses));
        let mut socket = BatchSocket::open().unwrap();

        let start = Instant::now();
        socket.execute(&take).unwrap();
        let taken = start.elapsed();
        let with = lab.link("nic").await.addresses;
        let (routes_with, rules_with) = (lab.routes().await, lab.rules().await);
        let start = Instant::now();
        socket.execute(&release).unwrap();
        let released = start.elapsed();

        eprintln!("1000 addresses and rules: added in {taken:?}, removed in {released:?}");
        // The kernel lists secondary addresses last, wherever they were added.
        let all = own
            .iter()
            .copied()
            .chain(addresses.iter().map(|ip| (IpAddr::V4(*ip), 32)));
        assert_eq!(with.len(), own.len() + 1000);
        assert!(with.into_iter().collect::<BTreeSet<_>>() == all.collect());
        assert_eq!(
            routes_with, routes,
            "a held address brings no route into the main table"
        );
        assert_eq!(rules_with.len(), rules.len() + 1000);
        assert_eq!(lab.link("nic").await.addresses, own);
        assert_eq!(lab.routes().await, routes);
        assert_eq!(lab.rules().await, rules);
    });
}

#[test]
fn a_batch_can_be_carried_out_twice() {
    in_namespace(async |lab| {
        let nic = nic(&lab).await;
        let own = lab.link("nic").await.addresses;
        let rules = lab.rules().await.len();
        let addresses = held(200);
        let mut socket = BatchSocket::open().unwrap();

        for _ in 0..2 {
            socket.execute(&take(nic, &addresses)).unwrap();
        }
        assert_eq!(lab.link("nic").await.addresses.len(), own.len() + 200);
        assert_eq!(lab.rules().await.len(), rules + 200);

        for _ in 0..2 {
            socket.execute(&release(nic, &addresses)).unwrap();
        }
        assert_eq!(lab.link("nic").await.addresses, own);
        assert_eq!(lab.rules().await.len(), rules);
    });
}

#[test]
fn a_refused_request_is_named_and_keeps_no_other_from_being_done() {
    in_namespace(async |lab| {
        let nic = nic(&lab).await;
        let no_nic = nic + 1000;
        let [bad, worse] = [Ipv4Addr::new(10, 9, 9, 9), Ipv4Addr::new(10, 9, 9, 10)];
        let batch = held(150)
            .iter()
            .enumerate()
            .fold(Batch::builder(), |builder, (n, ip)| match n {
                5 => builder.add_address(no_nic, bad).add_address(nic, *ip),
                120 => builder.add_address(no_nic, worse).add_address(nic, *ip),
                _ => builder.add_address(nic, *ip),
            })
            .build();
        let mut socket = BatchSocket::open().unwrap();

        let error = socket.execute(&batch).unwrap_err();

        let BatchError::Refused {
            first,
            errno,
            refused,
        } = error
        else {
            panic!("{error}");
        };
        let expected = Request {
            operation: Operation::AddAddress,
            ip: bad.into(),
        };
        assert_eq!((first, errno, refused), (expected, libc::ENODEV, 2));
        assert_eq!(lab.link("nic").await.addresses.len(), 2 + 150);
        socket.execute(&release(nic, &held(150))).unwrap();
        assert_eq!(lab.link("nic").await.addresses.len(), 2);
    });
}

#[test]
fn many_refusals_are_all_counted() {
    in_namespace(async |lab| {
        let no_nic = nic(&lab).await + 1000;
        let batch = held(1000)
            .iter()
            .fold(Batch::builder(), |builder, ip| {
                builder.add_address(no_nic, *ip)
            })
            .build();

        let error = BatchSocket::open().unwrap().execute(&batch).unwrap_err();

        assert!(
            matches!(error, BatchError::Refused { refused: 1000, .. }),
            "{error}"
        );
    });
}

#[test]
fn an_address_of_the_host_with_its_own_prefix_length_survives_the_removal() {
    in_namespace(async |lab| {
        let nic = nic(&lab).await;
        let own = Ipv4Addr::new(10, 0, 0, 2);

        BatchSocket::open()
            .unwrap()
            .execute(&release(nic, &[own]))
            .unwrap();

        assert!(lab.link("nic").await.addresses.contains(&(own.into(), 16)));
    });
}

#[test]
fn removing_addresses_of_a_nic_that_is_gone_is_no_error() {
    in_namespace(async |lab| {
        let nic = nic(&lab).await;
        let mut socket = BatchSocket::open().unwrap();
        socket.execute(&take(nic, &held(3))).unwrap();

        lab.remove(nic).await;

        socket.execute(&release(nic, &held(3))).unwrap();
    });
}

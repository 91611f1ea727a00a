use std::net::{IpAddr, Ipv4Addr};

use failover_user::net::{
    PROTOCOL, RULE_PRIORITY,
    batch::{Batch, BatchSocket},
    cleanup::{self, Removed},
    table_of, tables,
};
use futures::StreamExt as _;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::{
    RouteNetlinkMessage,
    route::{RouteAttribute, RouteMessage, RouteProtocol},
};
use rtnetlink::{MulticastGroup, RouteMessageBuilder};

use crate::lab::{Lab, in_namespace};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HELD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The NIC of the normal traffic, with a default route, and the chosen NIC without an address.
async fn nics(lab: &Lab) -> (u32, u32) {
    let (normal, chosen) = (lab.nic("normal").await, lab.nic("chosen").await);
    lab.address(normal, OWN, 24).await;
    lab.gateway(normal, GATEWAY).await;
    (normal, chosen)
}

async fn prepare(lab: &Lab) {
    tables::prepare(&lab.0, &lab.link("chosen").await, &[(HELD.into(), 24)])
        .await
        .unwrap();
}

fn take(nic: u32) {
    let batch = Batch::builder()
        .add_address(nic, HELD)
        .add_rule(HELD, table_of(nic), RULE_PRIORITY)
        .build();
    BatchSocket::open().unwrap().execute(&batch).unwrap();
}

async fn table(lab: &Lab, nic: u32) -> Vec<RouteMessage> {
    let mut routes = lab.routes().await;
    routes.retain(|route| {
        route
            .attributes
            .contains(&RouteAttribute::Table(table_of(nic)))
    });
    routes
}

#[test]
fn replies_of_a_held_address_leave_by_the_chosen_nic_and_others_by_theirs() {
    in_namespace(async |lab| {
        let (normal, chosen) = nics(&lab).await;

        prepare(&lab).await;
        take(chosen);

        assert_eq!(lab.route(Some(HELD), NEIGHBOUR).await, (chosen, None));
        assert_eq!(
            lab.route(Some(HELD), FAR).await,
            (chosen, Some(GATEWAY.into()))
        );
        for from in [None, Some(OWN)] {
            assert_eq!(lab.route(from, NEIGHBOUR).await, (normal, None));
            assert_eq!(lab.route(from, FAR).await, (normal, Some(GATEWAY.into())));
        }
    });
}

#[test]
fn a_table_without_a_rule_changes_nothing() {
    in_namespace(async |lab| {
        let (normal, chosen) = nics(&lab).await;

        prepare(&lab).await;

        assert_eq!(table(&lab, chosen).await.len(), 2);
        assert_eq!(lab.route(None, NEIGHBOUR).await, (normal, None));
        assert_eq!(
            lab.route(Some(OWN), FAR).await,
            (normal, Some(GATEWAY.into()))
        );
    });
}

#[test]
fn preparing_again_does_nothing() {
    in_namespace(async |lab| {
        let (normal, chosen) = nics(&lab).await;
        lab.address(chosen, Ipv4Addr::new(10, 1, 0, 2), 24).await;
        lab.gateway(chosen, Ipv4Addr::new(10, 1, 0, 1)).await;
        prepare(&lab).await;
        let before = table(&lab, chosen).await;
        let (connection, _handle, mut messages) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Ipv4Route]).unwrap();
        tokio::spawn(connection);

        prepare(&lab).await;
        lab.gateway(normal, Ipv4Addr::new(10, 0, 0, 254)).await;

        // The first that the kernel tells of is what was done after preparing.
        let (message, _) = messages.next().await.unwrap();
        let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) = message.payload
        else {
            panic!("{message:?}");
        };
        assert_eq!(route.header.table, 254, "{route:?}");
        assert_eq!(before.len(), 3);
        assert_eq!(table(&lab, chosen).await, before);
    });
}

#[test]
fn preparing_follows_the_main_table() {
    in_namespace(async |lab| {
        let (_, chosen) = nics(&lab).await;
        let (first, second) = (Ipv4Addr::new(10, 0, 0, 253), Ipv4Addr::new(10, 0, 0, 254));
        take(chosen);
        prepare(&lab).await;

        let mut gateways = Vec::new();
        for gateway in [first, second] {
            let normal = lab.link("normal").await.index;
            lab.gateway(normal, gateway).await;
            prepare(&lab).await;
            gateways.push(lab.route(Some(HELD), FAR).await);
        }
        assert_eq!(
            gateways,
            [first, second].map(|gateway| (chosen, Some(IpAddr::V4(gateway))))
        );

        lab.down("normal").await;
        prepare(&lab).await;
        assert_eq!(
            table(&lab, chosen).await.len(),
            1,
            "the default route is gone"
        );
    });
}

#[test]
fn a_nic_that_was_down_gets_its_table_again() {
    in_namespace(async |lab| {
        let (_, chosen) = nics(&lab).await;
        prepare(&lab).await;
        let before = table(&lab, chosen).await;

        lab.down("chosen").await;
        prepare(&lab).await;
        let while_down = table(&lab, chosen).await;
        lab.up("chosen").await;
        prepare(&lab).await;

        assert_eq!(while_down, []);
        assert_eq!(table(&lab, chosen).await, before);
    });
}

#[test]
fn clearing_empties_the_table_of_one_nic() {
    in_namespace(async |lab| {
        let (normal, chosen) = nics(&lab).await;
        prepare(&lab).await;
        tables::prepare(&lab.0, &lab.link("normal").await, &[(HELD.into(), 24)])
            .await
            .unwrap();
        let other = table(&lab, normal).await;

        tables::clear(&lab.0, chosen).await.unwrap();
        tables::clear(&lab.0, chosen).await.unwrap();

        assert_eq!(table(&lab, chosen).await, []);
        assert!(!other.is_empty());
        assert_eq!(table(&lab, normal).await, other);
    });
}

#[test]
fn removing_everything_removes_ours_and_nothing_else() {
    in_namespace(async |lab| {
        let (_, chosen) = nics(&lab).await;
        lab.address(chosen, Ipv4Addr::new(10, 0, 0, 77), 32).await;
        lab.0
            .rule()
            .add()
            .v4()
            .source_prefix(OWN, 32)
            .table_id(1234)
            .priority(RULE_PRIORITY)
            .execute()
            .await
            .unwrap();
        let operators = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(FAR, 32)
            .output_interface(chosen)
            .table_id(table_of(chosen))
            .protocol(RouteProtocol::Static)
            .build();
        lab.0.route().add(operators).execute().await.unwrap();
        let state = async || {
            let addresses = lab.link("chosen").await.addresses;
            (addresses, lab.routes().await, lab.rules().await)
        };
        let before = state().await;
        prepare(&lab).await;
        take(chosen);
        assert_eq!(
            cleanup::addresses(&lab.0).await.unwrap(),
            [(chosen, IpAddr::V4(HELD))]
        );
        assert!(
            lab.routes()
                .await
                .iter()
                .any(|route| u8::from(route.header.protocol) == PROTOCOL)
        );

        let removed = cleanup::remove_everything(&lab.0).await.unwrap();
        let again = cleanup::remove_everything(&lab.0).await.unwrap();

        let expected = Removed {
            addresses: 1,
            rules: 1,
            routes: 2,
            proxies: 0,
        };
        assert_eq!(removed, expected);
        assert_eq!(again, Removed::default());
        assert_eq!(state().await, before);
    });
}

//! The same for IPv6: addresses, rules, tables, announcements, and the groups that a NIC listens to.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv6Addr, UdpSocket},
    time::{Duration, Instant},
};

use failover_user::net::{
    PROTOCOL, RULE_PRIORITY,
    announce::{self, solicited_node},
    batch::{Batch, BatchSocket},
    cleanup::{self, Removed},
    groups::Groups,
    neighbours,
    packet::PacketSocket,
    table_of, tables,
};
use futures::TryStreamExt as _;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol},
    route::{RouteAttribute, RouteMessage, RouteType},
};
use rtnetlink::IpVersion;

use crate::lab::{Lab, Namespace, in_namespace, wait};

const fn ip(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, last)
}

const OWN: Ipv6Addr = ip(2);
const GATEWAY: Ipv6Addr = ip(1);
const HELD: Ipv6Addr = ip(0x10);
const NEIGHBOUR: Ipv6Addr = ip(0x99);
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn take(nic: u32, addresses: &[Ipv6Addr]) -> Batch {
    addresses
        .iter()
        .fold(Batch::builder(), |builder, ip| {
            builder
                .hold(nic, (*ip).into())
                .add_rule(*ip, table_of(nic), RULE_PRIORITY)
        })
        .build()
}

fn release(nic: u32, addresses: &[Ipv6Addr]) -> Batch {
    addresses
        .iter()
        .fold(Batch::builder(), |builder, ip| {
            builder.remove_held(nic, (*ip).into())
        })
        .build()
}

fn execute(batch: &Batch) {
    BatchSocket::open().unwrap().execute(batch).unwrap();
}

async fn messages(lab: &Lab, nic: u32) -> Vec<AddressMessage> {
    let mut request = lab.0.address().get();
    request.message_mut().header.family = AddressFamily::Inet6;
    let mut messages: Vec<_> = request.execute().try_collect().await.unwrap();
    messages.retain(|message| message.header.index == nic);
    messages
}

/// The groups that a NIC of this namespace listens to.
fn groups(nic: &str) -> BTreeSet<Ipv6Addr> {
    let text = fs::read_to_string("/proc/thread-self/net/igmp6").unwrap();
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[1] == nic)
        .map(|fields| Ipv6Addr::from_bits(u128::from_str_radix(fields[2], 16).unwrap()))
        .collect()
}

/// The kernel joins and leaves the group of an address a moment after the address comes and goes.
fn wait_for_groups(nic: &str, wanted: impl Fn(&BTreeSet<Ipv6Addr>) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !wanted(&groups(nic)) {
        assert!(Instant::now() < deadline, "{nic}: {:?}", groups(nic));
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn table(lab: &Lab, nic: u32) -> Vec<RouteMessage> {
    let mut routes = lab.routes_of(AddressFamily::Inet6).await;
    routes.retain(|route| {
        route
            .attributes
            .contains(&RouteAttribute::Table(table_of(nic)))
    });
    routes
}

#[test]
fn a_held_address_is_usable_at_once_and_brings_no_route() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        let routes = lab.routes_of(AddressFamily::Inet6).await;

        execute(&take(nic, &[HELD]));

        let bound = UdpSocket::bind((HELD, 0));
        let [message] = messages(&lab, nic).await.try_into().unwrap();
        assert!(bound.is_ok(), "{bound:?}");
        assert_eq!(message.header.prefix_len, 128);
        let flags = AddressFlags::Permanent | AddressFlags::Nodad | AddressFlags::Noprefixroute;
        assert!(
            message.attributes.contains(&AddressAttribute::Flags(flags)),
            "{message:?}"
        );
        let mark = AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL));
        assert!(message.attributes.contains(&mark));
        assert_eq!(lab.routes_of(AddressFamily::Inet6).await, routes);
        wait_for_groups("nic", |groups| groups.contains(&solicited_node(HELD)));
    });
}

/// Whether a packet for an address is delivered on this host.
async fn is_delivered(lab: &Lab, address: Ipv6Addr) -> bool {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet6;
    request.header.destination_prefix_length = 128;
    let destination = RouteAttribute::Destination(IpAddr::V6(address).into());
    request.attributes.push(destination);
    let routes = lab.0.route().get(request).execute();
    let routes: Vec<_> = routes.try_collect().await.unwrap();
    routes[0].header.kind == RouteType::Local
}

#[test]
fn what_comes_for_a_held_address_is_delivered_from_the_request_on_and_not_any_more_behind_it() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        lab.address(nic, OWN, 64).await;
        // The kernel makes a route of its own a moment later, so that once would prove nothing.
        for last in 0x10..0x40 {
            let address = ip(last);

            execute(&take(nic, &[address]));
            let held = is_delivered(&lab, address).await;
            execute(&release(nic, &[address]));

            assert!(held, "{address}");
            assert!(!is_delivered(&lab, address).await, "{address}");
        }
    });
}

#[test]
fn a_thousand_addresses_come_and_go_twice_and_leave_the_others_alone() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        for own in [OWN, ip(3)] {
            lab.address(nic, own, 64).await;
        }
        let addresses: Vec<_> = (0x1000..0x1000 + 1000).map(ip).collect();
        let (take, release) = (take(nic, &addresses), release(nic, &addresses));
        let state = async || {
            let addresses: BTreeSet<_> = lab.link("nic").await.addresses.into_iter().collect();
            (
                addresses,
                lab.routes_of(AddressFamily::Inet6).await,
                lab.rules_of(IpVersion::V6).await.len(),
            )
        };
        let before = state().await;

        let start = Instant::now();
        execute(&take);
        let taken = start.elapsed();
        execute(&take);
        let during = state().await;
        let start = Instant::now();
        execute(&release);
        let released = start.elapsed();
        execute(&release);

        eprintln!("1000 IPv6 addresses and rules: added in {taken:?}, removed in {released:?}");
        assert_eq!(during.0.len(), before.0.len() + 1000);
        assert_eq!(during.1, before.1);
        assert_eq!(during.2, before.2 + 1000);
        assert_eq!(state().await, before);
    });
}

#[test]
fn an_address_of_the_host_with_its_own_prefix_length_survives_taking_and_giving_back() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        lab.address(nic, OWN, 64).await;
        let before = (
            messages(&lab, nic).await,
            lab.routes_of(AddressFamily::Inet6).await,
        );

        execute(&take(nic, &[OWN]));
        let taken = messages(&lab, nic).await;
        execute(&release(nic, &[OWN]));

        assert_eq!(taken.len(), 1);
        let after = (
            messages(&lab, nic).await,
            lab.routes_of(AddressFamily::Inet6).await,
        );
        assert_eq!(after.1, before.1);
        assert_eq!(after.0[0].header, before.0[0].header);
        let mark = AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL));
        assert!(!after.0[0].attributes.contains(&mark));
    });
}

#[test]
fn as_a_proxy_a_nic_listens_without_having_the_address() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        let before = groups("nic");
        let add = Batch::builder().add_proxy(nic, HELD).build();

        execute(&add);
        execute(&add);
        let during = groups("nic");
        let listed = cleanup::proxies(&lab.0).await.unwrap();
        let known = neighbours::lookup(&lab.0, nic, HELD.into()).await.unwrap();
        execute(&release(nic, &[HELD]));

        assert_eq!(
            during.difference(&before).collect::<Vec<_>>(),
            [&solicited_node(HELD)]
        );
        assert_eq!(listed, [(nic, HELD)]);
        assert_eq!(known, None);
        assert_eq!(messages(&lab, nic).await, []);
        assert_eq!(groups("nic"), before);
        assert_eq!(cleanup::proxies(&lab.0).await.unwrap(), []);
    });
}

#[test]
fn groups_are_joined_on_each_nic_and_left_with_their_owner() {
    in_namespace(async |lab| {
        let (one, other) = (lab.nic("one").await, lab.nic("other").await);
        let before = groups("one");
        // More than one socket may have.
        let many: BTreeSet<_> = (0..300).map(|n| (one, solicited_node(ip(n)))).collect();
        let wanted: BTreeSet<_> =
            [(other, solicited_node(HELD)), (one, solicited_node(HELD))].into();
        let mut joined = Groups::default();

        let refused = joined.follow(&many);
        let with_many = groups("one").len();
        let again = joined.follow(&wanted);
        let nobody = joined.follow(&BTreeSet::from([(other + 1000, solicited_node(HELD))]));

        assert!(refused.is_empty() && again.is_empty(), "{refused:?}");
        assert_eq!(with_many, before.len() + 300);
        assert_eq!(nobody.len(), 1);
        joined.follow(&wanted);
        for nic in ["one", "other"] {
            assert!(groups(nic).contains(&solicited_node(HELD)), "{nic}");
        }
        drop(joined);
        assert_eq!(groups("one"), before);
    });
}

#[test]
fn replies_of_a_held_address_leave_by_the_chosen_nic_and_others_by_theirs() {
    in_namespace(async |lab| {
        let (normal, chosen) = (lab.nic("normal").await, lab.nic("chosen").await);
        lab.address(normal, OWN, 64).await;
        lab.gateway(normal, GATEWAY).await;

        let link = lab.link("chosen").await;
        for _ in 0..2 {
            tables::prepare(&lab.0, &link, &[(HELD.into(), 64)])
                .await
                .unwrap();
        }
        execute(&take(chosen, &[HELD]));

        assert_eq!(table(&lab, chosen).await.len(), 2);
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
fn a_table_is_complete_at_once_and_prepared_again_it_is_left_alone() {
    in_namespace(async |lab| {
        let chosen = lab.nic("chosen").await;
        lab.address(chosen, Ipv6Addr::new(0xfd00, 0, 0, 2, 0, 0, 0, 2), 64)
            .await;
        lab.gateway(chosen, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))
            .await;
        let link = lab.link("chosen").await;
        let prepare = async || {
            tables::prepare(&lab.0, &link, &[(HELD.into(), 64)])
                .await
                .unwrap();
            table(&lab, chosen).await
        };

        let first = prepare().await;
        let second = prepare().await;
        let empty = {
            tables::prepare(&lab.0, &link, &[]).await.unwrap();
            table(&lab, chosen).await
        };

        // The held subnet, the NIC's own, its link-local one if it has one, and the default route.
        assert!(first.len() >= 3, "{first:#?}");
        assert_eq!(second, first);
        assert_eq!(empty, []);
    });
}

#[test]
fn an_unsolicited_advertisement_moves_an_address_to_the_announced_mac() {
    let far = Namespace::new();
    in_namespace(async |lab| {
        lab.veth("near", "far", &far).await;
        let nic = lab.up("near").await;
        lab.address(nic, OWN, 64).await;
        // The kernel asks from a link-local address.
        lab.address(nic, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2), 64)
            .await;
        let mac = far.run(async |lab| {
            let far = lab.up("far").await;
            lab.address(far, HELD, 64).await;
            lab.link("far").await.mac
        });
        let held = IpAddr::V6(HELD);
        let mut events = neighbours::watch().unwrap();
        neighbours::resolve(&lab.0, nic, held).await.unwrap();
        let of_held = |event: &neighbours::NeighbourEvent| event.mac.filter(|_| event.ip == held);
        let resolved = wait(&mut events, of_held).await;

        let announced = [2, 0, 0, 0, 0, 0x42];
        far.run(async |lab| {
            let mut socket = PacketSocket::open(lab.link("far").await.index, 1).unwrap();
            let frames = announce::announcement(held, announced, mac, false);
            let (sent, error) = socket.send_batch(frames.iter().map(|frame| &frame[..]));
            assert_eq!((sent, error.map(|error| error.to_string())), (1, None));
        });

        let moved = wait(&mut events, of_held).await;
        assert_eq!((resolved, moved), (mac, announced));
    });
}

#[test]
fn removing_everything_removes_ours_and_nothing_else() {
    in_namespace(async |lab| {
        let chosen = lab.nic("chosen").await;
        lab.address(chosen, OWN, 64).await;
        let state = async || {
            (
                lab.link("chosen").await.addresses,
                lab.routes_of(AddressFamily::Inet6).await,
                lab.rules_of(IpVersion::V6).await,
            )
        };
        let before = state().await;
        let link = lab.link("chosen").await;
        tables::prepare(&lab.0, &link, &[(HELD.into(), 64)])
            .await
            .unwrap();
        execute(&take(chosen, &[HELD]));
        execute(&Batch::builder().add_proxy(chosen, ip(0x11)).build());

        let removed = cleanup::remove_everything(&lab.0).await.unwrap();
        let again = cleanup::remove_everything(&lab.0).await.unwrap();

        let expected = Removed {
            addresses: 1,
            rules: 1,
            // Of the subnet, and of the address.
            routes: 2,
            proxies: 1,
        };
        assert_eq!(removed, expected);
        assert_eq!(again, Removed::default());
        assert_eq!(state().await, before);
        wait_for_groups("chosen", |groups| {
            let gone = [HELD, ip(0x11)].map(solicited_node);
            !gone.iter().any(|group| groups.contains(group))
        });
    });
}

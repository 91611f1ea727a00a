use super::*;

const NIC: u32 = 3;
const OTHER_NIC: u32 = 2;
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SUBNET: (IpAddr, u8) = (IpAddr::V4(NETWORK), 24);
const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

fn main(scope: RouteScope, oif: u32, attributes: Vec<RouteAttribute>) -> RouteMessage {
    let mut route = ours(AddressFamily::Inet, scope);
    route.header.protocol = RouteProtocol::Kernel;
    route.header.table = RouteHeader::RT_TABLE_MAIN;
    route.attributes = attributes;
    route.attributes.push(RouteAttribute::Oif(oif));
    route
}

fn via(oif: u32) -> RouteMessage {
    main(
        RouteScope::Universe,
        oif,
        vec![RouteAttribute::Gateway(RouteAddress::Inet(GATEWAY))],
    )
}

fn oif(route: &RouteMessage) -> Option<u32> {
    find(&route.attributes, |attribute| {
        if let RouteAttribute::Oif(oif) = attribute {
            Some(*oif)
        } else {
            None
        }
    })
}

#[test]
fn the_subnet_of_a_held_address_is_on_the_nic() {
    let routes = wanted(NIC, &[([10, 0, 0, 10].into(), 24), SUBNET], &[]);

    assert_eq!(routes.len(), 1);
    assert_eq!(key(&routes[0]), (SUBNET.0, 24, 0, 0));
    assert_eq!(routes[0].header.scope, RouteScope::Link);
    assert_eq!(routes[0].header.protocol, RouteProtocol::Other(PROTOCOL));
    assert_eq!(
        (table(&routes[0]), oif(&routes[0])),
        (table_of(NIC), Some(NIC))
    );
}

#[test]
fn a_single_address_has_no_subnet() {
    assert_eq!(wanted(NIC, &[(GATEWAY.into(), 32)], &[]), []);
}

#[test]
fn the_default_route_of_the_nic_is_copied_behind_the_subnets() {
    let routes = wanted(NIC, &[SUBNET], &[via(NIC)]);

    assert_eq!(routes.len(), 2);
    assert_eq!(key(&routes[1]), (Ipv4Addr::UNSPECIFIED.into(), 0, 0, 0));
    assert_eq!(table(&routes[1]), table_of(NIC));
    assert_eq!(routes[1].header.flags, RouteFlags::Onlink);
}

#[test]
fn the_default_route_of_another_nic_is_turned_to_this_one_if_its_gateway_is_in_a_held_subnet() {
    let near = wanted(NIC, &[SUBNET], &[via(OTHER_NIC)]);
    let far = wanted(NIC, &[([10, 0, 1, 0].into(), 24)], &[via(OTHER_NIC)]);

    assert_eq!(near.len(), 2);
    assert_eq!(oif(&near[1]), Some(NIC));
    assert_eq!(far.len(), 1);
}

#[test]
fn a_route_of_the_nic_itself_goes_before_one_that_is_turned_to_it() {
    let own_gateway = Ipv4Addr::new(10, 0, 0, 254);
    let own = main(
        RouteScope::Universe,
        NIC,
        vec![RouteAttribute::Gateway(RouteAddress::Inet(own_gateway))],
    );

    let routes = wanted(NIC, &[SUBNET], &[via(OTHER_NIC), own]);

    assert_eq!(routes.len(), 2);
    let expected = RouteAttribute::Gateway(RouteAddress::Inet(own_gateway));
    assert!(routes[1].attributes.contains(&expected), "{:?}", routes[1]);
}

#[test]
fn the_preferred_source_of_a_route_is_left_behind() {
    let source = RouteAttribute::PrefSource(RouteAddress::Inet(Ipv4Addr::new(10, 0, 0, 2)));
    let destination = RouteAttribute::Destination(RouteAddress::Inet(NETWORK));
    let mut route = main(RouteScope::Link, NIC, vec![destination, source.clone()]);
    route.header.destination_prefix_length = 24;

    let routes = wanted(NIC, &[], &[route]);

    assert_eq!(routes, [connected(NIC, SUBNET.0, 24)]);
}

#[test]
fn only_the_hops_of_the_nic_are_copied() {
    let hop = |interface_index, weight| {
        let mut hop = RouteNextHop::default();
        hop.interface_index = interface_index;
        hop.hops = weight;
        hop.flags = RouteNextHopFlags::Linkdown;
        hop.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(GATEWAY))];
        hop
    };
    let multipath = |hops| {
        let mut route = ours(AddressFamily::Inet, RouteScope::Universe);
        route.header.table = RouteHeader::RT_TABLE_MAIN;
        route.attributes = vec![RouteAttribute::MultiPath(hops)];
        route
    };

    let one = wanted(NIC, &[], &[multipath(vec![hop(OTHER_NIC, 0), hop(NIC, 1)])]);
    let two = wanted(
        NIC,
        &[],
        &[multipath(vec![hop(NIC, 1), hop(OTHER_NIC, 0), hop(NIC, 2)])],
    );
    let none = wanted(NIC, &[], &[multipath(vec![hop(OTHER_NIC, 0)])]);

    assert_eq!(one, wanted(NIC, &[], &[via(NIC)]));
    let RouteAttribute::MultiPath(hops) = &two[0].attributes[0] else {
        panic!("{two:?}");
    };
    let kept: Vec<_> = hops
        .iter()
        .map(|hop| (hop.interface_index, hop.hops))
        .collect();
    assert_eq!(kept, [(NIC, 1), (NIC, 2)]);
    assert!(
        hops.iter()
            .all(|hop| hop.flags == RouteNextHopFlags::Onlink)
    );
    assert_eq!(none, []);
}

#[test]
fn routes_of_other_tables_and_other_kinds_are_not_copied() {
    let mut local = via(NIC);
    local.header.table = 255;
    let mut prohibit = via(NIC);
    prohibit.header.kind = RouteType::Prohibit;

    assert_eq!(wanted(NIC, &[], &[local, prohibit]), []);
}

#[test]
fn a_route_as_the_kernel_lists_it_equals_ours() {
    let [ours] = wanted(NIC, &[], &[via(NIC)]).try_into().unwrap();
    let mut listed = ours.clone();
    listed.header.table = 252;
    listed.header.flags |= RouteFlags::Linkdown;
    listed.attributes.reverse();
    listed.attributes.push(RouteAttribute::Uid(1));

    assert_eq!(normal(listed), ours);
}

const NETWORK_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0);
const GATEWAY_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 1);
const SUBNET_6: (IpAddr, u8) = (IpAddr::V6(NETWORK_6), 64);

/// A default route as the kernel lists it.
fn via_6(oif: u32, gateway: Ipv6Addr) -> RouteMessage {
    let mut route = main(
        RouteScope::Universe,
        oif,
        vec![
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway)),
            RouteAttribute::Priority(1024),
            RouteAttribute::Expires(1800),
        ],
    );
    route.header.address_family = AddressFamily::Inet6;
    route
}

#[test]
fn an_ipv6_subnet_has_the_priority_that_the_kernel_would_list() {
    let routes = wanted(NIC, &[SUBNET_6], &[]);

    assert_eq!(routes.len(), 1);
    assert_eq!(key(&routes[0]), (SUBNET_6.0, 64, 0, 256));
    assert_eq!(
        (table(&routes[0]), oif(&routes[0])),
        (table_of(NIC), Some(NIC))
    );
    assert_eq!(
        wanted(NIC, &[(IpAddr::V6(GATEWAY_6), 128)], &[]),
        [],
        "a single address has no subnet"
    );
}

#[test]
fn an_ipv6_route_is_copied_behind_the_subnets_without_its_lifetime() {
    let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    let routes = wanted(NIC, &[SUBNET_6], &[via_6(NIC, router)]);

    assert_eq!(routes.len(), 2);
    assert_eq!(key(&routes[1]), (Ipv6Addr::UNSPECIFIED.into(), 0, 0, 1024));
    let gateway = RouteAttribute::Gateway(RouteAddress::Inet6(router));
    assert!(routes[1].attributes.contains(&gateway));
    assert!(
        !routes[1]
            .attributes
            .contains(&RouteAttribute::Expires(1800))
    );
}

#[test]
fn an_ipv6_gateway_that_the_main_table_has_behind_another_nic_is_not_called_on_link() {
    let routes = wanted(NIC, &[SUBNET_6], &[via_6(OTHER_NIC, GATEWAY_6)]);

    assert_eq!(routes.len(), 2);
    assert_eq!(oif(&routes[1]), Some(NIC));
    assert_eq!(routes[1].header.flags, RouteFlags::empty());
}

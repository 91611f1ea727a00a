//! Which routes belong into the table of a NIC. Pure.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use netlink_packet_core::Nla as _;
use netlink_packet_route::{
    AddressFamily,
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
        RouteNextHopFlags, RouteProtocol, RouteScope, RouteType,
    },
};

use super::{
    PROTOCOL,
    subnet::{self, network, single},
    table_of,
};

/// What makes two routes of a table the same one to the kernel: destination, prefix length, TOS, priority.
pub(super) type Key = (IpAddr, u8, u8, u32);

/// The priority that the kernel gives its own routes to the subnets of IPv6 addresses (`IP6_RT_PRIO_ADDRCONF`). In IPv4 it
/// is 0, which in IPv6 means "the default", and a route as it is listed would not be the one that was added.
const CONNECTED_IPV6: u32 = 256;

/// The routes of a NIC's table: the subnets of the held addresses, directly on the NIC; and those of the main table that
/// leave by the NIC, or by a gateway in one of these subnets, which the NIC reaches as well. Connected ones come first.
///
/// Both IP versions can be asked for at once; their tables know nothing of each other.
pub(super) fn wanted(
    ifindex: u32,
    subnets: &[(IpAddr, u8)],
    main: &[RouteMessage],
) -> Vec<RouteMessage> {
    let subnets: Vec<_> = subnets
        .iter()
        .map(|&(ip, prefix)| (network(ip, prefix), prefix))
        .collect();
    let mut routes: BTreeMap<(bool, Key), RouteMessage> = BTreeMap::new();
    let mut insert = |route: RouteMessage| {
        let routed = is_routed(&route);
        routes.entry((routed, key(&route))).or_insert(route);
    };

    // A single address has no neighbours.
    for &(network, prefix) in subnets.iter().filter(|(ip, prefix)| *prefix < single(*ip)) {
        insert(connected(ifindex, network, prefix));
    }
    // What leaves by the NIC in the main table goes before what is only turned to it.
    for turned in [false, true] {
        for route in main {
            let gateways = if turned { subnets.as_slice() } else { &[] };
            if let Some(copy) = copy(route, ifindex, gateways) {
                insert(copy);
            }
        }
    }
    routes.into_values().collect()
}

/// A route in the form in which ours can be compared with what the kernel lists: no statistics, no state.
pub(super) fn normal(mut route: RouteMessage) -> RouteMessage {
    let table = table(&route);
    route.header.table = RouteHeader::RT_TABLE_UNSPEC;
    route.header.flags &= RouteFlags::Onlink;
    for attribute in &mut route.attributes {
        if let RouteAttribute::MultiPath(hops) = attribute {
            for hop in hops {
                hop.flags &= RouteNextHopFlags::Onlink;
            }
        }
    }
    route.attributes.retain(|attribute| {
        matches!(
            attribute,
            RouteAttribute::Destination(_)
                | RouteAttribute::Priority(_)
                | RouteAttribute::Oif(_)
                | RouteAttribute::Metrics(_)
                | RouteAttribute::MultiPath(_)
        ) || is_gateway(attribute)
    });
    route.attributes.push(RouteAttribute::Table(table));
    route.attributes.sort_by_key(|attribute| attribute.kind());
    route
}

/// The table that a route is in.
pub(super) fn table(route: &RouteMessage) -> u32 {
    find(&route.attributes, |attribute| {
        if let RouteAttribute::Table(table) = attribute {
            Some(*table)
        } else {
            None
        }
    })
    .unwrap_or(route.header.table.into())
}

/// See [`Key`].
pub(super) fn key(route: &RouteMessage) -> Key {
    let destination = find(&route.attributes, |attribute| {
        if let RouteAttribute::Destination(ip) = attribute {
            address(ip)
        } else {
            None
        }
    });
    let anywhere = if is_ipv6(route) {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    };
    let priority = find(&route.attributes, |attribute| {
        if let RouteAttribute::Priority(priority) = attribute {
            Some(*priority)
        } else {
            None
        }
    });
    (
        destination.unwrap_or(anywhere),
        route.header.destination_prefix_length,
        route.header.tos,
        priority.unwrap_or(0),
    )
}

fn connected(ifindex: u32, network: IpAddr, prefix: u8) -> RouteMessage {
    let mut route = match network {
        IpAddr::V4(_) => ours(AddressFamily::Inet, RouteScope::Link),
        // IPv6 has no scopes of routes.
        IpAddr::V6(_) => ours(AddressFamily::Inet6, RouteScope::Universe),
    };
    if network.is_ipv6() {
        route
            .attributes
            .push(RouteAttribute::Priority(CONNECTED_IPV6));
    }
    route.header.destination_prefix_length = prefix;
    if prefix > 0 {
        route
            .attributes
            .push(RouteAttribute::Destination(network.into()));
    }
    route.attributes.push(RouteAttribute::Oif(ifindex));
    route
        .attributes
        .push(RouteAttribute::Table(table_of(ifindex)));
    normal(route)
}

/// The copy of a route of the main table with those of its hops that leave by the NIC, or go to a gateway in `gateways`.
fn copy(route: &RouteMessage, ifindex: u32, gateways: &[(IpAddr, u8)]) -> Option<RouteMessage> {
    let header = &route.header;
    if !subnet::FAMILIES.contains(&header.address_family)
        || header.kind != RouteType::Unicast
        || header.flags.contains(RouteFlags::Cloned)
        || table(route) != u32::from(RouteHeader::RT_TABLE_MAIN)
    {
        return None;
    }

    let mut hops: Vec<_> = hops(route)
        .into_iter()
        .filter(|hop| {
            hop.interface_index == ifindex || gateway(hop).is_some_and(|ip| contains(gateways, ip))
        })
        .collect();
    for hop in &mut hops {
        let turned = std::mem::replace(&mut hop.interface_index, ifindex) != ifindex;
        hop.flags = if hop.attributes.is_empty() {
            RouteNextHopFlags::empty()
        } else if !is_ipv6(route) {
            // The gateway was checked when the route was added to the main table; our table need not lead to it.
            RouteNextHopFlags::Onlink
        } else if turned {
            // The kernel looks for the gateway in our table, where its subnet is. With the flag it would refuse a gateway
            // that the main table finds behind another NIC.
            RouteNextHopFlags::empty()
        } else {
            hop.flags & RouteNextHopFlags::Onlink
        };
    }

    let mut copy = ours(header.address_family, header.scope);
    copy.header.destination_prefix_length = header.destination_prefix_length;
    copy.header.tos = header.tos;
    copy.attributes.extend(
        route
            .attributes
            .iter()
            .filter(|attribute| {
                matches!(
                    attribute,
                    RouteAttribute::Destination(_)
                        | RouteAttribute::Priority(_)
                        | RouteAttribute::Metrics(_)
                )
            })
            .cloned(),
    );
    if hops.len() > 1 {
        copy.attributes.push(RouteAttribute::MultiPath(hops));
    } else {
        let hop = hops.pop()?;
        if hop.flags.contains(RouteNextHopFlags::Onlink) {
            copy.header.flags |= RouteFlags::Onlink;
        }
        copy.attributes
            .push(RouteAttribute::Oif(hop.interface_index));
        copy.attributes.extend(hop.attributes);
    }
    copy.attributes
        .push(RouteAttribute::Table(table_of(ifindex)));
    Some(normal(copy))
}

fn ours(family: AddressFamily, scope: RouteScope) -> RouteMessage {
    let mut route = RouteMessage::default();
    route.header.address_family = family;
    route.header.protocol = RouteProtocol::Other(PROTOCOL);
    route.header.kind = RouteType::Unicast;
    route.header.scope = scope;
    route
}

/// The hops of a route, with what leads to the gateway and nothing else.
fn hops(route: &RouteMessage) -> Vec<RouteNextHop> {
    let gateways = |attributes: &[RouteAttribute]| {
        attributes
            .iter()
            .filter(|a| is_gateway(a))
            .cloned()
            .collect()
    };
    for attribute in &route.attributes {
        if let RouteAttribute::MultiPath(hops) = attribute {
            let mut hops = hops.clone();
            for hop in &mut hops {
                hop.attributes = gateways(&hop.attributes);
            }
            return hops;
        }
    }
    let mut hop = RouteNextHop::default();
    for attribute in &route.attributes {
        if let RouteAttribute::Oif(index) = attribute {
            hop.interface_index = *index;
        }
    }
    hop.attributes = gateways(&route.attributes);
    if route.header.flags.contains(RouteFlags::Onlink) {
        hop.flags |= RouteNextHopFlags::Onlink;
    }
    vec![hop]
}

fn is_gateway(attribute: &RouteAttribute) -> bool {
    matches!(
        attribute,
        RouteAttribute::Gateway(_)
            | RouteAttribute::Via(_)
            | RouteAttribute::EncapType(_)
            | RouteAttribute::Encap(_)
    )
}

fn gateway(hop: &RouteNextHop) -> Option<IpAddr> {
    find(&hop.attributes, |attribute| {
        if let RouteAttribute::Gateway(ip) = attribute {
            address(ip)
        } else {
            None
        }
    })
}

/// Whether a route leads to a gateway rather than to neighbours.
fn is_routed(route: &RouteMessage) -> bool {
    if is_ipv6(route) {
        hops(route).iter().any(|hop| gateway(hop).is_some())
    } else {
        route.header.scope == RouteScope::Universe
    }
}

fn is_ipv6(route: &RouteMessage) -> bool {
    route.header.address_family == AddressFamily::Inet6
}

fn address(ip: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(ip) = ip {
        Some(IpAddr::V4(*ip))
    } else if let RouteAddress::Inet6(ip) = ip {
        Some(IpAddr::V6(*ip))
    } else {
        None
    }
}

fn find<T>(attributes: &[RouteAttribute], get: impl Fn(&RouteAttribute) -> Option<T>) -> Option<T> {
    attributes.iter().find_map(get)
}

fn contains(subnets: &[(IpAddr, u8)], ip: IpAddr) -> bool {
    subnets
        .iter()
        .any(|&(subnet, prefix)| network(ip, prefix) == subnet && ip != subnet)
}

#[cfg(test)]
mod tests;

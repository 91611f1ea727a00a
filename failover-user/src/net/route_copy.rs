//! Which routes belong into the table of a NIC. Pure.

use std::{collections::BTreeMap, net::Ipv4Addr};

use netlink_packet_core::Nla as _;
use netlink_packet_route::{
    AddressFamily,
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
        RouteNextHopFlags, RouteProtocol, RouteScope, RouteType,
    },
};

use super::{PROTOCOL, table_of};

/// What makes two routes of a table the same one to the kernel: destination, prefix length, TOS, priority.
pub(super) type Key = (Ipv4Addr, u8, u8, u32);

/// The routes of a NIC's table: the subnets of the held addresses, directly on the NIC; and those of the main table that
/// leave by the NIC, or by a gateway in one of these subnets, which the NIC reaches as well. Connected ones come first.
pub(super) fn wanted(
    ifindex: u32,
    subnets: &[(Ipv4Addr, u8)],
    main: &[RouteMessage],
) -> Vec<RouteMessage> {
    let subnets: Vec<_> = subnets
        .iter()
        .map(|&(ip, prefix)| (network(ip, prefix), prefix))
        .collect();
    let mut routes: BTreeMap<(bool, Key), RouteMessage> = BTreeMap::new();
    let mut insert = |route: RouteMessage| {
        let routed = route.header.scope == RouteScope::Universe;
        routes.entry((routed, key(&route))).or_insert(route);
    };

    // A /32 has no neighbours.
    for &(network, prefix) in subnets.iter().filter(|(_, prefix)| *prefix < 32) {
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
        if let RouteAttribute::Destination(RouteAddress::Inet(ip)) = attribute {
            Some(*ip)
        } else {
            None
        }
    });
    let priority = find(&route.attributes, |attribute| {
        if let RouteAttribute::Priority(priority) = attribute {
            Some(*priority)
        } else {
            None
        }
    });
    (
        destination.unwrap_or(Ipv4Addr::UNSPECIFIED),
        route.header.destination_prefix_length,
        route.header.tos,
        priority.unwrap_or(0),
    )
}

fn connected(ifindex: u32, network: Ipv4Addr, prefix: u8) -> RouteMessage {
    let mut route = ours(RouteScope::Link);
    route.header.destination_prefix_length = prefix;
    if prefix > 0 {
        route
            .attributes
            .push(RouteAttribute::Destination(RouteAddress::Inet(network)));
    }
    route.attributes.push(RouteAttribute::Oif(ifindex));
    route
        .attributes
        .push(RouteAttribute::Table(table_of(ifindex)));
    normal(route)
}

/// The copy of a route of the main table with those of its hops that leave by the NIC, or go to a gateway in `gateways`.
fn copy(route: &RouteMessage, ifindex: u32, gateways: &[(Ipv4Addr, u8)]) -> Option<RouteMessage> {
    let header = &route.header;
    if header.address_family != AddressFamily::Inet
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
        hop.interface_index = ifindex;
        // The gateway was checked when the route was added to the main table; our table need not lead to it.
        hop.flags = if hop.attributes.is_empty() {
            RouteNextHopFlags::empty()
        } else {
            RouteNextHopFlags::Onlink
        };
    }

    let mut copy = ours(header.scope);
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

fn ours(scope: RouteScope) -> RouteMessage {
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
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

fn gateway(hop: &RouteNextHop) -> Option<Ipv4Addr> {
    find(&hop.attributes, |attribute| {
        if let RouteAttribute::Gateway(RouteAddress::Inet(ip)) = attribute {
            Some(*ip)
        } else {
            None
        }
    })
}

fn find<T>(attributes: &[RouteAttribute], get: impl Fn(&RouteAttribute) -> Option<T>) -> Option<T> {
    attributes.iter().find_map(get)
}

fn network(ip: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(ip.to_bits() & mask(prefix))
}

fn contains(subnets: &[(Ipv4Addr, u8)], ip: Ipv4Addr) -> bool {
    subnets
        .iter()
        .any(|&(subnet, prefix)| network(ip, prefix) == subnet && ip != subnet)
}

fn mask(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! The rtnetlink messages of held addresses and their rules. Pure.

use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope},
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
    },
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType},
    rule::{RuleAction, RuleAttribute, RuleMessage},
};

use super::{
    PROTOCOL, RULE_PRIORITY,
    subnet::{family, single},
};

/// A held address on a NIC: always a single address (/32 or /128), so that it brings no prefix route into the main table
/// and is never the primary or the secondary of another address (a primary takes its secondaries with it).
///
/// An IPv6 address is usable at once, without duplicate address detection (RFC 4862 5.4): whether another host has it was
/// asked before it was decided. The kernel would have a route to an IPv6 address even at /128; it is told not to.
pub(super) fn address(ifindex: u32, ip: IpAddr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(ip);
    message.header.prefix_len = single(ip);
    message.header.scope = AddressScope::Universe;
    message.header.index = ifindex;
    message.attributes = vec![
        AddressAttribute::Local(ip),
        AddressAttribute::Address(ip),
        AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)),
    ];
    if ip.is_ipv6() {
        let flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    message
}

/// `from IP lookup TABLE`.
pub(super) fn rule(ip: IpAddr, table: u32, priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(ip);
    message.header.src_len = single(ip);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Source(ip),
        RuleAttribute::Table(table),
        RuleAttribute::Priority(priority),
        RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
    ];
    message
}

/// The local route of an IPv6 address. The kernel makes one for each address by itself, but in its own time: what arrives
/// in the fraction of a millisecond, or on a busy host in the milliseconds, before that is dropped.
pub(super) fn local_route(ifindex: u32, ip: Ipv6Addr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = 128;
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message.header.protocol = RouteProtocol::Other(PROTOCOL);
    message.header.kind = RouteType::Local;
    message.attributes = vec![
        // First, where `Batch::moved_to` finds it.
        RouteAttribute::Oif(ifindex),
        RouteAttribute::Table(RT_TABLE_LOCAL),
        RouteAttribute::Destination(RouteAddress::Inet6(ip)),
        // Not the kernel's, which has 0.
        RouteAttribute::Priority(RULE_PRIORITY),
    ];
    message
}

/// The kernel's table of this host's own addresses.
const RT_TABLE_LOCAL: u32 = 255;

/// An IPv6 address that is held on a NIC without being the kernel's: as the proxy of its owner the NIC listens to the
/// address's solicited-node group (RFC 4861 7.2.8), as long as the entry is there.
pub(super) fn proxy(ifindex: u32, ip: Ipv6Addr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.ifindex = ifindex;
    // The kernel forgets others when the NIC loses its carrier.
    message.header.state = NeighbourState::Permanent;
    message.header.flags = NeighbourFlags::Proxy;
    message.attributes = vec![
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)),
        NeighbourAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
    ];
    message
}

//! The rtnetlink messages of held addresses and their rules. Pure.

use std::net::Ipv4Addr;

use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressMessage, AddressProtocol, AddressScope},
    route::RouteProtocol,
    rule::{RuleAction, RuleAttribute, RuleMessage},
};

use super::PROTOCOL;

/// A held address on a NIC: always /32, so that it brings no prefix route into the main table and is never the primary
/// or the secondary of another address (a primary takes its secondaries with it).
pub(super) fn address(ifindex: u32, ip: Ipv4Addr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 32;
    message.header.scope = AddressScope::Universe;
    message.header.index = ifindex;
    message.attributes = vec![
        AddressAttribute::Local(ip.into()),
        AddressAttribute::Address(ip.into()),
        AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)),
    ];
    message
}

/// `from IP lookup TABLE`.
pub(super) fn rule(ip: Ipv4Addr, table: u32, priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.src_len = 32;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Source(ip.into()),
        RuleAttribute::Table(table),
        RuleAttribute::Priority(priority),
        RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
    ];
    message
}

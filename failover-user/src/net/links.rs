//! The host's NICs and their addresses.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressMessage},
    link::{LinkAttribute, LinkFlags, LinkMessage},
};

use super::subnet::FAMILIES;

/// A NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in this network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC address; zero if it has none of six octets.
    pub mac: [u8; 6],
    /// Largest IP packet that it sends, octets.
    pub mtu: u32,
    /// It is switched on (`ip link set up`).
    pub up: bool,
    /// Something is at the other end of the cable.
    pub carrier: bool,
    /// It is a loopback device.
    pub loopback: bool,
    /// Its addresses and their prefix lengths, as the kernel lists them; IPv4 comes first.
    pub addresses: Vec<(IpAddr, u8)>,
}

impl Link {
    /// Whether frames can pass.
    pub fn usable(&self) -> bool {
        self.up && self.carrier
    }
}

/// All NICs, by index.
///
/// # Errors
/// The kernel does not answer.
pub async fn list(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<Link>> {
    let mut links: BTreeMap<u32, Link> = BTreeMap::new();
    let mut messages = handle.link().get().execute();
    while let Some(message) = messages.try_next().await.context("cannot list the NICs")? {
        if let Some(link) = parse_link(&message) {
            links.insert(link.index, link);
        }
    }

    for family in FAMILIES {
        for message in addresses_of(handle, family).await? {
            if !will_not_last(&message)
                && let Some((index, address)) = parse_address(&message)
                && let Some(link) = links.get_mut(&index)
            {
                link.addresses.push(address);
            }
        }
    }

    Ok(links.into_values().collect())
}

/// The addresses of an IP version on all NICs. A kernel without that version answers with those of every other one: there is
/// nobody who knows better (`rtnetlink_rcv_msg` falls back to `PF_UNSPEC`).
///
/// # Errors
/// The kernel does not answer.
pub async fn addresses_of(
    handle: &rtnetlink::Handle,
    family: AddressFamily,
) -> anyhow::Result<Vec<AddressMessage>> {
    let mut request = handle.address().get();
    request.message_mut().header.family = family;
    let all: Vec<_> = request
        .execute()
        .try_collect()
        .await
        .context("cannot list the addresses")?;
    let of_family = |message: &AddressMessage| message.header.family == family;
    Ok(all.into_iter().filter(of_family).collect())
}

/// A NIC without its addresses. `None`: the message is of another family. Bridges tell of their ports in messages of
/// their own, of which the deletion means "no longer a port".
pub(super) fn parse_link(message: &LinkMessage) -> Option<Link> {
    let header = &message.header;
    if header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut link = Link {
        index: header.index,
        name: String::new(),
        mac: [0; 6],
        mtu: 0,
        up: header.flags.contains(LinkFlags::Up),
        carrier: header.flags.contains(LinkFlags::LowerUp),
        loopback: header.flags.contains(LinkFlags::Loopback),
        addresses: Vec::new(),
    };
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            link.name.clone_from(name);
        } else if let LinkAttribute::Address(mac) = attribute {
            link.mac = mac.as_slice().try_into().unwrap_or_default();
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            link.mtu = *mtu;
        } else if let LinkAttribute::Carrier(carrier) = attribute {
            link.carrier = *carrier != 0;
        }
    }
    Some(link)
}

/// An IPv6 address that is nothing to build on, because another host has it (RFC 4862 5.4.5) or because it will be
/// replaced by another (RFC 8981).
pub(super) fn will_not_last(message: &AddressMessage) -> bool {
    // In IPv4 the flag of a temporary address is that of a secondary one.
    let passing = AddressFlags::Secondary | AddressFlags::Dadfailed;
    message.header.family == AddressFamily::Inet6
        && message.attributes.iter().any(|attribute| {
            matches!(attribute, AddressAttribute::Flags(flags) if flags.intersects(passing))
        })
}

/// The NIC that an address is on, the address and its prefix length.
pub(super) fn parse_address(message: &AddressMessage) -> Option<(u32, (IpAddr, u8))> {
    if !FAMILIES.contains(&message.header.family) {
        return None;
    }
    // With a point-to-point peer the "address" is the peer's, and the "local" one is ours.
    let (mut address, mut local) = (None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Address(ip) = attribute {
            address = Some(*ip);
        } else if let AddressAttribute::Local(ip) = attribute {
            local = Some(*ip);
        }
    }
    let ip = local.or(address)?;
    Some((message.header.index, (ip, message.header.prefix_len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 3;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        message.attributes = vec![
            LinkAttribute::IfName("ens1".into()),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
        ];
        message
    }

    #[test]
    fn a_link_is_read_from_its_message() {
        let link = parse_link(&message()).unwrap();

        let expected = Link {
            index: 3,
            name: "ens1".into(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            up: true,
            carrier: true,
            loopback: false,
            addresses: vec![],
        };
        assert_eq!(link, expected);
    }

    #[test]
    fn the_carrier_attribute_says_whether_there_is_a_carrier() {
        let mut message = message();
        message.attributes.push(LinkAttribute::Carrier(0));

        let link = parse_link(&message).unwrap();

        assert!(link.up && !link.carrier && !link.usable());
    }

    #[test]
    fn what_a_bridge_says_of_its_ports_is_no_link() {
        let mut message = message();
        message.header.interface_family = AddressFamily::Bridge;

        assert_eq!(parse_link(&message), None);
    }

    #[test]
    fn the_address_of_a_point_to_point_link_is_the_local_one() {
        let [ours, theirs] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.index = 3;
        message.header.prefix_len = 32;
        message.attributes = vec![
            AddressAttribute::Address(theirs),
            AddressAttribute::Local(ours),
        ];

        assert_eq!(parse_address(&message), Some((3, (ours, 32))));
    }

    #[test]
    fn an_ipv6_address_may_be_nothing_to_build_on() {
        let ip: IpAddr = "fd00::2".parse().unwrap();
        let address = |flags| {
            let mut message = AddressMessage::default();
            message.header.family = AddressFamily::Inet6;
            message.header.index = 3;
            message.header.prefix_len = 64;
            message.attributes = vec![
                AddressAttribute::Address(ip),
                AddressAttribute::Flags(flags),
            ];
            assert_eq!(parse_address(&message), Some((3, (ip, 64))));
            will_not_last(&message)
        };

        let there = [AddressFlags::Permanent, AddressFlags::Tentative].map(address);
        let passing = [AddressFlags::Secondary, AddressFlags::Dadfailed].map(address);

        assert_eq!((there, passing), ([false; 2], [true; 2]));
    }
}

//! Finding and removing what is ours, and nothing else.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressMessage, AddressProtocol},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage},
    route::RouteProtocol,
    rule::{RuleAttribute, RuleMessage},
};
use rtnetlink::IpVersion;

use super::{PROTOCOL, errno, links, subnet::FAMILIES, tables};

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Held addresses.
    pub addresses: usize,
    /// Rules of held addresses.
    pub rules: usize,
    /// Routes of the NICs' tables.
    pub routes: usize,
    /// Addresses that a NIC listened for as a proxy.
    pub proxies: usize,
}

/// Removes all addresses, rules and routes that carry our protocol number, whichever process added them.
///
/// Linux before 5.18 does not keep the mark of an address; the addresses then have to be removed by what the takeover
/// map says.
///
/// # Errors
/// The kernel refuses, or does not answer; what was not reached is still there.
pub async fn remove_everything(handle: &rtnetlink::Handle) -> anyhow::Result<Removed> {
    let mut removed = Removed::default();
    // Addresses first: as long as one is there, its replies should leave by its NIC.
    for (ip, address) in our_addresses(handle).await? {
        let result = handle.address().del(address).execute().await;
        gone(result, &[libc::EADDRNOTAVAIL, libc::ENODEV])
            .with_context(|| format!("cannot remove the address {ip}"))?;
        removed.addresses += 1;
    }
    for rule in our_rules(handle).await? {
        let result = handle.rule().del(rule).execute().await;
        gone(result, &[libc::ENOENT]).context("cannot remove a rule")?;
        removed.rules += 1;
    }
    for proxy in our_proxies(handle).await? {
        let result = handle.neighbours().del(proxy).execute().await;
        gone(result, &[libc::ENOENT, libc::ENODEV]).context("cannot end listening as a proxy")?;
        removed.proxies += 1;
    }
    for route in tables::ours(handle, None).await? {
        tables::remove(handle, &route).await?;
        removed.routes += 1;
    }
    Ok(removed)
}

/// The addresses that carry our mark, and the NICs they are on.
///
/// # Errors
/// The kernel does not answer.
pub async fn addresses(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<(u32, IpAddr)>> {
    let addresses = our_addresses(handle).await?;
    Ok(addresses
        .into_iter()
        .map(|(ip, message)| (message.header.index, ip))
        .collect())
}

/// The rules that carry our mark: the address that each is for, and its table.
///
/// # Errors
/// The kernel does not answer.
pub async fn rules(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<(IpAddr, u32)>> {
    let rules = our_rules(handle).await?;
    Ok(rules.iter().filter_map(parse_rule).collect())
}

fn parse_rule(rule: &RuleMessage) -> Option<(IpAddr, u32)> {
    let (mut ip, mut table) = (None, u32::from(rule.header.table));
    for attribute in &rule.attributes {
        if let RuleAttribute::Source(source) = attribute {
            ip = Some(*source);
        } else if let RuleAttribute::Table(number) = attribute {
            table = *number;
        }
    }
    ip.map(|ip| (ip, table))
}

async fn our_addresses(
    handle: &rtnetlink::Handle,
) -> anyhow::Result<Vec<(IpAddr, AddressMessage)>> {
    let mark = AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL));
    let mut addresses = Vec::new();
    for family in FAMILIES {
        let mut request = handle.address().get();
        request.message_mut().header.family = family;
        let mut messages = request.execute();
        while let Some(message) = messages
            .try_next()
            .await
            .context("cannot list the addresses")?
        {
            if message.attributes.contains(&mark)
                && let Some((_, (ip, _))) = links::parse_address(&message)
            {
                addresses.push((ip, message));
            }
        }
    }
    Ok(addresses)
}

async fn our_rules(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<RuleMessage>> {
    let mark = RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL));
    let mut rules = Vec::new();
    for version in [IpVersion::V4, IpVersion::V6] {
        let messages = handle.rule().get(version).execute();
        let listed: Vec<_> = messages
            .try_collect()
            .await
            .context("cannot list the rules")?;
        rules.extend(
            listed
                .into_iter()
                .filter(|rule| rule.attributes.contains(&mark)),
        );
    }
    Ok(rules)
}

/// The IPv6 addresses that NICs listen for as a proxy, with our mark, and the NICs.
///
/// # Errors
/// The kernel does not answer.
pub async fn proxies(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<(u32, Ipv6Addr)>> {
    let proxies = our_proxies(handle).await?;
    let parse = |proxy: &NeighbourMessage| {
        proxy.attributes.iter().find_map(|attribute| {
            if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) = attribute {
                Some((proxy.header.ifindex, *ip))
            } else {
                None
            }
        })
    };
    Ok(proxies.iter().filter_map(parse).collect())
}

async fn our_proxies(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<NeighbourMessage>> {
    let mark = NeighbourAttribute::Protocol(RouteProtocol::Other(PROTOCOL));
    let proxies: Vec<_> = handle
        .neighbours()
        .get()
        .proxies()
        .set_address_family(AddressFamily::Inet6)
        .execute()
        .try_collect()
        .await
        .context("cannot list what is listened for as a proxy")?;
    Ok(proxies
        .into_iter()
        .filter(|proxy| proxy.attributes.contains(&mark))
        .collect())
}

/// Passes over errors that say that there was nothing left to remove.
fn gone(
    result: Result<(), rtnetlink::Error>,
    nothing_left: &[i32],
) -> Result<(), rtnetlink::Error> {
    match result {
        Err(error) if !errno(&error).is_some_and(|errno| nothing_left.contains(&errno)) => {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

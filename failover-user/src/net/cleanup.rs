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
/// The kernel refuses, or does not answer: the first reason. Everything else is removed all the same.
pub async fn remove_everything(handle: &rtnetlink::Handle) -> anyhow::Result<Removed> {
    let mut removed = Removed::default();
    let mut failed = Failed::default();
    // Addresses first: as long as one is there, its replies should leave by its NIC.
    for (ip, address) in failed.note(our_addresses(handle).await).unwrap_or_default() {
        let result = handle.address().del(address).execute().await;
        let result = gone(result, &[libc::EADDRNOTAVAIL, libc::ENODEV])
            .with_context(|| format!("cannot remove the address {ip}"));
        removed.addresses += usize::from(failed.note(result).is_some());
    }
    for rule in failed.note(our_rules(handle).await).unwrap_or_default() {
        let result = handle.rule().del(rule).execute().await;
        let result = gone(result, &[libc::ENOENT]).context("cannot remove a rule");
        removed.rules += usize::from(failed.note(result).is_some());
    }
    for proxy in failed.note(our_proxies(handle).await).unwrap_or_default() {
        let result = handle.neighbours().del(proxy).execute().await;
        let result =
            gone(result, &[libc::ENOENT, libc::ENODEV]).context("cannot end listening as a proxy");
        removed.proxies += usize::from(failed.note(result).is_some());
    }
    let routes = failed.note(tables::ours(handle, None).await);
    for route in routes.unwrap_or_default() {
        let result = tables::remove(handle, &route).await;
        removed.routes += usize::from(failed.note(result).is_some());
    }
    match failed.first {
        None => Ok(removed),
        Some(error) if failed.others == 0 => Err(error),
        Some(error) => Err(error.context(format!("{} removals failed", failed.others + 1))),
    }
}

/// What could not be removed. It keeps nothing else from being removed.
#[derive(Debug, Default)]
struct Failed {
    first: Option<anyhow::Error>,
    others: usize,
}

impl Failed {
    fn note<T>(&mut self, result: anyhow::Result<T>) -> Option<T> {
        match result {
            Ok(done) => Some(done),
            Err(error) if self.first.is_none() => {
                self.first = Some(error);
                None
            }
            Err(_) => {
                self.others += 1;
                None
            }
        }
    }
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
        for message in links::addresses_of(handle, family).await? {
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
    for family in FAMILIES {
        let mut listed = rules_of(handle, family).await?;
        listed.retain(|rule| rule.attributes.contains(&mark));
        rules.extend(listed);
    }
    Ok(rules)
}

/// All rules of an IP version. A kernel without it has none.
///
/// # Errors
/// The kernel does not answer.
pub async fn rules_of(
    handle: &rtnetlink::Handle,
    family: AddressFamily,
) -> anyhow::Result<Vec<RuleMessage>> {
    let mut request = handle.rule().get(IpVersion::V4);
    request.message_mut().header.family = family;
    match request.execute().try_collect().await {
        Err(error) if errno(&error) == Some(libc::EAFNOSUPPORT) => Ok(Vec::new()),
        listed => listed.context("cannot list the rules"),
    }
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

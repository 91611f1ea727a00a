//! A routing table per target NIC, so that replies from the held addresses leave by the chosen NIC. Nothing uses a table
//! until a rule points at it; the rules come and go with the addresses ([`super::batch`]).

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use netlink_packet_route::{
    AddressFamily,
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol},
};

use super::{
    PROTOCOL, TABLE_BASE, errno,
    links::Link,
    route_copy,
    subnet::{self, FAMILIES},
    table_of,
};

/// Fills the table of a NIC, or brings it up to date: the subnets of the addresses to be held (any address of it and the
/// prefix length), and copies of the main table's routes that leave by the NIC. What is right already is not touched. Each
/// IP version has a table of its own by the same number; that of a version without subnets is empty.
///
/// The kernel flushes the routes of a NIC, in every table, when the NIC goes down: call this again when it is up, and
/// when the main table changed. For a NIC that is down there is nothing to do.
///
/// # Errors
/// The kernel refuses a route, or does not answer.
pub async fn prepare(
    handle: &rtnetlink::Handle,
    link: &Link,
    subnets: &[(IpAddr, u8)],
) -> anyhow::Result<()> {
    if !link.up {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for family in FAMILIES {
        let mut subnets = subnets.to_vec();
        subnets.retain(|(ip, _)| subnet::family(*ip) == family);
        if !subnets.is_empty() {
            let main = routes(handle, family, Some(RouteHeader::RT_TABLE_MAIN.into())).await?;
            wanted.extend(route_copy::wanted(link.index, &subnets, &main));
        }
    }
    let present = ours(handle, Some(table_of(link.index))).await?;

    for route in wanted.iter().filter(|route| !present.contains(route)) {
        handle
            .route()
            .add(route.clone())
            .replace()
            .execute()
            .await
            .with_context(|| {
                format!(
                    "cannot add the route to {} out of {}",
                    describe(route),
                    link.name
                )
            })?;
    }
    let keys: BTreeSet<_> = wanted.iter().map(route_copy::key).collect();
    for route in present
        .iter()
        .filter(|route| !keys.contains(&route_copy::key(route)))
    {
        remove(handle, route).await?;
    }
    Ok(())
}

/// Removes our routes from the table of a NIC.
///
/// # Errors
/// The kernel refuses, or does not answer.
pub async fn clear(handle: &rtnetlink::Handle, ifindex: u32) -> anyhow::Result<()> {
    for route in ours(handle, Some(table_of(ifindex))).await? {
        remove(handle, &route).await?;
    }
    Ok(())
}

/// Removes our routes from the tables of NICs (ifindex) that are none of these. What is left of one that is gone, or is not
/// used any more, would be in force again for whatever NIC gets its number.
///
/// # Errors
/// The kernel refuses, or does not answer.
pub async fn clear_others(
    handle: &rtnetlink::Handle,
    managed: &BTreeSet<u32>,
) -> anyhow::Result<()> {
    let kept: BTreeSet<u32> = managed.iter().copied().map(table_of).collect();
    for route in ours(handle, None).await? {
        let table = route_copy::table(&route);
        // Local routes of held addresses are in the kernel's own table.
        if table >= TABLE_BASE && !kept.contains(&table) {
            remove(handle, &route).await?;
        }
    }
    Ok(())
}

/// Our routes, in one table or in all.
pub(super) async fn ours(
    handle: &rtnetlink::Handle,
    table: Option<u32>,
) -> anyhow::Result<Vec<RouteMessage>> {
    let mut ours = Vec::new();
    for family in FAMILIES {
        let mut routes = routes(handle, family, table).await?;
        routes.retain(|route| route.header.protocol == RouteProtocol::Other(PROTOCOL));
        ours.extend(routes.into_iter().map(route_copy::normal));
    }
    Ok(ours)
}

/// Removes a route; one that is gone already is no error.
pub(super) async fn remove(handle: &rtnetlink::Handle, route: &RouteMessage) -> anyhow::Result<()> {
    match handle.route().del(route.clone()).execute().await {
        Err(error) if errno(&error) != Some(libc::ESRCH) => {
            Err(error).with_context(|| format!("cannot remove the route to {}", describe(route)))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Routes of an IP version, in one table or in all. A kernel without that version answers with those of every other one.
///
/// # Errors
/// The kernel does not answer.
pub async fn routes(
    handle: &rtnetlink::Handle,
    family: AddressFamily,
    table: Option<u32>,
) -> anyhow::Result<Vec<RouteMessage>> {
    let mut request = RouteMessage::default();
    request.header.address_family = family;
    request.attributes.extend(table.map(RouteAttribute::Table));
    let mut messages = handle.route().get(request).execute();
    let mut routes = Vec::new();
    loop {
        match messages.try_next().await {
            // Without strict checking the kernel lists all tables.
            Ok(Some(route)) => {
                if route.header.address_family == family
                    && table.is_none_or(|table| route_copy::table(&route) == table)
                {
                    routes.push(route);
                }
            }
            Ok(None) => return Ok(routes),
            // There is no such table until it has a route.
            Err(error) if errno(&error) == Some(libc::ENOENT) => return Ok(routes),
            Err(error) => return Err(error).context("cannot list the routes"),
        }
    }
}

fn describe(route: &RouteMessage) -> String {
    let (destination, prefix, ..) = route_copy::key(route);
    format!("{destination}/{prefix}")
}

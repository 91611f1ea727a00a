//! The MAC addresses of neighbours. The kernel does the ARP and the neighbour discovery; this asks it to, and listens to what it finds.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
    },
};
use rtnetlink::MulticastGroup;
use tokio::sync::mpsc;
use tracing::error;

use super::{
    errno,
    multicast::{Received, Subscription},
    subnet::{FAMILIES, family},
};

/// What the kernel knows of a neighbour now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighbourEvent {
    /// The NIC.
    pub ifindex: u32,
    /// The neighbour.
    pub ip: IpAddr,
    /// Its MAC address. `None`: it does not answer, or was forgotten. That is no news of a host that has failed: whoever
    /// wants to talk to it still keeps the last MAC address.
    pub mac: Option<[u8; 6]>,
}

/// Asks the kernel to resolve a neighbour, or to check an entry that is no longer fresh; what it finds comes by
/// [`watch`]. Entries that an administrator has made permanent are left as they are.
///
/// # Errors
/// There is no such NIC, or no permission.
pub async fn resolve(handle: &rtnetlink::Handle, ifindex: u32, ip: IpAddr) -> anyhow::Result<()> {
    // NTF_USE takes the permanence from an entry.
    if let Some(message) = get(handle, ifindex, ip).await?
        && matches!(
            message.header.state,
            NeighbourState::Permanent | NeighbourState::Noarp
        )
    {
        return Ok(());
    }
    handle
        .neighbours()
        .add(ifindex, ip)
        .state(NeighbourState::None)
        .flags(NeighbourFlags::Use)
        .replace()
        .execute()
        .await
        .with_context(|| format!("cannot ask the kernel to resolve {ip}"))
}

/// The MAC address of a neighbour, if the kernel has it.
///
/// # Errors
/// There is no such NIC.
pub async fn lookup(
    handle: &rtnetlink::Handle,
    ifindex: u32,
    ip: IpAddr,
) -> anyhow::Result<Option<[u8; 6]>> {
    let message = get(handle, ifindex, ip).await?;
    Ok(message
        .as_ref()
        .and_then(parse)
        .and_then(|neighbour| neighbour.mac))
}

async fn get(
    handle: &rtnetlink::Handle,
    ifindex: u32,
    ip: IpAddr,
) -> anyhow::Result<Option<NeighbourMessage>> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(ip);
    message.header.ifindex = ifindex;
    message.attributes = vec![NeighbourAttribute::Destination(match ip {
        IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
        IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
    })];
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNeighbour(message));
    request.header.flags = NLM_F_REQUEST;

    let context = || format!("cannot look up the neighbour {ip}");
    let mut answers = handle.clone().request(request).with_context(context)?;
    let Some(answer) = answers.next().await else {
        return Ok(None);
    };
    if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(message)) = answer.payload
    {
        Ok(Some(message))
    } else if let NetlinkPayload::Error(error) = answer.payload {
        match error.to_io() {
            error if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            error => Err(error).with_context(context),
        }
    } else {
        Ok(None)
    }
}

/// Watches the neighbours of the calling thread's network namespace. The first events are all that have a MAC address;
/// after that, every change. When the kernel has lost notifications, all is listed again.
///
/// The watch ends when the receiver is dropped; the channel closes if the kernel can no longer be asked (logged).
///
/// # Errors
/// The sockets cannot be opened.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn watch() -> anyhow::Result<mpsc::Receiver<NeighbourEvent>> {
    let subscription = Subscription::open(&[MulticastGroup::Neigh])
        .context("cannot subscribe to changes of neighbours")?;
    let handle = super::connect()?;
    let (events, receiver) = mpsc::channel(256);
    tokio::spawn(async move {
        tokio::select! {
            result = run(subscription, handle, &events) => {
                if let Err(error) = result {
                    error!(error = format!("{error:#}"), "neighbours are no longer watched");
                }
            }
            () = events.closed() => {}
        }
    });
    Ok(receiver)
}

async fn run(
    mut subscription: Subscription,
    handle: rtnetlink::Handle,
    events: &mpsc::Sender<NeighbourEvent>,
) -> anyhow::Result<()> {
    let mut known = Known::default();
    let mut received = Received::Overrun;
    loop {
        let changes: Vec<NeighbourEvent> = match received {
            Received::Messages(messages) => messages
                .iter()
                .filter_map(|message| known.apply(message))
                .collect(),
            Received::Overrun => {
                subscription.discard()?;
                known.replace(list(&handle).await?)
            }
        };
        for change in changes {
            if events.send(change).await.is_err() {
                return Ok(());
            }
        }
        received = subscription.receive().await?;
    }
}

async fn list(handle: &rtnetlink::Handle) -> anyhow::Result<Vec<NeighbourEvent>> {
    let mut neighbours = Vec::new();
    for family in FAMILIES {
        let mut messages = handle
            .neighbours()
            .get()
            .set_address_family(family)
            .execute();
        loop {
            match messages.try_next().await {
                Ok(Some(message)) => neighbours.extend(parse(&message)),
                Ok(None) => break,
                // A NIC that disappeared while it was listed.
                Err(error) if errno(&error) == Some(libc::ENODEV) => break,
                Err(error) => return Err(error).context("cannot list the neighbours"),
            }
        }
    }
    Ok(neighbours)
}

fn parse(message: &NeighbourMessage) -> Option<NeighbourEvent> {
    // What this host does as a proxy says nothing of the neighbour.
    if !FAMILIES.contains(&message.header.family)
        || message.header.flags.contains(NeighbourFlags::Proxy)
    {
        return None;
    }
    let mut ip = None;
    let mut mac = None;
    for attribute in &message.attributes {
        if let NeighbourAttribute::Destination(NeighbourAddress::Inet(destination)) = attribute {
            ip = Some(IpAddr::V4(*destination));
        } else if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(destination)) =
            attribute
        {
            ip = Some(IpAddr::V6(*destination));
        } else if let NeighbourAttribute::LinkLayerAddress(address) = attribute {
            mac = address.as_slice().try_into().ok();
        }
    }
    // The others (none, incomplete, failed) may still carry the MAC address that was right once.
    let valid = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Noarp
            | NeighbourState::Permanent
    );
    Some(NeighbourEvent {
        ifindex: message.header.ifindex,
        // A group is nobody.
        ip: ip.filter(|ip| !ip.is_multicast())?,
        mac: mac.filter(|_| valid),
    })
}

/// The neighbours that have a MAC address, by NIC and address.
#[derive(Debug, Default)]
struct Known(BTreeMap<(u32, IpAddr), [u8; 6]>);

impl Known {
    /// Takes a notification in.
    fn apply(&mut self, message: &RouteNetlinkMessage) -> Option<NeighbourEvent> {
        if let RouteNetlinkMessage::NewNeighbour(message) = message {
            self.update(parse(message)?)
        } else if let RouteNetlinkMessage::DelNeighbour(message) = message {
            self.update(NeighbourEvent {
                mac: None,
                ..parse(message)?
            })
        } else {
            None
        }
    }

    /// Takes a listing in.
    fn replace(&mut self, neighbours: Vec<NeighbourEvent>) -> Vec<NeighbourEvent> {
        let now: BTreeMap<_, _> = neighbours
            .into_iter()
            .filter_map(|neighbour| Some(((neighbour.ifindex, neighbour.ip), neighbour.mac?)))
            .collect();
        let gone = self
            .0
            .keys()
            .filter(|key| !now.contains_key(key))
            .map(|&(ifindex, ip)| (ifindex, ip, None));
        let found = now
            .iter()
            .filter(|(key, mac)| self.0.get(key) != Some(mac))
            .map(|(&(ifindex, ip), &mac)| (ifindex, ip, Some(mac)));
        let events = gone
            .chain(found)
            .map(|(ifindex, ip, mac)| NeighbourEvent { ifindex, ip, mac })
            .collect();
        self.0 = now;
        events
    }

    fn update(&mut self, event: NeighbourEvent) -> Option<NeighbourEvent> {
        let key = (event.ifindex, event.ip);
        let before = match event.mac {
            Some(mac) => self.0.insert(key, mac),
            None => self.0.remove(&key),
        };
        (before != event.mac).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    use netlink_packet_route::AddressFamily;

    const IP: IpAddr = IpAddr::V4(THERE);
    const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn message(state: NeighbourState, mac: &[u8]) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = 3;
        message.header.state = state;
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet(THERE)),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        message
    }

    fn event(mac: Option<[u8; 6]>) -> NeighbourEvent {
        NeighbourEvent {
            ifindex: 3,
            ip: IP,
            mac,
        }
    }

    #[test]
    fn a_stale_entry_still_has_its_mac_and_a_failed_one_has_none() {
        let stale = parse(&message(NeighbourState::Stale, &MAC));
        let failed = parse(&message(NeighbourState::Failed, &MAC));

        assert_eq!(stale, Some(event(Some(MAC))));
        assert_eq!(failed, Some(event(None)));
    }

    #[test]
    fn an_ipv6_neighbour_has_a_mac_and_one_that_we_are_the_proxy_of_has_none() {
        let ip = std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x10);
        let mut neighbour = message(NeighbourState::Reachable, &MAC);
        neighbour.header.family = AddressFamily::Inet6;
        neighbour.attributes[0] = NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip));
        let mut proxied = neighbour.clone();
        proxied.header.flags = NeighbourFlags::Proxy;

        let expected = NeighbourEvent {
            ip: ip.into(),
            ..event(Some(MAC))
        };
        assert_eq!(parse(&neighbour), Some(expected));
        assert_eq!(parse(&proxied), None);
    }

    #[test]
    fn an_address_of_another_length_is_no_mac() {
        let parsed = parse(&message(NeighbourState::Reachable, &[1, 2, 3, 4]));

        assert_eq!(parsed, Some(event(None)));
    }

    #[test]
    fn only_changes_are_told() {
        let mut known = Known::default();
        let notify = |state| RouteNetlinkMessage::NewNeighbour(message(state, &MAC));

        let events = [
            NeighbourState::Incomplete,
            NeighbourState::Reachable,
            NeighbourState::Stale,
            NeighbourState::Failed,
            NeighbourState::Failed,
        ]
        .map(|state| known.apply(&notify(state)));

        assert_eq!(
            events,
            [None, Some(event(Some(MAC))), None, Some(event(None)), None]
        );
    }

    #[test]
    fn a_deleted_entry_has_no_mac() {
        let mut known = Known::default();
        known.update(event(Some(MAC)));

        let deleted = known.apply(&RouteNetlinkMessage::DelNeighbour(message(
            NeighbourState::Stale,
            &MAC,
        )));

        assert_eq!(deleted, Some(event(None)));
    }

    #[test]
    fn a_listing_after_lost_notifications_yields_the_difference() {
        let mut known = Known::default();
        let other = IpAddr::from([10, 0, 0, 11]);
        let third = NeighbourEvent {
            ip: IpAddr::from([10, 0, 0, 12]),
            ..event(Some(MAC))
        };
        known.replace(vec![event(Some(MAC)), third]);

        let found = NeighbourEvent {
            ip: other,
            ..event(Some(MAC))
        };
        let events = known.replace(vec![found, third]);

        assert_eq!(events, [event(None), found]);
    }
}

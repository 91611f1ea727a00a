//! What changes at the host's NICs.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::Context as _;
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::MulticastGroup;
use tokio::sync::mpsc;
use tracing::error;

use super::{
    links::{self, Link},
    multicast::{Received, Subscription},
};

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// A NIC is there, with these addresses. A NIC that comes back has another index.
    Appeared(Link),
    /// A NIC is gone, and its addresses with it.
    Disappeared(Link),
    /// Name, MAC, MTU, carrier or switch of a NIC changed.
    Changed {
        /// As it was.
        before: Link,
        /// As it is.
        after: Link,
    },
    /// An address was put on a NIC.
    AddressAdded {
        /// The NIC.
        index: u32,
        /// The address.
        ip: IpAddr,
        /// Its prefix length.
        prefix: u8,
    },
    /// An address was taken from a NIC.
    AddressRemoved {
        /// The NIC.
        index: u32,
        /// The address.
        ip: IpAddr,
        /// Its prefix length.
        prefix: u8,
    },
}

/// Watches the NICs of the calling thread's network namespace. The first events are [`LinkEvent::Appeared`] for all that
/// are there. When the kernel has lost notifications, all is listed again, and the events tell the difference.
///
/// The watch ends when the receiver is dropped; the channel closes if the kernel can no longer be asked (logged).
///
/// # Errors
/// The sockets cannot be opened.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn watch() -> anyhow::Result<mpsc::Receiver<LinkEvent>> {
    let groups = [
        MulticastGroup::Link,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
    ];
    let subscription =
        Subscription::open(&groups).context("cannot subscribe to changes of NICs")?;
    let handle = super::connect()?;
    let (events, receiver) = mpsc::channel(256);
    tokio::spawn(async move {
        tokio::select! {
            result = run(subscription, handle, &events) => {
                if let Err(error) = result {
                    error!(error = format!("{error:#}"), "NICs are no longer watched");
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
    events: &mpsc::Sender<LinkEvent>,
) -> anyhow::Result<()> {
    let mut known = Known::default();
    let mut received = Received::Overrun;
    loop {
        let changes = match received {
            Received::Messages(messages) => messages
                .iter()
                .flat_map(|message| known.apply(message))
                .collect(),
            Received::Overrun => {
                subscription.discard()?;
                known.replace(links::list(&handle).await?)
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

/// The NICs as far as they have been told of.
#[derive(Debug, Default)]
struct Known(BTreeMap<u32, Link>);

impl Known {
    /// Takes a notification in.
    fn apply(&mut self, message: &RouteNetlinkMessage) -> Vec<LinkEvent> {
        let event = if let RouteNetlinkMessage::NewLink(message) = message {
            links::parse_link(message).and_then(|link| self.link(link))
        } else if let RouteNetlinkMessage::DelLink(message) = message {
            links::parse_link(message)
                .and_then(|link| self.0.remove(&link.index))
                .map(LinkEvent::Disappeared)
        } else if let RouteNetlinkMessage::NewAddress(message) = message {
            links::parse_address(message)
                .filter(|_| !links::will_not_last(message))
                .and_then(|(index, address)| self.add(index, address))
        } else if let RouteNetlinkMessage::DelAddress(message) = message {
            links::parse_address(message).and_then(|(index, address)| self.remove(index, address))
        } else {
            None
        };
        event.into_iter().collect()
    }

    /// Takes a listing in.
    fn replace(&mut self, links: Vec<Link>) -> Vec<LinkEvent> {
        let gone: Vec<u32> = self
            .0
            .keys()
            .filter(|index| !links.iter().any(|link| link.index == **index))
            .copied()
            .collect();
        let mut events: Vec<LinkEvent> = gone
            .iter()
            .filter_map(|index| self.0.remove(index))
            .map(LinkEvent::Disappeared)
            .collect();

        for mut link in links {
            let index = link.index;
            let addresses = match self.0.get(&index) {
                None => {
                    events.extend(self.appear(link));
                    continue;
                }
                Some(_) => std::mem::take(&mut link.addresses),
            };
            events.extend(self.link(link));
            events.extend(self.readdress(index, &addresses));
        }
        events
    }

    /// A NIC as it is now, its addresses aside.
    fn link(&mut self, mut link: Link) -> Option<LinkEvent> {
        let Some(known) = self.0.get_mut(&link.index) else {
            return self.appear(link);
        };
        link.addresses.clone_from(&known.addresses);
        if *known == link {
            return None;
        }
        Some(LinkEvent::Changed {
            before: std::mem::replace(known, link.clone()),
            after: link,
        })
    }

    fn appear(&mut self, link: Link) -> Option<LinkEvent> {
        self.0.insert(link.index, link.clone());
        Some(LinkEvent::Appeared(link))
    }

    fn add(&mut self, index: u32, address: (IpAddr, u8)) -> Option<LinkEvent> {
        let link = self.0.get_mut(&index)?;
        if link.addresses.contains(&address) {
            return None;
        }
        link.addresses.push(address);
        let (ip, prefix) = address;
        Some(LinkEvent::AddressAdded { index, ip, prefix })
    }

    fn remove(&mut self, index: u32, address: (IpAddr, u8)) -> Option<LinkEvent> {
        let link = self.0.get_mut(&index)?;
        let place = link.addresses.iter().position(|known| *known == address)?;
        link.addresses.remove(place);
        let (ip, prefix) = address;
        Some(LinkEvent::AddressRemoved { index, ip, prefix })
    }

    /// The addresses of a NIC as they are now.
    fn readdress(&mut self, index: u32, addresses: &[(IpAddr, u8)]) -> Vec<LinkEvent> {
        let known = self.0.get(&index).map(|link| link.addresses.clone());
        let gone: Vec<_> = known
            .unwrap_or_default()
            .into_iter()
            .filter(|address| !addresses.contains(address))
            .collect();
        let mut events: Vec<_> = gone
            .into_iter()
            .filter_map(|address| self.remove(index, address))
            .collect();
        events.extend(
            addresses
                .iter()
                .filter_map(|address| self.add(index, *address)),
        );
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    use netlink_packet_route::{
        AddressFamily,
        address::{AddressAttribute, AddressMessage},
        link::{LinkAttribute, LinkFlags, LinkMessage},
    };

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10));

    fn link(index: u32) -> Link {
        Link {
            index,
            name: format!("ens{index}"),
            mac: [0; 6],
            mtu: 1500,
            up: true,
            carrier: true,
            loopback: false,
            addresses: vec![(IP, 24)],
        }
    }

    fn link_message(index: u32, carrier: bool) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.attributes = vec![
            LinkAttribute::IfName(format!("ens{index}")),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Carrier(carrier.into()),
        ];
        message
    }

    fn address_message(index: u32, prefix: u8) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.index = index;
        message.header.prefix_len = prefix;
        message.attributes = vec![AddressAttribute::Local(IP)];
        message
    }

    fn known(links: Vec<Link>) -> Known {
        let mut known = Known::default();
        known.replace(links);
        known
    }

    #[test]
    fn a_lost_carrier_is_a_change_that_keeps_the_addresses() {
        let mut known = known(vec![link(3)]);

        let events = known.apply(&RouteNetlinkMessage::NewLink(link_message(3, false)));

        let after = Link {
            carrier: false,
            ..link(3)
        };
        let before = link(3);
        assert_eq!(events, [LinkEvent::Changed { before, after }]);
    }

    #[test]
    fn a_notification_without_news_is_no_event() {
        let mut known = known(vec![link(3)]);

        let events = known.apply(&RouteNetlinkMessage::NewLink(link_message(3, true)));

        assert_eq!(events, []);
    }

    #[test]
    fn links_appear_and_disappear() {
        let mut known = Known::default();

        let appeared = known.apply(&RouteNetlinkMessage::NewLink(link_message(3, true)));
        let disappeared = known.apply(&RouteNetlinkMessage::DelLink(link_message(3, true)));

        let link = Link {
            addresses: vec![],
            ..link(3)
        };
        assert_eq!(appeared, [LinkEvent::Appeared(link.clone())]);
        assert_eq!(disappeared, [LinkEvent::Disappeared(link)]);
    }

    #[test]
    fn leaving_a_bridge_is_not_disappearing() {
        let mut known = known(vec![link(3)]);
        let mut message = link_message(3, true);
        message.header.interface_family = AddressFamily::Bridge;

        let events = known.apply(&RouteNetlinkMessage::DelLink(message));

        assert_eq!(events, []);
    }

    #[test]
    fn an_address_is_told_of_once_per_prefix_length() {
        let mut known = known(vec![link(3)]);

        let same = known.apply(&RouteNetlinkMessage::NewAddress(address_message(3, 24)));
        let other = known.apply(&RouteNetlinkMessage::NewAddress(address_message(3, 32)));
        let removed = known.apply(&RouteNetlinkMessage::DelAddress(address_message(3, 24)));

        let event = |prefix| (3, IP, prefix);
        let (index, ip, prefix) = event(32);
        assert_eq!(same, []);
        assert_eq!(other, [LinkEvent::AddressAdded { index, ip, prefix }]);
        let (index, ip, prefix) = event(24);
        assert_eq!(removed, [LinkEvent::AddressRemoved { index, ip, prefix }]);
    }

    #[test]
    fn a_listing_after_lost_notifications_yields_the_difference() {
        let mut known = known(vec![link(3), link(4)]);
        let now = Link {
            mtu: 9000,
            addresses: vec![(IP, 32)],
            ..link(3)
        };

        let events = known.replace(vec![now.clone(), link(5)]);

        let after = Link {
            addresses: vec![(IP, 24)],
            ..now
        };
        assert_eq!(
            events,
            [
                LinkEvent::Disappeared(link(4)),
                LinkEvent::Changed {
                    before: link(3),
                    after
                },
                LinkEvent::AddressRemoved {
                    index: 3,
                    ip: IP,
                    prefix: 24
                },
                LinkEvent::AddressAdded {
                    index: 3,
                    ip: IP,
                    prefix: 32
                },
                LinkEvent::Appeared(link(5)),
            ]
        );
    }
}

//! Whether the main routing table has changed: the tables of the NICs are made from it ([`super::tables`]).

use std::io;

use netlink_packet_route::{
    RouteNetlinkMessage,
    route::{RouteHeader, RouteMessage},
};
use rtnetlink::MulticastGroup;
use tokio::sync::watch;
use tracing::error;

use super::{
    multicast::{Received, Subscription},
    route_copy,
};

/// Counts changes of the main table of the calling thread's network namespace, as `changed()` of the receiver tells.
/// Changes that come together are one.
///
/// The watch ends when the receiver is dropped; the channel closes if the kernel can no longer be asked (logged).
///
/// # Errors
/// The socket cannot be opened.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn watch() -> io::Result<watch::Receiver<u64>> {
    let mut subscription =
        Subscription::open(&[MulticastGroup::Ipv4Route, MulticastGroup::Ipv6Route])?;
    let (changes, receiver) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            let received = tokio::select! {
                received = subscription.receive() => received,
                () = changes.closed() => return,
            };
            match received {
                Ok(Received::Messages(messages)) if !messages.iter().any(is_of_main) => {}
                Ok(Received::Messages(_) | Received::Overrun) => {
                    changes.send_modify(|count| *count += 1);
                }
                Err(error) => {
                    error!(%error, "routes are no longer watched");
                    return;
                }
            }
        }
    });
    Ok(receiver)
}

fn is_of_main(message: &RouteNetlinkMessage) -> bool {
    let of_main =
        |route: &RouteMessage| route_copy::table(route) == u32::from(RouteHeader::RT_TABLE_MAIN);
    if let RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) = message {
        of_main(route)
    } else {
        false
    }
}

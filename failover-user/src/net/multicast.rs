//! Notifications of the kernel: a netlink socket that is subscribed to rtnetlink groups.

use std::io;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rtnetlink::MulticastGroup;
use tokio::io::{Interest, unix::AsyncFd};
use tracing::debug;

/// What came from the kernel.
#[derive(Debug)]
pub(super) enum Received {
    /// Notifications, in order.
    Messages(Vec<RouteNetlinkMessage>),
    /// Notifications were lost because they came faster than they were read (`ENOBUFS`): the truth has to be listed.
    Overrun,
}

/// A subscription. The kernel's queue is its only buffer, so a slow reader costs a listing, never memory.
#[derive(Debug)]
pub(super) struct Subscription {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
}

impl Subscription {
    /// Subscribes in the calling thread's network namespace.
    pub(super) fn open(groups: &[MulticastGroup]) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in groups {
            socket.add_membership(*group as u32)?;
        }
        // SAFETY: the socket owns its descriptor, always names the same one, and closes it only when it is dropped, with
        // the AsyncFd that owns it.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self {
            socket,
            // The kernel's datagrams have at most 32 KiB.
            buffer: vec![0; 64 * 1024],
        })
    }

    /// Waits for notifications.
    pub(super) async fn receive(&mut self) -> io::Result<Received> {
        loop {
            let mut guard = self.socket.readable().await?;
            let Ok(result) =
                guard.try_io(|socket| socket.get_ref().recv(&mut &mut self.buffer[..], 0))
            else {
                continue;
            };
            return match result {
                Ok(length) => Ok(Received::Messages(parse(&self.buffer[..length]))),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(Received::Overrun),
                Err(error) => Err(error),
            };
        }
    }

    /// Throws away what is queued: it is older than the listing that follows.
    pub(super) fn discard(&mut self) -> io::Result<()> {
        loop {
            match self.socket.get_ref().recv(&mut &mut self.buffer[..], 0) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The messages of a datagram. One that is not understood is passed over: newer kernels say more than we know.
fn parse(mut datagram: &[u8]) -> Vec<RouteNetlinkMessage> {
    let mut messages = Vec::new();
    while let Some(length) = datagram
        .first_chunk()
        .map(|length| u32::from_ne_bytes(*length) as usize)
    {
        let Some(bytes) = datagram.get(..length).filter(|bytes| bytes.len() >= 16) else {
            break;
        };
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
            Ok(message) => {
                if let NetlinkPayload::InnerMessage(message) = message.payload {
                    messages.push(message);
                }
            }
            Err(error) => debug!(%error, "notification not understood"),
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_route::link::LinkMessage;

    fn link(index: u32) -> Vec<u8> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewLink(link));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    #[test]
    fn a_datagram_may_hold_several_messages() {
        let messages = parse(&[link(1), link(2)].concat());

        assert_eq!(messages.len(), 2);
    }

    #[test]
    fn a_message_that_is_not_understood_hides_no_other() {
        let mut unknown = link(1);
        unknown[4..6].copy_from_slice(&999u16.to_ne_bytes());

        let messages = parse(&[unknown, link(2)].concat());

        assert!(
            matches!(messages.last(), Some(RouteNetlinkMessage::NewLink(link)) if link.header.index == 2),
            "{messages:?}"
        );
    }

    #[test]
    fn a_truncated_datagram_ends_where_it_is_cut() {
        let whole = [link(1), link(2)].concat();

        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).len() < 2, "{length}");
        }
    }
}

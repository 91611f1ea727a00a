//! Neighbours that the kernel is asking for in vain.
//!
//! While a fence keeps the kernel's questions in, it asks once a second for whomever it wants to talk to, and goes on waiting
//! when the fence is gone: its first second of replies would be lost. An entry that is forgotten is asked for at once.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    neighbour::{NeighbourMessage, NeighbourState},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Octets of an answer; the kernel sends a dump in pieces that are shorter.
const PIECE: usize = 65_536;

/// Forgets the neighbours of a NIC that are being asked for, and says how many there were. In the network namespace of the
/// calling thread, which waits for the kernel.
///
/// # Errors
/// The kernel cannot be asked.
pub fn forget(ifindex: u32) -> io::Result<usize> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let unresolved: Vec<_> = list(&socket)?
        .into_iter()
        .filter(|one| one.header.ifindex == ifindex)
        .filter(|one| one.header.state == NeighbourState::Incomplete)
        .collect();
    let found = unresolved.len();
    for message in unresolved {
        let request = RouteNetlinkMessage::DelNeighbour(message);
        send(&socket, request, NLM_F_REQUEST | NLM_F_ACK)?;
        match receive(&socket, |_| {}) {
            // It has been answered, or given up, meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            result => result?,
        }
    }
    Ok(found)
}

fn list(socket: &Socket) -> io::Result<Vec<NeighbourMessage>> {
    let all = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    send(socket, all, NLM_F_REQUEST | NLM_F_DUMP)?;
    let mut found = Vec::new();
    receive(socket, |message| {
        if let RouteNetlinkMessage::NewNeighbour(neighbour) = message {
            found.push(neighbour);
        }
    })?;
    Ok(found)
}

fn send(socket: &Socket, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = flags;
    request.finalize();
    let mut octets = vec![0; request.buffer_len()];
    request.serialize(&mut octets);
    socket.send(&octets, 0)?;
    Ok(())
}

/// Reads answers to their end: that of a dump, or an acknowledgment.
fn receive(socket: &Socket, mut each: impl FnMut(RouteNetlinkMessage)) -> io::Result<()> {
    let mut octets = vec![0; PIECE];
    loop {
        let length = socket.recv(&mut &mut octets[..], 0)?;
        let mut rest = &octets[..length];
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            let whole = (answer.header.length as usize).next_multiple_of(4);
            rest = rest.get(whole..).unwrap_or_default();
            if let NetlinkPayload::InnerMessage(message) = answer.payload {
                each(message);
            } else if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(error.to_io());
            } else {
                return Ok(());
            }
        }
    }
}

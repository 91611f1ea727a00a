//! Multicast groups that NICs listen to, so that neighbour discovery for addresses of other hosts is heard: a NIC's filter,
//! and a switch that follows MLD, pass only what somebody has joined.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{Ipv6Addr, UdpSocket},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// The kernel limits the memory that the memberships of one socket take (`net.core.optmem_max`).
const PER_SOCKET: usize = 128;

/// A NIC (ifindex) and a group.
pub type Membership = (u32, Ipv6Addr);

/// Memberships, as long as this lives and no longer.
#[derive(Debug, Default)]
pub struct Groups {
    sockets: Vec<UdpSocket>,
    /// Memberships, and the socket that has each.
    joined: BTreeMap<Membership, usize>,
}

impl Groups {
    /// Joins what is wanted, and leaves the rest. Returns those that could not be joined, with the reason.
    pub fn follow(&mut self, wanted: &BTreeSet<Membership>) -> Vec<(Membership, io::Error)> {
        let stale: Vec<_> = self
            .joined
            .keys()
            .filter(|membership| !wanted.contains(membership))
            .copied()
            .collect();
        for membership in stale {
            self.leave(membership);
        }
        let missing: Vec<_> = wanted
            .iter()
            .filter(|membership| !self.joined.contains_key(membership))
            .copied()
            .collect();
        missing
            .into_iter()
            .filter_map(|membership| Some((membership, self.join(membership).err()?)))
            .collect()
    }

    /// A NIC is gone, and has taken its memberships with it.
    pub fn forget(&mut self, ifindex: u32) {
        let gone: Vec<_> = self
            .joined
            .keys()
            .filter(|(nic, _)| *nic == ifindex)
            .copied()
            .collect();
        for membership in gone {
            self.leave(membership);
        }
    }

    /// What is joined.
    pub fn joined(&self) -> impl Iterator<Item = &Membership> {
        self.joined.keys()
    }

    fn join(&mut self, membership: Membership) -> io::Result<()> {
        let mut used = vec![0; self.sockets.len()];
        for socket in self.joined.values() {
            used[*socket] += 1;
        }
        let place = match used.iter().position(|count| *count < PER_SOCKET) {
            Some(place) => place,
            None => {
                self.sockets.push(open()?);
                self.sockets.len() - 1
            }
        };
        let (ifindex, group) = membership;
        self.sockets[place].join_multicast_v6(&group, ifindex)?;
        self.joined.insert(membership, place);
        Ok(())
    }

    fn leave(&mut self, membership: Membership) {
        let (ifindex, group) = membership;
        if let Some(place) = self.joined.remove(&membership)
            // Of a NIC that is gone there is nothing to leave.
            && let Err(error) = self.sockets[place].leave_multicast_v6(&group, ifindex)
        {
            tracing::debug!(ifindex, %group, %error, "a group was not left");
        }
    }
}

/// A socket without an address, which receives nothing.
fn open() -> io::Result<UdpSocket> {
    let socket = socket_with(
        AddressFamily::INET6,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(socket.into())
}

//! Heartbeat requests as whole Ethernet frames, built once and patched for each request. Pure.
//!
//! They are framed by hand so that they go on working when this host has the source's address itself. Each kind of request
//! has a file of its own and is the same for IPv4 and IPv6: a [`frame::Frame`] knows where its headers are.

mod auth;
mod echo;
mod frame;
mod sbfd;
mod tcp;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use bytes::Bytes;

use crate::net::announce::request;

pub use self::{
    auth::{Signer, first_sequence},
    echo::EchoRequest,
    sbfd::{InitiatorState, SBFD_PORT, SbfdRequest, SbfdSession},
    tcp::TcpRequest,
};

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// MAC address of the NIC that sends.
    pub source_mac: [u8; 6],
    /// MAC address of the host that is watched, or of the gateway to it.
    pub destination_mac: [u8; 6],
    /// Our address on the NIC, of the destination's family.
    pub source: IpAddr,
    /// The host that is watched.
    pub destination: IpAddr,
}

impl Endpoints {
    /// The request of ARP, or of neighbour discovery, straight to the host that is watched. It has no place for a sequence.
    pub fn question(&self) -> Bytes {
        request(
            (self.source_mac, self.source),
            (self.destination_mac, self.destination),
        )
    }
}

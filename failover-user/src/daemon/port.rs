//! The UDP port that our S-BFD requests come from.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
};

use anyhow::Context as _;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// A reserved port. The sockets are never read: the program consumes the replies. They keep the kernel from giving the port
/// to somebody else, whose packets would then be taken for replies.
#[derive(Debug)]
pub(super) struct ReservedPort {
    _sockets: Vec<OwnedFd>,
    number: u16,
}

/// RFC 5881 4 asks BFD for source ports of this range; S-BFD only forbids 7784 (RFC 7881).
const RANGE: std::ops::RangeInclusive<u16> = 49_152..=65_535;

impl ReservedPort {
    /// Reserves a port for both IP versions, the one that an earlier daemon had if it is free: then no reply in flight is
    /// lost.
    pub(super) fn reserve(earlier: u32) -> anyhow::Result<Self> {
        let earlier = u16::try_from(earlier)
            .ok()
            .filter(|port| RANGE.contains(port));
        for number in earlier.into_iter().chain(RANGE) {
            if let Ok(sockets) = sockets(number, SocketType::DGRAM) {
                return Ok(Self {
                    _sockets: sockets,
                    number,
                });
            }
        }
        Err(anyhow::anyhow!(
            "every UDP port from {} to {} is taken",
            RANGE.start(),
            RANGE.end()
        ))
        .context("no source port for S-BFD")
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

/// One bound socket of a kind for each IP version that this host has.
pub(super) fn sockets(number: u16, kind: SocketType) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = vec![open((Ipv4Addr::UNSPECIFIED, number).into(), kind)?];
    match open((Ipv6Addr::UNSPECIFIED, number).into(), kind) {
        Ok(socket) => sockets.push(socket),
        // Without IPv6 there is nobody to keep it from.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
            ) => {}
        Err(error) => return Err(error),
    }
    Ok(sockets)
}

fn open(address: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        // The IPv4 side has a socket of its own.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_reserved_port_is_nobody_elses_in_either_version() {
        let port = ReservedPort::reserve(0).unwrap();

        let number = port.number();
        assert!(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, number)).is_err());
        assert!(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, number)).is_err());
    }

    #[test]
    fn a_port_that_is_taken_in_one_version_is_not_reserved() {
        let taken = open((Ipv6Addr::UNSPECIFIED, 0).into(), SocketType::DGRAM).unwrap();
        let taken = UdpSocket::from(taken);
        let number = taken.local_addr().unwrap().port();

        assert!(sockets(number, SocketType::DGRAM).is_err());
    }
}

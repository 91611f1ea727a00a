//! Where our TCP requests come from.

use std::{io, os::fd::OwnedFd};

use anyhow::Context as _;
use failover_ebpf::abi::Settings;
use rustix::net::SocketType;

use super::{port::sockets, start::random};

/// A port that belongs to nobody else on this host, and the cookie that sequence numbers carry.
///
/// The sockets are bound and do not listen: connections of this host never get the port, and the kernel answers what the
/// program leaves to it by a reset, as for any port without a listener.
#[derive(Debug)]
pub(super) struct TcpSource {
    _sockets: Vec<OwnedFd>,
    port: u16,
    cookie: u16,
}

/// The dynamic ports (RFC 6335 6), from which servers expect their clients.
const RANGE: std::ops::RangeInclusive<u16> = 49_152..=65_535;

impl TcpSource {
    /// Goes on with what an earlier daemon had, so that no answer in flight is lost; without one, or if its port is taken,
    /// begins with another port at random.
    pub(super) fn reserve(earlier: &Settings) -> anyhow::Result<Self> {
        let random = random()?;
        let (start, fresh) = (random as u16, (random >> 16) as u16);
        let known = u16::try_from(earlier.tcp_source_port)
            .ok()
            .filter(|port| RANGE.contains(port));
        let cookie = match u16::try_from(earlier.tcp_cookie) {
            Ok(0) | Err(_) => fresh,
            Ok(cookie) => cookie,
        };
        let length = RANGE.end() - RANGE.start() + 1;
        let others = (0..length).map(|n| RANGE.start() + (start % length + n) % length);
        for port in known.into_iter().chain(others) {
            match sockets(port, SocketType::STREAM) {
                Ok(sockets) => {
                    return Ok(Self {
                        _sockets: sockets,
                        port,
                        cookie,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error).context("no source port for TCP"),
            }
        }
        anyhow::bail!(
            "every TCP port from {} to {} is taken",
            RANGE.start(),
            RANGE.end()
        )
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn cookie(&self) -> u16 {
        self.cookie
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

    #[test]
    fn a_restart_goes_on_with_port_and_cookie() {
        let first = TcpSource::reserve(&Settings::default()).unwrap();
        let (port, cookie) = (first.port(), first.cookie());
        drop(first);

        let second = TcpSource::reserve(&Settings {
            tcp_source_port: port.into(),
            tcp_cookie: cookie.into(),
            ..Settings::default()
        })
        .unwrap();

        assert!(RANGE.contains(&port));
        // A cookie of 0 says nothing, and a new one is drawn.
        assert_eq!(
            (second.port(), second.cookie() == cookie || cookie == 0),
            (port, true)
        );
    }

    #[test]
    fn a_port_that_is_taken_is_not_taken_again() {
        let first = TcpSource::reserve(&Settings::default()).unwrap();

        let second = TcpSource::reserve(&Settings {
            tcp_source_port: first.port().into(),
            ..Settings::default()
        })
        .unwrap();

        assert_ne!(first.port(), second.port());
    }

    #[test]
    fn nobody_can_connect_to_the_port_or_listen_there_in_either_version() {
        let source = TcpSource::reserve(&Settings::default()).unwrap();

        for ip in [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ] {
            let at = SocketAddr::new(ip, source.port());
            let (connected, listening) = (TcpStream::connect(at), TcpListener::bind(at));

            let refused = io::ErrorKind::ConnectionRefused;
            assert_eq!(connected.unwrap_err().kind(), refused);
            assert_eq!(listening.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }
}

//! The scene of [`crate::scene`] with IPv6 addresses: the same hosts, NICs and roles.

use std::net::Ipv6Addr;

use failover_ebpf::abi::Session;
use failover_tests::frames6::Flow6;

use crate::scene::{
    self, CHOSEN_MAC, CLIENT_MAC, REMOTE_DISCRIMINATOR, SOURCE_MAC, icmp_session, sbfd_session,
    tcp_session,
};

/// An address of the network that all of them are in.
const fn address(interface: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, interface)
}

/// This host.
pub(crate) const HOST: Ipv6Addr = address(2);
/// A host that talks to a held address, and asks our reflector.
pub(crate) const CLIENT: Ipv6Addr = address(1);
/// The source, which is watched.
pub(crate) const SOURCE: Ipv6Addr = address(0x10);
/// An address of the source that this host holds.
pub(crate) const HELD: Ipv6Addr = address(0x11);
/// Another one, for tables that need two at once.
pub(crate) const ALSO_HELD: Ipv6Addr = address(0x12);
/// An address that nobody holds.
pub(crate) const STRANGE: Ipv6Addr = address(0x99);

/// A session of S-BFD.
pub(crate) const SBFD: u16 = 4;
/// A session of ICMPv6 echo.
pub(crate) const ICMP: u16 = 5;
/// A session of TCP.
pub(crate) const TCP: u16 = 8;

/// From the client to this host's chosen NIC.
pub(crate) const FROM_CLIENT: Flow6 = Flow6 {
    from_mac: CLIENT_MAC,
    to_mac: CHOSEN_MAC,
    from: CLIENT,
    to: HOST,
    hops: 64,
};

/// From the source to this host's chosen NIC, as its reflector answers.
pub(crate) const FROM_SOURCE: Flow6 = Flow6 {
    from_mac: SOURCE_MAC,
    from: SOURCE,
    hops: 255,
    ..FROM_CLIENT
};

/// From the client to the address that is held.
pub(crate) const TO_HELD: Flow6 = Flow6 {
    to: HELD,
    ..FROM_CLIENT
};

/// The sessions, by number.
pub(crate) fn sessions() -> [(u16, Session); 3] {
    let between = |session| Session {
        remote: SOURCE.octets(),
        local: HOST.octets(),
        ..session
    };

    [
        (SBFD, between(sbfd_session())),
        (ICMP, between(icmp_session())),
        (TCP, between(tcp_session())),
    ]
}

const _: () = assert!(REMOTE_DISCRIMINATOR != scene::DISCRIMINATOR);

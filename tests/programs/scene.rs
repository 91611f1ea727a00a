//! Who and what is in the tables: this host with its NICs, its neighbours, and what user space has told the program.

use std::net::Ipv4Addr;

use failover_ebpf::abi::{
    self, Held, Nic, Session, Settings, held, ipv4_key, nic, session, settings,
};
use failover_tests::{frames::Flow, lab::Mac};

/// A NIC of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// Managed; held addresses are taken here.
    Chosen,
    /// Managed; forwarded packets leave here.
    Out,
    /// Not managed.
    Unmanaged,
}

impl Port {
    pub(crate) const ALL: [Self; 3] = [Self::Chosen, Self::Out, Self::Unmanaged];

    /// Name and address of the NIC.
    pub(crate) fn plug(self) -> (&'static str, &'static str) {
        match self {
            Self::Chosen => ("ens1", "10.0.0.2/24"),
            Self::Out => ("ens2", "10.0.5.2/24"),
            Self::Unmanaged => ("ens3", "10.0.9.2/24"),
        }
    }

    /// Its MAC, as the lab numbers them.
    pub(crate) fn mac(self) -> Mac {
        match self {
            Self::Chosen => CHOSEN_MAC,
            Self::Out => OUT_MAC,
            Self::Unmanaged => Mac([2, 0, 0, 0, 0x0a, 3]),
        }
    }
}

pub(crate) const CHOSEN_MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 1]);
pub(crate) const OUT_MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 2]);

/// This host.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The same, on the other managed NIC.
pub(crate) const HOST_OUT: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 2);
/// A host that talks to a held address, and asks our reflector.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const CLIENT_MAC: Mac = Mac([2, 0, 0, 0, 0x0c, 1]);
/// The source, which is watched.
pub(crate) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
pub(crate) const SOURCE_MAC: Mac = Mac([2, 0, 0, 0, 0x0d, 1]);
/// An address of the source that this host holds.
pub(crate) const HELD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
/// Another one, for tables that need two at once.
pub(crate) const ALSO_HELD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 12);
/// An address that nobody holds.
pub(crate) const STRANGE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);
/// The standby server that packets are forwarded to.
pub(crate) const STANDBY_MAC: Mac = Mac([2, 0, 0, 0, 0x0e, 1]);
/// A host that has nothing to do with anything.
pub(crate) const OTHER_MAC: Mac = Mac([2, 0, 0, 0, 0x0f, 1]);
pub(crate) const NO_MAC: Mac = Mac([0; 6]);

/// Our reflector's discriminator.
pub(crate) const DISCRIMINATOR: u32 = 0x0a00_0002;
/// The discriminator of the source's reflector.
pub(crate) const REMOTE_DISCRIMINATOR: u32 = 0x0a00_000a;
/// Where our reflector answers.
pub(crate) const OWN: [Ipv4Addr; 2] = [HOST, HOST_OUT];
/// Our reflector's Required Min RX Interval.
pub(crate) const MIN_RX_US: u32 = 50;
/// UDP source port of our requests.
pub(crate) const SOURCE_PORT: u16 = 49_200;
/// UDP source port of the client's requests.
pub(crate) const CLIENT_PORT: u16 = 49_152;

/// A session of S-BFD.
pub(crate) const SBFD: u16 = 1;
/// A session of ICMP echo.
pub(crate) const ICMP: u16 = 2;
/// A session that is not in use.
pub(crate) const UNSET: u16 = 3;
/// A session of ARP.
pub(crate) const ARP: u16 = 6;
/// A session of TCP.
pub(crate) const TCP: u16 = 7;
/// The port that it asks,
pub(crate) const TCP_PORT: u16 = 443;
/// and the one that it asks from.
pub(crate) const TCP_SOURCE_PORT: u16 = 50_000;
/// What the sequence numbers of its requests carry.
pub(crate) const TCP_COOKIE: u16 = 0xa5c3;
/// A round trip that takes longer is late.
pub(crate) const TIMEOUT_NS: u64 = 1_000_000_000;
/// What the ICMP session's requests carry.
pub(crate) const COOKIE: u64 = 0x0123_4567_89ab_cdef;

/// Traffic counters of the held address.
pub(crate) const SLOT: u32 = 5;
pub(crate) const MTU: u32 = 1500;

/// From the client to this host's chosen NIC.
pub(crate) const FROM_CLIENT: Flow = Flow {
    from_mac: CLIENT_MAC,
    to_mac: CHOSEN_MAC,
    from: CLIENT,
    to: HOST,
    ttl: 64,
};

/// From the source to this host's chosen NIC, as its reflector answers.
pub(crate) const FROM_SOURCE: Flow = Flow {
    from_mac: SOURCE_MAC,
    from: SOURCE,
    ttl: 255,
    ..FROM_CLIENT
};

/// From the client to the address that is held.
pub(crate) const TO_HELD: Flow = Flow {
    to: HELD,
    ..FROM_CLIENT
};

/// A host that reflects, watches one source in two ways, and holds nothing.
pub(crate) fn own_settings() -> Settings {
    Settings {
        flags: settings::CONFIGURED
            | settings::REFLECT
            | settings::ANY_INITIATOR
            | settings::FORWARDING,
        sbfd_source_port: u32::from(SOURCE_PORT),
        min_rx_us: MIN_RX_US,
        tcp_source_port: u32::from(TCP_SOURCE_PORT),
        tcp_cookie: u32::from(TCP_COOKIE),
        reserved: 0,
    }
}

pub(crate) fn nic(port: Port) -> Nic {
    Nic {
        mac: port.mac().0,
        mtu: MTU,
        flags: nic::REFLECT,
        ..Nic::default()
    }
}

pub(crate) fn sbfd_session() -> Session {
    Session {
        kind: session::SBFD,
        remote_discriminator: REMOTE_DISCRIMINATOR,
        remote: ipv4_key(SOURCE.octets()),
        local: ipv4_key(HOST.octets()),
        timeout_ns: TIMEOUT_NS,
        ..Session::default()
    }
}

pub(crate) fn icmp_session() -> Session {
    Session {
        kind: session::ICMP,
        remote_discriminator: 0,
        cookie: COOKIE,
        ..sbfd_session()
    }
}

pub(crate) fn arp_session() -> Session {
    Session {
        kind: session::ARP,
        remote_discriminator: 0,
        remote_mac: SOURCE_MAC.0,
        ..sbfd_session()
    }
}

pub(crate) fn tcp_session() -> Session {
    Session {
        kind: session::TCP,
        remote_discriminator: 0,
        remote_port: u32::from(TCP_PORT),
        ..sbfd_session()
    }
}

/// An address that this host's kernel has.
pub(crate) fn local(chosen: u32) -> Held {
    Held {
        mode: held::LOCAL,
        nic: chosen,
        out: chosen,
        out_mtu: MTU,
        slot: SLOT,
        prefix: 24,
        nic_mac: Port::Chosen.mac().0,
        out_mac: Port::Chosen.mac().0,
        next_hop: [0; 6],
        source_mac: SOURCE_MAC.0,
        taken_at_unix_ns: 1,
        ..Held::default()
    }
}

/// An address whose packets go to the standby server.
pub(crate) fn forward(chosen: u32, out: u32) -> Held {
    Held {
        mode: held::FORWARD,
        out,
        out_mac: Port::Out.mac().0,
        next_hop: STANDBY_MAC.0,
        ..local(chosen)
    }
}

/// An address that goes back to the source, which is behind the chosen NIC.
pub(crate) fn drain(chosen: u32) -> Held {
    Held {
        mode: held::DRAIN,
        next_hop: SOURCE_MAC.0,
        ..local(chosen)
    }
}

const _: () = assert!(SLOT < abi::MAX_ADDRESSES);

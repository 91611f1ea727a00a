//! Who and what there is: this host, its neighbours, what it watches and holds, and what an input may say of its set-up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    lab::Mac,
    oracle::{Host, Key, Probe, Service},
};

/// NICs of the host: the chosen one, the one that leads to the standby server, and one that is not managed. The reflector is
/// on the first.
pub const NICS: [(&str, &str); 3] = [
    ("ens1", "10.0.0.2/24"),
    ("ens2", "10.0.5.2/24"),
    ("ens3", "10.0.9.2/24"),
];
/// Their MACs, as the lab numbers them.
pub const MACS: [Mac; 3] = [
    Mac([2, 0, 0, 0, 0x0a, 1]),
    Mac([2, 0, 0, 0, 0x0a, 2]),
    Mac([2, 0, 0, 0, 0x0a, 3]),
];
/// NICs that are managed: those that come first.
pub const MANAGED: usize = 2;

/// The host.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Its IPv6 address.
pub const HOST6: Ipv6Addr = v6(2);
/// Who talks to it, and to what it holds.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Its IPv6 address.
pub const CLIENT6: Ipv6Addr = v6(1);
/// And its MAC.
pub const CLIENT_MAC: Mac = Mac([2, 0, 0, 0, 0x0c, 1]);
/// The source, which is watched.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
/// Its IPv6 address.
pub const SOURCE6: Ipv6Addr = v6(10);
/// And its MAC.
pub const SOURCE_MAC: Mac = Mac([2, 0, 0, 0, 0x0d, 1]);
/// The standby server.
pub const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0x0e, 1]);
/// Interface part of the addresses that are this host's own identity.
pub const IDENTITY: u8 = 18;

/// Our reflector's discriminator.
pub const DISCRIMINATOR: u32 = 0x0a00_0002;
/// The source's.
pub const REMOTE_DISCRIMINATOR: u32 = 0x0a00_000a;
/// Where requests of S-BFD come from.
pub const SBFD_PORT: u16 = 49_200;
/// Where those of TCP come from,
pub const TCP_PORT: u16 = 50_000;
/// what they ask,
pub const TCP_ASKED: u16 = 443;
/// and what their sequence numbers carry.
pub const TCP_COOKIE: u16 = 0xa5c3;
/// What requests of ICMP carry.
pub const COOKIE: [u8; 8] = [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
/// Longest packet of a NIC as the program is told, so that full-size frames are too long for it.
pub const MTU: u32 = 1400;
/// Required Min RX Interval: shorter than a frame takes, so that nobody is too fast.
pub const MIN_RX_US: u32 = 1;

/// The requests of every session that are under way: where the lower half of the sequence begins again.
pub const SENT: [u32; 2] = [0x0001_ffff, 0x0002_0000];

/// Ids and secrets.
pub const KEYS: [(u8, &[u8]); 2] = [(1, b"a secret"), (200, b"one of twenty octets")];

/// A session.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Its number.
    pub number: u16,
    /// Over IPv6.
    pub v6: bool,
    /// Its VLANs.
    pub tags: [u16; 2],
    /// How.
    pub probe: Probe,
    /// Whether it signs.
    pub signed: bool,
}

impl Watch {
    /// The source, and the host.
    pub fn ends(&self) -> (IpAddr, IpAddr) {
        if self.v6 {
            (SOURCE6.into(), HOST6.into())
        } else {
            (SOURCE.into(), HOST.into())
        }
    }
}

/// All sessions.
pub const SESSIONS: [Watch; 10] = [
    plain(1, false, Probe::Sbfd(REMOTE_DISCRIMINATOR)),
    plain(2, false, Probe::Echo(COOKIE)),
    plain(3, true, Probe::Sbfd(REMOTE_DISCRIMINATOR)),
    plain(4, true, Probe::Echo(COOKIE)),
    signed(5, false),
    signed(6, true),
    plain(7, false, Probe::Tcp(TCP_ASKED)),
    plain(8, true, Probe::Tcp(TCP_ASKED)),
    plain(9, false, Probe::Arp(SOURCE_MAC)),
    Watch {
        tags: [100, 0],
        ..plain(10, false, Probe::Sbfd(REMOTE_DISCRIMINATOR))
    },
];

const fn plain(number: u16, v6: bool, probe: Probe) -> Watch {
    Watch {
        number,
        v6,
        tags: [0, 0],
        probe,
        signed: false,
    }
}

const fn signed(number: u16, v6: bool) -> Watch {
    Watch {
        signed: true,
        ..plain(number, v6, Probe::Sbfd(REMOTE_DISCRIMINATOR))
    }
}

/// How an address is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// The kernel has it.
    Local,
    /// The same, and the source is about to take it back.
    Yielding,
    /// The standby server has it.
    Forward,
    /// The same, and its MAC is not known.
    Unresolved,
    /// The same, behind a NIC that is not managed.
    NoWayOut,
    /// It goes back to the source.
    Drain,
}

/// What is held: interface part of the address, VLANs, and how.
pub const HELD: [(u8, [u16; 2], Holding); 9] = [
    (11, [0, 0], Holding::Local),
    (12, [0, 0], Holding::Forward),
    (13, [0, 0], Holding::Drain),
    (14, [100, 0], Holding::Local),
    (15, [100, 200], Holding::Forward),
    (16, [100, 0], Holding::Drain),
    (17, [0, 0], Holding::Yielding),
    (19, [0, 0], Holding::Unresolved),
    (20, [0, 0], Holding::NoWayOut),
];

const fn v6(interface: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, interface as u16)
}

/// The address with an interface part, in both versions.
pub fn addresses(interface: u8) -> [IpAddr; 2] {
    [
        Ipv4Addr::new(10, 0, 0, interface).into(),
        v6(interface).into(),
    ]
}

/// The keys as an oracle knows them.
pub fn keys() -> Vec<Key> {
    KEYS.map(|(id, secret)| Key {
        id,
        secret: secret.to_vec(),
    })
    .into()
}

/// How the host is set up for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The NIC that the frame comes in by.
    pub nic: usize,
    /// The reflector answers what is signed, and nothing else.
    pub signed: bool,
    /// The reflector answers the client alone.
    pub listed: bool,
    /// How the host is.
    pub health: Health,
}

/// How a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Well.
    Well,
    /// On hold.
    OnHold,
    /// A health check has failed.
    Ill,
    /// The same, and it fences itself.
    Fenced,
}

impl Scene {
    /// What the first octet of an input says.
    pub fn of(selector: u8) -> Self {
        Self {
            nic: usize::from(selector & 3) % NICS.len(),
            signed: selector & 4 != 0,
            listed: selector & 8 != 0,
            health: match selector >> 4 & 3 {
                0 => Health::Well,
                1 => Health::OnHold,
                2 => Health::Ill,
                _ => Health::Fenced,
            },
        }
    }

    /// Tells the oracle.
    pub(crate) fn told(self, host: &mut Host) {
        host.keys = if self.signed { keys() } else { Vec::new() };
        host.initiators = self.listed.then(|| vec![CLIENT.into(), CLIENT6.into()]);
        host.service = match self.health {
            Health::Well => Service::Up,
            Health::OnHold => Service::AdminDown,
            Health::Ill | Health::Fenced => Service::Silent,
        };
        host.fenced = match self.health {
            Health::Fenced => addresses(IDENTITY).into(),
            Health::Well | Health::OnHold | Health::Ill => Vec::new(),
        };
    }
}

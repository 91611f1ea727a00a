//! What a daemon tells the program about the host of the [`scene`](super::scene), and the same in the oracle's words.

use std::net::IpAddr;

use failover_ebpf::abi::{self, Key, Session, held, held_flag, nic, session};
use failover_user::bpf::maps::Maps;

use super::scene::{
    self, CLIENT, CLIENT_MAC, CLIENT6, COOKIE, DISCRIMINATOR, HELD, HOST, HOST6, Holding, IDENTITY,
    KEYS, MANAGED, MIN_RX_US, MTU, REMOTE_DISCRIMINATOR, SBFD_PORT, SENT, SERVER_MAC, SESSIONS,
    SOURCE_MAC, TCP_COOKIE, TCP_PORT, addresses, keys,
};
use crate::{
    lab::Nic,
    oracle::{self, Probe, To},
};

/// Longest packet that the lab's NICs send.
const LAB_MTU: usize = 1500;

/// Tells the program everything, as a daemon would.
pub(super) fn tell(maps: &mut Maps, nics: &[Nic]) {
    for (number, nic) in nics[..MANAGED].iter().enumerate() {
        let entry = abi::Nic {
            mac: nic.mac().0,
            mtu: MTU,
            flags: if number == 0 { nic::REFLECT } else { 0 },
            ..abi::Nic::default()
        };

        maps.set_nic(nic.index(), entry).expect("a NIC");
    }

    let own = [HOST.into(), HOST6.into()];
    let initiators = [CLIENT.into(), CLIENT6.into()];
    let keys = KEYS.map(|(id, secret)| (id, key(secret)));

    maps.set_reflector(&[DISCRIMINATOR], &own, &initiators)
        .expect("a reflector");
    maps.signing_keys
        .set_reflector(&keys)
        .expect("the reflector's keys");

    for watch in SESSIONS {
        maps.set_session(watch.number, session(&watch))
            .expect("a session");

        if watch.signed {
            maps.signing_keys
                .set_session(watch.number, &keys, 0)
                .expect("a session's keys");
        }

        if let Probe::Arp(_) = watch.probe {
            maps.set_arp_sessions(&[(watch.ends().0, watch.number)])
                .expect("a host that is watched by ARP");
        }
    }

    for (slot, ip, entry) in held(nics) {
        maps.addresses
            .set(ip, abi::Held { slot, ..entry })
            .expect("a held address");
    }

    for ip in addresses(IDENTITY) {
        maps.set_identity(ip, 0).expect("an address of ours");
    }
}

fn key(secret: &[u8]) -> Key {
    let mut key = Key {
        len: u32::try_from(secret.len()).expect("a secret"),
        ..Key::default()
    };

    key.secret[..secret.len()].copy_from_slice(secret);

    key
}

fn session(watch: &scene::Watch) -> Session {
    let (remote, local) = watch.ends();
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => abi::ipv4_key(ip.octets()),
        IpAddr::V6(ip) => ip.octets(),
    };
    let common = Session {
        remote: octets(remote),
        local: octets(local),
        timeout_ns: 1_000_000_000,
        tags: watch.tags,
        authenticated: u32::from(watch.signed),
        ..Session::default()
    };

    match watch.probe {
        Probe::Sbfd(_) => Session {
            kind: session::SBFD,
            remote_discriminator: REMOTE_DISCRIMINATOR,
            ..common
        },
        Probe::Echo(_) => Session {
            kind: session::ICMP,
            cookie: u64::from_be_bytes(COOKIE),
            ..common
        },
        Probe::Tcp(port) => Session {
            kind: session::TCP,
            remote_port: port.into(),
            ..common
        },
        Probe::Arp(mac) => Session {
            kind: session::ARP,
            remote_mac: mac.0,
            ..common
        },
    }
}

/// Every held address with its slot.
fn held(nics: &[Nic]) -> impl Iterator<Item = (u32, IpAddr, abi::Held)> {
    let entries = HELD.into_iter().flat_map(|(interface, tags, holding)| {
        let (mode, out, next_hop) = match holding {
            Holding::Local | Holding::Yielding => (held::LOCAL, &nics[0], [0; 6]),
            Holding::Forward => (held::FORWARD, &nics[1], SERVER_MAC.0),
            Holding::Unresolved => (held::FORWARD, &nics[1], [0; 6]),
            Holding::NoWayOut => (held::FORWARD, &nics[2], SERVER_MAC.0),
            Holding::Drain => (held::DRAIN, &nics[0], SOURCE_MAC.0),
        };
        let entry = abi::Held {
            mode,
            nic: nics[0].index(),
            out: out.index(),
            out_mtu: MTU,
            prefix: 24,
            nic_mac: nics[0].mac().0,
            out_mac: out.mac().0,
            next_hop,
            source_mac: SOURCE_MAC.0,
            tags,
            flags: match holding {
                Holding::Yielding => held_flag::YIELDING,
                Holding::Local
                | Holding::Forward
                | Holding::Unresolved
                | Holding::NoWayOut
                | Holding::Drain => 0,
            },
            ..abi::Held::default()
        };

        addresses(interface).map(|ip| (ip, entry))
    });

    (0..)
        .zip(entries)
        .map(|(slot, (ip, entry))| (slot, ip, entry))
}

/// The same in the oracle's words.
pub(super) fn oracle(nics: &[Nic]) -> oracle::Host {
    let (chosen, out) = (nics[0].index(), nics[1].index());
    let forward = |out, next_hop| To::Forward {
        out,
        mtu: MTU as usize,
        next_hop,
    };
    let held = HELD.iter().flat_map(|(interface, tags, holding)| {
        addresses(*interface).map(|ip| oracle::Held {
            ip,
            tags: *tags,
            nic: chosen,
            slot: 0,
            source: SOURCE_MAC,
            to: match holding {
                Holding::Local | Holding::Yielding => To::Local,
                Holding::Forward => forward(out, Some(SERVER_MAC)),
                Holding::Unresolved => forward(out, None),
                Holding::NoWayOut => forward(nics[2].index(), Some(SERVER_MAC)),
                Holding::Drain => To::Drain {
                    out: chosen,
                    next_hop: SOURCE_MAC,
                },
            },
            yields_to: (*holding == Holding::Yielding).then_some(SOURCE_MAC),
        })
    });

    oracle::Host {
        nics: nics[..MANAGED]
            .iter()
            .enumerate()
            .map(|(number, nic)| oracle::Nic {
                index: nic.index(),
                mac: nic.mac(),
                reflects: number == 0,
            })
            .collect(),
        reflects_at: vec![HOST.into(), HOST6.into()],
        discriminators: vec![DISCRIMINATOR],
        min_rx_us: MIN_RX_US,
        sbfd_port: SBFD_PORT,
        tcp_port: TCP_PORT,
        tcp_cookie: TCP_COOKIE,
        sessions: SESSIONS
            .iter()
            .map(|watch| oracle::Session {
                number: watch.number,
                remote: watch.ends().0,
                local: watch.ends().1,
                tags: watch.tags,
                probe: watch.probe,
                keys: if watch.signed { keys() } else { Vec::new() },
            })
            .collect(),
        sent: SENT.into(),
        held: (0..)
            .zip(held)
            .map(|(slot, held)| oracle::Held { slot, ..held })
            .collect(),
        routes: [CLIENT.into(), CLIENT6.into()]
            .map(|to| oracle::Route {
                to,
                out: chosen,
                mtu: LAB_MTU,
                mac: CLIENT_MAC,
            })
            .into(),
        ..oracle::Host::default()
    }
}

//! The host that the frames come to: three NICs, a reflector, sessions of every kind, and an address held in each way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aya::{
    maps::{Array, DevMapHash, HashMap, MapData, PerCpuArray},
    programs::{TestRun, TestRunOptions},
};
use failover_ebpf::abi::{
    self, Held, Ip, Session, Settings, held, ipv4_key, map, nic, program, session, settings,
};
use failover_tests::{
    lab::{Lab, Mac, Nic, clock::now_ns, xdp_pass::Gate},
    oracle::{self, Probe, To},
};
use failover_user::bpf::{pins::Pins, program::Program, shared::Sessions};

/// Room that a program could make a frame longer by.
const ROOM: usize = 256;
const CONTEXT: usize = 6 * size_of::<u32>();

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const HOST6: Ipv6Addr = v6(2);
pub(crate) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
pub(crate) const SOURCE6: Ipv6Addr = v6(10);
pub(crate) const SOURCE_MAC: Mac = Mac([2, 0, 0, 0, 0x0d, 1]);
pub(crate) const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0x0e, 1]);
pub(crate) const DISCRIMINATOR: u32 = 0x0a00_0002;
pub(crate) const REMOTE_DISCRIMINATOR: u32 = 0x0a00_000a;
pub(crate) const SBFD_PORT: u16 = 49_200;
pub(crate) const COOKIE: [u8; 8] = [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const MTU: u32 = 1400;
const MIN_RX_US: u32 = 1;

/// Sessions by number: S-BFD and echo, over both versions.
pub(crate) const SESSIONS: [(u16, IpAddr, IpAddr, bool); 4] = [
    (1, IpAddr::V4(SOURCE), IpAddr::V4(HOST), true),
    (2, IpAddr::V4(SOURCE), IpAddr::V4(HOST), false),
    (3, IpAddr::V6(SOURCE6), IpAddr::V6(HOST6), true),
    (4, IpAddr::V6(SOURCE6), IpAddr::V6(HOST6), false),
];

const fn v6(interface: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, interface)
}

/// What is held: interface part of the address, VLANs, and how.
pub(crate) const HELD: [(u8, [u16; 2], u32); 6] = [
    (11, [0, 0], held::LOCAL),
    (12, [0, 0], held::FORWARD),
    (13, [0, 0], held::DRAIN),
    (14, [100, 0], held::LOCAL),
    (15, [100, 200], held::FORWARD),
    (16, [100, 0], held::DRAIN),
];

/// The address with an interface part, in both versions.
pub(crate) fn addresses(interface: u8) -> [IpAddr; 2] {
    [
        Ipv4Addr::new(10, 0, 0, interface).into(),
        v6(interface.into()).into(),
    ]
}

fn key(address: IpAddr) -> Ip {
    match address {
        IpAddr::V4(address) => ipv4_key(address.octets()),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The loaded program, its maps, and what the oracle knows of them.
pub(crate) struct Fixture {
    program: Program,
    sessions: Sessions,
    counters: PerCpuArray<MapData, u64>,
    pub(crate) nics: Vec<Nic>,
    pub(crate) oracle: oracle::Host,
    _gates: Vec<Gate>,
    _lab: Lab,
}

/// Builds it, and runs `body` in its namespace.
pub(crate) fn with<T: Send>(body: impl FnOnce(Fixture) -> T + Send) -> T {
    let lab = Lab::new();
    let host = lab.host("fuzz");
    let switch = lab.switch("sw");
    let nics: Vec<_> = [
        ("ens1", "10.0.0.2/24"),
        ("ens2", "10.0.5.2/24"),
        ("ens3", "10.0.9.2/24"),
    ]
    .map(|(name, address)| lab.plug(&host, name, &switch, address))
    .into();
    let namespace = host.namespace().clone();

    namespace.run(move || {
        let pins = Pins::new(lab.bpffs());
        let program = Program::load(&pins).expect("the program");

        told(&pins, &nics);

        let oracle = oracle(&nics);

        body(Fixture {
            program,
            sessions: Sessions::open(&pins).expect("the sessions"),
            counters: open(&pins, map::COUNTERS),
            _gates: nics
                .iter()
                .map(|nic| Gate::attach(nic.index()).expect("XDP on a NIC"))
                .collect(),
            nics,
            oracle,
            _lab: lab,
        })
    })
}

/// Tells the program everything, as a daemon would.
fn told(pins: &Pins, nics: &[Nic]) {
    let mut settings_map: Array<_, Settings> = open(pins, map::SETTINGS);
    let mut managed: HashMap<_, u32, abi::Nic> = open(pins, map::NICS);
    let mut macs: HashMap<_, [u8; 6], u32> = open(pins, map::MACS);
    let mut redirect: DevMapHash<_> = open(pins, map::REDIRECT);
    let mut discriminators: HashMap<_, u32, u32> = open(pins, map::DISCRIMINATORS);
    let mut own: HashMap<_, Ip, u32> = open(pins, map::OWN);
    let mut sessions: Array<_, Session> = open(pins, map::SESSIONS);
    let mut addresses_map: HashMap<_, Ip, Held> = open(pins, map::ADDRESSES);

    for nic in &nics[..2] {
        let entry = abi::Nic {
            mac: nic.mac().0,
            mtu: MTU,
            flags: nic::REFLECT,
            ..abi::Nic::default()
        };

        managed.insert(nic.index(), entry, 0).expect("a NIC");
        macs.insert(nic.mac().0, 1, 0).expect("a MAC");
        redirect
            .insert(nic.index(), nic.index(), None, 0)
            .expect("a way out");
    }

    discriminators
        .insert(DISCRIMINATOR, 1, 0)
        .expect("one discriminator");

    for address in [IpAddr::from(HOST), HOST6.into()] {
        own.insert(key(address), 1, 0).expect("an own address");
    }

    for (number, remote, local, sbfd) in SESSIONS {
        let session = Session {
            kind: if sbfd { session::SBFD } else { session::ICMP },
            remote_discriminator: if sbfd { REMOTE_DISCRIMINATOR } else { 0 },
            remote: key(remote),
            local: key(local),
            timeout_ns: 1_000_000_000,
            cookie: if sbfd { 0 } else { u64::from_be_bytes(COOKIE) },
            ..Session::default()
        };

        sessions
            .set(u32::from(number), session, 0)
            .expect("a session");
    }

    for (slot, (interface, tags, mode)) in (0..).zip(HELD) {
        for address in addresses(interface) {
            let (out, next_hop) = match mode {
                held::FORWARD => (&nics[1], SERVER_MAC.0),
                held::DRAIN => (&nics[0], SOURCE_MAC.0),
                _ => (&nics[0], [0; 6]),
            };
            let held = Held {
                mode,
                nic: nics[0].index(),
                out: out.index(),
                out_mtu: MTU,
                slot,
                prefix: 24,
                nic_mac: nics[0].mac().0,
                out_mac: out.mac().0,
                next_hop,
                source_mac: SOURCE_MAC.0,
                tags,
                ..Held::default()
            };

            addresses_map
                .insert(key(address), held, 0)
                .expect("a held address");
        }
    }

    let settings = Settings {
        flags: settings::CONFIGURED
            | settings::REFLECT
            | settings::ANY_INITIATOR
            | settings::FORWARDING,
        sbfd_source_port: u32::from(SBFD_PORT),
        min_rx_us: MIN_RX_US,
        ..Settings::default()
    };

    settings_map.set(0, settings, 0).expect("settings");
}

/// The same in the oracle's words.
fn oracle(nics: &[Nic]) -> oracle::Host {
    let (chosen, out) = (nics[0].index(), nics[1].index());

    oracle::Host {
        nics: nics[..2]
            .iter()
            .map(|nic| oracle::Nic {
                index: nic.index(),
                mac: nic.mac(),
            })
            .collect(),
        reflects_at: vec![HOST.into(), HOST6.into()],
        discriminators: vec![DISCRIMINATOR],
        min_rx_us: MIN_RX_US,
        sbfd_port: SBFD_PORT,
        sessions: SESSIONS
            .map(|(number, remote, local, sbfd)| oracle::Session {
                number,
                remote,
                local,
                probe: if sbfd {
                    Probe::Sbfd(REMOTE_DISCRIMINATOR)
                } else {
                    Probe::Echo(COOKIE)
                },
            })
            .into(),
        held: HELD
            .iter()
            .flat_map(|(interface, tags, mode)| {
                addresses(*interface).map(|ip| oracle::Held {
                    ip,
                    tags: *tags,
                    nic: chosen,
                    to: match *mode {
                        held::FORWARD => To::Forward {
                            out,
                            mtu: MTU as usize,
                            next_hop: SERVER_MAC,
                        },
                        held::DRAIN => To::Drain {
                            out: chosen,
                            next_hop: SOURCE_MAC,
                        },
                        _ => To::Local,
                    },
                })
            })
            .collect(),
    }
}

impl Fixture {
    /// Hands a frame to the program: what it returns, and the frame afterwards.
    pub(crate) fn run(&mut self, ingress: u32, frame: &[u8], output: &mut Vec<u8>) -> u32 {
        let mut context = [0; CONTEXT];
        let end = u32::try_from(frame.len()).expect("a frame");

        context[4..8].copy_from_slice(&end.to_ne_bytes());
        context[12..16].copy_from_slice(&ingress.to_ne_bytes());
        output.resize(frame.len() + ROOM, 0);

        let result = self
            .program
            .xdp(program::FAILOVER)
            .expect("the program")
            .test_run(TestRunOptions {
                data_in: Some(frame),
                data_out: Some(output),
                ctx_in: Some(&context),
                ..TestRunOptions::new()
            })
            .expect("BPF_PROG_TEST_RUN");

        output.truncate(result.data_size_out as usize);

        result.return_value
    }

    /// Says that every session sends the request with this sequence now.
    pub(crate) fn send(&self, sequence: u16) {
        for (number, ..) in SESSIONS {
            self.sessions.sending(number, sequence, now_ns());
        }
    }

    /// Replies that a session has measured.
    pub(crate) fn received(&self, session: u16) -> u64 {
        self.sessions.received(session)
    }

    /// All counters, by number.
    pub(crate) fn counters(&self) -> Vec<u64> {
        (0..self.counters.len())
            .map(|index| {
                let values = self.counters.get(&index, 0).expect("a counter");

                values.iter().sum()
            })
            .collect()
    }
}

fn open<M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>>(pins: &Pins, name: &str) -> M {
    let data = MapData::from_pin(pins.map(name)).expect(name);

    M::try_from(aya::maps::Map::from_map_data(data).expect(name)).expect(name)
}

//! The bench: the loaded program and its maps on a host of the lab, in the host's namespace.
//!
//! The kernel lets a frame come in by a NIC of the calling thread's namespace whose receive queue is ready for XDP. So the
//! bench has a host with three NICs that carry the lab's own program; the program under test is on none of them, and no
//! frame reaches it but those that [`Bench::run`] hands it.

use std::{net::Ipv6Addr, time::Duration};

use aya::{
    maps::{Array, HashMap, MapData, RingBuf},
    programs::{TestRun, TestRunAttrs, TestRunOptions},
};
use failover_ebpf::{
    abi::{
        self, Heard, Held, Ip, Listened, Rare, Session, SessionRx, SessionTx, Settings, Tags,
        Watcher, WatcherState, map, program,
    },
    verdict::{Action, Verdict},
};
use failover_tests::lab::{Host, Lab, Nic, clock::now_ns, xdp_pass::Gate};
use failover_user::bpf::{
    health::HealthBoard,
    maps::Maps,
    pins::Pins,
    program::Program,
    shared::{HeardBoard, Sessions},
};

use crate::{
    scene::{self, Port},
    scene6,
};

/// Room that a program could make a frame longer by.
const ROOM: usize = 256;

/// Whatever is attached behind it decides.
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;

/// What `struct xdp_md` holds, as `BPF_PROG_TEST_RUN` takes it.
const CONTEXT: usize = 6 * size_of::<u32>();

pub(crate) struct Bench {
    pub(crate) program: Program,
    pub(crate) maps: Maps,
    pub(crate) sessions: Sessions,
    pub(crate) heard: HeardBoard,
    pub(crate) lab: Lab,
    pub(crate) host: Host,
    own: HashMap<MapData, Ip, u32>,
    initiators: HashMap<MapData, Ip, u32>,
    addresses: HashMap<MapData, Ip, Held>,
    listened: HashMap<MapData, Ip, Listened>,
    watchers: HashMap<MapData, Watcher, WatcherState>,
    session_rx: Array<MapData, SessionRx>,
    session_tx: Array<MapData, SessionTx>,
    heard_array: Array<MapData, Heard>,
    claims: RingBuf<MapData>,
    rare: Array<MapData, u64>,
    pub(crate) health: HealthBoard,
    nics: Vec<Nic>,
    _gates: Vec<Gate>,
}

/// What became of a frame.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the program returned; nothing for a number that it must not return (`XDP_ABORTED` above all).
    pub(crate) action: Option<Action>,
    /// The frame afterwards.
    pub(crate) output: Vec<u8>,
}

/// Counters.
#[derive(Debug)]
pub(crate) struct Tally {
    /// By name of the verdict, those that are not zero.
    pub(crate) verdicts: Vec<(&'static str, u64)>,
    /// Packets and octets of the held address.
    pub(crate) traffic: (u64, u64),
}

impl Tally {
    /// How often a verdict was given.
    pub(crate) fn count(&self, verdict: Verdict) -> u64 {
        let found = self
            .verdicts
            .iter()
            .find(|(name, _)| *name == verdict.name());

        found.map_or(0, |(_, count)| *count)
    }

    /// What has been added since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let of = |tally: &Self, name: &str| {
            let found = tally.verdicts.iter().find(|(known, _)| *known == name);

            found.map_or(0, |(_, count)| *count)
        };

        Self {
            verdicts: self
                .verdicts
                .iter()
                .map(|(name, count)| (*name, count - of(before, name)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            traffic: (
                self.traffic.0 - before.traffic.0,
                self.traffic.1 - before.traffic.1,
            ),
        }
    }
}

/// Runs `body` on a thread in the namespace of a host of its own.
pub(crate) fn bench<T: Send>(body: impl FnOnce(&mut Bench) -> T + Send) -> T {
    let lab = Lab::new();
    let host = lab.host("bench");
    let switch = lab.switch("sw");
    let nics: Vec<_> = Port::ALL
        .iter()
        .map(|port| {
            let (name, address) = port.plug();
            let nic = lab.plug(&host, name, &switch, address);

            assert_eq!(nic.mac(), port.mac(), "the lab numbers NICs in order");

            nic
        })
        .collect();
    let namespace = host.namespace().clone();

    namespace.run(|| {
        let pins = Pins::new(lab.bpffs());
        let mut bench = Bench {
            program: Program::load(&pins).expect("the program"),
            maps: Maps::open(&pins).expect("the maps"),
            sessions: Sessions::open(&pins).expect("the sessions"),
            heard: HeardBoard::open(&pins).expect("what was heard"),
            own: open(&pins, map::OWN),
            initiators: open(&pins, map::INITIATORS),
            addresses: open(&pins, map::ADDRESSES),
            listened: open(&pins, map::LISTENED),
            watchers: open(&pins, map::WATCHERS),
            session_rx: open(&pins, map::SESSION_RX),
            session_tx: open(&pins, map::SESSION_TX),
            heard_array: open(&pins, map::HEARD),
            claims: open(&pins, map::CLAIMS),
            rare: open(&pins, map::RARE),
            health: HealthBoard::open(&pins).expect("the health"),
            _gates: nics
                .iter()
                .map(|nic| Gate::attach(nic.index()).expect("XDP on a NIC of the bench"))
                .collect(),
            lab,
            host,
            nics,
        };

        bench.reset();

        body(&mut bench)
    })
}

impl Bench {
    /// A host as [`scene`] describes it, without a history.
    pub(crate) fn reset(&mut self) {
        self.maps.set_settings(scene::own_settings()).unwrap();
        self.maps.retain_nics(&[]).unwrap();
        for port in [Port::Chosen, Port::Out] {
            self.maps
                .set_nic(self.index(port), scene::nic(port))
                .unwrap();
        }
        self.maps
            .set_reflector(&[scene::DISCRIMINATOR], &scene::OWN.map(Into::into), &[])
            .unwrap();
        self.own.insert(scene6::HOST.octets(), 1, 0).unwrap();
        for (watcher, _) in self.maps.watchers().unwrap() {
            self.watchers.remove(&watcher).unwrap();
        }
        for (address, _) in self.held() {
            self.addresses.remove(&address).unwrap();
        }
        for (number, session) in [
            (scene::SBFD, scene::sbfd_session()),
            (scene::ICMP, scene::icmp_session()),
            (scene::UNSET, Session::default()),
            (scene::ARP, scene::arp_session()),
            (scene::TCP, scene::tcp_session()),
        ]
        .into_iter()
        .chain(scene6::sessions())
        {
            self.sessions.clear(number);
            self.maps.signing_keys.clear_session(number).unwrap();
            self.maps.set_session(number, session).unwrap();
        }
        self.maps.signing_keys.set_reflector(&[]).unwrap();
        self.maps
            .set_arp_sessions(&[(scene::SOURCE.into(), scene::ARP)])
            .unwrap();
        self.maps.clear_traffic(scene::SLOT).unwrap();
        self.maps.listen(&[]).unwrap();
        self.health.reset();
        for address in self.maps.identity().unwrap().into_keys() {
            self.maps.remove_identity(address).unwrap();
        }
        self.rare.set(Rare::Conflict as u32, 0, 0).unwrap();
        self.claims();
    }

    /// Changes the settings.
    pub(crate) fn settings(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.maps.settings().unwrap();

        change(&mut settings);
        self.maps.set_settings(settings).unwrap();
    }

    /// Manages a NIC in another way, or one more.
    pub(crate) fn manage(&mut self, port: Port, change: impl FnOnce(&mut abi::Nic)) {
        let mut nic = scene::nic(port);

        change(&mut nic);
        self.maps.set_nic(self.index(port), nic).unwrap();
    }

    /// Holds [`scene::HELD`].
    pub(crate) fn hold(&mut self, held: Held) {
        self.maps.addresses.set(scene::HELD, held).unwrap();
    }

    /// Holds [`scene6::HELD`].
    pub(crate) fn hold6(&mut self, held: Held) {
        self.hold_at(scene6::HELD, held);
    }

    /// Holds an IPv6 address.
    pub(crate) fn hold_at(&mut self, ip: Ipv6Addr, held: Held) {
        self.addresses.insert(ip.octets(), held, 0).unwrap();
    }

    /// All held addresses.
    fn held(&self) -> Vec<(Ip, Held)> {
        self.addresses.iter().map(|entry| entry.unwrap()).collect()
    }

    /// Moves all held addresses, sessions and what is listened for into VLANs.
    pub(crate) fn tag(&mut self, tags: Tags) {
        for (address, held) in self.held() {
            self.addresses
                .insert(address, Held { tags, ..held }, 0)
                .unwrap();
        }
        for number in [scene::SBFD, scene::ICMP, scene6::SBFD, scene6::ICMP] {
            let session = self.maps.session(number).unwrap();

            self.maps
                .set_session(number, Session { tags, ..session })
                .unwrap();
        }
        let listened: Vec<(Ip, Listened)> =
            self.listened.iter().map(|entry| entry.unwrap()).collect();
        for (address, listened) in listened {
            self.listened
                .insert(address, Listened { tags, ..listened }, 0)
                .unwrap();
        }
    }

    /// Listens for an IPv6 address.
    pub(crate) fn listen6(&mut self, ip: Ipv6Addr, slot: u32) {
        let listened = Listened {
            slot,
            ..Listened::default()
        };

        self.listened.insert(ip.octets(), listened, 0).unwrap();
    }

    /// Allows an initiator.
    pub(crate) fn allow6(&mut self, initiator: Ipv6Addr) {
        self.initiators.insert(initiator.octets(), 1, 0).unwrap();
    }

    /// Index of a NIC.
    pub(crate) fn index(&self, port: Port) -> u32 {
        self.nic(port).index()
    }

    /// A NIC.
    pub(crate) fn nic(&self, port: Port) -> &Nic {
        &self.nics[port as usize]
    }

    /// Says that the request with all of this sequence is sent now.
    pub(crate) fn send(&self, session: u16, sequence: u32) {
        self.sessions.sending(session, sequence, now_ns());
    }

    /// Says that a request is sent now.
    pub(crate) fn sent(&self, session: u16, sequence: u16) {
        self.sessions.sending(session, sequence, now_ns());
    }

    /// Everything that the program has measured of a session.
    pub(crate) fn measured(&self, session: u16) -> SessionRx {
        self.session_rx.get(&u32::from(session), 0).unwrap()
    }

    /// Everything that the heartbeat thread has said about a session.
    pub(crate) fn told(&self, session: u16) -> SessionTx {
        self.session_tx.get(&u32::from(session), 0).unwrap()
    }

    /// Everything that the program has heard, by slot.
    pub(crate) fn all_heard(&self) -> Vec<Heard> {
        self.heard_array
            .iter()
            .map(|heard| heard.unwrap())
            .collect()
    }

    /// Says when user space was last told of a conflict about the address with this slot.
    pub(crate) fn set_told(&mut self, slot: u32, told_ns: u64) {
        let heard = self.heard_array.get(&slot, 0).unwrap();

        self.heard_array
            .set(slot, Heard { told_ns, ..heard }, 0)
            .unwrap();
    }

    /// Takes the claims out of the ring buffer.
    pub(crate) fn claims(&mut self) -> Vec<Vec<u8>> {
        let mut claims = Vec::new();

        while let Some(claim) = self.claims.next() {
            claims.push(claim.to_vec());
        }

        claims
    }

    /// All counters.
    pub(crate) fn tally(&self) -> Tally {
        let verdicts = self.maps.counters().unwrap();
        let traffic = self.maps.traffic(scene::SLOT).unwrap();

        Tally {
            verdicts: verdicts
                .into_iter()
                .map(|(verdict, count): (Verdict, u64)| (verdict.name(), count))
                .collect(),
            traffic: (traffic.packets, traffic.bytes),
        }
    }

    /// Hands a frame to the program.
    pub(crate) fn run(&mut self, ingress: Port, frame: &[u8]) -> Outcome {
        self.run_split(ingress, frame, frame.len())
    }

    /// Hands a frame to the program of which only the first octets are in the first buffer, as with jumbo frames.
    pub(crate) fn run_split(&mut self, ingress: Port, frame: &[u8], first: usize) -> Outcome {
        let context = context(self.index(ingress), first);
        let mut output = vec![0; frame.len() + ROOM];
        let result = self
            .program
            .xdp(program::FAILOVER)
            .unwrap()
            .test_run(TestRunOptions {
                data_in: Some(frame),
                data_out: Some(&mut output),
                ctx_in: Some(&context),
                ..TestRunOptions::new()
            })
            .expect("BPF_PROG_TEST_RUN");

        output.truncate(result.data_size_out as usize);

        Outcome {
            action: action(result.return_value),
            output,
        }
    }

    /// Hands a frame to the fence on the way out. `true`: it is sent.
    pub(crate) fn send_out(&mut self, frame: &[u8]) -> bool {
        let mut output = vec![0; frame.len() + ROOM];
        let result = self
            .program
            .egress()
            .unwrap()
            .test_run(TestRunOptions {
                data_in: Some(frame),
                data_out: Some(&mut output),
                ..TestRunOptions::new()
            })
            .expect("BPF_PROG_TEST_RUN");

        output.truncate(result.data_size_out as usize);
        assert_eq!(output, frame, "a fence changes nothing");

        match result.return_value.cast_signed() {
            TCX_NEXT => true,
            TCX_DROP => false,
            other => panic!("the fence returned {other}"),
        }
    }

    /// Hands a frame to the program again and again, as it then is. How long one time took.
    pub(crate) fn duration(&mut self, ingress: Port, frame: &[u8], times: u32) -> Duration {
        let context = context(self.index(ingress), frame.len());

        self.program
            .xdp(program::FAILOVER)
            .unwrap()
            .test_run(TestRunOptions {
                data_in: Some(frame),
                ctx_in: Some(&context),
                repeat: times,
                ..TestRunOptions::new()
            })
            .expect("BPF_PROG_TEST_RUN")
            .duration
    }

    /// Hands a frame to the program and then does with it what the program says, as a driver would.
    pub(crate) fn run_live(&mut self, ingress: Port, frame: &[u8]) {
        let context = context(self.index(ingress), frame.len());

        self.program
            .xdp(program::FAILOVER)
            .unwrap()
            .test_run(TestRunOptions {
                data_in: Some(frame),
                ctx_in: Some(&context),
                attrs: TestRunAttrs::new().xdp_live_frames(1),
                ..TestRunOptions::new()
            })
            .expect("BPF_PROG_TEST_RUN with live frames");
    }
}

/// `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
fn context(ingress: u32, first: usize) -> [u8; CONTEXT] {
    let end = u32::try_from(first).expect("a frame");
    let mut context = [0; CONTEXT];

    context[4..8].copy_from_slice(&end.to_ne_bytes());
    context[12..16].copy_from_slice(&ingress.to_ne_bytes());

    context
}

fn action(returned: u32) -> Option<Action> {
    match returned {
        1 => Some(Action::Drop),
        2 => Some(Action::Pass),
        3 => Some(Action::Transmit),
        4 => Some(Action::Redirect),
        _ => None,
    }
}

fn open<M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>>(pins: &Pins, name: &str) -> M {
    let data = MapData::from_pin(pins.map(name)).expect(name);

    M::try_from(aya::maps::Map::from_map_data(data).expect(name)).expect(name)
}

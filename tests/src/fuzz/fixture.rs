//! The host of the [`scene`](super::scene) in the kernel: the loaded program, its maps, and what the oracle knows of them.

use std::net::IpAddr;

use aya::programs::{TestRun as _, TestRunOptions};
use failover_ebpf::{
    abi::{Settings, health, map, program, settings},
    verdict::Verdict,
};
use failover_user::bpf::{
    health::HealthBoard, maps::Maps, pins::Pins, program::Program, shared::Sessions,
};
use rtnetlink::packet_route::route::RouteType;

use super::{
    counts::Counts,
    scene::{
        self, CLIENT, CLIENT_MAC, CLIENT6, HELD, MIN_RX_US, NICS, SBFD_PORT, SENT, SESSIONS, Scene,
        TCP_COOKIE, TCP_PORT,
    },
    told,
};
use crate::{
    lab::{Lab, Nic, clock::now_ns, xdp_pass::Gate},
    oracle,
};

/// Room that a program could make a frame longer by.
const ROOM: usize = 256;
/// Octets of `struct xdp_md`.
const CONTEXT: usize = 6 * size_of::<u32>();
/// The loaded program, its maps, and what the oracle knows of them.
pub struct Fixture {
    program: Program,
    maps: Maps,
    sessions: Sessions,
    health: HealthBoard,
    /// By [`Verdict`].
    pub(super) verdicts: Counts<1>,
    /// Packets and octets by slot.
    pub(super) traffic: Counts<2>,
    pub(super) nics: Vec<Nic>,
    /// What the oracle is told of the host.
    pub oracle: oracle::Host,
    scene: Option<Scene>,
    _gates: Vec<Gate>,
    // Goes last: everything above lives in it.
    _lab: Lab,
}

/// Builds it, and runs `body` in its namespace.
pub fn with<T: Send>(body: impl FnOnce(Fixture) -> T + Send) -> T {
    let lab = Lab::new();
    let host = lab.host("fuzz");
    let switch = lab.switch("sw");
    let nics: Vec<_> = NICS
        .map(|(name, address)| lab.plug(&host, name, &switch, address))
        .into();

    for (nic, mac) in nics.iter().zip(scene::MACS) {
        assert_eq!(nic.mac(), mac, "the lab numbers NICs in order");
    }

    let namespace = host.namespace().clone();

    namespace.ipv6(true);
    namespace.sysctl("net/ipv4/ip_forward", "1");
    namespace.sysctl("net/ipv6/conf/all/forwarding", "1");
    nics[0].add_address("2001:db8::2/64");

    for client in [CLIENT.into(), CLIENT6.into()] {
        know(&nics[0], client);
    }

    namespace.run(move || {
        let pins = Pins::new(lab.bpffs());
        let program = Program::load(&pins).expect("the program");
        let mut maps = Maps::open(&pins).expect("the maps");

        told::tell(&mut maps, &nics);

        let fixture = Fixture {
            program,
            maps,
            sessions: Sessions::open(&pins).expect("the sessions"),
            health: HealthBoard::open(&pins).expect("the health"),
            verdicts: Counts::open(&pins, map::COUNTERS, Verdict::ALL.len()).expect("counters"),
            traffic: Counts::open(&pins, map::TRAFFIC, 2 * HELD.len()).expect("traffic"),
            oracle: told::oracle(&nics),
            scene: None,
            _gates: nics
                .iter()
                .map(|nic| Gate::attach(nic.index()).expect("XDP on a NIC"))
                .collect(),
            nics,
            _lab: lab,
        };

        for watch in SESSIONS {
            fixture.send(watch.number);
        }

        body(fixture)
    })
}

/// Makes the client a permanent neighbour on a NIC.
fn know(nic: &Nic, address: IpAddr) {
    nic.host()
        .namespace()
        .netlink(async |handle| {
            Ok(handle
                .neighbours()
                .add(nic.index(), address)
                .link_layer_address(&CLIENT_MAC.0)
                .kind(RouteType::Unspec)
                .replace()
                .execute()
                .await?)
        })
        .expect("a permanent neighbour");
}

impl Fixture {
    /// Forgets how the host is set up, so that program and oracle are told anew.
    pub(super) fn forget(&mut self) {
        self.scene = None;
    }

    /// Sets the host up for a frame, and says by which NIC that comes in.
    pub(super) fn set(&mut self, scene: Scene) -> u32 {
        if self.scene != Some(scene) {
            self.change(scene);
            self.scene = Some(scene);
        }

        self.nics[scene.nic].index()
    }

    fn change(&mut self, scene: Scene) {
        let flag = |flag, on| if on { flag } else { 0 };

        self.maps
            .set_settings(Settings {
                flags: settings::CONFIGURED
                    | settings::REFLECT
                    | settings::FORWARDING
                    | settings::IDENTITY
                    | flag(settings::ANY_INITIATOR, !scene.listed)
                    | flag(settings::AUTHENTICATE, scene.signed),
                sbfd_source_port: SBFD_PORT.into(),
                min_rx_us: MIN_RX_US,
                tcp_source_port: TCP_PORT.into(),
                tcp_cookie: TCP_COOKIE.into(),
                ..Settings::default()
            })
            .expect("settings");
        self.health.clear(u32::MAX);
        self.health.set(match scene.health {
            scene::Health::Well => 0,
            scene::Health::OnHold => health::ADMIN_DOWN,
            scene::Health::Ill => health::CHECKS_FAILED,
            scene::Health::Fenced => health::CHECKS_FAILED | health::SELF_FENCE,
        });
        scene.told(&mut self.oracle);
    }

    /// Hands a frame to the program: what it returns, and the frame afterwards.
    pub(super) fn run(&mut self, ingress: u32, frame: &[u8], output: &mut Vec<u8>) -> u32 {
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

    /// Forgets what a session has measured, and says that its requests are under way.
    pub(super) fn send(&self, number: u16) {
        self.sessions.clear(number);

        for sequence in SENT {
            self.sessions.sending(number, sequence, now_ns());
        }
    }

    /// Replies that each session has measured.
    pub(super) fn received(&self) -> [u64; SESSIONS.len()] {
        SESSIONS.map(|watch| self.sessions.received(watch.number))
    }
}

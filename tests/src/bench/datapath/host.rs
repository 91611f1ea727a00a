//! The host that frames are handed to: the program under test with its maps, on NICs that no frame reaches otherwise.

use std::{
    net::Ipv4Addr,
    os::fd::{AsFd as _, BorrowedFd},
};

use anyhow::{Context, Result};
use failover_ebpf::abi::{Held, Nic, Settings, held, nic, program, settings};
use failover_user::bpf::{maps::Maps, pins::Pins, program::Program};

use crate::{
    frames::Flow,
    lab::{self, Host, Lab, Mac, xdp_pass::Gate},
};

/// A client.
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// This host.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// An address that it holds.
pub(super) const HELD: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);

/// MACs as the lab gives them.
const IN_MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 1]);
const OUT_MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 2]);
const CLIENT_MAC: Mac = Mac([2, 0, 0, 0, 0x0c, 1]);
const STANDBY_MAC: Mac = Mac([2, 0, 0, 0, 0x0e, 1]);

const MTU: u32 = 1500;

/// Our reflector's discriminator.
pub(super) const DISCRIMINATOR: u32 = 0x0a00_0002;

/// From the client to this host.
pub(super) const FROM_CLIENT: Flow = Flow {
    from_mac: CLIENT_MAC,
    to_mac: IN_MAC,
    from: CLIENT,
    to: HOST,
    ttl: 255,
};

/// The program and what is needed to run it. Fields are dropped in their order.
pub(super) struct Bench {
    program: Program,
    pub(super) maps: Maps,
    _gates: [Gate; 2],
    nics: [lab::Nic; 2],
    _host: Host,
    _lab: Lab,
}

/// Runs `work` on a thread in the namespace of such a host.
pub(super) fn with<T: Send>(work: impl FnOnce(&mut Bench) -> Result<T> + Send) -> Result<T> {
    let lab = Lab::new();
    let host = lab.host("bench");
    let switch = lab.switch("sw");
    let nics = [("ens1", "10.0.0.2/24"), ("ens2", "10.0.5.2/24")]
        .map(|(name, address)| lab.plug(&host, name, &switch, address));
    let namespace = host.namespace().clone();

    namespace.run(|| {
        let pins = Pins::new(lab.bpffs());
        let program = Program::load(&pins)?;
        let mut bench = Bench {
            program,
            maps: Maps::open(&pins)?,
            _gates: [
                Gate::attach(nics[0].index())?,
                Gate::attach(nics[1].index())?,
            ],
            nics,
            _host: host,
            _lab: lab,
        };

        for (nic, mac) in bench.nics.iter().zip([IN_MAC, OUT_MAC]) {
            let entry = Nic {
                mac: mac.0,
                mtu: MTU,
                flags: nic::REFLECT,
                ..Nic::default()
            };

            bench.maps.set_nic(nic.index(), entry)?;
        }

        bench
            .maps
            .set_reflector(&[DISCRIMINATOR], &[HOST.into()], &[])?;

        work(&mut bench)
    })
}

impl Bench {
    /// The NIC that frames come in by.
    pub(super) fn ingress(&self) -> u32 {
        self.nics[0].index()
    }

    /// The NIC that they are redirected onto.
    pub(super) fn out(&self) -> u32 {
        self.nics[1].index()
    }

    /// The program under test.
    pub(super) fn failover(&mut self) -> Result<BorrowedFd<'_>> {
        self.descriptor(program::FAILOVER)
    }

    /// The program that does nothing.
    pub(super) fn empty(&mut self) -> Result<BorrowedFd<'_>> {
        self.descriptor(program::PASS)
    }

    fn descriptor(&mut self, name: &str) -> Result<BorrowedFd<'_>> {
        Ok(self.program.xdp(name)?.fd()?.as_fd())
    }

    /// A reflector that answers everybody as often as they like, on a host that forwards held addresses or does not, and that
    /// wants requests to be signed or does not.
    pub(super) fn set(&mut self, forwards: bool, signs: bool) -> Result<()> {
        let mut flags = settings::CONFIGURED | settings::REFLECT | settings::ANY_INITIATOR;

        if forwards {
            flags |= settings::FORWARDING;
        }

        if signs {
            flags |= settings::AUTHENTICATE;
        }

        self.maps.set_settings(Settings {
            flags,
            sbfd_source_port: 49_200,
            min_rx_us: 0,
            tcp_source_port: 0,
            tcp_cookie: 0,
            reserved: 0,
        })
    }

    /// Holds [`HELD`] and those behind it, `count` in all, and forwards them.
    pub(super) fn hold(&mut self, count: u32) -> Result<()> {
        for number in 0..count {
            let held = Held {
                mode: held::FORWARD,
                nic: self.ingress(),
                out: self.out(),
                out_mtu: MTU,
                slot: number,
                prefix: 32,
                nic_mac: IN_MAC.0,
                out_mac: OUT_MAC.0,
                next_hop: STANDBY_MAC.0,
                source_mac: [2, 0, 0, 0, 0x0d, 1],
                taken_at_unix_ns: 1,
                ..Held::default()
            };

            self.maps
                .addresses
                .set(address(number), held)
                .context("holding an address")?;
        }

        Ok(())
    }
}

/// A held address by its number.
pub(super) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(HELD) + number)
}

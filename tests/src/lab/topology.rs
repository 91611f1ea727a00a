//! The builder: hosts, switches, and what is plugged into what.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result};

use super::{
    Mac, Must, Namespace, Nic,
    bpffs::Directories,
    link::{self, End},
    xdp_pass::Gate,
};

/// MTU of a cable if nothing else is said.
const MTU: u32 = 1500;

/// A network of its own. See [`super`] for an example.
#[derive(Debug)]
pub struct Lab {
    directories: Directories,
    next_index: AtomicU32,
    next_host: AtomicU8,
    /// A cable is there as long as the lab is, whether or not somebody keeps its NIC.
    nics: Mutex<Vec<Nic>>,
}

impl Lab {
    /// An empty lab.
    #[track_caller]
    pub fn new() -> Self {
        Self {
            directories: Directories::create().must("making the lab's directories"),
            next_index: AtomicU32::new(10),
            next_host: AtomicU8::new(0x0a),
            nics: Mutex::default(),
        }
    }

    /// The lab's own directory for sockets, configurations and logs.
    pub fn dir(&self) -> &Path {
        self.directories.files()
    }

    /// The lab's own directory on the BPF file system.
    pub fn bpffs(&self) -> &Path {
        self.directories.pins()
    }

    /// A switch without ports.
    #[track_caller]
    pub fn switch(&self, name: &str) -> Switch {
        let namespace = Arc::new(Namespace::new(name));
        let bridge = self.index();

        link::create_bridge(&namespace, name, bridge).must("making a switch");

        Switch { namespace, bridge }
    }

    /// A host without NICs.
    #[track_caller]
    pub fn host(&self, name: &str) -> Host {
        Host(Arc::new(HostInner {
            namespace: Arc::new(Namespace::new(name)),
            number: self.next_host.fetch_add(1, Ordering::Relaxed),
            next_nic: AtomicU8::new(1),
            files: self.dir().join(name),
        }))
    }

    /// Plugs a new NIC of a host into a switch. The address is such as `10.0.0.2/24`; more can be added later. When this
    /// returns, the NIC has carrier and the port forwards.
    #[track_caller]
    pub fn plug(&self, host: &Host, name: &str, switch: &Switch, address: &str) -> Nic {
        self.plug_with_mtu(host, name, switch, address, MTU)
    }

    /// [`Lab::plug`] with another MTU than 1500.
    #[track_caller]
    pub fn plug_with_mtu(
        &self,
        host: &Host,
        name: &str,
        switch: &Switch,
        address: &str,
        mtu: u32,
    ) -> Nic {
        let port = port_name(host.name(), name);
        let what = format!("plugging {name} of {} in", host.name());
        let nic = self
            .cable(host, name, &switch.namespace, &port, None, mtu)
            .must(&what);

        link::set_master(&switch.namespace, nic.far_index(), switch.bridge).must(&what);
        bring_up(&nic).must(&what);
        nic.add_address(address);

        nic
    }

    /// A cable between two hosts. Only the first host may run a daemon on its NIC: the other end carries the lab's own XDP
    /// program ([`super::xdp_pass`]).
    #[track_caller]
    pub fn connect(
        &self,
        (host, name, address): (&Host, &str, &str),
        (peer, peer_name, peer_address): (&Host, &str, &str),
    ) -> Nic {
        let what = format!("connecting {} to {}", host.name(), peer.name());
        let nic = self
            .cable(
                host,
                name,
                peer.namespace(),
                peer_name,
                Some(peer.next_mac()),
                MTU,
            )
            .must(&what);

        bring_up(&nic).must(&what);
        nic.add_address(address);
        link::add_address(
            peer.namespace(),
            nic.far_index(),
            parse_prefix(peer_address),
        )
        .must(&what);

        nic
    }

    fn cable(
        &self,
        host: &Host,
        name: &str,
        far: &Arc<Namespace>,
        far_name: &str,
        far_mac: Option<Mac>,
        mtu: u32,
    ) -> Result<Nic> {
        let mac = host.next_mac();
        let near = End {
            name: name.to_owned(),
            mac,
            index: self.index(),
        };
        let far_end = End {
            name: far_name.to_owned(),
            mac: far_mac.unwrap_or(Mac([0x02, 0xff, 0, 0, mac.0[4], mac.0[5]])),
            index: self.index(),
        };

        link::create_veth(host.namespace(), &near, far, &far_end, mtu)?;
        link::transmit_offload_off(host.namespace(), name)?;

        if far_mac.is_some() {
            // Before the program: switching it off afterwards takes from the near end what it needs to be redirected onto.
            link::transmit_offload_off(far, far_name)?;
        }

        let gate = far.run(|| Gate::attach(far_end.index))?;

        let nic = Nic::new(host.clone(), near, Arc::clone(far), far_end, gate);

        self.nics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(nic.clone());

        Ok(nic)
    }

    fn index(&self) -> u32 {
        self.next_index.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

/// A switch: a bridge in a namespace of its own. Clones are the same switch.
#[derive(Clone, Debug)]
pub struct Switch {
    namespace: Arc<Namespace>,
    bridge: u32,
}

impl Switch {
    /// Its namespace.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }
}

/// A host: a namespace with NICs. Clones are the same host. MACs of its NICs are `02:00:00:00:HOST:NIC`, hosts counted
/// from 0a and NICs from 01 in the order they were made.
#[derive(Clone, Debug)]
pub struct Host(Arc<HostInner>);

#[derive(Debug)]
struct HostInner {
    namespace: Arc<Namespace>,
    number: u8,
    next_nic: AtomicU8,
    files: PathBuf,
}

impl Host {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.namespace.name()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.0.namespace
    }

    /// Where its files go; not made yet.
    pub(super) fn files(&self) -> &Path {
        &self.0.files
    }

    /// Runs `work` on this host; see [`Namespace::run`].
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace().run(work)
    }

    /// Writes a setting such as `net/ipv4/ip_forward`.
    #[track_caller]
    pub fn sysctl(&self, key: &str, value: &str) {
        self.namespace().sysctl(key, value);
    }

    /// Adds an address such as `10.0.0.10/32` to its loopback, where nobody is told of it by ARP if `arp_ignore` is set.
    #[track_caller]
    pub fn add_loopback_address(&self, address: &str) {
        link::add_address(self.namespace(), 1, parse_prefix(address)).must("adding an address");
    }

    /// Adds a route such as `10.0.5.0/24` (or `0.0.0.0/0`) by a gateway.
    #[track_caller]
    pub fn add_route(&self, destination: &str, gateway: &str) {
        let gateway = gateway.parse().must(gateway);

        link::add_route(
            self.namespace(),
            parse_prefix(destination),
            Some(gateway),
            None,
        )
        .must("adding a route");
    }

    /// The MAC that this host takes `address` to have, on any NIC.
    #[track_caller]
    pub fn neighbour(&self, address: &str) -> Option<Mac> {
        let address: IpAddr = address.parse().must(address);

        link::neighbours(self.namespace())
            .must("reading neighbours")
            .into_iter()
            .find_map(|(_, ip, mac)| mac.filter(|_| ip == address))
    }

    /// Forgets all neighbours.
    #[track_caller]
    pub fn flush_neighbours(&self) {
        link::flush_neighbours(self.namespace()).must("forgetting neighbours");
    }

    fn next_mac(&self) -> Mac {
        let nic = self.0.next_nic.fetch_add(1, Ordering::Relaxed);

        Mac([0x02, 0, 0, 0, self.0.number, nic])
    }
}

/// Reads `10.0.0.2/24`; without a slash it is one address.
#[track_caller]
pub(super) fn parse_prefix(text: &str) -> (IpAddr, u8) {
    let parse = || -> Result<(IpAddr, u8)> {
        let (ip, length) = text.split_once('/').unwrap_or((text, ""));
        let ip: IpAddr = ip.parse()?;
        let length = match (length, ip) {
            ("", IpAddr::V4(_)) => 32,
            ("", IpAddr::V6(_)) => 128,
            _ => length.parse()?,
        };

        Ok((ip, length))
    };

    parse().context("want ADDRESS/LENGTH").must(text)
}

fn bring_up(nic: &Nic) -> Result<()> {
    link::set_up(nic.far(), nic.far_index(), true)?;
    link::set_up(nic.host().namespace(), nic.index(), true)?;
    nic.wait_operational();

    Ok(())
}

/// Name of the switch's end of a cable, readable and short enough for the kernel.
fn port_name(host: &str, nic: &str) -> String {
    const LONGEST: usize = 15;

    let room = LONGEST.saturating_sub(nic.len() + 1);

    format!("{}-{nic}", host.get(..room).unwrap_or(host))
}

//! The maps that the daemon reads and writes by system call. All are opened by their pins, so that any thread can have
//! handles of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use anyhow::{Context as _, bail, ensure};
use aya::maps::{
    Array, DevMapHash, HashMap, Map, MapData, MapError, PerCpuArray, xdp::XdpMapError,
};
use failover_ebpf::{
    abi::{self, Heard, Ip, Listened, Nic, Session, Settings, Traffic, Watcher, WatcherState, map},
    verdict::Verdict,
    wire::eth::Mac,
};

use super::{
    addresses::Addresses,
    keys::{ip, key},
    pins::Pins,
    signing_keys::SigningKeys,
};

/// Handles of all maps, except those that are mapped into memory.
pub struct Maps {
    settings: Array<MapData, Settings>,
    nics: HashMap<MapData, u32, Nic>,
    macs: HashMap<MapData, Mac, u32>,
    /// MACs of this host's NICs, managed or not.
    link_macs: BTreeSet<Mac>,
    discriminators: HashMap<MapData, u32, u32>,
    own: HashMap<MapData, Ip, u32>,
    initiators: HashMap<MapData, Ip, u32>,
    watchers: HashMap<MapData, Watcher, WatcherState>,
    sessions: Array<MapData, Session>,
    /// The takeover map.
    pub addresses: Addresses,
    traffic: PerCpuArray<MapData, Traffic>,
    redirect: DevMapHash<MapData>,
    counters: PerCpuArray<MapData, u64>,
    listened: HashMap<MapData, Ip, Listened>,
    heard: Array<MapData, Heard>,
    identity: HashMap<MapData, Ip, u32>,
    arp_sessions: HashMap<MapData, Ip, u32>,
    /// Keys that heartbeats are signed with.
    pub signing_keys: SigningKeys,
}

impl Maps {
    /// Opens the pinned maps.
    pub fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self {
            settings: open(pins, map::SETTINGS)?,
            nics: open(pins, map::NICS)?,
            macs: open(pins, map::MACS)?,
            link_macs: BTreeSet::new(),
            discriminators: open(pins, map::DISCRIMINATORS)?,
            own: open(pins, map::OWN)?,
            initiators: open(pins, map::INITIATORS)?,
            watchers: open(pins, map::WATCHERS)?,
            sessions: open(pins, map::SESSIONS)?,
            addresses: Addresses::open(pins)?,
            traffic: open(pins, map::TRAFFIC)?,
            redirect: open(pins, map::REDIRECT)?,
            counters: open(pins, map::COUNTERS)?,
            listened: open(pins, map::LISTENED)?,
            heard: open(pins, map::HEARD)?,
            identity: open(pins, map::IDENTITY)?,
            arp_sessions: open(pins, map::ARP_SESSIONS)?,
            signing_keys: SigningKeys::open(pins)?,
        })
    }

    /// The settings as they are now.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        self.settings.get(&0, 0).context("reading the settings")
    }

    /// Replaces the settings.
    pub fn set_settings(&mut self, settings: Settings) -> anyhow::Result<()> {
        self.settings
            .set(0, settings, 0)
            .context("writing the settings")
    }

    /// Makes a NIC known to the program, also as one that frames may be redirected onto.
    pub fn set_nic(&mut self, index: u32, nic: Nic) -> anyhow::Result<()> {
        self.nics
            .insert(index, nic, 0)
            .with_context(|| format!("writing NIC {index}"))?;
        self.refresh_macs()?;
        match self.redirect.insert(index, index, None, 0) {
            Ok(()) => Ok(()),
            Err(XdpMapError::MapError(error)) => {
                Err(error).with_context(|| format!("writing NIC {index} as a way out"))
            }
            Err(XdpMapError::ChainedProgramNotSupported) => {
                unreachable!("no chained program is given")
            }
        }
    }

    /// Forgets NICs that are not among `keep`.
    pub fn retain_nics(&mut self, keep: &[u32]) -> anyhow::Result<()> {
        let known: Vec<u32> = self
            .nics
            .keys()
            .collect::<Result<_, _>>()
            .context("listing NICs")?;
        for index in known.into_iter().filter(|index| !keep.contains(index)) {
            ignore_absent(self.nics.remove(&index))
                .with_context(|| format!("removing NIC {index}"))?;
            ignore_absent(self.redirect.remove(index))
                .with_context(|| format!("removing NIC {index} as a way out"))?;
        }
        self.refresh_macs()
    }

    /// Says which MACs this host's NICs have, those included that are not managed: Linux answers ARP for any address of the
    /// host on every NIC, and what such a NIC says is not said by another host.
    pub fn set_link_macs(&mut self, macs: BTreeSet<Mac>) -> anyhow::Result<()> {
        if self.link_macs == macs {
            return Ok(());
        }
        self.link_macs = macs;
        self.refresh_macs()
    }

    /// Two NICs may have one MAC, so the set of them is made anew.
    fn refresh_macs(&mut self) -> anyhow::Result<()> {
        let mut macs = self
            .nics
            .iter()
            .map(|entry| entry.map(|(_, nic)| nic.mac))
            .collect::<Result<Vec<Mac>, _>>()
            .context("listing the MACs of NICs")?;
        macs.extend(&self.link_macs);
        replace(&mut self.macs, &macs).context("writing the MACs of NICs")
    }

    /// Replaces the reflector's discriminators, the addresses that it answers at, and the initiators that it allows.
    pub fn set_reflector(
        &mut self,
        discriminators: &[u32],
        own: &[IpAddr],
        initiators: &[IpAddr],
    ) -> anyhow::Result<()> {
        let keys = |ips: &[IpAddr]| -> Vec<Ip> { ips.iter().copied().map(key).collect() };
        // One that is too long for its map does not keep the others from changing.
        let results = [
            replace(&mut self.discriminators, discriminators).context("writing discriminators"),
            replace(&mut self.own, &keys(own)).context("writing the reflector's addresses"),
            replace(&mut self.initiators, &keys(initiators)).context("writing initiators"),
        ];
        results.into_iter().collect()
    }

    /// The addresses of this host's identity, with their [`abi::identity`] flags.
    pub fn identity(&self) -> anyhow::Result<BTreeMap<IpAddr, u32>> {
        self.identity
            .iter()
            .map(|entry| entry.map(|(key, flags)| (ip(&key), flags)))
            .collect::<Result<_, _>>()
            .context("reading the identity")
    }

    /// Writes an address of the identity, with its flags.
    pub fn set_identity(&mut self, ip: IpAddr, flags: u32) -> anyhow::Result<()> {
        self.identity
            .insert(key(ip), flags, 0)
            .with_context(|| format!("writing {ip} of the identity"))
    }

    /// Removes an address from the identity.
    pub fn remove_identity(&mut self, ip: IpAddr) -> anyhow::Result<()> {
        ignore_absent(self.identity.remove(&key(ip)))
            .with_context(|| format!("removing {ip} from the identity"))
    }

    /// Writes a session.
    pub fn set_session(&mut self, number: u16, session: Session) -> anyhow::Result<()> {
        self.sessions
            .set(number as u32, session, 0)
            .with_context(|| format!("writing session {number}"))
    }

    /// A session.
    pub fn session(&self, number: u16) -> anyhow::Result<Session> {
        self.sessions
            .get(&(number as u32), 0)
            .with_context(|| format!("reading session {number}"))
    }

    /// Says which hosts are watched by ARP, and by which session.
    pub fn set_arp_sessions(&mut self, wanted: &[(IpAddr, u16)]) -> anyhow::Result<()> {
        let wanted: BTreeMap<Ip, u32> = wanted
            .iter()
            .map(|(ip, number)| (key(*ip), u32::from(*number)))
            .collect();
        let known = self.arp_sessions.keys().collect::<Result<Vec<Ip>, _>>();
        // Those that go make room for those that come.
        for ip in known.context("listing who is watched by ARP")? {
            if !wanted.contains_key(&ip) {
                ignore_absent(self.arp_sessions.remove(&ip)).context("watching by ARP no more")?;
            }
        }
        for (ip, number) in wanted {
            self.arp_sessions
                .insert(ip, number, 0)
                .context("watching by ARP")?;
        }
        Ok(())
    }

    /// Who asks our reflector.
    pub fn watchers(&self) -> anyhow::Result<Vec<(Watcher, WatcherState)>> {
        self.watchers
            .iter()
            // Entries come and go while the program writes; a walk that starts again at a lost key must still end.
            .take(abi::MAX_WATCHERS as usize)
            .collect::<Result<_, _>>()
            .context("reading the watchers")
    }

    /// Traffic of a held address.
    pub fn traffic(&self, slot: u32) -> anyhow::Result<Traffic> {
        let values = self
            .traffic
            .get(&slot, 0)
            .with_context(|| format!("reading the traffic of slot {slot}"))?;
        Ok(values.iter().fold(Traffic::default(), |sum, cpu| Traffic {
            packets: sum.packets + cpu.packets,
            bytes: sum.bytes + cpu.bytes,
        }))
    }

    /// Starts the traffic counters of a slot again.
    pub fn clear_traffic(&mut self, slot: u32) -> anyhow::Result<()> {
        let cpus =
            aya::util::nr_cpus().map_err(|(what, error)| anyhow::anyhow!("{what}: {error}"))?;
        let zero = aya::maps::PerCpuValues::try_from(vec![Traffic::default(); cpus])?;
        self.traffic
            .set(slot, zero, 0)
            .with_context(|| format!("clearing the traffic of slot {slot}"))
    }

    /// Listens for ARP of exactly these addresses, outside of VLANs, each with a slot of its own below [`abi::MAX_LISTENED`], where
    /// [`super::shared::HeardBoard`] finds what is heard.
    ///
    /// An address that was listened for with the same slot goes on without a gap, and keeps what was heard of it. Every
    /// other one begins with nothing heard.
    ///
    /// # Errors
    ///
    /// A slot is given to two addresses, an address has two slots, a slot is out of range (nothing is changed then); or a
    /// map cannot be read or written.
    pub fn listen(&mut self, wanted: &[(IpAddr, u32)]) -> anyhow::Result<()> {
        let wanted = slots(wanted)?;
        let current = self
            .listened
            .iter()
            .collect::<Result<BTreeMap<Ip, Listened>, _>>()
            .context("reading what is listened for")?;
        // A slot is cleared between two addresses, so whoever gives one up goes first.
        for (ip, listened) in &current {
            if wanted.get(ip) != Some(listened) {
                ignore_absent(self.listened.remove(ip)).context("listening no more")?;
            }
        }
        for (ip, listened) in &wanted {
            if current.get(ip) != Some(listened) {
                let slot = listened.slot;
                self.heard
                    .set(slot, Heard::default(), 0)
                    .with_context(|| format!("clearing slot {slot} of what was heard"))?;
                self.listened.insert(ip, listened, 0).context("listening")?;
            }
        }
        Ok(())
    }

    /// How often each verdict was given, those that were.
    pub fn counters(&self) -> anyhow::Result<Vec<(Verdict, u64)>> {
        let mut counters = Vec::new();
        for verdict in Verdict::ALL {
            let values = self
                .counters
                .get(&(*verdict as u32), 0)
                .with_context(|| format!("reading {}", verdict.name()))?;
            let sum: u64 = values.iter().sum();
            if sum != 0 {
                counters.push((*verdict, sum));
            }
        }
        Ok(counters)
    }
}

/// The kinds of maps that are opened here.
pub(super) trait Kind: Sized {
    fn wrap(data: MapData) -> Result<Self, MapError>;
}

macro_rules! kinds {
    ($($type:ty, $($param:ident: $bound:path),*;)+) => {
        $(impl<$($param: $bound),*> Kind for $type {
            fn wrap(data: MapData) -> Result<Self, MapError> {
                Map::from_map_data(data)?.try_into()
            }
        })+
    };
}

kinds! {
    Array<MapData, V>, V: aya::Pod;
    PerCpuArray<MapData, V>, V: aya::Pod;
    HashMap<MapData, K, V>, K: aya::Pod, V: aya::Pod;
    DevMapHash<MapData>, ;
}

pub(super) fn open<M: Kind>(pins: &Pins, name: &str) -> anyhow::Result<M> {
    let path = pins.map(name);
    let data = MapData::from_pin(&path)
        .with_context(|| format!("the map {} cannot be opened", path.display()))?;
    M::wrap(data).with_context(|| format!("the map {} is of another kind", path.display()))
}

/// Makes these the keys of a map, as far as there is room: the first ones, and an error that says how many there are.
fn replace<K: aya::Pod + Ord>(
    map: &mut HashMap<MapData, K, u32>,
    keys: &[K],
) -> anyhow::Result<()> {
    let wanted: BTreeSet<K> = keys.iter().copied().collect();
    let known: BTreeSet<K> = map.keys().collect::<Result<_, _>>()?;
    // New ones first, as long as there is room: a set that grows is never smaller than it was. Whoever is in both sets is
    // never without its entry.
    let mut waiting = Vec::new();
    for key in keys.iter().filter(|key| !known.contains(key)) {
        match map.insert(key, 1, 0) {
            Ok(()) => {}
            Err(error) if is_full(&error) => waiting.push(*key),
            Err(error) => return Err(error.into()),
        }
    }
    for key in known.difference(&wanted) {
        ignore_absent(map.remove(key))?;
    }
    for key in waiting {
        match map.insert(key, 1, 0) {
            Ok(()) => {}
            Err(error) if is_full(&error) => {
                bail!("{} are more than there is room for", wanted.len())
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_full(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error)
        if error.io_error.raw_os_error() == Some(libc::E2BIG))
}

/// What is listened for by key, each slot used once.
fn slots(wanted: &[(IpAddr, u32)]) -> anyhow::Result<BTreeMap<Ip, Listened>> {
    let mut by_key = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (ip, slot) in wanted {
        ensure!(
            *slot < abi::MAX_LISTENED && used.insert(slot),
            "slot {slot}, for {ip}, is used twice or out of range"
        );
        let listened = Listened {
            slot: *slot,
            ..Listened::default()
        };
        ensure!(
            by_key.insert(key(*ip), listened).is_none(),
            "{ip} has two slots"
        );
    }
    Ok(by_key)
}

pub(super) fn ignore_absent(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        other => other,
    }
}

const _: () = assert!(abi::MAX_SESSIONS <= u16::MAX as u32 + 1);

//! Who is who in a configuration: the numbers under which paths and addresses are known in the kernel, and which path and
//! unit an address belongs to. Pure.
//!
//! Sources keep their index as long as the daemon runs, whatever a reload puts before or behind them. One that was removed
//! stays in its place without paths, which a file cannot say: so it has no path, no address and no unit.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use failover_ebpf::abi::{MAX_ADDRESSES, MAX_SESSIONS};

use super::source_side;
use crate::{
    config::{Address, Config, Deliver, Path, Probe, Source, Trigger, WitnessProbe},
    policy::{PathId, UnitId},
};

/// The interval that the heartbeat thread is scheduled for when there is nobody to watch.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// The session number of a witness: from the top downwards, where no path's number is.
pub(super) fn witness_session(index: usize) -> u16 {
    (MAX_SESSIONS as u16).saturating_sub(1 + index as u16)
}

/// The slot of a witness that is asked by ARP or neighbour discovery among the addresses that are listened for, behind those that can be held.
/// What is listened for has no NIC: witnesses of one address share the slot of the first of them.
pub(super) fn witness_slot(config: &Config, index: usize) -> u32 {
    let first = config
        .witnesses
        .iter()
        .position(|other| other.address == config.witnesses[index].address);
    MAX_ADDRESSES + first.unwrap_or(index) as u32
}

/// The numbering of one configuration.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Indices of the sources in the file's order.
    order: Vec<usize>,
    sessions: BTreeMap<PathId, u16>,
    slots: BTreeMap<IpAddr, u32>,
}

impl Layout {
    /// Sessions are numbered from 1 in the file's order, so that a restart with the same file goes on with the same
    /// sessions. Addresses that are held already keep their slots, and with them their traffic counters.
    pub(super) fn new(config: &Config, held: &BTreeMap<IpAddr, u32>) -> Self {
        let mut layout = Self {
            order: Vec::new(),
            sessions: BTreeMap::new(),
            slots: held.clone(),
        };
        let order = sources(config).map(|(index, _)| index).collect();
        layout.follow(config, order, &held.keys().copied().collect());
        layout
    }

    /// Follows a reload: what is still there, and every held address, keeps its number; the rest gets free ones. Returns
    /// the sessions that are not their owner's any more, whether somebody else has got them or not.
    pub(super) fn follow(
        &mut self,
        config: &Config,
        order: Vec<usize>,
        held: &BTreeSet<IpAddr>,
    ) -> BTreeSet<u16> {
        let ids: BTreeSet<PathId> = paths(config).map(|(id, ..)| id).collect();
        let mut ownerless = BTreeSet::new();
        self.sessions.retain(|id, number| {
            let stays = ids.contains(id);
            if !stays {
                ownerless.insert(*number);
            }
            stays
        });
        let taken: BTreeSet<u16> = self.sessions.values().copied().collect();
        let mut free = (1..).filter(|number| !taken.contains(number));
        for id in ids {
            self.sessions
                .entry(id)
                .or_insert_with(|| free.next().unwrap_or_default());
        }
        let ips: BTreeSet<IpAddr> = addresses(config).map(|(_, address)| address.ip).collect();
        self.slots
            .retain(|ip, _| ips.contains(ip) || held.contains(ip));
        let taken: BTreeSet<u32> = self.slots.values().copied().collect();
        let mut free = (0..).filter(|slot| !taken.contains(slot));
        for (_, address) in addresses(config) {
            self.slots
                .entry(address.ip)
                .or_insert_with(|| free.next().unwrap_or_default());
        }
        self.order = order;
        ownerless
    }

    /// Indices of the sources, in the file's order.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// A path's session number.
    pub(super) fn session(&self, path: PathId) -> u16 {
        self.sessions.get(&path).copied().unwrap_or_default()
    }

    /// What is listened for: addresses and their slots.
    pub(super) fn listened(&self, config: &Config) -> Vec<(IpAddr, u32)> {
        let asked = config
            .witnesses
            .iter()
            .enumerate()
            .filter(|(_, witness)| match witness.probe {
                WitnessProbe::Arp | WitnessProbe::Nd => true,
                WitnessProbe::Icmp => false,
            })
            .map(|(index, witness)| (witness.address, witness_slot(config, index)));
        let held = self.slots.iter().map(|(ip, slot)| (*ip, *slot));
        let own = source_side::slots(config);
        let once: BTreeMap<_, _> = held.chain(asked).chain(own).collect();
        once.into_iter().collect()
    }

    /// The slot of an address that is listened for and can be held; `None`: it is no such address.
    pub(super) fn listened_slot(&self, ip: IpAddr) -> Option<u32> {
        self.slots.get(&ip).copied()
    }

    /// Hosts that are watched by ARP, and their session numbers.
    pub(super) fn arp_sessions(&self, config: &Config) -> Vec<(IpAddr, u16)> {
        paths(config)
            .filter(|(_, source, _)| source.probe == Probe::Arp)
            .map(|(id, _, path)| (path.monitor, self.session(id)))
            .collect()
    }

    /// An address's slot in the traffic counters, and among the addresses that are listened for.
    pub(super) fn slot(&self, ip: IpAddr) -> u32 {
        self.slots.get(&ip).copied().unwrap_or_default()
    }
}

/// Every source, with its index.
pub(super) fn sources(config: &Config) -> impl Iterator<Item = (usize, &Source)> {
    let sources = config.sources.iter().enumerate();
    sources.filter(|(_, source)| !source.paths.is_empty())
}

/// Whether a source is watched by TCP.
pub(super) fn asks_by_tcp(config: &Config) -> bool {
    sources(config).any(|(_, source)| matches!(source.probe, Probe::Tcp(_)))
}

/// The shortest interval between heartbeats, for which the heartbeat thread is scheduled.
pub(super) fn shortest_interval(config: &Config) -> Duration {
    let intervals = sources(config).map(|(_, source)| source.interval);
    intervals.min().unwrap_or(IDLE_INTERVAL)
}

/// Removes a source. Its place stays, and its name for what is still to be told of it.
pub(super) fn entomb(config: &mut Config, source: usize) {
    if let Some(source) = config.sources.get_mut(source) {
        source.paths.clear();
    }
}

/// A path, unless its source was removed.
pub(super) fn path(config: &Config, id: PathId) -> Option<&Path> {
    config.sources.get(id.source)?.paths.get(id.path)
}

/// Every path, with its source.
pub(super) fn paths(config: &Config) -> impl Iterator<Item = (PathId, &Source, &Path)> {
    config
        .sources
        .iter()
        .enumerate()
        .flat_map(|(source, configured)| {
            let id = move |path| PathId { source, path };
            configured
                .paths
                .iter()
                .enumerate()
                .map(move |(path, inner)| (id(path), configured, inner))
        })
}

/// Every address, with the path that it belongs to.
pub(super) fn addresses(config: &Config) -> impl Iterator<Item = (PathId, &Address)> {
    paths(config).flat_map(|(id, _, path)| path.addresses.iter().map(move |address| (id, address)))
}

/// Addresses of standby servers.
pub(super) fn standbys(config: &Config) -> BTreeSet<IpAddr> {
    addresses(config)
        .filter_map(|(_, address)| match address.deliver {
            Deliver::Forward(standby) => Some(standby),
            Deliver::Local => None,
        })
        .collect()
}

/// The unit that a path belongs to.
pub(super) fn unit_of(config: &Config, path: PathId) -> UnitId {
    let whole = UnitId {
        source: path.source,
        path: None,
    };
    match config.sources.get(path.source).map(|source| source.trigger) {
        Some(Trigger::Path) => UnitId {
            path: Some(path.path),
            ..whole
        },
        Some(Trigger::Any | Trigger::All) | None => whole,
    }
}

/// The units of a source, or of one of its paths.
pub(super) fn units_of(config: &Config, source: usize, path: Option<usize>) -> BTreeSet<UnitId> {
    paths(config)
        .map(|(id, ..)| id)
        .filter(|id| id.source == source && path.is_none_or(|path| id.path == path))
        .map(|id| unit_of(config, id))
        .collect()
}

/// The paths of a unit.
pub(super) fn paths_of(config: &Config, unit: UnitId) -> impl Iterator<Item = (PathId, &Path)> {
    paths(config)
        .filter(move |(id, ..)| unit_of(config, *id) == unit)
        .map(|(id, _, path)| (id, path))
}

/// The addresses of a unit, with the path of each.
pub(super) fn addresses_of(
    config: &Config,
    unit: UnitId,
) -> impl Iterator<Item = (PathId, &Address)> {
    addresses(config).filter(move |(path, _)| unit_of(config, *path) == unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Witness};

    fn config(trigger: &str) -> Config {
        let text = format!(
            r#"
            [[source]]
            name = "a"
            trigger = "{trigger}"
            [[source.path]]
            monitor = "10.0.0.10"
            target_nic = "ens1"
            addresses = ["10.0.0.10/24", "10.0.0.11/24"]
            [[source.path]]
            monitor = "10.0.0.20"
            target_nic = "ens1"
            addresses = ["10.0.0.20/24"]
            "#
        );
        config::parse("test.toml", &text)
            .expect("a good configuration")
            .config
    }

    #[test]
    fn with_trigger_path_each_path_is_a_unit() {
        let config = config("path");

        let units = units_of(&config, 0, None);

        assert_eq!(units.len(), 2);
        let second = UnitId {
            source: 0,
            path: Some(1),
        };
        let addresses: Vec<_> = addresses_of(&config, second)
            .map(|(_, address)| address.ip)
            .collect();
        assert_eq!(addresses, [IpAddr::from([10, 0, 0, 20])]);
    }

    #[test]
    fn with_trigger_all_the_source_is_the_unit() {
        let config = config("all");

        let units = units_of(&config, 0, Some(1));

        assert_eq!(
            units,
            BTreeSet::from([UnitId {
                source: 0,
                path: None
            }])
        );
    }

    #[test]
    fn sessions_are_numbered_from_one() {
        let layout = Layout::new(&config("all"), &BTreeMap::new());

        let numbers = [0, 1].map(|path| layout.session(PathId { source: 0, path }));

        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn a_removed_source_has_no_path_no_address_and_no_unit() {
        let mut config = config("all");

        entomb(&mut config, 0);

        assert_eq!(sources(&config).count(), 0);
        assert_eq!(paths(&config).count() + addresses(&config).count(), 0);
        assert!(units_of(&config, 0, None).is_empty());
        assert!(path(&config, PathId { source: 0, path: 0 }).is_none());
    }

    #[test]
    fn after_a_reload_what_is_still_there_keeps_its_numbers_and_free_ones_are_used_again() {
        let mut config = config("all");
        let mut other = config.sources[0].clone();
        for (path, last) in other.paths.iter_mut().zip([30, 40]) {
            path.addresses.truncate(1);
            path.addresses[0].ip = IpAddr::from([10, 0, 0, last]);
        }
        config.sources.push(other.clone());
        let mut layout = Layout::new(&config, &BTreeMap::new());
        let slot = layout.slot(IpAddr::from([10, 0, 0, 30]));
        entomb(&mut config, 0);
        other.paths.truncate(1);
        other.paths[0].addresses[0].ip = IpAddr::from([10, 0, 0, 50]);
        config.sources.push(other);

        let ownerless = layout.follow(&config, vec![2, 1], &BTreeSet::new());

        let numbers = [(1, 0), (1, 1), (2, 0), (0, 0)]
            .map(|(source, path)| layout.session(PathId { source, path }));
        assert_eq!(numbers, [3, 4, 1, 0]);
        assert_eq!(ownerless, BTreeSet::from([1, 2]));
        assert_eq!(layout.slot(IpAddr::from([10, 0, 0, 30])), slot);
        assert_eq!(layout.slot(IpAddr::from([10, 0, 0, 50])), 0);
        assert_eq!(layout.order(), [2, 1]);
    }

    #[test]
    fn held_addresses_keep_their_slots_and_nobody_shares_one() {
        let held = BTreeMap::from([(IpAddr::from([10, 0, 0, 20]), 0)]);

        let layout = Layout::new(&config("all"), &held);

        let slots = [10, 11, 20].map(|last| layout.slot(IpAddr::from([10, 0, 0, last])));
        assert_eq!(slots, [1, 2, 0]);
    }

    #[test]
    fn addresses_and_witnesses_that_are_asked_by_arp_are_listened_for() {
        let mut config = config("all");
        let witness = |nic: &str, last, probe| Witness {
            nic: nic.to_owned(),
            address: IpAddr::from([10, 0, 0, last]),
            probe,
        };
        config.witnesses = vec![
            witness("ens1", 1, WitnessProbe::Icmp),
            witness("ens1", 3, WitnessProbe::Arp),
            witness("ens2", 3, WitnessProbe::Arp),
        ];

        let listened = Layout::new(&config, &BTreeMap::new()).listened(&config);

        let slots: Vec<_> = listened
            .into_iter()
            .map(|(ip, slot)| (ip.to_string(), slot))
            .collect();
        let expected = [
            ("10.0.0.3", MAX_ADDRESSES + 1),
            ("10.0.0.10", 0),
            ("10.0.0.11", 1),
            ("10.0.0.20", 2),
        ];
        assert_eq!(slots, expected.map(|(ip, slot)| (ip.to_owned(), slot)));
        let sessions = [0, 1].map(witness_session);
        assert_eq!(sessions, [4095, 4094]);
    }
}

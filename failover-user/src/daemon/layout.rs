//! Who is who in a configuration: the numbers under which paths and addresses are known in the kernel, and which path and
//! unit an address belongs to. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use crate::{
    config::{Address, Config, Path, Source, Trigger},
    policy::{PathId, UnitId},
};

/// The numbering of one configuration.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    sessions: BTreeMap<PathId, u16>,
    slots: BTreeMap<Ipv4Addr, u32>,
}

impl Layout {
    /// Sessions are numbered from 1 in the file's order, so that a restart with the same file goes on with the same
    /// sessions. Addresses that are held already keep their slots, and with them their traffic counters.
    pub(super) fn new(config: &Config, held: &BTreeMap<Ipv4Addr, u32>) -> Self {
        let sessions = paths(config).map(|(id, ..)| id).zip(1..).collect();
        let taken: BTreeSet<u32> = held.values().copied().collect();
        let mut free = (0..).filter(|slot| !taken.contains(slot));
        let mut slots = held.clone();
        for (_, address) in addresses(config) {
            slots
                .entry(address.ip)
                .or_insert_with(|| free.next().unwrap_or_default());
        }
        Self { sessions, slots }
    }

    /// A path's session number.
    pub(super) fn session(&self, path: PathId) -> u16 {
        self.sessions.get(&path).copied().unwrap_or_default()
    }

    /// An address's slot in the traffic counters.
    pub(super) fn slot(&self, ip: Ipv4Addr) -> u32 {
        self.slots.get(&ip).copied().unwrap_or_default()
    }
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
    use crate::config;

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
        assert_eq!(addresses, [Ipv4Addr::new(10, 0, 0, 20)]);
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
    fn held_addresses_keep_their_slots_and_nobody_shares_one() {
        let held = BTreeMap::from([(Ipv4Addr::new(10, 0, 0, 20), 0)]);

        let layout = Layout::new(&config("all"), &held);

        let slots = [10, 11, 20].map(|last| layout.slot(Ipv4Addr::new(10, 0, 0, last)));
        assert_eq!(slots, [1, 2, 0]);
    }
}

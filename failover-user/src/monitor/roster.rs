//! Who is watched: found by path, by unit and by NIC, however many there are. Pure.
//!
//! Each has a place that it keeps as long as it is watched. With thousands of paths nothing may look at all of them for each of
//! them: that is what the heartbeat thread would be late for.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Index, IndexMut},
};

use crate::policy::{PathId, UnitId};

/// Where one belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Whereabouts {
    path: PathId,
    unit: UnitId,
    nic: u32,
}

/// Those that are watched.
#[derive(Debug)]
pub(super) struct Roster<T> {
    entries: Vec<Option<(Whereabouts, T)>>,
    free: Vec<usize>,
    places: BTreeMap<PathId, usize>,
    units: BTreeMap<UnitId, BTreeSet<usize>>,
    nics: BTreeMap<u32, BTreeSet<usize>>,
    /// Units that have lost one.
    thinned: BTreeSet<UnitId>,
    /// How often somebody was looked at.
    #[cfg(test)]
    looks: std::cell::Cell<usize>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            places: BTreeMap::new(),
            units: BTreeMap::new(),
            nics: BTreeMap::new(),
            thinned: BTreeSet::new(),
            #[cfg(test)]
            looks: std::cell::Cell::new(0),
        }
    }
}

impl<T> Roster<T> {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The place of a path.
    pub(super) fn place(&self, path: PathId) -> Option<usize> {
        self.places.get(&path).copied()
    }

    /// Who is at a place, if anybody: whoever was may be gone.
    pub(super) fn get(&self, place: usize) -> Option<&T> {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        let entry = self.entries.get(place)?.as_ref()?;
        Some(&entry.1)
    }

    /// Adds one that is not there yet. Returns its place.
    pub(super) fn add(&mut self, path: PathId, unit: UnitId, nic: u32, one: T) -> usize {
        let place = self.free.pop().unwrap_or(self.entries.len());
        if place == self.entries.len() {
            self.entries.push(None);
        }
        self.entries[place] = Some((Whereabouts { path, unit, nic }, one));
        self.places.insert(path, place);
        self.units.entry(unit).or_default().insert(place);
        self.nics.entry(nic).or_default().insert(place);
        place
    }

    /// One sends by another NIC from now on.
    pub(super) fn move_to(&mut self, place: usize, nic: u32) {
        let Some(Some((of, _))) = self.entries.get_mut(place) else {
            return;
        };
        let before = std::mem::replace(&mut of.nic, nic);
        leave(&mut self.nics, before, place);
        self.nics.entry(nic).or_default().insert(place);
    }

    /// Removes one.
    pub(super) fn remove(&mut self, path: PathId) {
        let Some(place) = self.places.remove(&path) else {
            return;
        };
        if let Some((of, _)) = self.entries[place].take() {
            leave(&mut self.units, of.unit, place);
            leave(&mut self.nics, of.nic, place);
            self.thinned.insert(of.unit);
            self.free.push(place);
        }
    }

    /// Whether a unit has lost one since this was asked last.
    pub(super) fn was_thinned(&mut self, unit: UnitId) -> bool {
        self.thinned.remove(&unit)
    }

    /// The units that have lost one since this was asked last, each once.
    pub(super) fn thinned(&mut self) -> BTreeSet<UnitId> {
        std::mem::take(&mut self.thinned)
    }

    /// The paths of a unit.
    pub(super) fn of_unit(&self, unit: UnitId) -> impl Iterator<Item = &T> + Clone {
        self.at(self.units.get(&unit))
    }

    /// The paths that send by a NIC.
    pub(super) fn of_nic(&self, nic: u32) -> impl Iterator<Item = &T> + Clone {
        self.at(self.nics.get(&nic))
    }

    fn at<'a>(
        &'a self,
        places: Option<&'a BTreeSet<usize>>,
    ) -> impl Iterator<Item = &'a T> + Clone {
        let places = places.into_iter().flatten();
        places.filter_map(|place| self.get(*place))
    }
}

fn leave<K: Ord>(of: &mut BTreeMap<K, BTreeSet<usize>>, key: K, place: usize) {
    if let Some(places) = of.get_mut(&key) {
        places.remove(&place);
        if places.is_empty() {
            of.remove(&key);
        }
    }
}

/// At a place that somebody has.
impl<T> Index<usize> for Roster<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        match &self.entries[place] {
            Some((_, one)) => one,
            None => unreachable!("nobody is at place {place}"),
        }
    }
}

impl<T> IndexMut<usize> for Roster<T> {
    fn index_mut(&mut self, place: usize) -> &mut T {
        match &mut self.entries[place] {
            Some((_, one)) => one,
            None => unreachable!("nobody is at place {place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: usize = 4_000;
    const OF_A_UNIT: usize = 4;
    const NICS: u32 = 8;

    fn path(index: usize) -> PathId {
        PathId {
            source: index / OF_A_UNIT,
            path: index % OF_A_UNIT,
        }
    }

    fn unit(source: usize) -> UnitId {
        UnitId { source, path: None }
    }

    fn nic(index: usize) -> u32 {
        index as u32 % NICS
    }

    fn full() -> Roster<usize> {
        let mut roster = Roster::default();
        for index in 0..PATHS {
            roster.add(path(index), unit(index / OF_A_UNIT), nic(index), index);
        }
        roster
    }

    #[test]
    fn the_paths_of_every_unit_and_of_every_nic_are_found_in_as_many_steps_as_there_are_paths() {
        let roster = full();

        for source in 0..PATHS / OF_A_UNIT {
            let found: Vec<usize> = roster.of_unit(unit(source)).copied().collect();
            let first = source * OF_A_UNIT;
            assert_eq!(found, Vec::from_iter(first..first + OF_A_UNIT));
        }
        for of in 0..NICS {
            assert!(roster.of_nic(of).all(|index| nic(*index) == of));
        }

        assert_eq!(roster.looks.get(), 2 * PATHS);
    }

    #[test]
    fn of_all_paths_that_go_each_unit_is_told_once() {
        let mut roster = full();
        for index in (0..PATHS).filter(|index| index % OF_A_UNIT != 0) {
            roster.remove(path(index));
        }

        let thinned = roster.thinned();

        let units = PATHS / OF_A_UNIT;
        assert_eq!((thinned.len(), roster.len()), (units, units));
        let left: usize = thinned.iter().map(|of| roster.of_unit(*of).count()).sum();
        assert_eq!(left, units);
        assert!(roster.thinned().is_empty());
    }

    #[test]
    fn whoever_stays_keeps_its_place_and_free_ones_are_used_again() {
        let mut roster = full();
        let last = roster.place(path(PATHS - 1)).expect("a place");
        let gone = roster.place(path(1)).expect("a place");

        roster.remove(path(1));
        let nobody = roster.get(gone).copied();
        let new = roster.add(path(PATHS), unit(PATHS), 0, PATHS);

        assert_eq!((roster[last], nobody), (PATHS - 1, None));
        assert_eq!((new, roster[new]), (gone, PATHS));
        assert_eq!(roster.entries.len(), PATHS);
    }

    #[test]
    fn a_path_that_sends_by_another_nic_is_found_there_alone() {
        let mut roster = full();
        let place = roster.place(path(0)).expect("a place");

        roster.move_to(place, 99);

        assert_eq!(roster.of_nic(99).copied().collect::<Vec<_>>(), [0]);
        assert!(roster.of_nic(nic(0)).all(|index| *index != 0));
    }
}

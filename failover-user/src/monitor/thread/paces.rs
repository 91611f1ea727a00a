//! How often the witnesses of each NIC are asked, found out once a tick: it depends on every path that leaves by the NIC, and
//! when a link fails all of them want to know. Pure.

use std::collections::BTreeMap;

/// The paces of one tick, nanoseconds, by NIC.
#[derive(Debug, Default)]
pub(super) struct Paces(BTreeMap<u32, u64>);

impl Paces {
    /// Another tick begins.
    pub(super) fn begin(&mut self) {
        self.0.clear();
    }

    /// The pace of a NIC, for which `find` looks at all of its paths.
    pub(super) fn of(&mut self, nic: u32, find: impl FnOnce() -> u64) -> u64 {
        *self.0.entry(nic).or_insert_with(find)
    }

    /// One of its paths wants this pace at least.
    pub(super) fn hurry(&mut self, nic: u32, pace_ns: u64) {
        if let Some(known) = self.0.get_mut(&nic) {
            *known = pace_ns.min(*known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_four_thousand_paths_that_fall_silent_at_once_they_are_looked_at_once() {
        let mut paces = Paces::default();
        let (mut looked_at, mut pace) = (0, 0);
        paces.begin();

        for _ in 0..4_000 {
            paces.hurry(1, 5);
            pace = paces.of(1, || {
                looked_at += 4_000;
                9
            });
        }

        assert_eq!((looked_at, pace), (4_000, 5));
        paces.begin();
        assert_eq!(paces.of(1, || 7), 7, "another tick");
    }
}

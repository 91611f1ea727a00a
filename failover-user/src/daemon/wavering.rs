//! What changes back and forth all the time: on a link that loses a frame now and then, a heartbeat is missed and the next one is
//! answered. Told each time, that would push everything else out of the history. Pure.

use std::collections::BTreeMap;

/// From one time that it is told to the next.
const EVERY_NS: u64 = 10_000_000_000;

/// Things that waver, by what they are.
#[derive(Debug)]
pub(super) struct Wavering<K>(BTreeMap<K, One>);

#[derive(Debug, Default)]
struct One {
    /// When it was told last that it went wrong; `None`: never.
    told_ns: Option<u64>,
    /// The latest time that it went wrong was told, and so is its end.
    tell_end: bool,
    /// Times that it went wrong since, and were not told.
    left_out: u64,
}

impl<K> Default for Wavering<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Wavering<K> {
    /// It has gone wrong. `Some`: that is to be told, and how many times before it were not.
    pub(super) fn wrong(&mut self, what: K, now: u64) -> Option<u64> {
        let one = self.0.entry(what).or_default();
        let due = one
            .told_ns
            .is_none_or(|told| now.saturating_sub(told) >= EVERY_NS);
        one.tell_end = due;
        if !due {
            one.left_out += 1;
            return None;
        }
        one.told_ns = Some(now);
        Some(std::mem::take(&mut one.left_out))
    }

    /// It is right again. Whether that is to be told: whoever was told that it is wrong has to know.
    pub(super) fn right(&mut self, what: &K) -> bool {
        self.0.get(what).is_none_or(|one| one.tell_end)
    }

    /// It is no more.
    pub(super) fn forget(&mut self, what: &K) {
        self.0.remove(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn what_wavers_is_told_once_in_a_while_from_its_begin_to_its_end() {
        let mut wavering = Wavering::default();
        let mut told = Vec::new();

        for second in 0..25 {
            let wrong = wavering.wrong("path", second * S);
            let right = wavering.right(&"path");
            told.extend(wrong.map(|left_out| (second, left_out)));
            assert_eq!(wrong.is_some(), right, "{second}");
        }

        assert_eq!(told, [(0, 0), (10, 9), (20, 9)]);
    }

    #[test]
    fn one_says_nothing_of_another() {
        let mut wavering = Wavering::default();

        let both = ["one", "other"].map(|what| wavering.wrong(what, S));
        wavering.forget(&"one");

        assert_eq!(both, [Some(0), Some(0)]);
        assert_eq!(wavering.wrong("one", S), Some(0));
        assert_eq!(wavering.wrong("other", S), None);
    }
}

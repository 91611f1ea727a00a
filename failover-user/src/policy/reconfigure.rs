//! Sources that come, go, or have other rules while the policy runs: a reload of the configuration.
//!
//! Indices of sources stay what they are: a new source has the next one, and that of a removed source is not used again.

use std::time::Duration;

use super::{
    Action, Now, Policy, UnitId,
    takeover::Holding,
    unit::{Phase, Rules, Turn, Unit, nanos},
};
use crate::config::{Failback, Source, Trigger};

impl Policy {
    /// A source from now on: its units are `unknown`, and nothing is armed. Returns its index.
    pub fn add(&mut self, source: &Source) -> usize {
        let index = self.sources.len();
        let paths = match source.trigger {
            Trigger::Any | Trigger::All => vec![None],
            Trigger::Path => (0..source.paths.len()).map(Some).collect(),
        };
        for path in paths {
            let id = UnitId {
                source: index,
                path,
            };
            self.units.insert(id, Unit::new(id, source));
        }
        self.sources.push((source.name.clone(), source.trigger));
        index
    }

    /// No source any more. Only for one of which [`Self::holds`] says that nothing is held or under way: what was would
    /// be forgotten.
    pub fn remove(&mut self, source: usize, now: Now) -> Vec<Action> {
        let mut turn = Turn {
            now,
            actions: Vec::new(),
        };
        for id in self.units_of(source) {
            debug_assert!(!self.holds(id), "{id:?} is removed while it is held");
            if let Some(mut unit) = self.units.remove(&id) {
                unit.released = true;
                unit.arm(&mut turn);
            }
        }
        turn.actions
    }

    /// Other rules for a source whose paths, trigger and monitored addresses are the same. Every unit stays in its state:
    /// a prompt that waits is not withdrawn, nothing is taken because of the rules alone, and a failback that becomes
    /// automatic waits its full time.
    pub fn reconfigure(&mut self, source: usize, configured: &Source, now: Now) -> Vec<Action> {
        let mut turn = Turn {
            now,
            actions: Vec::new(),
        };
        for id in self.units_of(source) {
            if let Some(unit) = self.units.get_mut(&id) {
                unit.reconfigure(&mut turn, Rules::of(configured, id.path));
            }
        }
        turn.actions
    }

    /// Whether the heartbeat thread may take the unit over by itself, as the policy told it last.
    pub fn armed(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(|unit| unit.armed)
    }

    fn units_of(&self, source: usize) -> Vec<UnitId> {
        let all = self.units.keys().copied();
        all.filter(|id| id.source == source).collect()
    }
}

impl Unit {
    fn reconfigure(&mut self, turn: &mut Turn, rules: Rules) {
        let before = std::mem::replace(&mut self.rules, rules);
        if let Phase::Holding(holding) = &mut self.phase {
            if before.announce_every != self.rules.announce_every {
                announce_every(holding, self.rules.announce_every, turn.now);
            }
            // The time that was waited already counts.
            let waited = |at: Now| {
                at.saturating_sub(nanos(before.failback_after))
                    .saturating_add(nanos(self.rules.failback_after))
                    .max(turn.now)
            };
            holding.failback_at = match self.rules.failback {
                Failback::Manual => None,
                Failback::Automatic => holding.failback_at.map(waited),
            };
            self.watch_for_failback(turn.now);
        }
        self.arm(turn);
    }
}

fn announce_every(holding: &mut Holding, every: Duration, now: Now) {
    let announcements = &mut holding.announcements;
    announcements.every = every;
    announcements.next = announcements.after(now);
}

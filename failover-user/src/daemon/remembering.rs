//! What outlives this process.

use std::{collections::BTreeSet, time::Duration};

use super::{Daemon, layout};
use crate::{
    bpf::keys::key,
    memory::{Memories, SourceMemory},
    monitor::clock,
    policy::{Action, Input, Memory, PathId, State, UnitId},
};

/// A source that had answered an earlier daemon so short a time before can fail at once; one that was silent for longer has
/// to answer first. It is more than a restart takes.
const RECENTLY: Duration = Duration::from_secs(60);

impl Daemon {
    /// Whether actions of the policy change what has to be remembered. Single misses do not, and they are frequent.
    pub(super) fn changes_memory(actions: &[Action]) -> bool {
        let quiet = |state: &State| matches!(state, State::Healthy | State::Suspect);
        actions.iter().any(|action| match action {
            Action::Transition { from, to, .. } => !(quiet(from) && quiet(to)),
            Action::Arm { .. }
            | Action::TakeOver { .. }
            | Action::Drain { .. }
            | Action::LetGo { .. }
            | Action::RemoveAddresses { .. }
            | Action::Forget { .. }
            | Action::Announce { .. }
            | Action::Probe { .. }
            | Action::Defend { .. }
            | Action::AnnounceSource { .. }
            | Action::RunHook { .. } => false,
        })
    }

    /// Has everything written that the next daemon has to know.
    pub(super) fn remember(&self) {
        let mut memories = Memories::default();
        for index in layout::sources(&self.config).map(|(index, _)| index) {
            let units = layout::units_of(&self.config, index, None)
                .into_iter()
                .filter_map(|unit| Some((self.key(unit), self.policy.memory(unit)?)))
                .filter(|(_, memory)| *memory != Memory::default())
                .collect();
            let source = SourceMemory {
                unmonitored: self.unmonitored.contains(&index),
                units,
            };
            if source != SourceMemory::default() {
                let name = self.config.sources[index].name.clone();
                memories.sources.insert(name, source);
            }
        }
        self.store.save(memories);
    }

    /// Takes up what an earlier daemon knew.
    pub(super) fn recall(&mut self, memories: &Memories) -> anyhow::Result<()> {
        let now = clock::now();
        let mut recent = BTreeSet::new();
        for (id, _, path) in layout::paths(&self.config) {
            let number = self.layout.session(id);
            let same_host = self.maps.session(number)?.remote == key(path.monitor);
            let silent_ns = now.saturating_sub(self.sessions.last_reply(number));
            if same_host && silent_ns < RECENTLY.as_nanos() as u64 {
                recent.insert(id);
            }
        }
        for unit in self.policy.units().collect::<Vec<_>>() {
            let name = &self.config.sources[unit.source].name;
            let Some(source) = memories.sources.get(name) else {
                continue;
            };
            if source.unmonitored {
                self.unmonitored.insert(unit.source);
            }
            let Some(mut memory) = source.units.get(&self.key(unit)).cloned() else {
                continue;
            };
            let seen: Vec<PathId> = layout::paths(&self.config)
                .filter(|(id, _, path)| {
                    layout::unit_of(&self.config, *id) == unit
                        && recent.contains(id)
                        && memory.seen.contains(&path.monitor)
                })
                .map(|(id, ..)| id)
                .collect();
            memory.seen = seen
                .iter()
                .map(|id| self.config.sources[id.source].paths[id.path].monitor)
                .collect();
            self.remembered.extend(seen);
            self.feed(Input::Remembered { unit, memory });
        }
        Ok(())
    }

    /// How a unit is called in the file.
    fn key(&self, unit: UnitId) -> String {
        unit.path.map_or_else(String::new, |path| {
            self.config.sources[unit.source].paths[path]
                .monitor
                .to_string()
        })
    }
}

//! What outlives this process.

use std::collections::BTreeSet;

use super::{Daemon, layout};
use crate::{
    bpf::keys::key,
    memory::{Memories, SourceMemory},
    monitor::clock,
    policy::{Input, Memory, PathId, RECENTLY, UnitId},
};

impl Daemon {
    /// Has everything written that the next daemon has to know.
    pub(super) fn remember(&self) {
        let mut memories = Memories {
            own_hold: self.side.on_hold(),
            ..Memories::default()
        };
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

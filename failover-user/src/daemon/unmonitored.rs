//! Sources that an administrator wants watched no more: `failback --stop-monitoring`.

use super::{Daemon, layout};
use crate::policy::{Input, PathId, PathState, State};

impl Daemon {
    /// From now on a source is not monitored, and so over a restart. Its heartbeats go on until its addresses are given back
    /// wholly: they tell whether it is there to be announced once more.
    pub(super) fn stop_monitoring(&mut self, source: usize) {
        self.unmonitored.insert(source);
        self.fading.insert(source);
        self.remember();
        self.end_heartbeats();
    }

    /// Ends the heartbeats of such sources that have everything back.
    pub(super) fn end_heartbeats(&mut self) {
        let mut done = self.fading.clone();
        done.retain(|source| {
            let units = layout::units_of(&self.config, *source, None);
            !units
                .into_iter()
                .any(|unit| self.policy.state(unit) == Some(State::FailingBack))
        });
        for source in done {
            // First, for what follows comes here again.
            self.fading.remove(&source);
            let paths: Vec<PathId> = layout::paths(&self.config)
                .map(|(id, ..)| id)
                .filter(|id| id.source == source)
                .collect();
            for path in paths {
                self.unwatch(path);
                self.watched.remove(&path);
                self.paths.remove(&path);
                self.feed(Input::Path {
                    path,
                    state: PathState::Unknown,
                    missed: 0,
                    refused: 0,
                });
            }
            self.remember();
        }
    }
}

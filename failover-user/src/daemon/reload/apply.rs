//! What a reload does once nobody refuses any more. What goes wrong from here on is told, and the rest is done.

use std::{collections::BTreeSet, net::IpAddr};

use failover_ebpf::abi::{Held, Session};

use super::{
    super::{Daemon, layout, problems::Problems, story::Told},
    diff::{Diff, How},
};
use crate::{
    config::{Config, Source},
    monitor::clock,
    policy::{Input, Memory, PathId},
};

/// What an administrator has said of a source.
#[derive(Clone, Copy, Debug)]
struct Said {
    hold: bool,
    unmonitored: bool,
}

impl Daemon {
    /// Applies a configuration. Returns what went wrong.
    pub(super) async fn apply(&mut self, new: Config, diff: &Diff) -> Vec<String> {
        let mut errors = Problems::default();
        let before = self.managed();
        for removed in &diff.removed {
            self.remove_source(removed.old);
        }
        let mut order = Vec::new();
        let mut added = BTreeSet::new();
        for change in &diff.sources {
            let source = new.sources[change.new].clone();
            let index = match &change.how {
                How::Add => self.add_source(source),
                How::Replace { old, .. } => {
                    let said = self.said_of(*old);
                    self.remove_source(*old);
                    let index = self.add_source(source);
                    self.say_again(index, said);
                    index
                }
                How::Keep { old, keys } => {
                    if !keys.is_empty() {
                        self.change_source(*old, source);
                    }
                    *old
                }
                How::Readdress { old, .. } => {
                    self.change_source(*old, source);
                    *old
                }
            };
            if matches!(change.how, How::Add | How::Replace { .. }) {
                added.insert(index);
            }
            order.push(index);
        }
        self.config.witnesses = new.witnesses;
        let reflector = std::mem::replace(&mut self.config.reflector, new.reflector);

        // The heartbeat thread writes to the sessions of removed paths until it has heard of that.
        errors.keep(self.monitor.caught_up().await);
        let shortest = layout::shortest_interval(&self.config);
        errors.keep(self.monitor.schedule_for(shortest).await);
        let held = errors.keep(self.maps.addresses.all()).unwrap_or_default();
        errors.keep(self.renumber(order, &held));
        errors.keep(self.listen());
        errors.keep(self.write_settings());
        errors.keep(self.change_source_side(reflector.as_ref()));
        errors.keep(self.refresh_fences());
        errors.keep(self.rewrite_nics());
        errors.keep(self.release_nics(&before, &held).await);
        errors.keep(self.manage_missing().await);
        errors.keep(self.prepare_tables().await);
        errors.keep(self.refresh_standbys());
        self.refresh_plans();
        errors.keep(self.adopt_for(&added, held).await);
        if diff.witnesses {
            self.watch_witnesses();
        }
        self.resolve(true);
        errors.keep(self.watch_all());
        self.remember();
        errors.into_vec()
    }

    /// What an administrator has said of a source, which is not undone by another way of watching it.
    fn said_of(&self, source: usize) -> Said {
        let units = layout::units_of(&self.config, source, None);
        Said {
            hold: units.into_iter().any(|unit| self.policy.on_hold(unit)),
            unmonitored: self.unmonitored.contains(&source),
        }
    }

    fn say_again(&mut self, source: usize, said: Said) {
        if said.unmonitored {
            self.unmonitored.insert(source);
        }
        if said.hold {
            for unit in layout::units_of(&self.config, source, None) {
                let memory = Memory {
                    hold: true,
                    ..Memory::default()
                };
                self.feed(Input::Remembered { unit, memory });
            }
        }
    }

    /// Nothing of it is held.
    fn remove_source(&mut self, source: usize) {
        let paths: Vec<PathId> = layout::paths(&self.config)
            .map(|(id, ..)| id)
            .filter(|id| id.source == source)
            .collect();
        let units = layout::units_of(&self.config, source, None);
        for path in paths {
            self.unwatch(path);
            self.watched.remove(&path);
            self.paths.remove(&path);
            self.stats.remove(&path);
            self.turned_ns.remove(&path);
            self.down.remove(&path);
            self.missing.forget(&path);
            self.lost.remove(&path);
        }
        let actions = self.policy.remove(source, clock::now());
        self.carry_out(actions);
        for unit in units {
            self.monitor.remove_unit(unit);
            self.told.remove(&unit);
            self.suspect.forget(&unit);
        }
        self.unmonitored.remove(&source);
        self.fading.remove(&source);
        layout::entomb(&mut self.config, source);
    }

    fn add_source(&mut self, source: Source) -> usize {
        let index = self.policy.add(&source);
        let trigger = source.trigger;
        self.config.sources.push(source);
        debug_assert_eq!(index + 1, self.config.sources.len());
        for unit in layout::units_of(&self.config, index, None) {
            self.told.insert(unit, Told::new());
            self.monitor.add_unit(unit, trigger);
        }
        index
    }

    /// Its paths and its trigger are the same.
    fn change_source(&mut self, index: usize, source: Source) {
        self.config.sources[index] = source;
        let configured = &self.config.sources[index];
        let actions = self.policy.reconfigure(index, configured, clock::now());
        self.carry_out(actions);
    }

    /// Sessions and traffic counters for what is new. A session that nobody has any more expects no replies.
    fn renumber(&mut self, order: Vec<usize>, held: &[(IpAddr, Held)]) -> anyhow::Result<()> {
        let held = held.iter().map(|(ip, _)| *ip).collect();
        for number in self.layout.follow(&self.config, order, &held) {
            self.maps.set_session(number, Session::default())?;
            self.maps.signing_keys.clear_session(number)?;
            self.sessions.clear(number);
        }
        Ok(())
    }

    /// Addresses of new sources that are held already: an earlier configuration had them.
    async fn adopt_for(
        &mut self,
        added: &BTreeSet<usize>,
        mut held: Vec<(IpAddr, Held)>,
    ) -> anyhow::Result<()> {
        held.retain(|(ip, _)| {
            layout::addresses(&self.config)
                .any(|(path, address)| address.ip == *ip && added.contains(&path.source))
        });
        if held.is_empty() {
            return Ok(());
        }
        self.adopt(&held).await
    }
}

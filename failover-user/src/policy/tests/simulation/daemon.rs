//! The daemon of a target: what it is made of, and how it starts and ends.

use std::collections::BTreeMap;

use failover_ebpf::abi::held;
use rand::Rng;

use super::{
    draw::Point,
    events::{Due, Event, Order},
    network::{Host, LANS, MS, SECOND},
    thread::{Thread, covers},
    world::World,
};
use crate::{
    config::OnFailure,
    monitor::standing::Standing,
    policy::{Input, Memory, Now, PathState, Policy, RECENTLY, UnitId, tests::watched::Watched},
};

/// A `kill -9` so short a time after a decision may come before it is written.
const WRITING: Now = 5 * MS;

/// What is on the disk of a target.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) latest: BTreeMap<UnitId, Memory>,
    pub(super) before: BTreeMap<UnitId, Memory>,
    pub(super) saved_at: Now,
}

/// A running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) policy: Policy,
    pub(super) thread: Thread,
    pub(super) watched: BTreeMap<UnitId, Watched>,
    pub(super) born: Now,
    /// When the latest news from the thread arrives, and the latest order to it.
    pub(super) news_at: Now,
    pub(super) orders_at: Now,
    pub(super) clock_at: Option<Now>,
    /// It ends when everything is given back, and starts again after so long.
    pub(super) ending: Option<Now>,
    /// Paths that had answered an earlier daemon a moment ago, and are not watched yet.
    pub(super) remembered: [bool; LANS],
    /// Paths with heartbeats.
    pub(super) watches: [bool; LANS],
    /// How each was reported last.
    pub(super) paths: [Option<PathState>; LANS],
    /// When it was asked last who else has the address of each LAN.
    pub(super) inquired: [Option<Now>; LANS],
    /// When everybody was told that the source, which had answered, does not have it.
    pub(super) told_all: [Option<Now>; LANS],
    /// Takeovers that were ordered until then are void.
    pub(super) abandoned: BTreeMap<UnitId, Now>,
    /// What it was told, to be replayed.
    pub(super) history: Vec<(Now, Input)>,
}

impl World {
    /// A daemon starts: what an earlier one knew, what is held, the first heartbeats.
    pub(super) fn start(&mut self, target: usize) {
        if self.targets[target].daemon.is_some() {
            return;
        }
        let now = self.now;
        self.note(|_| format!("target {target} starts"));
        let place = &mut self.targets[target];
        place.daemons += 1;
        let source = place.standby.source.clone();
        let policy = Policy::new(std::slice::from_ref(&source));
        let units: Vec<_> = policy.units().collect();
        let automatic = source.on_failure == OnFailure::Automatic;
        let watched = units
            .iter()
            .map(|unit| (*unit, Watched::new(*unit, automatic)));
        let standings = units
            .iter()
            .map(|unit| (*unit, Standing::new(source.trigger)));
        place.daemon = Some(Daemon {
            policy,
            thread: Thread {
                units: standings.collect(),
                ..Thread::default()
            },
            watched: watched.collect(),
            born: now,
            news_at: now,
            orders_at: now,
            clock_at: None,
            ending: None,
            remembered: [false; LANS],
            watches: [false; LANS],
            paths: [None; LANS],
            inquired: [None; LANS],
            told_all: [None; LANS],
            abandoned: BTreeMap::new(),
            history: Vec::new(),
        });
        self.checker.excuse(target, LANS, now);

        for unit in units.iter().copied() {
            self.recall(target, unit);
        }
        for unit in units {
            let held = self.targets[target].kernel.held;
            let held = held
                .iter()
                .enumerate()
                .filter(|(lan, _)| covers(unit, *lan));
            let modes: Vec<_> = held
                .filter_map(|(_, held)| held.map(|held| held.mode))
                .collect();
            if modes.is_empty() {
                continue;
            }
            let draining = modes.contains(&held::DRAIN);
            self.feed(target, Input::Adopted { unit, draining });
            if !draining {
                let cause = crate::policy::Cause::Adopted;
                let ordered = self.now;
                self.order(
                    target,
                    Order::TakeOver {
                        unit,
                        cause,
                        ordered,
                    },
                );
            }
        }
        self.claims_are_read(target);
        self.watch_all(target);
    }

    fn recall(&mut self, target: usize, unit: UnitId) {
        let now = self.now;
        let place = &mut self.targets[target];
        let Some(mut memory) = place.disk.latest.get(&unit).cloned() else {
            return;
        };
        let recent = |lan: usize| now - place.kernel.last_reply[lan] < RECENTLY.as_nanos() as Now;
        let mut seen = Vec::new();
        for lan in 0..self.draw.lans {
            let monitor = place.standby.source.paths[lan].monitor;
            if covers(unit, lan) && recent(lan) && memory.seen.contains(&monitor) {
                seen.push(monitor);
                if let Some(daemon) = &mut place.daemon {
                    daemon.remembered[lan] = true;
                }
            }
        }
        memory.seen = seen;
        self.feed(target, Input::Remembered { unit, memory });
    }

    /// Heartbeats begin where the source's MAC is known; where it is not, it is asked for again.
    pub(super) fn watch_all(&mut self, target: usize) {
        let mut missing = false;
        for lan in 0..self.draw.lans {
            let host = Host::Target(target);
            if self.source.lives() && self.network.reaches(lan, host, Host::Source) {
                self.targets[target].kernel.knows_source[lan] = true;
            }
            let known = self.targets[target].kernel.knows_source[lan];
            let Some(daemon) = &mut self.targets[target].daemon else {
                return;
            };
            if daemon.watches[lan] {
                continue;
            }
            daemon.watches[lan] = known;
            missing |= !known;
            if known {
                self.order(target, Order::Watch { lan });
            }
        }
        if missing {
            self.due_at(target, self.now + SECOND, Due::Housekeeping);
        }
    }

    /// The daemon ends; its kernel goes on.
    pub(super) fn kill(&mut self, target: usize, gently: bool, starts_in: Now) {
        self.note(|_| format!("target {target} ends, gently: {gently}"));
        let now = self.now;
        let forgets = self.rng.random_bool(0.5);
        let Some(daemon) = self.targets[target].daemon.take() else {
            return;
        };
        let place = &mut self.targets[target];
        for (lan, beats) in daemon.thread.beats.iter().enumerate() {
            if let Some(beats) = beats {
                place.kernel.last_reply[lan] = beats.last_reply(now);
                place.kernel.on_hold_since[lan] = beats.on_hold_since(now);
            }
        }
        if !gently && forgets && now - place.disk.saved_at < WRITING {
            place.disk.latest = place.disk.before.clone();
        }
        self.checker.histories.push((target, daemon.history));
        self.at(now + starts_in.max(MS), Event::Start { target });
    }

    /// Whether the daemon is killed here.
    pub(super) fn is_killed_at(&mut self, target: usize, here: Point) -> bool {
        match self.targets[target].dies {
            Some((point, starts_in)) if point == here => {
                self.targets[target].dies = None;
                self.kill(target, false, starts_in);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Everything that had to be given back is.
    pub(super) fn ends_if_released(&mut self, target: usize) {
        let Some(daemon) = &self.targets[target].daemon else {
            return;
        };
        let Some(starts_in) = daemon.ending else {
            return;
        };
        if daemon.policy.units().any(|unit| daemon.policy.holds(unit)) {
            return;
        }
        for lan in 0..LANS {
            self.targets[target].kernel.set(lan, None, self.now);
        }
        self.kill(target, true, starts_in);
    }
}

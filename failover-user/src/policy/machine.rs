//! The front of the policy: finds the unit that an input is for.

use std::collections::BTreeMap;

use super::{
    Action, Input, Memory, Now, PathId, PathState, Refused, State, UnitId,
    paths::Misses,
    unit::{Turn, Unit},
};
use crate::config::{Source, Trigger};

/// The decisions for every source of a configuration.
///
/// Carrying an action out leads to an input (see [`Action`]). [`Action::TakeOver`] for a unit that is held already (the
/// thread acted in the same moment) has to be answered like one that succeeded, and change nothing.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) units: BTreeMap<UnitId, Unit>,
    /// Name and trigger of each source, by index.
    pub(super) sources: Vec<(String, Trigger)>,
}

impl Policy {
    /// Every unit is `unknown`, and nothing is armed.
    pub fn new(sources: &[Source]) -> Self {
        let mut policy = Self {
            units: BTreeMap::new(),
            sources: Vec::new(),
        };
        for source in sources {
            policy.add(source);
        }
        policy
    }

    /// Takes note of what happened, and says what is to be done, in this order. `now` never goes back.
    ///
    /// Reports on units or paths that do not exist are ignored.
    ///
    /// # Errors
    ///
    /// A command that the state does not allow. Nothing else is refused, and a refusal changes nothing.
    pub fn handle(&mut self, input: Input, now: Now) -> Result<Vec<Action>, Refused> {
        let mut turn = Turn {
            now,
            actions: Vec::new(),
        };
        match input {
            Input::Path {
                path,
                state,
                missed,
                refused,
            } => {
                if let Some(unit) = self.unit_of(path).and_then(|id| self.units.get_mut(&id)) {
                    unit.on_path(&mut turn, path.path, state, Misses { missed, refused });
                }
            }
            Input::TakeoverDone {
                unit,
                cause,
                held,
                error,
            } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_takeover_done(&mut turn, cause, held, error.as_deref());
                }
            }
            Input::TakeoverBegan { unit } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_takeover_began();
                }
            }
            Input::Heard { unit, finding } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_heard(&mut turn, finding);
                }
            }
            Input::Claim { unit, ip, mac, by } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_claim(&mut turn, ip, mac, by);
                }
            }
            Input::HookDone { unit, hook, error } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_hook_done(&mut turn, hook, error.as_deref());
                }
            }
            Input::RemoteHold { path, on } => {
                if let Some(unit) = self.unit_of(path).and_then(|id| self.units.get_mut(&id)) {
                    unit.on_remote_hold(&mut turn, path.path, on);
                }
            }
            Input::Yielded { unit, addresses } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_yielded(&mut turn, addresses);
                }
            }
            Input::Remembered { unit, memory } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_remembered(&mut turn, memory);
                }
            }
            Input::StepDone { unit, error } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_step_done(&mut turn, error.as_deref());
                }
            }
            Input::Adopted { unit, draining } => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.on_adopted(&mut turn, draining);
                }
            }
            Input::Command { unit: id, command } => match self.units.get_mut(&id) {
                Some(unit) => unit.on_command(&mut turn, command)?,
                None => return Err(self.no_such_unit(id)),
            },
            Input::Clock => {
                for unit in self.units.values_mut() {
                    unit.on_clock(&mut turn);
                }
            }
        }
        for unit in self.units.values_mut() {
            unit.notify(&mut turn);
        }
        Ok(turn.actions)
    }

    /// When [`Input::Clock`] must be given at the latest. `None`: not before another input.
    pub fn next_deadline(&self) -> Option<Now> {
        self.units.values().filter_map(Unit::next_deadline).min()
    }

    /// The units, in the order of the configuration.
    pub fn units(&self) -> impl Iterator<Item = UnitId> {
        self.units.keys().copied()
    }

    /// The unit that a path belongs to.
    pub fn unit_of(&self, path: PathId) -> Option<UnitId> {
        let (_, trigger) = self.sources.get(path.source)?;
        let id = match trigger {
            Trigger::Any | Trigger::All => UnitId {
                source: path.source,
                path: None,
            },
            Trigger::Path => UnitId {
                source: path.source,
                path: Some(path.path),
            },
        };
        self.units.contains_key(&id).then_some(id)
    }

    /// State of a unit; `None`: no such unit.
    pub fn state(&self, unit: UnitId) -> Option<State> {
        self.units.get(&unit).map(|unit| unit.state)
    }

    /// When the unit came into its state; 0 before its first transition.
    pub fn since(&self, unit: UnitId) -> Option<Now> {
        self.units.get(&unit).map(|unit| unit.since)
    }

    /// Why the unit is in its state, in words. While it is suspect the words follow the count of misses.
    pub fn cause(&self, unit: UnitId) -> Option<&str> {
        self.units.get(&unit).map(|unit| unit.cause.as_str())
    }

    /// Whether this host holds addresses of the unit, or may do so any moment. A daemon that stops with `--release` waits
    /// until no unit does.
    pub fn holds(&self, unit: UnitId) -> bool {
        match self.state(unit) {
            Some(State::TakingOver | State::TakenOver | State::Conflict | State::FailingBack) => {
                true
            }
            Some(
                State::Unknown
                | State::Healthy
                | State::Suspect
                | State::Failed
                | State::AwaitingApproval
                | State::Isolated
                | State::Held
                | State::HeldElsewhere,
            )
            | None => false,
        }
    }

    /// Whether this host is to serve the addresses of the unit: it holds them, and the source has not been told to take them.
    /// Until a failback has come so far, its hook may still prevent it.
    pub fn serves(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(Unit::serves)
    }

    /// Whether an administrator has put the unit on hold. Its state is `held` then, unless something is held or under way.
    pub fn on_hold(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(|unit| unit.hold)
    }

    /// Whether the source has said, by this path, that it is on hold for its own administrator, and nothing else since.
    pub fn says_hold(&self, path: PathId) -> bool {
        let unit = self.unit_of(path).and_then(|id| self.units.get(&id));
        unit.is_some_and(|unit| unit.paths.says_hold(path.path))
    }

    /// Whether the unit waits for `failover approve` or `failover decline`.
    pub fn asks(&self, unit: UnitId) -> bool {
        self.units
            .get(&unit)
            .is_some_and(|unit| unit.state == State::AwaitingApproval || unit.asks_about_conflict())
    }

    /// What the next daemon has to know about a unit.
    pub fn memory(&self, unit: UnitId) -> Option<Memory> {
        self.units.get(&unit).map(Unit::memory)
    }

    /// Forgets every other unit.
    pub(super) fn retain(&mut self, unit: UnitId) {
        self.units.retain(|id, _| *id == unit);
    }

    /// How many misses make a verdict on a unit, and its paths that may still miss: index, and misses so far. Those behind a
    /// dead link of our own and those that are down have said what they can.
    pub(super) fn judged(&self, unit: UnitId) -> Option<(u32, Vec<(usize, u32)>)> {
        let unit = self.units.get(&unit)?;
        let open = unit.paths.list.iter().filter(|path| match path.state() {
            PathState::Unknown | PathState::Up | PathState::Missing => true,
            PathState::Down | PathState::Isolated => false,
        });
        let open = open.map(|path| (path.index, path.misses.missed));
        Some((unit.rules.misses, open.collect()))
    }

    fn no_such_unit(&self, id: UnitId) -> Refused {
        let Some((name, trigger)) = self.sources.get(id.source) else {
            return Refused(format!(
                "there is no source number {}; see `failover status`",
                id.source
            ));
        };
        Refused(match (trigger, id.path) {
            (Trigger::Path, None) => {
                format!("{name} fails over path by path: name one with --path")
            }
            (Trigger::Path, Some(path)) => {
                format!(
                    "{name} has no path {}; see `failover status {name}`",
                    path + 1
                )
            }
            (Trigger::Any | Trigger::All, _) => {
                format!("{name} fails over as a whole: leave out --path")
            }
        })
    }
}

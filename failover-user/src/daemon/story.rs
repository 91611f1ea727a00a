//! What people are told: events, and since when and why a unit is in its state.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Daemon;
use crate::{
    control::protocol::TakeoverStatus,
    events::EventKind,
    monitor::clock,
    policy::{Cause, Finding, PathId, PathState, State, UnitId},
};

/// Now, RFC 3339, UTC, nanoseconds.
pub(super) fn timestamp() -> String {
    show(Timestamp::now())
}

fn show(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// What is told about a unit.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Since when it is in its state.
    pub(super) since: String,
    /// From the last valid reply to the latest verdict on one of its paths.
    pub(super) detect_ns: u64,
    /// What was heard of its addresses last, in this state.
    pub(super) heard: Option<Finding>,
    /// Its latest takeover.
    pub(super) last_takeover: Option<TakeoverStatus>,
}

impl Told {
    pub(super) fn new() -> Self {
        Self {
            since: timestamp(),
            detect_ns: 0,
            heard: None,
            last_takeover: None,
        }
    }

    pub(super) fn taken_over(&mut self, detect_ns: u64, takeover_ns: u64, cause: Cause) {
        self.last_takeover = Some(TakeoverStatus {
            at: timestamp(),
            detect_ns,
            takeover_ns,
            cause,
        });
    }

    /// Taken over by an earlier daemon, `unix_ns` after 1970.
    pub(super) fn adopted(&mut self, unix_ns: u64) {
        let at = Timestamp::from_nanosecond(i128::from(unix_ns)).map_or_else(|_| timestamp(), show);
        self.last_takeover = Some(TakeoverStatus {
            at,
            detect_ns: 0,
            takeover_ns: 0,
            cause: Cause::Adopted,
        });
    }
}

/// Whether it is told, and how many like it were not.
fn count(fields: &mut Value, left_out: Option<u64>) -> bool {
    if let Some(times) = left_out.filter(|times| *times > 0) {
        fields["left_out"] = json!(times);
    }
    left_out.is_some()
}

impl Daemon {
    pub(super) fn told(&mut self, unit: UnitId) -> &mut Told {
        self.told.entry(unit).or_insert_with(Told::new)
    }

    /// A unit has changed its state.
    pub(super) fn transition(&mut self, unit: UnitId, from: State, to: State, cause: &str) {
        let told = self.told(unit);
        told.since = timestamp();
        told.heard = None;
        let mut fields = json!({ "from": from, "to": to, "cause": cause });
        let told = match (from, to) {
            (State::Healthy, State::Suspect) => {
                let left_out = self.suspect.wrong(unit, clock::now());
                count(&mut fields, left_out)
            }
            (State::Suspect, State::Healthy) => self.suspect.right(&unit),
            _ => true,
        };
        if told {
            self.record(Some(unit), EventKind::Transition, fields);
        }
        // Whoever waits for a takeover or a failback is told that it does not happen.
        match (from, to) {
            (State::TakingOver, State::TakenOver) => {}
            (State::TakingOver, _) => self.settle_takeover(unit, 0, 0, Some(cause)),
            (State::FailingBack, State::TakenOver) => {
                self.failback_prevented(unit, cause);
            }
            _ => {}
        }
    }

    /// A path's heartbeats fare differently than before.
    pub(super) fn tell_of_path(
        &mut self,
        unit: UnitId,
        path: PathId,
        change: (Option<PathState>, PathState),
        mut fields: Value,
    ) {
        let told = match change {
            (Some(PathState::Up), PathState::Missing) => {
                let left_out = self.missing.wrong(path, clock::now());
                count(&mut fields, left_out)
            }
            (Some(PathState::Missing), PathState::Up) => self.missing.right(&path),
            _ => true,
        };
        if told {
            self.record(Some(unit), EventKind::Path, fields);
        }
    }

    /// Records an event, of a unit's source if one is given. `fields` is an object.
    pub(super) fn record(&self, unit: Option<UnitId>, kind: EventKind, mut fields: Value) {
        if let Some(path) = unit.and_then(|unit| unit.path) {
            fields["path"] = json!(path + 1);
        }
        let fields = fields.as_object().cloned().unwrap_or_default();
        let source = unit.map(|unit| self.config.sources[unit.source].name.as_str());
        self.events.record(source, kind, fields);
    }
}

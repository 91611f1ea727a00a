//! One unit, and the transitions that follow from what its paths report.

use std::time::Duration;

use super::{
    Action, Cause, Now, PathState, State, UnitId,
    failback::GivingBack,
    paths::Paths,
    table::{self, On},
    takeover::Holding,
    trigger::UnitVerdict,
    words,
};
use crate::config::{self, Failback, OnFailure};

/// Nanoseconds of a duration; centuries are cut off.
pub(super) fn nanos(duration: Duration) -> Now {
    Now::try_from(duration.as_nanos()).unwrap_or(Now::MAX)
}

/// One call of [`super::Policy::handle`]: when it is, and what it leads to.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) now: Now,
    pub(super) actions: Vec<Action>,
}

/// The configuration's rules for a unit.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) misses: u32,
    pub(super) on_failure: OnFailure,
    pub(super) failback: Failback,
    pub(super) failback_after: Duration,
    pub(super) announce_every: Duration,
    /// Addresses of the unit.
    pub(super) addresses: usize,
}

/// What is under way, beyond the state.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Nothing: every state but the three below.
    Idle,
    /// `taking-over`: the heartbeat thread was armed at the verdict, so its report is expected.
    AwaitingThread {
        /// When it is not expected any more.
        until: Now,
    },
    /// `taking-over`: [`Action::TakeOver`] was given.
    Commanded(Cause),
    /// `taken-over`.
    Holding(Holding),
    /// `failing-back`.
    GivingBack(GivingBack),
}

/// A unit.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) id: UnitId,
    /// How it is called in texts: the source's name, with the path's index if it is one.
    pub(super) label: String,
    pub(super) rules: Rules,
    pub(super) paths: Paths,
    pub(super) state: State,
    /// When it came into its state; 0 before the first transition.
    pub(super) since: Now,
    /// Why it is in its state.
    pub(super) cause: String,
    pub(super) phase: Phase,
    /// What the heartbeat thread was told last.
    pub(super) armed: bool,
    /// The daemon stops and gives everything back: nothing is taken any more.
    pub(super) released: bool,
}

impl Unit {
    /// The whole of `source`, or the one path that `id` names.
    pub(super) fn new(id: UnitId, source: &config::Source) -> Self {
        let paths = Paths::new(source, id.path);
        let addresses = paths
            .list
            .iter()
            .map(|path| source.paths[path.index].addresses.len())
            .sum();
        Self {
            id,
            label: id.path.map_or_else(
                || source.name.clone(),
                |path| format!("{} path {}", source.name, path + 1),
            ),
            rules: Rules {
                misses: source.misses,
                on_failure: source.on_failure,
                failback: source.failback,
                failback_after: source.failback_after,
                announce_every: source.announce_every,
                addresses,
            },
            paths,
            state: State::Unknown,
            since: 0,
            cause: words::WAITING.to_owned(),
            phase: Phase::Idle,
            armed: false,
            released: false,
        }
    }

    /// The only place where a state changes.
    pub(super) fn go(&mut self, turn: &mut Turn, to: State, on: On, cause: impl Into<String>) {
        let from = self.state;
        debug_assert!(
            table::allows(from, to, on),
            "{}: {from:?} -> {to:?} on {on:?} is not in the table",
            self.label
        );
        self.state = to;
        self.since = turn.now;
        self.cause = cause.into();
        turn.actions.push(Action::Transition {
            unit: self.id,
            from,
            to,
            cause: self.cause.clone(),
        });
        self.arm(turn);
    }

    /// Tells the heartbeat thread whether it may act, if that has changed.
    ///
    /// It may while the unit is healthy or suspect, unless what it sees already looks like a verdict: a path that is
    /// silent since before a failback has to answer first, which the thread does not know.
    pub(super) fn arm(&mut self, turn: &mut Turn) {
        let armed = self.rules.on_failure == OnFailure::Automatic
            && !self.released
            && matches!(self.state, State::Healthy | State::Suspect)
            && self.paths.verdict_of_thread() != UnitVerdict::Failed;
        if armed != self.armed {
            self.armed = armed;
            turn.actions.push(Action::Arm {
                unit: self.id,
                armed,
            });
        }
    }

    /// The heartbeat thread reports a path.
    pub(super) fn on_path(&mut self, turn: &mut Turn, index: usize, state: PathState, missed: u32) {
        self.paths.report(index, state, missed, turn.now);
        match self.state {
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::AwaitingApproval => {
                self.follow_paths(turn);
            }
            // It was declined, or could not be taken: only an answer changes that.
            State::Failed => {
                if matches!(
                    self.paths.verdict(),
                    UnitVerdict::Healthy | UnitVerdict::Suspect
                ) {
                    self.follow_paths(turn);
                }
            }
            State::TakenOver => self.watch_for_failback(turn.now),
            // What is under way is finished first; then the state follows from the paths.
            State::TakingOver | State::FailingBack => {}
        }
        self.arm(turn);
    }

    /// From a state in which nothing is under way to the one that the paths call for.
    pub(super) fn follow_paths(&mut self, turn: &mut Turn) {
        let from = self.state;
        let (to, on) = match self.paths.verdict() {
            UnitVerdict::Unknown => (State::Unknown, On::Restart),
            UnitVerdict::Healthy => (State::Healthy, On::Answer),
            UnitVerdict::Suspect if from == State::Healthy => (State::Suspect, On::Miss),
            UnitVerdict::Suspect => (State::Suspect, On::Answer),
            UnitVerdict::Isolated => (State::Isolated, On::OwnLink),
            UnitVerdict::Failed if from == State::AwaitingApproval => return,
            UnitVerdict::Failed => return self.on_verdict(turn, On::Verdict, ""),
        };
        let cause = words::for_paths(self, from);
        if to == from {
            // The count of misses goes on, a second link fails: the same state for a newer reason.
            if matches!(to, State::Suspect | State::Isolated) {
                self.cause = cause;
            }
            return;
        }
        let on = if from == State::Isolated {
            On::OwnLink
        } else {
            on
        };
        self.go(turn, to, on, cause);
    }

    /// The verdict stands: act, ask, or leave it at that.
    pub(super) fn on_verdict(&mut self, turn: &mut Turn, on: On, note: &str) {
        let thread_acts = self.armed;
        let cause = words::for_verdict(self);
        self.go(
            turn,
            State::Failed,
            on,
            words::with_note(cause.clone(), note),
        );
        if self.released {
            return;
        }
        match self.rules.on_failure {
            OnFailure::Automatic => self.take_over_at_verdict(turn, thread_acts, cause),
            OnFailure::Ask => self.go(turn, State::AwaitingApproval, On::Verdict, cause),
        }
    }

    /// What was under way is over: on to the state that the paths call for.
    pub(super) fn settle(&mut self, turn: &mut Turn, on: On, note: &str) {
        self.phase = Phase::Idle;
        let to = match self.paths.verdict() {
            UnitVerdict::Unknown => State::Unknown,
            UnitVerdict::Healthy => State::Healthy,
            UnitVerdict::Suspect => State::Suspect,
            UnitVerdict::Isolated => State::Isolated,
            UnitVerdict::Failed => return self.on_verdict(turn, on, note),
        };
        let cause = words::with_note(words::for_paths(self, self.state), note);
        self.go(turn, to, on, cause);
    }

    /// Time has passed.
    pub(super) fn on_clock(&mut self, turn: &mut Turn) {
        match &self.phase {
            Phase::Idle | Phase::Commanded(_) => {}
            Phase::AwaitingThread { until } if *until <= turn.now => self.thread_did_not_act(turn),
            Phase::AwaitingThread { .. } => {}
            Phase::Holding(_) => self.on_clock_holding(turn),
            Phase::GivingBack(_) => self.on_clock_giving_back(turn),
        }
    }

    /// When [`Self::on_clock`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Now> {
        match &self.phase {
            Phase::Idle | Phase::Commanded(_) => None,
            Phase::AwaitingThread { until } => Some(*until),
            Phase::Holding(holding) => holding.next_deadline(),
            Phase::GivingBack(giving_back) => giving_back.next_deadline(),
        }
    }
}

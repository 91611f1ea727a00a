//! One unit, and the transitions that follow from what its paths report.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::{
    Action, Cause, Finding, Hook, Now, PathState, State, Taken, UnitId,
    elsewhere::Watching,
    failback::{Aborts, GivingBack},
    inquiry::Inquiries,
    paths::{Misses, Paths},
    table::{self, On},
    takeover::{CHECK_WAIT, Holding},
    trigger::UnitVerdict,
    words,
};
use crate::config::{self, Failback, Hooks, L2Alive, OnConflict, OnFailure};

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
    pub(super) l2_alive: L2Alive,
    pub(super) on_conflict: OnConflict,
    pub(super) hooks: Hooks,
    /// Addresses of the unit.
    pub(super) addresses: usize,
}

impl Rules {
    /// Those for the whole of `source`, or for the one path with index `only`.
    pub(super) fn of(source: &config::Source, only: Option<usize>) -> Self {
        let paths = source.paths.iter().enumerate();
        Self {
            misses: source.misses,
            on_failure: source.on_failure,
            failback: source.failback,
            failback_after: source.failback_after,
            announce_every: source.announce_every,
            l2_alive: source.l2_alive,
            on_conflict: source.on_conflict,
            hooks: source.hooks.clone(),
            addresses: paths
                .filter(|(index, _)| only.is_none_or(|only| only == *index))
                .map(|(_, path)| path.addresses.len())
                .sum(),
        }
    }

    /// Whether a program is configured for a hook.
    pub(super) fn has(&self, hook: Hook) -> bool {
        self.hooks.program(hook).is_some()
    }
}

/// What is under way, beyond the state.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Nothing.
    Idle,
    /// `held-elsewhere`, `awaiting-approval`, or `failed` because the source answers ARP: it is asked again and again who has
    /// the addresses.
    Watching(Watching),
    /// `taking-over`: it is asked who has the addresses.
    Checking {
        /// Why they are to be taken.
        cause: Cause,
        /// When the answer is not expected any more.
        until: Now,
        /// The hook before it has run.
        hooked: bool,
    },
    /// `taking-over`: the hook before it runs.
    BeforeTakeover(Cause),
    /// `taking-over`: the heartbeat thread was armed at the verdict, so its report is expected.
    AwaitingThread {
        /// When it is not expected any more.
        until: Now,
    },
    /// `taking-over`: [`Action::TakeOver`] was given, or the thread has begun by itself.
    Commanded(Cause),
    /// `taken-over`, `conflict`.
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
    /// An administrator's hold: nothing is done by itself.
    pub(super) hold: bool,
    /// The daemon stops and gives everything back: nothing is taken any more.
    pub(super) released: bool,
    /// Who has the addresses, as far as it was asked.
    pub(super) finding: Finding,
    /// When that was heard.
    pub(super) heard_at: Option<Now>,
    /// The thread has begun a takeover by itself, and has not reported its end.
    pub(super) began: bool,
    /// Why the addresses are held, while they are.
    pub(super) taken: Option<Taken>,
    /// How often its hook has kept them from going back.
    pub(super) aborts: Aborts,
    /// When each address was announced for its defence, in whatever conflict.
    pub(super) defended: BTreeMap<IpAddr, Now>,
    /// When another failover host was last told who has each address, beside what defends it.
    pub(super) introduced: BTreeMap<IpAddr, Now>,
    /// When it is asked whether anybody else has what is held.
    pub(super) inquiries: Inquiries,
    /// Runs of each hook whose end has not been told. One that nobody waited for may outlast what it was run for.
    running: BTreeMap<Hook, u32>,
    /// The state that the `notify` hook was told last.
    told: State,
}

impl Unit {
    /// The whole of `source`, or the one path that `id` names.
    pub(super) fn new(id: UnitId, source: &config::Source) -> Self {
        Self {
            id,
            label: id.path.map_or_else(
                || source.name.clone(),
                |path| format!("{} path {}", source.name, path + 1),
            ),
            rules: Rules::of(source, id.path),
            paths: Paths::new(source, id.path),
            state: State::Unknown,
            since: 0,
            cause: words::WAITING.to_owned(),
            phase: Phase::Idle,
            armed: false,
            hold: false,
            released: false,
            finding: Finding::Silent,
            heard_at: None,
            began: false,
            taken: None,
            aborts: Aborts::default(),
            defended: BTreeMap::new(),
            introduced: BTreeMap::new(),
            inquiries: Inquiries::default(),
            running: BTreeMap::new(),
            told: State::Unknown,
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
            && !self.on_hold()
            && !self.rules.has(Hook::BeforeTakeover)
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

    /// Nothing is done by itself: an administrator's hold, ours or the source's own.
    pub(super) fn on_hold(&self) -> bool {
        self.hold || self.paths.remote_hold()
    }

    /// Whose hold it is, in words.
    pub(super) fn hold_cause(&self) -> &'static str {
        if self.hold {
            words::HOLD
        } else {
            words::REMOTE_HOLD
        }
    }

    /// Runs a hook, if there is one. `true`: there is.
    pub(super) fn run_hook(&mut self, turn: &mut Turn, hook: Hook) -> bool {
        let configured = self.rules.has(hook);
        if configured {
            if hook != Hook::Notify {
                *self.running.entry(hook).or_default() += 1;
            }
            turn.actions.push(Action::RunHook {
                unit: self.id,
                hook,
                state: self.state,
                cause: self.cause.clone(),
            });
        }
        configured
    }

    /// A run of a hook has ended. `true`: it was the last one, and so the one that may be waited for.
    pub(super) fn ended(&mut self, hook: Hook) -> bool {
        let left = self.running.get(&hook).copied().unwrap_or(0);
        if left > 1 {
            self.running.insert(hook, left - 1);
            return false;
        }
        self.running.remove(&hook);
        true
    }

    /// At the end of a turn: tells people of the state that was reached, if it concerns them. States that were only passed
    /// through do not.
    pub(super) fn notify(&mut self, turn: &mut Turn) {
        let worth = |state| match state {
            State::AwaitingApproval
            | State::TakenOver
            | State::Failed
            | State::Isolated
            | State::Held
            | State::HeldElsewhere
            | State::Conflict => true,
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::TakingOver
            | State::FailingBack => false,
        };
        let settled = worth(self.state) || self.state == State::Healthy;
        if !settled || self.state == self.told {
            return;
        }
        if worth(self.state) || worth(self.told) {
            self.run_hook(turn, Hook::Notify);
        }
        self.told = self.state;
    }

    /// The heartbeat thread reports a path.
    pub(super) fn on_path(
        &mut self,
        turn: &mut Turn,
        index: usize,
        state: PathState,
        misses: Misses,
    ) {
        // It says what it has heard when its verdict comes to stand. One that stood before, because of a path that is silent
        // since before a failback, came with old news.
        let fresh = if self.paths.verdict_of_thread() == UnitVerdict::Failed {
            Fresh::No
        } else {
            Fresh::Yes
        };
        self.paths.report(index, state, misses, turn.now);
        match self.state {
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::AwaitingApproval
            | State::HeldElsewhere => {
                self.follow_paths(turn, fresh);
            }
            // It was declined, or could not be taken: only an answer changes that.
            State::Failed => {
                if matches!(
                    self.paths.verdict(),
                    UnitVerdict::Healthy | UnitVerdict::Suspect
                ) {
                    self.follow_paths(turn, fresh);
                }
            }
            State::TakenOver | State::Conflict => self.watch_for_failback(turn.now),
            // What is under way is finished first; then the state follows from the paths.
            State::TakingOver => {}
            State::FailingBack => self.on_path_giving_back(turn),
            State::Held => {}
        }
        self.arm(turn);
    }

    /// From a state in which nothing is under way to the one that the paths call for. `fresh`: whether the thread has said what
    /// it has heard, should they call for a takeover.
    pub(super) fn follow_paths(&mut self, turn: &mut Turn, fresh: Fresh) {
        let from = self.state;
        let (to, on) = match self.paths.verdict() {
            UnitVerdict::Unknown => (State::Unknown, On::Restart),
            UnitVerdict::Healthy => (State::Healthy, On::Answer),
            UnitVerdict::Suspect if from == State::Healthy => (State::Suspect, On::Miss),
            UnitVerdict::Suspect => (State::Suspect, On::Answer),
            UnitVerdict::Isolated => (State::Isolated, On::OwnLink),
            UnitVerdict::Failed
                if matches!(from, State::AwaitingApproval | State::HeldElsewhere) =>
            {
                return;
            }
            UnitVerdict::Failed => {
                // The thread asks from the first miss on, which there was not when nothing, or not ours, had answered before.
                let fresh = match from {
                    State::Unknown | State::Isolated => Fresh::No,
                    State::Healthy
                    | State::Suspect
                    | State::Failed
                    | State::AwaitingApproval
                    | State::TakingOver
                    | State::TakenOver
                    | State::FailingBack
                    | State::Held
                    | State::HeldElsewhere
                    | State::Conflict => fresh,
                };
                return self.on_verdict(turn, On::Verdict, "", fresh);
            }
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
        self.phase = Phase::Idle;
        self.go(turn, to, on, cause);
    }

    /// The verdict stands: act, ask, or leave it at that.
    pub(super) fn on_verdict(&mut self, turn: &mut Turn, on: On, note: &str, fresh: Fresh) {
        // It does not ask at a verdict that is none to it: a path that was down before is down to it still.
        let fresh = match self.heard_at {
            Some(at) if at.saturating_add(nanos(CHECK_WAIT)) >= turn.now => fresh,
            Some(_) | None => Fresh::No,
        };
        let thread_acts = self.armed && self.finding.allows(self.rules.l2_alive);
        let cause = words::for_verdict(self);
        self.phase = Phase::Idle;
        self.go(
            turn,
            State::Failed,
            on,
            words::with_note(cause.clone(), note),
        );
        if self.released {
            return;
        }
        if fresh == Fresh::No {
            self.finding = Finding::Silent;
        }
        if self.stands_back(turn, &cause) {
            return;
        }
        match self.rules.on_failure {
            OnFailure::Automatic if thread_acts => self.leave_to_thread(turn, cause),
            OnFailure::Automatic => {
                self.go(turn, State::TakingOver, On::Verdict, cause);
                self.begin_takeover(turn, Cause::Verdict, fresh);
            }
            OnFailure::Ask => self.ask(turn, On::Verdict, cause),
        }
    }

    /// What was under way is over: on to the state that the paths call for.
    pub(super) fn settle(&mut self, turn: &mut Turn, on: On, note: &str) {
        self.phase = Phase::Idle;
        if self.on_hold() {
            let cause = words::with_note(self.hold_cause().to_owned(), note);
            return self.go(turn, State::Held, on, cause);
        }
        let to = match self.paths.verdict() {
            UnitVerdict::Unknown => State::Unknown,
            UnitVerdict::Healthy => State::Healthy,
            UnitVerdict::Suspect => State::Suspect,
            UnitVerdict::Isolated => State::Isolated,
            UnitVerdict::Failed => return self.on_verdict(turn, on, note, Fresh::No),
        };
        let cause = words::with_note(words::for_paths(self, self.state), note);
        self.go(turn, to, on, cause);
    }

    /// Time has passed.
    pub(super) fn on_clock(&mut self, turn: &mut Turn) {
        match &self.phase {
            Phase::Idle | Phase::Commanded(_) | Phase::BeforeTakeover(_) => {}
            Phase::AwaitingThread { until } if *until <= turn.now => self.thread_did_not_act(turn),
            Phase::Checking { until, .. } if *until <= turn.now => {
                self.finding = Finding::Silent;
                self.checked(turn);
            }
            Phase::AwaitingThread { .. } | Phase::Checking { .. } => {}
            Phase::Watching(_) => self.on_clock_watching(turn),
            Phase::Holding(_) => self.on_clock_holding(turn),
            Phase::GivingBack(_) => self.on_clock_giving_back(turn),
        }
        self.inquire(turn);
    }

    /// When [`Self::on_clock`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Now> {
        let own = match &self.phase {
            Phase::Idle | Phase::Commanded(_) | Phase::BeforeTakeover(_) => None,
            Phase::AwaitingThread { until } | Phase::Checking { until, .. } => Some(*until),
            Phase::Watching(watching) => Some(watching.next()),
            Phase::Holding(holding) => holding.next_deadline(),
            Phase::GivingBack(giving_back) => giving_back.next_deadline(),
        };
        [own, self.inquiry_due()].into_iter().flatten().min()
    }
}

/// Whether it was asked just now who has the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    /// The heartbeat thread has done so from the first miss on.
    Yes,
    /// It has to be asked before anything is taken.
    No,
}

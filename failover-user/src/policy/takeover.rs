//! From the decision to hold the addresses, and what is done while they are held.

use std::time::Duration;

use super::{
    Action, Cause, Hook, Now, State,
    announce::Announcements,
    conflict::Clash,
    table::On,
    trigger::UnitVerdict,
    unit::{Fresh, Phase, Turn, Unit, nanos},
    words,
};
use crate::config::{Failback, OnError};

/// How long after the verdict the heartbeat thread, if it was armed, may take to report its takeover.
///
/// It reports within milliseconds, unless the source died before the thread had heard that it is armed. Then the policy
/// gives [`Action::TakeOver`] itself. A thread that was merely slow finds the unit held and reports that.
pub const THREAD_WAIT: Duration = Duration::from_millis(250);

/// How long the answer to [`Action::Probe`] may take. It comes after a fixed time that is much shorter, unless the heartbeat
/// thread is kept from running.
pub const CHECK_WAIT: Duration = Duration::from_secs(1);

/// How long an automatic failback that is due waits for a path that has just missed a request.
const RECHECK: Duration = Duration::from_millis(500);

/// The addresses are held.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) announcements: Announcements,
    /// When an automatic failback is due, while the source is healthy.
    pub(super) failback_at: Option<Now>,
    /// Another host claims one of them.
    pub(super) clash: Option<Clash>,
}

impl Holding {
    pub(super) fn next_deadline(&self) -> Option<Now> {
        let quiet = self.clash.as_ref().map(Clash::quiet_at);
        let owed = self.clash.as_ref().and_then(Clash::owed_at);
        [self.announcements.next(), self.failback_at, quiet, owed]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Unit {
    /// `on_failure = "automatic"`: the thread is acting already.
    pub(super) fn leave_to_thread(&mut self, turn: &mut Turn, cause: String) {
        self.go(turn, State::TakingOver, On::Verdict, cause);
        self.phase = if self.began {
            Phase::Commanded(Cause::Verdict)
        } else {
            Phase::AwaitingThread {
                until: turn.now.saturating_add(nanos(THREAD_WAIT)),
            }
        };
    }

    /// In `taking-over`: asks who has the addresses unless that is known, runs the hook, takes over.
    pub(super) fn begin_takeover(&mut self, turn: &mut Turn, cause: Cause, fresh: Fresh) {
        match fresh {
            Fresh::Yes => self.before_takeover(turn, cause),
            Fresh::No => self.check(turn, cause, false),
        }
    }

    /// In `taking-over`: asks who has the addresses, and goes on with the answer.
    fn check(&mut self, turn: &mut Turn, cause: Cause, hooked: bool) {
        self.phase = Phase::Checking {
            cause,
            until: turn.now.saturating_add(nanos(CHECK_WAIT)),
            hooked,
        };
        turn.actions.push(Action::Probe { unit: self.id });
    }

    /// The hook, then the takeover.
    pub(super) fn before_takeover(&mut self, turn: &mut Turn, cause: Cause) {
        if self.run_hook(turn, Hook::BeforeTakeover) {
            self.phase = Phase::BeforeTakeover(cause);
        } else {
            self.command_takeover(turn, cause);
        }
    }

    /// The hook has ended.
    fn before_takeover_done(&mut self, turn: &mut Turn, cause: Cause, error: Option<&str>) {
        if self.released {
            self.phase = Phase::Idle;
            return self.go(turn, State::Failed, On::NotTaken, words::STOPPING);
        }
        if let Some(error) = error {
            let note = words::hook_failed(Hook::BeforeTakeover, error);
            if self.rules.hooks.on_error == OnError::Abort {
                let note = words::with_note(note, words::ABORTED);
                return self.not_taken(turn, On::HookFailed, &note);
            }
            self.cause = words::with_note(self.cause.clone(), &note);
        }
        if self.is_void(cause) {
            return self.settle(turn, On::NotTaken, "nothing was taken");
        }
        // It may have taken its time, and another host the addresses.
        self.check(turn, cause, true);
    }

    /// Nothing was taken yet, and what it was to be taken for is over.
    pub(super) fn is_void(&self, cause: Cause) -> bool {
        match cause {
            Cause::Verdict => self.on_hold() || self.paths.verdict() != UnitVerdict::Failed,
            // The yes was to a prompt that would have been withdrawn.
            Cause::Approved => matches!(
                self.paths.verdict(),
                UnitVerdict::Healthy | UnitVerdict::Suspect
            ),
            Cause::Operator | Cause::SourceHealthy | Cause::Adopted | Cause::Release => false,
        }
    }

    /// A hook has ended.
    pub(super) fn on_hook_done(&mut self, turn: &mut Turn, hook: Hook, error: Option<&str>) {
        if !self.ended(hook) {
            return;
        }
        match (hook, &self.phase) {
            (Hook::BeforeTakeover, Phase::BeforeTakeover(cause)) => {
                let cause = *cause;
                self.before_takeover_done(turn, cause, error);
            }
            (Hook::BeforeFailback, Phase::GivingBack(_)) => self.before_failback_done(turn, error),
            (
                Hook::BeforeTakeover
                | Hook::BeforeFailback
                | Hook::AfterTakeover
                | Hook::AfterFailback
                | Hook::Notify,
                _,
            ) => {}
        }
    }

    /// The thread takes over by itself, and that takes longer.
    pub(super) fn on_takeover_began(&mut self) {
        if matches!(self.phase, Phase::AwaitingThread { .. }) {
            self.phase = Phase::Commanded(Cause::Verdict);
        }
        self.began = true;
    }

    /// Gives [`Action::TakeOver`].
    pub(super) fn command_takeover(&mut self, turn: &mut Turn, cause: Cause) {
        self.phase = Phase::Commanded(cause);
        turn.actions.push(Action::TakeOver {
            unit: self.id,
            cause,
        });
    }

    /// The thread, which was armed, has not reported in [`THREAD_WAIT`]. It is disarmed by now, so it will not act.
    pub(super) fn thread_did_not_act(&mut self, turn: &mut Turn) {
        if self.on_hold() || self.paths.verdict() != UnitVerdict::Failed {
            self.settle(turn, On::NotTaken, "nothing was taken");
        } else if self.released {
            self.phase = Phase::Idle;
            self.go(turn, State::Failed, On::NotTaken, words::STOPPING);
        } else {
            self.command_takeover(turn, Cause::Verdict);
        }
    }

    /// The result of a takeover, whoever made it.
    pub(super) fn on_takeover_done(
        &mut self,
        turn: &mut Turn,
        cause: Cause,
        held: usize,
        error: Option<&str>,
    ) {
        self.began = false;
        let verdict_known = cause != Cause::Verdict || self.acts_on_verdict();
        match self.state {
            // The thread and a command met: the second report says nothing new.
            State::TakenOver | State::Conflict | State::FailingBack => return,
            // What was ordered before has come to nothing, and nothing has been ordered since.
            State::TakingOver
                if held == 0
                    && matches!(
                        self.phase,
                        Phase::Checking { .. } | Phase::BeforeTakeover(_)
                    ) =>
            {
                return;
            }
            State::TakingOver => {}
            // The thread was faster than the news of its verdict.
            State::Healthy | State::Suspect | State::Isolated
                if cause == Cause::Verdict && (held > 0 || self.armed) =>
            {
                let words = words::for_verdict(self);
                self.go(turn, State::Failed, On::Verdict, words.clone());
                self.go(turn, State::TakingOver, On::Verdict, words);
            }
            // An echo of a failure that was dealt with.
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Failed
            | State::Held
            | State::HeldElsewhere
            | State::AwaitingApproval
                if held == 0 =>
            {
                return;
            }
            // Whatever was decided since, the addresses are here, and that is what counts.
            State::Unknown
            | State::Healthy
            | State::Suspect
            | State::Isolated
            | State::Failed
            | State::Held
            | State::HeldElsewhere
            | State::AwaitingApproval => {
                let words = words::for_cause(self, cause);
                self.go(turn, State::TakingOver, On::Reported, words);
            }
        }

        if held == 0 {
            self.takeover_failed(turn, verdict_known, error.unwrap_or("no address was taken"));
        } else {
            let expected = match &self.phase {
                Phase::Commanded(expected) => *expected == cause,
                Phase::AwaitingThread { .. } => cause == Cause::Verdict,
                Phase::Checking { .. } | Phase::BeforeTakeover(_) => false,
                Phase::Idle | Phase::Watching(_) | Phase::Holding(_) | Phase::GivingBack(_) => true,
            };
            let reason = if expected {
                self.cause.clone()
            } else {
                words::for_cause(self, cause)
            };
            let failed = cause != Cause::Operator || !self.paths.answer();
            let cause = words::with_takeover_error(reason, held, self.rules.addresses, error);
            self.note_taken(cause.clone(), failed);
            self.hold(turn, On::Taken, cause);
            self.run_hook(turn, Hook::AfterTakeover);
            self.release_if_stopping(turn);
        }
    }

    /// No address is held. Some of them may have been announced all the same.
    fn takeover_failed(&mut self, turn: &mut Turn, verdict_known: bool, error: &str) {
        turn.actions.push(Action::AnnounceSource { unit: self.id });
        let note = format!("takeover failed: {error}");
        if verdict_known {
            return self.not_taken(turn, On::NotTaken, &note);
        }
        // The news of the silence is still on its way, so what is known of the paths is old.
        self.phase = Phase::Idle;
        self.go(turn, State::Failed, On::NotTaken, note.as_str());
        if self.on_hold() {
            self.settle(turn, On::NotTaken, &note);
        }
    }

    /// The takeover came to nothing: left alone until the source answers, if it does not already.
    fn not_taken(&mut self, turn: &mut Turn, on: On, note: &str) {
        self.phase = Phase::Idle;
        self.go(turn, State::Failed, on, note);
        let answers = matches!(
            self.paths.verdict(),
            UnitVerdict::Healthy | UnitVerdict::Suspect
        );
        if self.on_hold() {
            self.settle(turn, On::NotTaken, note);
        } else if answers {
            self.settle(turn, On::Answer, note);
        }
    }

    /// A takeover because of a verdict, of which the paths have told, is under way.
    fn acts_on_verdict(&self) -> bool {
        match &self.phase {
            Phase::AwaitingThread { .. } => true,
            Phase::Checking { cause, .. }
            | Phase::BeforeTakeover(cause)
            | Phase::Commanded(cause) => *cause == Cause::Verdict,
            Phase::Idle | Phase::Watching(_) | Phase::Holding(_) | Phase::GivingBack(_) => false,
        }
    }

    /// The takeover map held addresses of this unit when the daemon started.
    pub(super) fn on_adopted(&mut self, turn: &mut Turn, draining: bool) {
        if matches!(
            self.state,
            State::TakenOver | State::Conflict | State::FailingBack
        ) {
            return;
        }
        // Without a memory of it: most takeovers follow a failure.
        let taken = self.taken.take();
        let failed = taken.as_ref().is_none_or(|taken| taken.failed);
        let cause = words::adopted(taken.map(|taken| taken.cause));
        self.note_taken(cause.clone(), failed);
        self.hold(turn, On::Adopted, cause);
        self.paths.listen(turn.now);
        if draining {
            self.resume_failback(turn);
        } else {
            self.release_if_stopping(turn);
        }
    }

    /// From here on the addresses are held.
    pub(super) fn hold(&mut self, turn: &mut Turn, on: On, cause: impl Into<String>) {
        self.phase = Phase::Holding(Holding {
            announcements: Announcements::new(turn.now, self.rules.announce_every),
            failback_at: None,
            clash: None,
        });
        self.inquiries.begin(turn.now);
        self.go(turn, State::TakenOver, on, cause);
        self.watch_for_failback(turn.now);
    }

    fn release_if_stopping(&mut self, turn: &mut Turn) {
        if self.released {
            self.start_failback(turn, On::Release, words::STOPPING);
        }
    }

    /// `failback = "automatic"`: begins, goes on with or breaks off the wait for a healthy source.
    ///
    /// The wait begins when every path is up, trigger or not: a source that lacks a path is not whole. Single misses do not
    /// break it off, or one lost request a minute would prevent a failback for ever; a path that goes down does.
    pub(super) fn watch_for_failback(&mut self, now: Now) {
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        let on_hold = self.hold || self.paths.remote_hold();
        // An administrator may also have taken over from a source that answers, for work on it, and that is not to be undone
        // because it still answers.
        let failed = self.taken.as_mut().is_none_or(|taken| {
            taken.failed |= self.paths.any_down();
            taken.failed
        });
        match self.rules.failback {
            Failback::Manual => holding.failback_at = None,
            Failback::Automatic if on_hold || !failed => holding.failback_at = None,
            Failback::Automatic if !self.paths.all_answer() => holding.failback_at = None,
            Failback::Automatic if holding.failback_at.is_none() && self.paths.all_up() => {
                let healthy = now.saturating_add(nanos(self.rules.failback_after));
                holding.failback_at = Some(healthy.max(self.aborts.until));
            }
            Failback::Automatic => {}
        }
    }

    /// Whether the addresses go back by themselves once the source is healthy.
    pub(super) fn fails_back_by_itself(&self) -> bool {
        self.rules.failback == Failback::Automatic
            && !self.on_hold()
            && self.taken.as_ref().is_none_or(|taken| taken.failed)
    }

    /// Announces again, or fails back, or answers claims, or notes the end of a conflict.
    pub(super) fn on_clock_holding(&mut self, turn: &mut Turn) {
        self.pay(turn);
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        if holding
            .clash
            .as_ref()
            .is_some_and(|clash| clash.quiet_at() <= turn.now)
        {
            self.conflict_is_over(turn);
        }
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        if holding.failback_at.is_some_and(|at| at <= turn.now) {
            if self.paths.all_up() {
                let cause = words::source_healthy(self.rules.failback_after);
                return self.start_failback(turn, On::SourceHealthy, cause);
            }
            holding.failback_at = Some(turn.now.saturating_add(nanos(RECHECK)));
        }
        if holding.announcements.take(turn.now) {
            turn.actions.push(Action::Announce { unit: self.id });
        }
    }
}

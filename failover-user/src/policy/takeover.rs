//! From the decision to hold the addresses, and what is done while they are held.

use std::time::Duration;

use super::{
    Action, Cause, Now, State,
    announce::Announcements,
    table::On,
    trigger::UnitVerdict,
    unit::{Phase, Turn, Unit, nanos},
    words,
};
use crate::config::Failback;

/// How long after the verdict the heartbeat thread, if it was armed, may take to report its takeover.
///
/// It reports within milliseconds, unless the source died before the thread had heard that it is armed. Then the policy
/// gives [`Action::TakeOver`] itself. A thread that was merely slow finds the unit held and reports that.
pub const THREAD_WAIT: Duration = Duration::from_millis(250);

/// How long an automatic failback that is due waits for a path that has just missed a request.
const RECHECK: Duration = Duration::from_millis(500);

/// The addresses are held.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    announcements: Announcements,
    /// The source has failed before or since: an administrator may also have taken over from one that answers, for work on
    /// it, and that is not to be undone because it still answers.
    failed: bool,
    /// When an automatic failback is due, while the source is healthy.
    failback_at: Option<Now>,
}

impl Holding {
    pub(super) fn next_deadline(&self) -> Option<Now> {
        [self.announcements.next(), self.failback_at]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Unit {
    /// `on_failure = "automatic"`: the thread is acting already, or has to be told.
    pub(super) fn take_over_at_verdict(
        &mut self,
        turn: &mut Turn,
        thread_acts: bool,
        cause: String,
    ) {
        self.go(turn, State::TakingOver, On::Verdict, cause);
        if thread_acts {
            self.phase = Phase::AwaitingThread {
                until: turn.now.saturating_add(nanos(THREAD_WAIT)),
            };
        } else {
            self.command_takeover(turn, Cause::Verdict);
        }
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
        if self.paths.verdict() != UnitVerdict::Failed {
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
        match self.state {
            // The thread and a command met: the second report says nothing new.
            State::TakenOver | State::FailingBack => return,
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
            | State::AwaitingApproval => {
                let words = words::for_cause(self, cause);
                self.go(turn, State::TakingOver, On::Reported, words);
            }
        }

        if held == 0 {
            self.takeover_failed(turn, cause, error.unwrap_or("no address was taken"));
        } else {
            let expected = match &self.phase {
                Phase::Commanded(expected) => *expected == cause,
                Phase::AwaitingThread { .. } => cause == Cause::Verdict,
                Phase::Idle | Phase::Holding(_) | Phase::GivingBack(_) => true,
            };
            let reason = if expected {
                self.cause.clone()
            } else {
                words::for_cause(self, cause)
            };
            let failed = cause != Cause::Operator || !self.paths.answer();
            let cause = words::with_takeover_error(reason, held, self.rules.addresses, error);
            self.hold(turn, On::Taken, cause, failed);
        }
    }

    /// No address is held.
    fn takeover_failed(&mut self, turn: &mut Turn, cause: Cause, error: &str) {
        self.phase = Phase::Idle;
        let note = format!("takeover failed: {error}");
        self.go(turn, State::Failed, On::NotTaken, note.clone());
        // At a verdict the news of the silence may still be on its way, so what is known of the paths may be old.
        let answers = matches!(
            self.paths.verdict(),
            UnitVerdict::Healthy | UnitVerdict::Suspect
        );
        if answers && cause != Cause::Verdict {
            self.settle(turn, On::Answer, &note);
        }
    }

    /// The takeover map held addresses of this unit when the daemon started.
    pub(super) fn on_adopted(&mut self, turn: &mut Turn, draining: bool) {
        if matches!(self.state, State::TakenOver | State::FailingBack) {
            return;
        }
        // Why it was taken is not known any more: most takeovers follow a failure.
        self.hold(turn, On::Adopted, words::ADOPTED, true);
        if draining && self.state == State::TakenOver {
            self.resume_failback(turn);
        }
    }

    /// From here on the addresses are held.
    fn hold(&mut self, turn: &mut Turn, on: On, cause: impl Into<String>, failed: bool) {
        self.phase = Phase::Holding(Holding {
            announcements: Announcements::new(turn.now, self.rules.announce_every),
            failed,
            failback_at: None,
        });
        self.go(turn, State::TakenOver, on, cause);
        self.watch_for_failback(turn.now);
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
        holding.failed |= self.paths.any_down();
        match self.rules.failback {
            Failback::Manual => {}
            Failback::Automatic if !holding.failed => {}
            Failback::Automatic if !self.paths.all_answer() => holding.failback_at = None,
            Failback::Automatic if holding.failback_at.is_none() && self.paths.all_up() => {
                holding.failback_at = Some(now.saturating_add(nanos(self.rules.failback_after)));
            }
            Failback::Automatic => {}
        }
    }

    /// Announces again, or fails back.
    pub(super) fn on_clock_holding(&mut self, turn: &mut Turn) {
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

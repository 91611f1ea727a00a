//! Giving the addresses back, step by step.
//!
//! If it is not known yet whether the source answers, that is waited for. If it does, and has done so for a while: if it asks
//! for its addresses (it runs our daemon, and keeps off them), it is let find them free, and announces them. Then: drain (its
//! MAC is announced, packets that still come here are turned round), a moment for
//! requests that are being served, remove the addresses, wait until nobody sends here any more, forget. If it does not:
//! mark, remove, forget. A step that fails is noted and the next one follows: half a failback is worse. Only the hook before it
//! can keep it from happening.

mod steps;

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use super::{
    Action, Finding, Hook, Now, State,
    table::On,
    unit::{Phase, Turn, Unit, nanos},
    words,
};
use crate::config::OnError;

/// How long the source must have answered without a break before packets are turned round to it. Heartbeats are answered in
/// its driver; its stack may still be looking for its neighbours, whose ARP entries the dead link had flushed: a request that
/// is lost is sent again after one second (Linux, `retrans_time_ms`).
pub const SETTLE: Duration = Duration::from_secs(2);

/// How long a source that asks for its addresses may take from finding them free to announcing them. It asks every second.
pub const TAKE_BACK: Duration = Duration::from_secs(5);
/// A path that flaps would put that off for ever: after this time a source that answers is good enough.
pub const SETTLE_AT_MOST: Duration = Duration::from_secs(10);

/// How long a path whose heartbeats have only just begun, after a restart for instance, may take to answer or to be judged, before
/// the source counts as silent: without a drain requests to a source that answers would be lost.
pub const LISTEN: Duration = Duration::from_secs(2);

/// From the end of [`Action::Drain`] to [`Action::RemoveAddresses`]: requests that were delivered to this host's service
/// before are answered, from the address that they were sent to, before that address goes.
pub const GRACE: Duration = Duration::from_millis(200);

/// From the end of [`Action::Drain`] to [`Action::Forget`]: packets of neighbours that have not noticed the announcement are
/// turned round until then.
pub const DRAIN: Duration = Duration::from_secs(3);

/// How long an automatic failback waits at least after its hook has prevented it: after the first time, and twice as long after
/// each other one.
pub const AFTER_ABORT: Duration = Duration::from_secs(10);

/// It waits no longer than this, however often it was prevented.
pub const AFTER_ABORTS: Duration = Duration::from_secs(600);

/// How long an automatic failback waits at least once its hook has prevented it so many times.
fn after_aborts(times: u32) -> Duration {
    let doubled = 2u32.saturating_pow(times.saturating_sub(1));
    AFTER_ABORT.saturating_mul(doubled).min(AFTER_ABORTS)
}

/// A failback that is under way.
#[derive(Clone, Debug)]
pub(super) struct GivingBack {
    step: Step,
    /// The addresses go to this host, which is not the source.
    elsewhere: Option<Finding>,
    /// `on_error = "abort"` counts: an administrator, or the source's recovery, can wait.
    may_abort: bool,
    /// When it is not waited for any longer that the source has answered for a while.
    settled_by: Option<Now>,
    /// The source may be waited for.
    waits: bool,
    /// What went wrong so far.
    errors: Vec<String>,
    /// Addresses that the source is to announce.
    awaited: BTreeSet<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The hook before it runs.
    Hook,
    /// It is not known yet whether the source answers.
    Listening { until: Now },
    /// The source answers, but not for long enough.
    Settling { until: Now },
    /// [`Action::Yield`] was given.
    Yielding,
    /// The source finds its addresses free, and is to announce them.
    Awaiting { until: Now },
    /// [`Action::Drain`] was given.
    Draining,
    /// [`Action::LetGo`] was given.
    LettingGo,
    /// Requests are being answered.
    Grace { until: Now, forget_at: Now },
    /// [`Action::RemoveAddresses`] was given; without a drain nothing is waited for after it.
    Removing { forget_at: Option<Now> },
    /// The addresses are gone, packets are turned round.
    TurningRound { forget_at: Now },
    /// [`Action::Forget`] was given.
    Forgetting,
}

/// Automatic failbacks that their hook has prevented since the addresses were taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aborts {
    times: u32,
    /// The next one is not tried before this time.
    pub(super) until: Now,
}

impl GivingBack {
    /// The addresses are held still, and packets are not turned round yet.
    pub(super) fn serves(&self) -> bool {
        match self.step {
            Step::Hook
            | Step::Listening { .. }
            | Step::Settling { .. }
            | Step::Yielding
            | Step::Awaiting { .. } => true,
            Step::Draining
            | Step::LettingGo
            | Step::Grace { .. }
            | Step::Removing { .. }
            | Step::TurningRound { .. }
            | Step::Forgetting => false,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Now> {
        match self.step {
            Step::Listening { until }
            | Step::Settling { until }
            | Step::Awaiting { until }
            | Step::Grace { until, .. } => Some(until),
            Step::TurningRound { forget_at } => Some(forget_at),
            Step::Hook
            | Step::Yielding
            | Step::Draining
            | Step::LettingGo
            | Step::Removing { .. }
            | Step::Forgetting => None,
        }
    }
}

impl Unit {
    /// From `taken-over` or `conflict`: begins to give the addresses back.
    pub(super) fn start_failback(&mut self, turn: &mut Turn, on: On, cause: impl Into<String>) {
        let elsewhere = (on == On::Claim)
            .then(|| self.rival_in_conflict())
            .flatten();
        if elsewhere.is_none() {
            self.paths.forget_silent();
        }
        self.go(turn, State::FailingBack, on, cause);
        let hook = self.run_hook(turn, Hook::BeforeFailback);
        // With two hosts at one address nobody waits for anything.
        let waits = on != On::Claim;
        self.phase = Phase::GivingBack(GivingBack {
            step: Step::Hook,
            elsewhere,
            may_abort: matches!(on, On::Failback | On::SourceHealthy | On::Decline),
            settled_by: None,
            waits,
            errors: Vec::new(),
            awaited: BTreeSet::new(),
        });
        if !(hook && waits) {
            self.first_step(turn);
        }
    }

    /// The hook has ended.
    pub(super) fn before_failback_done(&mut self, turn: &mut Turn, error: Option<&str>) {
        let Phase::GivingBack(giving_back) = &mut self.phase else {
            return;
        };
        if !matches!(giving_back.step, Step::Hook) {
            return;
        }
        if let Some(error) = error {
            let note = words::hook_failed(Hook::BeforeFailback, error);
            if giving_back.may_abort
                && !self.released
                && self.rules.hooks.on_error == OnError::Abort
            {
                return self.failback_aborted(turn, &note);
            }
            self.cause = words::with_note(self.cause.clone(), &note);
            giving_back.errors.push(note);
        }
        self.first_step(turn);
    }

    /// The hook has prevented it: the addresses stay, and an automatic failback is tried again later each time.
    fn failback_aborted(&mut self, turn: &mut Turn, note: &str) {
        self.aborts.times = self.aborts.times.saturating_add(1);
        let wait = after_aborts(self.aborts.times);
        self.aborts.until = turn.now.saturating_add(nanos(wait));
        let mut note = words::with_note(note.to_owned(), words::NOT_GIVEN_BACK);
        if self.fails_back_by_itself() {
            note = words::with_note(
                note,
                &words::tried_again(wait.max(self.rules.failback_after)),
            );
        }
        self.hold(turn, On::HookFailed, note);
    }

    /// With a source that answers, its addresses are handed over; otherwise they are just let go.
    fn first_step(&mut self, turn: &mut Turn) {
        let Phase::GivingBack(giving_back) = &mut self.phase else {
            return;
        };
        let may_answer = giving_back
            .waits
            .then(|| self.paths.may_answer_until(nanos(LISTEN)));
        let step = if giving_back.elsewhere.is_some() {
            Step::LettingGo
        } else if !self.paths.answer() {
            match may_answer.flatten() {
                Some(until) if until > turn.now => Step::Listening { until },
                Some(_) | None => Step::LettingGo,
            }
        } else {
            let at_most = turn.now.saturating_add(nanos(SETTLE_AT_MOST));
            let settled_by = *giving_back.settled_by.get_or_insert(at_most);
            let settled = self.paths.answering_since().map_or(turn.now, |since| {
                since.saturating_add(nanos(SETTLE)).min(settled_by)
            });
            if settled > turn.now {
                Step::Settling { until: settled }
            } else {
                Step::Yielding
            }
        };
        self.step(turn, step);
    }

    /// The daemon before this one had begun: its drain may have been done in part.
    pub(super) fn resume_failback(&mut self, turn: &mut Turn) {
        // What it remembered may be older than its failback: a source that was silent then is not to be taken over because
        // of that silence.
        self.paths.forget_silent();
        self.go(
            turn,
            State::FailingBack,
            On::Adopted,
            words::ADOPTED_DRAINING,
        );
        self.phase = Phase::GivingBack(GivingBack {
            step: Step::Hook,
            elsewhere: None,
            may_abort: false,
            settled_by: None,
            waits: false,
            errors: Vec::new(),
            awaited: BTreeSet::new(),
        });
        self.step(turn, Step::Draining);
    }

    /// Goes on to a step, and gives its action.
    fn step(&mut self, turn: &mut Turn, step: Step) {
        let unit = self.id;
        match step {
            Step::Yielding => turn.actions.push(Action::Yield { unit }),
            Step::Draining => turn.actions.push(Action::Drain { unit }),
            Step::LettingGo => turn.actions.push(Action::LetGo { unit }),
            Step::Removing { .. } => turn.actions.push(Action::RemoveAddresses { unit }),
            Step::Forgetting => turn.actions.push(Action::Forget { unit }),
            Step::Hook
            | Step::Listening { .. }
            | Step::Settling { .. }
            | Step::Awaiting { .. }
            | Step::Grace { .. }
            | Step::TurningRound { .. } => {}
        }
        if let Phase::GivingBack(giving_back) = &mut self.phase {
            giving_back.step = step;
        }
    }
}

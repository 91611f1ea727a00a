//! Giving the addresses back, step by step.
//!
//! If the source answers, and has done so for a while: drain (its MAC is announced, packets that still come here are turned round), a moment for
//! requests that are being served, remove the addresses, wait until nobody sends here any more, forget. If it does not:
//! remove, forget. A step that fails is noted and the next one follows: half a failback is worse.

use std::time::Duration;

use super::{
    Action, Now, State,
    table::On,
    unit::{Phase, Turn, Unit, nanos},
    words,
};

/// How long the source must have answered without a break before packets are turned round to it. Heartbeats are answered in
/// its driver; its stack may still be looking for its neighbours, whose ARP entries the dead link had flushed: a request that
/// is lost is sent again after one second (Linux, `retrans_time_ms`).
pub const SETTLE: Duration = Duration::from_secs(2);

/// From the end of [`Action::Drain`] to [`Action::RemoveAddresses`]: requests that were delivered to this host's service
/// before are answered, from the address that they were sent to, before that address goes.
pub const GRACE: Duration = Duration::from_millis(200);

/// From the end of [`Action::Drain`] to [`Action::Forget`]: packets of neighbours that have not noticed the announcement are
/// turned round until then.
pub const DRAIN: Duration = Duration::from_secs(3);

/// A failback that is under way.
#[derive(Clone, Debug)]
pub(super) struct GivingBack {
    step: Step,
    /// What went wrong so far.
    errors: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The source answers, but not for long enough.
    Settling { until: Now },
    /// [`Action::Drain`] was given.
    Draining,
    /// Requests are being answered.
    Grace { until: Now, forget_at: Now },
    /// [`Action::RemoveAddresses`] was given; without a drain nothing is waited for after it.
    Removing { forget_at: Option<Now> },
    /// The addresses are gone, packets are turned round.
    TurningRound { forget_at: Now },
    /// [`Action::Forget`] was given.
    Forgetting,
}

impl GivingBack {
    pub(super) fn next_deadline(&self) -> Option<Now> {
        match self.step {
            Step::Settling { until } | Step::Grace { until, .. } => Some(until),
            Step::TurningRound { forget_at } => Some(forget_at),
            Step::Draining | Step::Removing { .. } | Step::Forgetting => None,
        }
    }
}

impl Unit {
    /// From `taken-over`: begins to give the addresses back.
    pub(super) fn start_failback(&mut self, turn: &mut Turn, on: On, cause: impl Into<String>) {
        self.paths.forget_silent();
        self.go(turn, State::FailingBack, on, cause);
        let first = self.first_step(turn.now);
        self.step(turn, first);
    }

    /// With a source that answers, its addresses are handed over; otherwise they are just let go.
    fn first_step(&self, now: Now) -> Step {
        if !self.paths.answer() {
            return Step::Removing { forget_at: None };
        }
        match self.paths.answering_since() {
            Some(since) if since.saturating_add(nanos(SETTLE)) > now => Step::Settling {
                until: since.saturating_add(nanos(SETTLE)),
            },
            Some(_) | None => Step::Draining,
        }
    }

    /// The daemon before this one had begun: its drain was done, the rest may not be.
    pub(super) fn resume_failback(&mut self, turn: &mut Turn) {
        self.go(
            turn,
            State::FailingBack,
            On::Adopted,
            words::ADOPTED_DRAINING,
        );
        let forget_at = Some(turn.now.saturating_add(nanos(DRAIN)));
        self.step(turn, Step::Removing { forget_at });
    }

    /// Goes on to a step, and gives its action.
    fn step(&mut self, turn: &mut Turn, step: Step) {
        let unit = self.id;
        match step {
            Step::Draining => turn.actions.push(Action::Drain { unit }),
            Step::Removing { .. } => turn.actions.push(Action::RemoveAddresses { unit }),
            Step::Forgetting => turn.actions.push(Action::Forget { unit }),
            Step::Settling { .. } | Step::Grace { .. } | Step::TurningRound { .. } => {}
        }
        if let Phase::GivingBack(giving_back) = &mut self.phase {
            giving_back.step = step;
        } else {
            self.phase = Phase::GivingBack(GivingBack {
                step,
                errors: Vec::new(),
            });
        }
    }

    /// A step was carried out.
    pub(super) fn on_step_done(&mut self, turn: &mut Turn, error: Option<&str>) {
        let Phase::GivingBack(giving_back) = &mut self.phase else {
            return;
        };
        let (what, next) = match giving_back.step {
            Step::Draining => {
                let until = turn.now.saturating_add(nanos(GRACE));
                (
                    "announcing the source",
                    Some(Step::Grace {
                        until,
                        forget_at: turn.now.saturating_add(nanos(DRAIN)),
                    }),
                )
            }
            Step::Removing { forget_at } => {
                let wait = forget_at.filter(|at| *at > turn.now);
                let next = wait.map_or(Step::Forgetting, |forget_at| Step::TurningRound {
                    forget_at,
                });
                ("removing the addresses", Some(next))
            }
            Step::Forgetting => ("clearing the takeover map", None),
            // Nothing was asked for, so this answers nothing.
            Step::Settling { .. } | Step::Grace { .. } | Step::TurningRound { .. } => return,
        };
        if let Some(error) = error {
            giving_back.errors.push(format!("{what} failed: {error}"));
            self.cause = format!("{}; {what} failed: {error}", self.cause);
        }
        match next {
            Some(next) => self.step(turn, next),
            None => self.given_back(turn),
        }
    }

    /// The wait of a step is over.
    pub(super) fn on_clock_giving_back(&mut self, turn: &mut Turn) {
        let Phase::GivingBack(giving_back) = &self.phase else {
            return;
        };
        match giving_back.step {
            Step::Settling { until } if until <= turn.now => {
                let next = self.first_step(turn.now);
                self.step(turn, next);
            }
            Step::Grace { until, forget_at } if until <= turn.now => {
                self.step(
                    turn,
                    Step::Removing {
                        forget_at: Some(forget_at),
                    },
                );
            }
            Step::TurningRound { forget_at } if forget_at <= turn.now => {
                self.step(turn, Step::Forgetting)
            }
            Step::Settling { .. }
            | Step::Grace { .. }
            | Step::TurningRound { .. }
            | Step::Draining
            | Step::Removing { .. }
            | Step::Forgetting => {}
        }
    }

    /// All steps are done: the state follows from the paths again.
    fn given_back(&mut self, turn: &mut Turn) {
        let Phase::GivingBack(giving_back) = &self.phase else {
            return;
        };
        let note = words::given_back(&giving_back.errors);
        self.settle(turn, On::GivenBack, &note);
    }
}

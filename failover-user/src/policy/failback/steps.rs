//! The steps of a failback that is under way: what each waits for, and what comes after it.

use std::net::IpAddr;

use super::{DRAIN, GRACE, Step, TAKE_BACK};
use crate::policy::{
    Action, Finding, Hook,
    failback::Aborts,
    table::On,
    trigger::UnitVerdict,
    unit::{Phase, Turn, Unit, nanos},
    words,
};

impl Unit {
    /// The source finds these addresses free from now on. It has to announce each; without any there is nothing to wait for.
    pub(in super::super) fn on_yielded(&mut self, turn: &mut Turn, addresses: Vec<IpAddr>) {
        let Phase::GivingBack(giving_back) = &mut self.phase else {
            return;
        };
        if !matches!(giving_back.step, Step::Yielding) {
            return;
        }
        giving_back.awaited = addresses.into_iter().collect();
        let step = if giving_back.awaited.is_empty() {
            Step::Draining
        } else {
            Step::Awaiting {
                until: turn.now.saturating_add(nanos(TAKE_BACK)),
            }
        };
        self.step(turn, step);
    }

    /// The source announces an address that goes back to it.
    pub(in super::super) fn taken_back(&mut self, turn: &mut Turn, ip: IpAddr) {
        let Phase::GivingBack(giving_back) = &mut self.phase else {
            return;
        };
        let awaited = matches!(giving_back.step, Step::Awaiting { .. });
        if awaited && giving_back.awaited.remove(&ip) && giving_back.awaited.is_empty() {
            self.step(turn, Step::Draining);
        }
    }

    /// The source has not announced its addresses: it is given them like one without our daemon.
    fn not_taken_back(&mut self, turn: &mut Turn) {
        let step = if self.paths.answer() {
            Step::Draining
        } else {
            Step::LettingGo
        };
        self.cause = words::with_note(self.cause.clone(), words::NOT_TAKEN_BACK);
        if let Phase::GivingBack(giving_back) = &mut self.phase {
            giving_back.errors.push(words::NOT_TAKEN_BACK.to_owned());
        }
        self.step(turn, step);
    }

    /// Another failover host has the addresses as well, and keeps them: they go at once, and to it.
    pub(in super::super) fn give_way(&mut self, turn: &mut Turn, to: Finding) {
        let Phase::GivingBack(giving_back) = &mut self.phase else {
            return;
        };
        giving_back.elsewhere = Some(to);
        self.cause = words::with_note(self.cause.clone(), words::PEER_KEEPS);
        self.step(turn, Step::LettingGo);
    }

    /// Nothing of the source answers any more, and that is a verdict: nobody is to be turned round to it.
    fn source_is_gone(&self) -> bool {
        !self.paths.answer() && self.paths.verdict() == UnitVerdict::Failed
    }

    /// A step was carried out.
    pub(in super::super) fn on_step_done(&mut self, turn: &mut Turn, error: Option<&str>) {
        let gone = self.source_is_gone();
        let Phase::GivingBack(giving_back) = &mut self.phase else {
            return;
        };
        let (what, next) = match giving_back.step {
            Step::Draining if gone => (
                "announcing the source",
                Some(Step::Removing { forget_at: None }),
            ),
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
            Step::LettingGo => (
                "marking the addresses",
                Some(Step::Removing { forget_at: None }),
            ),
            Step::Removing { forget_at } => {
                let wait = forget_at.filter(|at| *at > turn.now && !gone);
                let next = wait.map_or(Step::Forgetting, |forget_at| Step::TurningRound {
                    forget_at,
                });
                ("removing the addresses", Some(next))
            }
            Step::Forgetting => ("clearing the takeover map", None),
            // Nothing was asked for, so this answers nothing.
            Step::Hook
            | Step::Listening { .. }
            | Step::Settling { .. }
            | Step::Yielding
            | Step::Awaiting { .. }
            | Step::Grace { .. }
            | Step::TurningRound { .. } => return,
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

    /// A path has changed: perhaps the source has been heard, or is gone while packets are turned round to it. Then the sooner
    /// the failback ends, the sooner its addresses can be taken again.
    pub(in super::super) fn on_path_giving_back(&mut self, turn: &mut Turn) {
        let gone = self.source_is_gone();
        let Phase::GivingBack(giving_back) = &self.phase else {
            return;
        };
        match giving_back.step {
            Step::Listening { .. } => self.first_step(turn),
            Step::Grace { .. } if gone => self.step(turn, Step::Removing { forget_at: None }),
            Step::TurningRound { .. } if gone => self.step(turn, Step::Forgetting),
            Step::Hook
            | Step::Settling { .. }
            | Step::Yielding
            | Step::Awaiting { .. }
            | Step::Draining
            | Step::LettingGo
            | Step::Grace { .. }
            | Step::Removing { .. }
            | Step::TurningRound { .. }
            | Step::Forgetting => {}
        }
    }

    /// The wait of a step is over.
    pub(in super::super) fn on_clock_giving_back(&mut self, turn: &mut Turn) {
        let Phase::GivingBack(giving_back) = &self.phase else {
            return;
        };
        match giving_back.step {
            Step::Listening { until } | Step::Settling { until } if until <= turn.now => {
                self.first_step(turn);
            }
            Step::Awaiting { until } if until <= turn.now => self.not_taken_back(turn),
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
            Step::Hook
            | Step::Listening { .. }
            | Step::Settling { .. }
            | Step::Yielding
            | Step::Awaiting { .. }
            | Step::Grace { .. }
            | Step::TurningRound { .. }
            | Step::Draining
            | Step::LettingGo
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
        let elsewhere = giving_back.elsewhere.clone();
        self.taken = None;
        self.aborts = Aborts::default();
        if elsewhere.is_none() && self.paths.answer() {
            // Whoever missed the first announcement, or was told otherwise since.
            turn.actions.push(Action::AnnounceSource { unit: self.id });
        }
        self.run_hook(turn, Hook::AfterFailback);
        match elsewhere {
            Some(finding) if !self.on_hold() && !self.released => {
                self.given_back_elsewhere(turn, finding, &note);
            }
            Some(_) | None => self.settle(turn, On::GivenBack, &note),
        }
    }
}

//! From a miss to the verdict, and from the verdict to the takeover.

use std::sync::Arc;

use super::{Heartbeats, Unit, asking::Link};
use crate::{
    bpf::shared::HeardBoard,
    monitor::{
        Outcome, Plan, Report, clock,
        finding::finding,
        session::Change,
        session::Session,
        worker::{Job, Order},
    },
    policy::{Cause, Finding, UnitId},
};

/// What a takeover has come to.
pub(super) enum Deed {
    /// It was carried out.
    Done(Report),
    /// It is for the worker.
    Long(Order),
}

impl Heartbeats {
    pub(super) fn judge(&mut self, index: usize) {
        let session = &self.sessions[index];
        let nic = session.nic;
        if session.lacks_answer(&self.shared) {
            self.look_at_witnesses(nic);
        }
        let link = Link {
            nic,
            nics: &self.means.nics,
            witnesses: &self.witnesses,
        };
        let session = &mut self.sessions[index];
        let judged = session.judge(&self.shared, &link);
        if judged.first_miss {
            let unit = session.unit;
            self.ask_around(unit);
        }
        if let Some(change) = judged.change {
            self.note_pace(index);
            self.changed(index, change);
        }
        if judged.first_miss || judged.change.is_some() {
            self.hurry_witnesses(nic);
        }
    }

    /// Acts on a change, and only then reports it.
    pub(super) fn changed(&mut self, index: usize, change: Change) {
        let now = clock::now();
        let session = &self.sessions[index];
        let (path, unit) = (session.path, session.unit);
        let last_reply_ns = session.last_reply_ns(&self.shared);
        let heard = self.new_verdict(unit, now);
        crate::fault::point_if(heard.is_some(), "verdict:seen");
        let deed = self.act_on(unit, now);
        crate::fault::point_if(deed.is_some(), "verdict:acted");
        if let Some(finding) = heard {
            self.report(Report::Heard { unit, finding });
        }
        self.report(Report::Path {
            path,
            state: change.state,
            missed: change.missed,
            refused: change.refused,
            at_ns: now,
            last_reply_ns,
        });
        crate::fault::point_if(deed.is_some(), "verdict:half-reported");
        self.conclude(deed);
    }

    /// What was heard, if the verdict on a unit has just come to stand.
    fn new_verdict(&mut self, unit: UnitId, now: u64) -> Option<Finding> {
        let Unit { standing, plan } = self.units.get_mut(&unit)?;
        let paths = self.sessions.of_unit(unit);
        standing.follow(now, paths.map(Session::standing), |since| {
            heard_since(&self.board, plan.as_deref(), since)
        })
    }

    /// The verdict on a unit may have lost what it was based on.
    pub(super) fn forget_verdict(&mut self, unit: UnitId) {
        if let Some(known) = self.units.get_mut(&unit) {
            let paths = self.sessions.of_unit(unit);
            known.standing.forget(paths.map(Session::standing));
        }
    }

    /// What ARP has said of a unit's addresses since they were asked for.
    pub(super) fn heard_since(&self, unit: UnitId, sent_ns: u64) -> Finding {
        let plan = self.units.get(&unit).and_then(|known| known.plan.as_ref());
        heard_since(&self.board, plan.map(Arc::as_ref), sent_ns)
    }

    pub(super) fn arm(&mut self, unit: UnitId, armed: bool) {
        // A verdict that has lost what it was based on is none to act on.
        if self.sessions.was_thinned(unit) {
            self.forget_verdict(unit);
        }
        let Some(known) = self.units.get_mut(&unit) else {
            return;
        };
        known.standing.arm(armed);
        // The verdict may have come while the permission was on its way.
        let deed = self.act_on(unit, clock::now());
        self.conclude(deed);
    }

    /// Takes a unit over if its verdict stands and the thread may.
    fn act_on(&mut self, unit: UnitId, now: u64) -> Option<Deed> {
        let known = self.units.get(&unit)?;
        if !known
            .standing
            .acts(known.plan.as_ref().map(|plan| plan.l2_alive))
        {
            return None;
        }
        // The policy says so, too, and may not have been heard yet.
        if self
            .sessions
            .of_unit(unit)
            .any(|session| session.is_on_hold(&self.shared))
        {
            return None;
        }
        let last_reply_ns = self
            .sessions
            .of_unit(unit)
            .map(|session| session.last_reply_ns(&self.shared))
            .max()
            .unwrap_or(0);
        self.take_over(unit, Cause::Verdict, now, now.saturating_sub(last_reply_ns))
    }

    /// Takes a unit over: a short plan now, a long one by the worker, once [`Self::conclude`] has said so.
    pub(super) fn take_over(
        &mut self,
        unit: UnitId,
        cause: Cause,
        ordered_ns: u64,
        detect_ns: u64,
    ) -> Option<Deed> {
        let now = clock::now();
        let known = self.units.get_mut(&unit)?;
        known.standing.taken();
        let outcome = match known.plan.as_ref() {
            Some(plan) if plan.is_long() => {
                return Some(Deed::Long(Order {
                    plan: plan.clone(),
                    cause,
                    ordered_ns,
                    decided_ns: now,
                    detect_ns,
                }));
            }
            Some(plan) => self
                .brake
                .unless_abandoned(unit, ordered_ns, || plan.execute(now, &mut self.means))
                .unwrap_or_else(|| Outcome::broken_off(now)),
            None => Outcome::unprepared(now),
        };
        Some(Deed::Done(Report::TakenOver {
            unit,
            cause,
            detect_ns,
            outcome,
        }))
    }

    /// Reports a takeover, and has a long one carried out. In this order, so that its end is not reported before its begin.
    pub(super) fn conclude(&self, deed: Option<Deed>) {
        match deed {
            Some(Deed::Done(report)) => self.report(report),
            Some(Deed::Long(order)) => {
                self.report(Report::Began {
                    unit: order.plan.unit,
                    cause: order.cause,
                });
                self.hand_over(Job::TakeOver(order));
            }
            None => {}
        }
    }
}

fn heard_since(board: &HeardBoard, plan: Option<&Plan>, sent_ns: u64) -> Finding {
    plan.map_or(Finding::Silent, |plan| {
        finding(&plan.probes, &plan.source_macs, sent_ns, |slot| {
            board.get(slot)
        })
    })
}

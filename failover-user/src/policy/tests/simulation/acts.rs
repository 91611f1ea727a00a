//! What must hold of each thing that a target does: **d** of the [`super::checker`].

use super::{
    network::{Host, MS, SECOND},
    telling::Excused,
    world::World,
};
use crate::{
    config::{L2Alive, OnFailure},
    policy::{Action, Cause, Now, State, UnitId, tests::watched::unit_of},
};

impl World {
    /// A target takes an address that it does not hold yet: nobody else that it could have heard of may have it.
    pub(super) fn check_takeover(&mut self, target: usize, unit: UnitId, lan: usize, cause: Cause) {
        self.check_leave(target, unit, cause);
        let place = &self.targets[target];
        let source = &place.standby.source;
        // An address that is taken at the first miss is taken before a probe can be answered. Behind a hook it is asked once more.
        let at_once =
            source.misses == 1 && cause == Cause::Verdict && source.hooks.before_takeover.is_none();
        if cause == Cause::Adopted || at_once || place.stalled_until + 2 * SECOND > self.now {
            return;
        }
        let heard_in = source.interval.as_nanos() as Now * Now::from(source.misses) + 1500 * MS;
        let me = Host::Target(target);
        let long = |since: Option<Now>| since.is_some_and(|since| self.now > since + heard_in);
        for other in (0..self.checker.targets).filter(|other| *other != target) {
            let clean = self.network.clean_since(lan, me, Host::Target(other));
            let holds = self.targets[other].kernel.local_since[lan];
            if long(clean) && long(holds) {
                let words = format!(
                    "target {target} takes the address of LAN {lan} ({unit:?}, {cause:?}), which target {other} holds since {holds:?}"
                );
                return self.complain('d', words);
            }
        }
        let clean = self.network.clean_since(lan, me, Host::Source);
        let uses = self.source.uses_since(lan);
        if cause == Cause::Verdict
            && source.l2_alive != L2Alive::Ignore
            && long(clean)
            && long(uses)
        {
            let words =
                format!("target {target} takes the address of LAN {lan}, which the source has");
            self.complain('d', words);
        }
    }

    /// A target that takes a unit over by itself may do so.
    fn check_leave(&mut self, target: usize, unit: UnitId, cause: Cause) {
        let place = &self.targets[target];
        let Some(policy) = place.daemon.as_ref().map(|daemon| &daemon.policy) else {
            return;
        };
        let asks = place.standby.source.on_failure == OnFailure::Ask;
        let for_long = policy
            .since(unit)
            .is_some_and(|since| since + SECOND < self.now);
        let held_back = policy.state(unit) == Some(State::Held) && for_long;
        // What was ordered before the source said so may be on its way.
        let said = self.says_hold(target, unit);
        let on_hold = said.is_some_and(|since| since + SECOND / 2 < self.now);
        if cause == Cause::Verdict && (asks || held_back || on_hold) {
            self.complain(
                'd',
                format!("target {target} takes {unit:?} over by itself, and may not"),
            );
        }
    }

    /// A scheduled announcement of an address.
    pub(super) fn check_announcement(&mut self, target: usize, lan: usize) {
        let before = self.checker.announced[target][lan].replace(self.now);
        let every = self.targets[target]
            .standby
            .source
            .announce_every
            .as_nanos() as Now;
        let least = every.min(1000 * MS);
        if before.is_some_and(|before| self.now < before + least && self.now - before < 900 * MS) {
            let words = format!(
                "target {target} announces the address of LAN {lan} again since {before:?}"
            );
            self.complain('d', words);
        }
    }

    /// What the policy of a target wants.
    pub(super) fn watch_action(&mut self, target: usize, action: &Action) {
        let now = self.now;
        let Some(daemon) = &mut self.targets[target].daemon else {
            return;
        };
        if let Some(unit) = daemon.watched.get_mut(&unit_of(action)) {
            unit.watch(action, now);
        }
        match action {
            Action::Transition { unit, to, .. } => {
                self.checker
                    .hooks
                    .retain(|(host, known, _)| (*host, known) != (target, unit));
                if *to == State::FailingBack {
                    self.excuse_unit(target, Excused::Unit(*unit));
                }
            }
            Action::RunHook { unit, hook, .. } => {
                let run = (target, *unit, *hook);
                if self.checker.hooks.contains(&run) {
                    self.complain('d', format!("target {target} runs {hook:?} twice"));
                }
                self.checker.hooks.push(run);
            }
            Action::Arm { .. }
            | Action::TakeOver { .. }
            | Action::Yield { .. }
            | Action::Drain { .. }
            | Action::LetGo { .. }
            | Action::RemoveAddresses { .. }
            | Action::Forget { .. }
            | Action::Announce { .. }
            | Action::Probe { .. }
            | Action::Inquire { .. }
            | Action::Defend { .. }
            | Action::Reassure { .. }
            | Action::Introduce { .. }
            | Action::AnnounceSource { .. } => {}
        }
    }
}

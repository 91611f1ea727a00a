//! What the policy of a target is told, and when: the model of the daemon's loop (`daemon/mod.rs`, `daemon/conflicts.rs`).

use rand::Rng;

use super::{
    daemon::Daemon,
    draw::Point,
    events::{Due, Order},
    kernel::Told,
    network::{Arp, Host, LANS, Mac, Said, US},
    thread::covers,
    world::{World, Wrong},
};
use crate::{
    monitor::claimant::{Heeded, claimant, heeded, show_mac},
    policy::{
        Claimant, Command, Hook, Input, Memory, PathId, PathState, State, UnitId, answers_anew,
        changes_memory,
    },
};

impl World {
    pub(super) fn due(&mut self, target: usize, what: Due) {
        match what {
            Due::Tick { lan, plan } => self.tick(target, lan, plan),
            Due::Order(order) => self.obey(target, order),
            Due::Finding { unit, sent } => self.finding_is_due(target, unit, sent),
            Due::Worker {
                unit,
                cause,
                ordered,
            } => self.work(target, unit, cause, ordered),
            Due::News(input) => self.hear(target, input),
            Due::Claims => self.read_claims(target),
            Due::Stranger(told) => self.read_claim(target, told),
            Due::Clock => self.clock(target),
            Due::HookDone { unit, hook } => {
                let fails = self.targets[target].standby.hooks_fail;
                let fails = self.rng.random_range(0..100) < fails;
                let error = fails.then(|| "exit status 1".to_owned());
                self.feed(target, Input::HookDone { unit, hook, error });
            }
            Due::Housekeeping => self.watch_all(target),
        }
        self.ends_if_released(target);
    }

    fn clock(&mut self, target: usize) {
        let now = self.now;
        let Some(daemon) = &mut self.targets[target].daemon else {
            return;
        };
        if daemon.clock_at != Some(now) {
            return;
        }
        daemon.clock_at = None;
        let due = |daemon: &Daemon| daemon.policy.next_deadline().is_some_and(|at| at <= now);
        if !due(daemon) {
            return self.plan_clock(target);
        }
        self.feed(target, Input::Clock);
        if self.targets[target].daemon.as_ref().is_some_and(due) {
            self.complain(
                'd',
                format!("target {target} is told the time, and wants it again"),
            );
        }
    }

    /// The loop wakes at the policy's deadline, or a little later.
    fn plan_clock(&mut self, target: usize) {
        let late = self.rng.random_range(0..200 * US);
        let now = self.now;
        let Some(daemon) = &mut self.targets[target].daemon else {
            return;
        };
        let Some(at) = daemon.policy.next_deadline() else {
            return;
        };
        let at = at.max(now + 1) + late;
        if daemon
            .clock_at
            .is_none_or(|known| known <= now || at < known)
        {
            daemon.clock_at = Some(at);
            self.due_at(target, at, Due::Clock);
        }
    }

    pub(super) fn order(&mut self, target: usize, order: Order) {
        let at = self.now + self.latency(target);
        let Some(daemon) = &mut self.targets[target].daemon else {
            return;
        };
        daemon.orders_at = daemon.orders_at.max(at);
        let at = daemon.orders_at;
        self.due_at(target, at, Due::Order(order));
    }

    pub(super) fn claims_are_read(&mut self, target: usize) {
        if self.targets[target].daemon.is_some() {
            let at = self.now + self.latency(target);
            self.due_at(target, at, Due::Claims);
        }
    }

    fn read_claims(&mut self, target: usize) {
        while let Some(told) = self.targets[target].kernel.claims.pop_front() {
            if self.wrong != Some(Wrong::NoClaims) {
                self.read_claim(target, told);
            }
        }
    }

    /// Who claims, if that is known; if not, it is looked at again.
    fn read_claim(&mut self, target: usize, told: Told) {
        let now = self.now;
        let Some(unit) = self.unit_on(target, told.lan) else {
            return;
        };
        let source = self.mac(Host::Source, told.lan);
        let place = &self.targets[target];
        let by = claimant(
            told.by,
            place.kernel.held[told.lan].as_ref(),
            place.kernel.knows_source[told.lan] && told.by == source,
            place.kernel.heard.iter().copied(),
            now,
        );
        match heeded(told.at, by, now) {
            Heeded::No => return,
            Heeded::Later { again_ns } => {
                self.introduce(target, told.lan, told.by);
                return self.due_at(target, again_ns, Due::Stranger(told));
            }
            Heeded::Yes => {}
        }
        let ip = place.standby.source.paths[told.lan].addresses[0].ip;
        let mac = show_mac(told.by);
        self.feed(target, Input::Claim { unit, ip, mac, by });
    }

    /// Makes a target known to another host that claims what it has.
    pub(super) fn introduce(&mut self, target: usize, lan: usize, other: Mac) {
        let host = Host::Target(target);
        if !self.targets[target].kernel.is_local(lan) {
            return;
        }
        let (by, to) = (self.mac(host, lan), Some(other));
        for said in [Said::Wants, Said::Mentions] {
            self.send(host, Arp { lan, to, by, said });
        }
    }

    /// News from the thread.
    fn hear(&mut self, target: usize, input: Input) {
        let now_path = match &input {
            Input::TakeoverDone {
                unit, held: 1.., ..
            } => {
                // What was given back while the news of it was on its way is not held any more.
                let held = &self.targets[target].kernel.held;
                let gone = (0..LANS).all(|lan| !covers(*unit, lan) || held[lan].is_none());
                if gone && self.wrong != Some(Wrong::Lies) {
                    return;
                }
                None
            }
            Input::Path { path, state, .. } => Some((path.path, *state)),
            Input::TakeoverDone { .. }
            | Input::TakeoverBegan { .. }
            | Input::StepDone { .. }
            | Input::Adopted { .. }
            | Input::Command { .. }
            | Input::Heard { .. }
            | Input::RemoteHold { .. }
            | Input::Yielded { .. }
            | Input::Claim { .. }
            | Input::HookDone { .. }
            | Input::Remembered { .. }
            | Input::Clock => None,
        };
        self.feed(target, input);
        if let (Some((lan, state)), Some(daemon)) = (now_path, &mut self.targets[target].daemon)
            && answers_anew(daemon.paths[lan].replace(state), state)
        {
            self.remember(target);
        }
    }

    /// The unit that a path belongs to.
    pub(super) fn unit_on(&self, target: usize, lan: usize) -> Option<UnitId> {
        let daemon = self.targets[target].daemon.as_ref()?;
        daemon.policy.unit_of(PathId {
            source: 0,
            path: lan,
        })
    }

    /// Tells the policy what happened, and does what it answers.
    pub(super) fn feed(&mut self, target: usize, input: Input) {
        let now = self.now;
        let records = self.journal.is_some();
        self.note(|_| format!("target {target} <- {input:?}"));
        let command = match &input {
            Input::Command { command, .. } => Some(*command),
            Input::Path { .. }
            | Input::TakeoverDone { .. }
            | Input::TakeoverBegan { .. }
            | Input::StepDone { .. }
            | Input::Adopted { .. }
            | Input::Heard { .. }
            | Input::RemoteHold { .. }
            | Input::Yielded { .. }
            | Input::Claim { .. }
            | Input::HookDone { .. }
            | Input::Remembered { .. }
            | Input::Clock => None,
        };
        if let Input::Claim {
            unit,
            by: Claimant::Peer { keeps: false },
            ..
        } = &input
        {
            // The network is told again who keeps the addresses.
            let lans = (0..LANS).filter(|lan| covers(*unit, *lan));
            lans.for_each(|lan| self.checker.announced[target][lan] = None);
        }
        let Some(daemon) = &mut self.targets[target].daemon else {
            return;
        };
        if records {
            daemon.history.push((now, input.clone()));
        }
        daemon
            .watched
            .values_mut()
            .for_each(|unit| unit.told(&input));
        let excused = excused(&input);
        let Ok(actions) = daemon.policy.handle(input, now) else {
            if command.is_none() {
                self.complain('e', format!("target {target} refuses what is no command"));
            }
            return;
        };
        for action in &actions {
            self.note(|_| format!("target {target} -> {action:?}"));
            self.watch_action(target, action);
        }
        if let Some(unit) = excused {
            self.excuse_unit(target, unit);
        }
        if command.is_some() || changes_memory(&actions) {
            self.remember(target);
        }
        if self.is_killed_at(target, Point::Decided) {
            return;
        }
        let daemons = self.targets[target].daemons;
        let mut results = Vec::new();
        for action in actions {
            results.extend(self.perform(target, action));
            if self.targets[target].daemon.is_none() {
                return;
            }
        }
        for result in results {
            if self.targets[target].daemon.is_none() || self.targets[target].daemons != daemons {
                return;
            }
            self.feed(target, result);
        }
        self.plan_clock(target);
    }

    fn remember(&mut self, target: usize) {
        let place = &mut self.targets[target];
        let Some(daemon) = &place.daemon else {
            return;
        };
        let memories = daemon.policy.units().filter_map(|unit| {
            let memory = daemon.policy.memory(unit)?;
            (memory != Memory::default()).then_some((unit, memory))
        });
        let memories = memories.collect();
        place.disk.before = std::mem::replace(&mut place.disk.latest, memories);
        place.disk.saved_at = self.now;
    }
}

/// What keeps a unit from being protected until its source answers again: an administrator's word, a failed hook, an own
/// link that was down.
fn excused(input: &Input) -> Option<Excused> {
    match input {
        Input::Command {
            unit,
            command: Command::Decline | Command::Failback | Command::Release,
        }
        | Input::HookDone {
            unit,
            hook: Hook::BeforeTakeover,
            error: Some(_),
        } => Some(Excused::Unit(*unit)),
        Input::Path {
            path,
            state: PathState::Isolated | PathState::Unknown,
            ..
        } => Some(Excused::Path(path.path)),
        Input::Path { .. }
        | Input::TakeoverDone { .. }
        | Input::TakeoverBegan { .. }
        | Input::StepDone { .. }
        | Input::Adopted { .. }
        | Input::Command { .. }
        | Input::Heard { .. }
        | Input::RemoteHold { .. }
        | Input::Yielded { .. }
        | Input::Claim { .. }
        | Input::HookDone { .. }
        | Input::Remembered { .. }
        | Input::Clock => None,
    }
}

/// What an excuse is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Excused {
    Unit(UnitId),
    Path(usize),
}

/// Whether a unit waits for nothing that was begun.
pub(super) fn rests(state: State) -> bool {
    match state {
        State::TakingOver | State::FailingBack => false,
        State::Unknown
        | State::Healthy
        | State::Suspect
        | State::Failed
        | State::AwaitingApproval
        | State::TakenOver
        | State::Isolated
        | State::Held
        | State::HeldElsewhere
        | State::Conflict => true,
    }
}

//! The daemon of a target: the real policy, and a model of the loop that feeds it and does what it says (`daemon/mod.rs`).

use std::{collections::BTreeMap, net::IpAddr};

use failover_ebpf::abi::held;
use rand::Rng;

use super::{
    draw::Point,
    kernel::Told,
    network::{Arp, Host, LANS, MS, Mac, SECOND, Said, US},
    thread::{Thread, covers},
    world::{Due, Event, Order, World, Wrong},
};
use crate::{
    config::OnFailure,
    monitor::{
        claimant::{PEER_WAIT, RECENT, claimant, read_mac, show_mac},
        standing::Standing,
    },
    policy::{
        Action, Claimant, Command, Hook, Input, Memory, Now, PathId, PathState, Policy, RECENTLY,
        State, UnitId, answers_anew, changes_memory, tests::watched::Watched,
    },
};

/// A `kill -9` so short a time after a decision may come before it is written.
const WRITING: Now = 5 * MS;

/// What is on the disk of a target.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    latest: BTreeMap<UnitId, Memory>,
    before: BTreeMap<UnitId, Memory>,
    saved_at: Now,
}

/// A running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) policy: Policy,
    pub(super) thread: Thread,
    pub(super) watched: BTreeMap<UnitId, Watched>,
    pub(super) born: Now,
    /// When the latest news from the thread arrives, and the latest order to it.
    pub(super) news_at: Now,
    orders_at: Now,
    clock_at: Option<Now>,
    /// It ends when everything is given back, and starts again after so long.
    pub(super) ending: Option<Now>,
    /// Paths that had answered an earlier daemon a moment ago, and are not watched yet.
    pub(super) remembered: [bool; LANS],
    /// Paths with heartbeats.
    watches: [bool; LANS],
    /// How each was reported last.
    paths: [Option<PathState>; LANS],
    /// Takeovers that were ordered until then are void.
    pub(super) abandoned: BTreeMap<UnitId, Now>,
    /// What it was told, to be replayed.
    pub(super) history: Vec<(Now, Input)>,
}

impl World {
    /// A daemon starts: what an earlier one knew, what is held, the first heartbeats.
    pub(super) fn start(&mut self, target: usize) {
        if self.targets[target].daemon.is_some() {
            return;
        }
        let now = self.now;
        self.note(|_| format!("target {target} starts"));
        let place = &mut self.targets[target];
        place.daemons += 1;
        let source = place.standby.source.clone();
        let policy = Policy::new(std::slice::from_ref(&source));
        let units: Vec<_> = policy.units().collect();
        let automatic = source.on_failure == OnFailure::Automatic;
        let watched = units
            .iter()
            .map(|unit| (*unit, Watched::new(*unit, automatic)));
        let standings = units
            .iter()
            .map(|unit| (*unit, Standing::new(source.trigger)));
        place.daemon = Some(Daemon {
            policy,
            thread: Thread {
                units: standings.collect(),
                ..Thread::default()
            },
            watched: watched.collect(),
            born: now,
            news_at: now,
            orders_at: now,
            clock_at: None,
            ending: None,
            remembered: [false; LANS],
            watches: [false; LANS],
            paths: [None; LANS],
            abandoned: BTreeMap::new(),
            history: Vec::new(),
        });
        self.checker.excuse(target, LANS, now);

        for unit in units.iter().copied() {
            self.recall(target, unit);
        }
        for unit in units {
            let held = self.targets[target].kernel.held;
            let held = held
                .iter()
                .enumerate()
                .filter(|(lan, _)| covers(unit, *lan));
            let modes: Vec<_> = held
                .filter_map(|(_, held)| held.map(|held| held.mode))
                .collect();
            if modes.is_empty() {
                continue;
            }
            let draining = modes.contains(&held::DRAIN);
            self.feed(target, Input::Adopted { unit, draining });
            if !draining {
                let cause = crate::policy::Cause::Adopted;
                let ordered = self.now;
                self.order(
                    target,
                    Order::TakeOver {
                        unit,
                        cause,
                        ordered,
                    },
                );
            }
        }
        self.claims_are_read(target);
        self.watch_all(target);
    }

    fn recall(&mut self, target: usize, unit: UnitId) {
        let now = self.now;
        let place = &mut self.targets[target];
        let Some(mut memory) = place.disk.latest.get(&unit).cloned() else {
            return;
        };
        let recent = |lan: usize| now - place.kernel.last_reply[lan] < RECENTLY.as_nanos() as Now;
        let mut seen = Vec::new();
        for lan in 0..self.draw.lans {
            let monitor = place.standby.source.paths[lan].monitor;
            if covers(unit, lan) && recent(lan) && memory.seen.contains(&monitor) {
                seen.push(monitor);
                if let Some(daemon) = &mut place.daemon {
                    daemon.remembered[lan] = true;
                }
            }
        }
        memory.seen = seen;
        self.feed(target, Input::Remembered { unit, memory });
    }

    /// Heartbeats begin where the source's MAC is known; where it is not, it is asked for again.
    fn watch_all(&mut self, target: usize) {
        let mut missing = false;
        for lan in 0..self.draw.lans {
            let host = Host::Target(target);
            if self.source.lives() && self.network.reaches(lan, host, Host::Source) {
                self.targets[target].kernel.knows_source[lan] = true;
            }
            let known = self.targets[target].kernel.knows_source[lan];
            let Some(daemon) = &mut self.targets[target].daemon else {
                return;
            };
            if daemon.watches[lan] {
                continue;
            }
            daemon.watches[lan] = known;
            missing |= !known;
            if known {
                self.order(target, Order::Watch { lan });
            }
        }
        if missing {
            self.due_at(target, self.now + SECOND, Due::Housekeeping);
        }
    }

    /// The daemon ends; its kernel goes on.
    pub(super) fn kill(&mut self, target: usize, gently: bool, starts_in: Now) {
        self.note(|_| format!("target {target} ends, gently: {gently}"));
        let now = self.now;
        let forgets = self.rng.random_bool(0.5);
        let Some(daemon) = self.targets[target].daemon.take() else {
            return;
        };
        let place = &mut self.targets[target];
        for (lan, beats) in daemon.thread.beats.iter().enumerate() {
            if let Some(beats) = beats {
                place.kernel.last_reply[lan] = beats.last_reply(now);
            }
        }
        if !gently && forgets && now - place.disk.saved_at < WRITING {
            place.disk.latest = place.disk.before.clone();
        }
        self.checker.histories.push((target, daemon.history));
        self.at(now + starts_in.max(MS), Event::Start { target });
    }

    /// Whether the daemon is killed here.
    pub(super) fn is_killed_at(&mut self, target: usize, here: Point) -> bool {
        match self.targets[target].dies {
            Some((point, starts_in)) if point == here => {
                self.targets[target].dies = None;
                self.kill(target, false, starts_in);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Everything that had to be given back is.
    pub(super) fn ends_if_released(&mut self, target: usize) {
        let Some(daemon) = &self.targets[target].daemon else {
            return;
        };
        let Some(starts_in) = daemon.ending else {
            return;
        };
        if daemon.policy.units().any(|unit| daemon.policy.holds(unit)) {
            return;
        }
        for lan in 0..LANS {
            self.targets[target].kernel.set(lan, None, self.now);
        }
        self.kill(target, true, starts_in);
    }

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

    fn order(&mut self, target: usize, order: Order) {
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
        let now = self.now;
        while let Some(told) = self.targets[target].kernel.claims.pop_front() {
            let late = now - told.at > RECENT.as_nanos() as Now;
            if !late && self.wrong != Some(Wrong::NoClaims) {
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
            &place.kernel.heard[told.lan],
            now,
        );
        let due = told.at + PEER_WAIT.as_nanos() as Now;
        if by == Claimant::Stranger && now < due {
            self.introduce(target, told.lan, told.by);
            return self.due_at(target, due, Due::Stranger(told));
        }
        let ip = place.standby.source.paths[told.lan].addresses[0].ip;
        let mac = show_mac(told.by);
        self.feed(target, Input::Claim { unit, ip, mac, by });
    }

    /// Makes a target known to another host that claims what it has.
    fn introduce(&mut self, target: usize, lan: usize, other: Mac) {
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

    /// Performs an action. What is done at once gives its result.
    fn perform(&mut self, target: usize, action: Action) -> Option<Input> {
        let host = Host::Target(target);
        match action {
            Action::Arm { unit, armed } => self.order(target, Order::Arm { unit, armed }),
            Action::TakeOver { unit, cause } => {
                let ordered = self.now;
                self.order(
                    target,
                    Order::TakeOver {
                        unit,
                        cause,
                        ordered,
                    },
                );
            }
            Action::Probe { unit } => self.order(target, Order::Probe { unit }),
            // A source without our daemon asks for none of its addresses.
            Action::Yield { unit } => {
                return Some(Input::Yielded {
                    unit,
                    addresses: Vec::new(),
                });
            }
            Action::Drain { unit } => {
                let error = self.turn_round(target, unit, true);
                if self.is_killed_at(target, Point::Drained) {
                    return None;
                }
                return Some(Input::StepDone { unit, error });
            }
            Action::LetGo { unit } => {
                let error = self.turn_round(target, unit, false);
                return Some(Input::StepDone { unit, error });
            }
            Action::RemoveAddresses { unit } => {
                if self.is_killed_at(target, Point::Removed) {
                    return None;
                }
                return Some(Input::StepDone { unit, error: None });
            }
            Action::Forget { unit } => {
                for lan in (0..LANS).filter(|lan| covers(unit, *lan)) {
                    self.targets[target].kernel.set(lan, None, self.now);
                }
                if self.is_killed_at(target, Point::Forgotten) {
                    return None;
                }
                return Some(Input::StepDone { unit, error: None });
            }
            Action::Announce { unit } => {
                let times = if self.wrong == Some(Wrong::Stutters) {
                    2
                } else {
                    1
                };
                for _ in 0..times {
                    self.announce_held(target, unit);
                }
            }
            Action::Defend { ip, .. } => {
                if let Some(lan) = self.lan_of(target, ip)
                    && self.targets[target].kernel.is_local(lan)
                {
                    self.defend(host, lan);
                }
            }
            Action::Introduce { ip, mac, .. } => {
                if let (Some(lan), Some(mac)) = (self.lan_of(target, ip), read_mac(&mac)) {
                    self.introduce(target, lan, mac);
                }
            }
            Action::AnnounceSource { unit } => {
                for lan in (0..self.draw.lans).filter(|lan| covers(unit, *lan)) {
                    if self.targets[target].kernel.knows_source[lan] {
                        let source = self.mac(Host::Source, lan);
                        self.announce(host, lan, source);
                    }
                }
            }
            Action::RunHook {
                hook: Hook::Notify, ..
            }
            | Action::Transition { .. } => {}
            Action::RunHook { unit, hook, .. } => {
                let takes = self.targets[target].standby.hook_takes;
                let takes = self.rng.random_range(takes / 2..=takes);
                self.due_at(target, self.now + takes, Due::HookDone { unit, hook });
            }
        }
        None
    }

    /// The LAN that a service address is in.
    fn lan_of(&self, target: usize, ip: IpAddr) -> Option<usize> {
        let paths = &self.targets[target].standby.source.paths;
        (0..self.draw.lans).find(|lan| paths[*lan].addresses[0].ip == ip)
    }

    /// The held addresses of a unit go back, with or without telling so.
    fn turn_round(&mut self, target: usize, unit: UnitId, tells: bool) -> Option<String> {
        let (host, now) = (Host::Target(target), self.now);
        if let Some(daemon) = &mut self.targets[target].daemon {
            daemon.abandoned.insert(unit, now);
        }
        let mut error = None;
        for lan in (0..self.draw.lans).filter(|lan| covers(unit, *lan)) {
            let source = self.mac(Host::Source, lan);
            let kernel = &mut self.targets[target].kernel;
            let Some(mut entry) = kernel.held[lan] else {
                continue;
            };
            if kernel.knows_source[lan] {
                entry.source_mac = source;
            }
            if tells && entry.source_mac == [0; 6] {
                error = Some("the source's MAC is not known".to_owned());
                continue;
            }
            entry.mode = held::DRAIN;
            entry.next_hop = entry.source_mac;
            kernel.set(lan, Some(entry), now);
            if tells {
                self.announce(host, lan, source);
            }
        }
        error
    }

    fn announce_held(&mut self, target: usize, unit: UnitId) {
        for lan in (0..self.draw.lans).filter(|lan| covers(unit, *lan)) {
            if self.targets[target].kernel.is_local(lan) {
                let host = Host::Target(target);
                let by = self.mac(host, lan);
                self.check_announcement(target, lan);
                self.announce(host, lan, by);
            }
        }
    }

    fn defend(&mut self, host: Host, lan: usize) {
        let by = self.mac(host, lan);
        for said in [Said::Wants, Said::Announces] {
            self.send(
                host,
                Arp {
                    lan,
                    to: None,
                    by,
                    said,
                },
            );
        }
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

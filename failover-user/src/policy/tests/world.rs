//! A policy, a heartbeat thread that acts by itself, and news that cross each other.

use std::collections::{BTreeMap, VecDeque};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{
    bench::{MS, source},
    watched::{Watched, unit_of},
};
use crate::{
    config::{Failback, L2Alive, OnConflict, OnError, OnFailure, Source, Trigger},
    policy::{
        Action, Cause, Claimant, Command, Finding, Hook, Input, Memory, Now, PathId, PathState,
        Policy, State, UnitId,
        trigger::{UnitVerdict, verdict},
    },
};

pub(super) struct World {
    rng: StdRng,
    pub(super) sources: Vec<Source>,
    policy: Policy,
    now: Now,
    units: Vec<Watched>,
    paths: Vec<(PathId, PathState)>,
    /// From the thread to the policy, in order.
    news: VecDeque<Input>,
    /// From the policy to the thread, in order.
    orders: VecDeque<Action>,
    /// What earlier daemons knew, and an adoption: not reported yet, in this order.
    earlier: VecDeque<Input>,
    pub(super) history: Vec<(Now, Input)>,
    pub(super) actions: Vec<(Now, Action)>,
    pub(super) transitions: BTreeMap<(State, State), u32>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let sources: Vec<_> = ["web1", "web2"]
            .into_iter()
            .map(|name| {
                let mut source = source(name, rng.random_range(1..=2));
                source.on_failure = *[OnFailure::Automatic, OnFailure::Ask]
                    .choose(&mut rng)
                    .unwrap();
                source.trigger = *[Trigger::Any, Trigger::All, Trigger::Path]
                    .choose(&mut rng)
                    .unwrap();
                source.failback = *[Failback::Automatic, Failback::Manual]
                    .choose(&mut rng)
                    .unwrap();
                source.l2_alive = *[L2Alive::Ask, L2Alive::Refuse, L2Alive::Ignore]
                    .choose(&mut rng)
                    .unwrap();
                source.on_conflict = *[OnConflict::Defend, OnConflict::Release, OnConflict::Ask]
                    .choose(&mut rng)
                    .unwrap();
                source.hooks.on_error = *[OnError::Abort, OnError::Continue]
                    .choose(&mut rng)
                    .unwrap();
                let mut hook = || rng.random_bool(0.2).then(|| vec!["/bin/true".to_owned()]);
                source.hooks.before_takeover = hook();
                source.hooks.after_takeover = hook();
                source.hooks.before_failback = hook();
                source.hooks.after_failback = hook();
                source.hooks.notify = hook();
                source.failback_after = std::time::Duration::from_millis(rng.random_range(0..3000));
                source
            })
            .collect();
        let policy = Policy::new(&sources);
        let mut units: Vec<_> = policy
            .units()
            .map(|id| Watched::new(id, sources[id.source].on_failure == OnFailure::Automatic))
            .collect();
        let adopted = rng
            .random_bool(0.6)
            .then(|| rng.random_range(0..units.len()));
        let mut earlier = VecDeque::new();
        for unit in &units {
            if rng.random_bool(0.3) {
                earlier.push_back(Input::Remembered {
                    unit: unit.id,
                    memory: memory(&mut rng, &sources[unit.id.source]),
                });
            }
        }
        if let Some(index) = adopted {
            units[index].held = true;
            earlier.push_back(Input::Adopted {
                unit: units[index].id,
                draining: rng.random_bool(0.3),
            });
        }
        let paths = (0..sources.len())
            .flat_map(|source| {
                (0..sources[source].paths.len()).map(move |path| PathId { source, path })
            })
            .map(|path| (path, PathState::Unknown))
            .collect();
        Self {
            rng,
            sources,
            policy,
            now: MS,
            units,
            paths,
            news: VecDeque::new(),
            orders: VecDeque::new(),
            earlier,
            history: Vec::new(),
            actions: Vec::new(),
            transitions: BTreeMap::new(),
        }
    }

    fn unit(&mut self, id: UnitId) -> &mut Watched {
        self.units.iter_mut().find(|unit| unit.id == id).unwrap()
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..30 => self.a_path_changes(),
            30..55 => self.news_arrives(),
            55..75 => self.an_order_is_carried_out(),
            75..90 => self.time_passes(),
            90..93 => self.somebody_claims(),
            93..98 => {
                let commands = [
                    Command::Takeover,
                    Command::Failback,
                    Command::Approve,
                    Command::Decline,
                    Command::Hold,
                    Command::Resume,
                ];
                let command = *commands.choose(&mut self.rng).unwrap();
                self.command(command);
            }
            98 if self.rng.random_bool(0.3) => self.the_source_is_put_on_hold(),
            98 => self.the_past_arrives(),
            _ => {
                if self.rng.random_bool(0.1) {
                    self.command(Command::Release);
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        let index = self.rng.random_range(0..self.units.len());
        self.give(Input::Command {
            unit: self.units[index].id,
            command,
        });
    }

    fn a_path_changes(&mut self) {
        use PathState::{Down, Isolated, Missing, Unknown, Up};
        let index = self.rng.random_range(0..self.paths.len());
        let (path, state) = self.paths[index];
        let next: &[_] = match state {
            Unknown => &[Up, Up, Up, Isolated, Missing, Down],
            Up => &[Missing, Missing, Missing, Down, Isolated, Unknown],
            Missing => &[Up, Up, Down, Down, Down, Isolated, Unknown],
            Down => &[Up, Up, Up, Isolated, Down, Unknown],
            Isolated => &[Up, Missing, Down, Unknown, Isolated],
        };
        let state = *next.choose(&mut self.rng).unwrap();
        self.paths[index].1 = state;
        let missed = u32::from(state == Missing) + 3 * u32::from(state == Down);
        let news = Input::Path {
            path,
            state,
            missed,
            refused: 0,
        };
        // The thread probes from the first miss on, and says what it found before it says that a path is down.
        let found = (state == Down).then(|| finding(&mut self.rng));
        if let Some(finding) = &found {
            for unit in &self.units {
                let concerned = unit.id.path.is_none_or(|only| only == path.path);
                if unit.id.source == path.source && concerned {
                    self.news.push_back(Input::Heard {
                        unit: unit.id,
                        finding: finding.clone(),
                    });
                }
            }
        }
        if self.rng.random_bool(0.5) {
            self.news.push_back(news);
            self.thread_judges(found.as_ref());
        } else {
            self.thread_judges(found.as_ref());
            self.news.push_back(news);
        }
    }

    /// Some host claims an address of a unit that is held.
    fn somebody_claims(&mut self) {
        let index = self.rng.random_range(0..self.units.len());
        let unit = &self.units[index];
        if !unit.held {
            return;
        }
        let by = *[
            Claimant::Source,
            Claimant::Stranger,
            Claimant::Peer { keeps: true },
            Claimant::Peer { keeps: false },
        ]
        .choose(&mut self.rng)
        .unwrap();
        let unit = unit.id;
        let ip = self.sources[unit.source].paths[0].addresses[0].ip;
        self.news.push_back(Input::Claim {
            unit,
            ip,
            mac: "02:00:00:00:00:99".to_owned(),
            by,
        });
    }

    /// The source's own administrator wants nothing done, or has done what he wanted to do.
    fn the_source_is_put_on_hold(&mut self) {
        let index = self.rng.random_range(0..self.paths.len());
        let on = self.rng.random_bool(0.3);
        let path = self.paths[index].0;
        self.news.push_back(Input::RemoteHold { path, on });
    }

    /// The thread acts wherever it is armed and the verdict stands.
    fn thread_judges(&mut self, found: Option<&Finding>) {
        for unit in &mut self.units {
            let rule = self.sources[unit.id.source].l2_alive;
            if found.is_some_and(|finding| !finding.allows(rule)) {
                continue;
            }
            let trigger = self.sources[unit.id.source].trigger;
            let states = self
                .paths
                .iter()
                .filter(|(path, _)| {
                    path.source == unit.id.source
                        && unit.id.path.is_none_or(|only| only == path.path)
                })
                .map(|(_, state)| *state);
            if unit.thread_armed && !unit.held && verdict(trigger, states) == UnitVerdict::Failed {
                if self.rng.random_bool(0.3) {
                    self.news.push_back(Input::TakeoverBegan { unit: unit.id });
                }
                unit.held = self.rng.random_bool(0.8);
                // An attempt that took nothing is one attempt.
                unit.thread_armed = unit.held;
                self.news
                    .push_back(report(unit.id, Cause::Verdict, unit.held));
            }
        }
    }

    fn news_arrives(&mut self) {
        if let Some(input) = self.news.pop_front() {
            self.give(input);
        }
    }

    /// What earlier daemons left is read late; what it says of the takeover map is true when it is read.
    fn the_past_arrives(&mut self) {
        if !self.orders.is_empty() {
            return;
        }
        match self.earlier.pop_front() {
            Some(Input::Adopted { unit, .. }) if !self.unit(unit).held => {}
            Some(input) => self.give(input),
            None => {}
        }
    }

    fn an_order_is_carried_out(&mut self) {
        let Some(order) = self.orders.pop_front() else {
            return;
        };
        let error = self
            .rng
            .random_bool(0.2)
            .then(|| "No such device".to_owned());
        match order {
            Action::Arm { unit, armed } => {
                self.unit(unit).thread_armed = armed;
                self.thread_judges(None);
            }
            Action::TakeOver { unit, cause } => {
                let watched = self.unit(unit);
                watched.held |= error.is_none();
                let held = watched.held;
                self.news.push_back(report(unit, cause, held));
            }
            Action::Yield { unit } => {
                let ip = self.sources[unit.source].paths[0].addresses[0].ip;
                let asks = self.rng.random_bool(0.5);
                let addresses = asks.then_some(ip).into_iter().collect();
                self.news.push_back(Input::Yielded { unit, addresses });
            }
            Action::Drain { unit } | Action::LetGo { unit } | Action::RemoveAddresses { unit } => {
                assert!(self.unit(unit).held, "nothing to give back");
                self.news.push_back(Input::StepDone { unit, error });
            }
            Action::Forget { unit } => {
                self.unit(unit).held = false;
                self.news.push_back(Input::StepDone { unit, error });
            }
            Action::Announce { unit } => {
                assert!(self.unit(unit).held, "announces what it does not hold")
            }
            Action::Inquire { unit, .. } => assert!(self.unit(unit).held, "asks for nothing"),
            Action::Probe { unit } => {
                let finding = finding(&mut self.rng);
                self.news.push_back(Input::Heard { unit, finding });
            }
            Action::RunHook {
                hook: Hook::Notify, ..
            } => {}
            Action::RunHook { unit, hook, .. } => {
                self.news.push_back(Input::HookDone { unit, hook, error });
            }
            Action::Defend { .. }
            | Action::Reassure { .. }
            | Action::Introduce { .. }
            | Action::AnnounceSource { .. }
            | Action::Transition { .. } => {}
        }
    }

    fn time_passes(&mut self) {
        // Now and then nothing happens for long: what is asked every second is made up for once.
        let most = if self.rng.random_bool(0.02) {
            60_000
        } else {
            400
        };
        let wanted = self.now + self.rng.random_range(0..most) * MS;
        let deadline = self.policy.next_deadline();
        self.now = match deadline {
            Some(at) if self.rng.random_bool(0.5) => at.max(self.now),
            Some(_) | None => wanted,
        };
        self.give(Input::Clock);
        let next = self.policy.next_deadline();
        assert!(
            next.is_none_or(|next| next > self.now),
            "stuck at {}: {next:?}",
            self.now
        );
    }

    /// Tells the policy, and watches what it does.
    fn give(&mut self, input: Input) {
        self.history.push((self.now, input.clone()));
        self.units.iter_mut().for_each(|unit| unit.told(&input));
        let is_command = matches!(input, Input::Command { .. });
        let Ok(actions) = self.policy.handle(input, self.now) else {
            assert!(is_command, "only commands are refused");
            return;
        };
        for action in actions {
            self.watch(&action);
            self.actions.push((self.now, action.clone()));
            self.orders.push_back(action);
        }
        for unit in &self.units {
            assert_eq!(
                self.policy.state(unit.id),
                Some(unit.state),
                "a state changed without a transition"
            );
            assert!(
                !unit.armed || matches!(unit.state, State::Healthy | State::Suspect),
                "armed in {:?}",
                unit.state
            );
        }
    }

    fn watch(&mut self, action: &Action) {
        let (unit, now) = (unit_of(action), self.now);
        self.unit(unit).watch(action, now);
        if let Action::Transition { from, to, .. } = action {
            *self.transitions.entry((*from, *to)).or_default() += 1;
        }
    }

    /// Nothing new happens any more: everything that was begun has to end.
    pub(super) fn come_to_rest(&mut self) {
        for _ in 0..1000 {
            self.the_past_arrives();
            while !(self.news.is_empty() && self.orders.is_empty()) {
                self.news_arrives();
                self.an_order_is_carried_out();
            }
            let under_way =
                |unit: &Watched| matches!(unit.state, State::TakingOver | State::FailingBack);
            if !self.units.iter().any(under_way) {
                if self.earlier.is_empty() {
                    break;
                }
                continue;
            }
            self.now = self
                .policy
                .next_deadline()
                .expect("something is under way, and nothing will end it");
            self.give(Input::Clock);
        }
        for unit in &self.units {
            assert!(
                !matches!(unit.state, State::TakingOver | State::FailingBack),
                "{:?} has no end",
                unit.state
            );
            assert_eq!(
                unit.held,
                self.policy.holds(unit.id),
                "the policy is wrong about what is held: {:?}",
                unit.state
            );
        }
    }
}

fn report(unit: UnitId, cause: Cause, held: bool) -> Input {
    let error = (!held).then(|| "No such device".to_owned());
    Input::TakeoverDone {
        unit,
        cause,
        held: usize::from(held),
        error,
    }
}

/// What a probe finds.
fn finding(rng: &mut StdRng) -> Finding {
    let ip = std::net::IpAddr::from([10, 0, 0, 10]);
    let mac = "02:00:00:00:00:99".to_owned();
    match rng.random_range(0..10) {
        0..6 => Finding::Silent,
        6 => Finding::Source { ip },
        7 => Finding::Other { ip, mac },
        _ => Finding::Rival {
            ip,
            mac,
            first: rng.random_bool(0.5),
        },
    }
}

/// What an earlier daemon may have known.
fn memory(rng: &mut StdRng, source: &Source) -> Memory {
    let mut some = |text: &str| rng.random_bool(0.3).then(|| text.to_owned());
    Memory {
        asked: some("3 of 3 heartbeats missed"),
        left_alone: some("declined by the administrator"),
        taken: some("takeover by the administrator").map(|cause| crate::policy::Taken {
            cause,
            failed: false,
        }),
        hold: rng.random_bool(0.2),
        seen: source.paths.iter().map(|path| path.monitor).collect(),
    }
}

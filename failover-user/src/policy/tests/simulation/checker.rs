//! What must hold, seen from outside: not what a policy says of itself, but what the hosts have and what the client gets.
//!
//! - **a**: two targets hold one address no longer than [`World::both_may_hold_for`], while the link between them is healthy.
//! - **b**: when the source is gone altogether, somebody holds each address that an automatic target protects after
//!   [`World::promise`] at the latest.
//! - **c**: in the end the client is served wherever there is a host that has the address, and it hears of a takeover at once.
//! - **d**: nothing is done without cause or twice: no takeover of what is held, announcements on schedule, a hook once for a
//!   transition, and what [`super::super::watched`] knows.
//! - **e**: every transition is in the table ([`super::super::watched`] again), and everything that was begun comes to an end.

use super::{
    daemon::{Excused, rests},
    network::{Host, LANS, MS, SECOND},
    thread::covers,
    world::{World, Wrong},
};
use crate::{
    config::{L2Alive, OnFailure},
    monitor::judge::Testimony,
    policy::{
        Action, Cause, DRAIN, GRACE, Hook, Input, Now, PROBE_EVERY, PathState, RIVAL_ROUNDS,
        RIVAL_WAIT, SETTLE, SETTLE_AT_MOST, State, UnitId, tests::watched::unit_of,
    },
};

/// What does not hold.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "told by its `Debug`")]
pub(super) struct Violation {
    /// Which of the sentences above.
    pub(super) rule: char,
    pub(super) at: Now,
    pub(super) words: String,
}

/// What is remembered to judge by.
#[derive(Debug)]
pub(super) struct Checker {
    pub(super) violation: Option<Violation>,
    /// Since when nothing of the source is on any LAN.
    pub(super) silent_since: Option<Now>,
    /// What the witness of each target has said, by LAN.
    pub(super) witnessed: [[Testimony; LANS]; 2],
    /// Since then a target need not protect an address, until the source answers it again.
    excused: [[Now; LANS]; 2],
    /// Since when a target has had no excuse.
    good_since: [[Option<Now>; LANS]; 2],
    /// Whether it was watching in peace when the source fell silent.
    was_ready: [[bool; LANS]; 2],
    announced: [[Option<Now>; LANS]; 2],
    hooks: Vec<(usize, UnitId, Hook)>,
    /// What ended daemons were told.
    pub(super) histories: Vec<(usize, Vec<(Now, Input)>)>,
    lans: usize,
    targets: usize,
}

impl Checker {
    pub(super) fn new(lans: usize, targets: usize) -> Self {
        let answers = Testimony {
            asked_ns: 1,
            unbroken_since_ns: 1,
        };
        Self {
            violation: None,
            silent_since: None,
            witnessed: [[answers; LANS]; 2],
            excused: [[0; LANS]; 2],
            good_since: [[None; LANS]; 2],
            was_ready: [[false; LANS]; 2],
            announced: [[None; LANS]; 2],
            hooks: Vec::new(),
            histories: Vec::new(),
            lans,
            targets,
        }
    }

    /// A target need not protect an address (`LANS`: any address) before the source has answered again.
    pub(super) fn excuse(&mut self, target: usize, lan: usize, now: Now) {
        for known in (0..LANS).filter(|known| lan == LANS || lan == *known) {
            self.excused[target][known] = now;
        }
    }
}

impl World {
    pub(super) fn complain(&mut self, rule: char, words: String) {
        let at = self.now;
        self.note(|_| format!("VIOLATION of {rule}: {words}"));
        self.checker
            .violation
            .get_or_insert(Violation { rule, at, words });
    }

    pub(super) fn excuse_unit(&mut self, target: usize, what: Excused) {
        for lan in 0..LANS {
            let concerned = match what {
                Excused::Unit(unit) => covers(unit, lan),
                Excused::Path(path) => path == lan,
            };
            if concerned {
                self.checker.excuse(target, lan, self.now);
            }
        }
    }

    /// At any instant.
    pub(super) fn check(&mut self) {
        for lan in 0..self.checker.lans {
            self.check_holders(lan);
            self.check_somebody_holds(lan);
            self.check_client(lan);
        }
    }

    /// With the source gone, a client on a healthy link sends to the one target that has the address as soon as that is
    /// announced.
    fn check_client(&mut self, lan: usize) {
        let mut holders = self
            .targets
            .iter()
            .enumerate()
            .filter_map(|(index, target)| {
                let runs = target.daemon.as_ref()?;
                Some((index, target.kernel.local_since[lan]?, runs.born))
            });
        let (Some((index, holds, born)), None) = (holders.next(), holders.next()) else {
            return;
        };
        let (Some(silent), Some(mac)) = (self.checker.silent_since, self.client_mac(lan)) else {
            return;
        };
        let host = Host::Target(index);
        let clean = self.network.clean_since(lan, host, Host::Client);
        // Announced by a daemon that lived through its takeover, and nobody else has had a word in it since.
        let told =
            born < holds && holds > silent + SECOND && clean.is_some_and(|clean| clean < holds);
        let alone = self.targets.len() == 1;
        if told && alone && mac != self.mac(host, lan) && self.now > holds + 10 * MS {
            let words = format!(
                "the client sends to {mac:02x?}, though target {index} has the address of LAN {lan}"
            );
            self.complain('c', words);
        }
    }

    fn check_holders(&mut self, lan: usize) {
        let [one, other] = &self.targets[..] else {
            return;
        };
        let (Some(one_holds), Some(other_holds)) =
            (one.kernel.local_since[lan], other.kernel.local_since[lan])
        else {
            return;
        };
        let (Some(one_runs), Some(other_runs)) = (&one.daemon, &other.daemon) else {
            return;
        };
        let Some(clean) = self
            .network
            .clean_since(lan, Host::Target(0), Host::Target(1))
        else {
            return;
        };
        let runs = one_runs.born.max(other_runs.born);
        let stalled = one.stalled_until.max(other.stalled_until);
        let since = one_holds.max(other_holds).max(clean).max(runs).max(stalled);
        if self.now > since + self.both_may_hold_for() {
            let words = format!("both targets hold the address of LAN {lan} since {since}");
            self.complain('a', words);
        }
    }

    /// How long two targets may both hold an address while the link between them is healthy: either has announced it according
    /// to its schedule. The other one hears that, they make themselves known to each other, and one gives it up. It may be at
    /// work on an administrator's failback already, and then does what that does first.
    pub(super) fn both_may_hold_for(&self) -> Now {
        let standbys = || self.targets.iter().map(|target| &target.standby);
        let schedule = standbys().map(|standby| standby.source.announce_every.as_nanos() as Now);
        let hooks = standbys()
            .map(|standby| standby.hook_takes)
            .max()
            .unwrap_or(0);
        // The schedule's longest early gap is 2.8 s.
        let schedule = schedule.min().unwrap_or(0).max(2800 * MS);
        schedule + self.exchange() + hooks + SETTLE.as_nanos() as Now
    }

    /// News, claims and orders, a few of each, at a daemon whose loop is as slow as it gets here.
    fn exchange(&self) -> Now {
        500 * MS
    }

    fn check_somebody_holds(&mut self, lan: usize) {
        let held = self
            .targets
            .iter()
            .any(|target| target.kernel.is_local(lan));
        let Some(silent) = self.checker.silent_since.filter(|_| !held) else {
            for target in 0..self.checker.targets {
                self.checker.good_since[target][lan] = None;
            }
            return;
        };
        for target in 0..self.checker.targets {
            let good = self.is_good(target, lan);
            let ready = good && self.is_ready(target, lan);
            let now = self.now;
            let since = &mut self.checker.good_since[target][lan];
            if !good {
                *since = None;
                continue;
            }
            if since.is_none() {
                *since = Some(now);
                self.checker.was_ready[target][lan] = ready && now <= silent + 20 * MS;
            }
            let since = self.checker.good_since[target][lan].unwrap_or(now);
            let ready = self.checker.was_ready[target][lan];
            if now > since + self.promise(target, ready) {
                let kind = if ready { "watching" } else { "busy" };
                let words = format!(
                    "nobody holds the address of LAN {lan}, though the source is silent since {silent} and target {target} ({kind} then) is good since {since}"
                );
                return self.complain('b', words);
            }
        }
    }

    /// Until when after a failure of the source somebody holds its addresses. `ready`: this target was watching in peace.
    fn promise(&self, target: usize, ready: bool) -> Now {
        let standby = &self.targets[target].standby;
        let source = &standby.source;
        let interval = source.interval.as_nanos() as Now;
        let hook = if source.hooks.before_takeover.is_some() {
            // What was heard before it is too old after it: it is asked once more.
            standby.hook_takes + 200 * MS
        } else {
            0
        };
        let detection = (Now::from(source.misses) + 2) * interval;
        let alone = detection + hook + self.exchange();
        // The other one goes first, and does not get there.
        let rival = if self.checker.targets > 1 {
            (RIVAL_WAIT + PROBE_EVERY * (2 * RIVAL_ROUNDS + 1)).as_nanos() as Now
                + SECOND
                + self.other_hook(target)
        } else {
            0
        };
        if ready {
            return alone + rival;
        }
        // Something else has to be ended first: a failback, a prompt about a source that answered ARP.
        let failback = (SETTLE + GRACE + DRAIN).as_nanos() as Now + 3 * standby.hook_takes;
        alone + rival + failback + 12 * SECOND
    }

    fn other_hook(&self, target: usize) -> Now {
        let others = self
            .targets
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != target);
        others
            .map(|(_, other)| other.standby.hook_takes)
            .max()
            .unwrap_or(0)
    }

    /// Whether nothing excuses a target for not protecting an address.
    fn is_good(&mut self, target: usize, lan: usize) -> bool {
        let now = self.now;
        let host = Host::Target(target);
        let place = &self.targets[target];
        let Some(daemon) = &place.daemon else {
            return false;
        };
        let Some(unit) = self.unit_on(target, lan) else {
            return false;
        };
        if place.standby.source.on_failure != OnFailure::Automatic
            || daemon.ending.is_some()
            || place.stalled_until > now
            || daemon.policy.on_hold(unit)
        {
            return false;
        }
        (0..self.checker.lans)
            .filter(|lan| covers(unit, *lan))
            .all(|lan| {
                // Another target that fails over path by path may have one address of this unit, and then it stands back.
                let elsewhere = self.targets.iter().any(|other| other.kernel.is_local(lan));
                let answered = daemon.thread.beats[lan]
                    .as_ref()
                    .map_or(0, |beats| beats.last_reply(now));
                let vouched = !place.standby.witness
                    || self.network.clean_since(lan, host, Host::Witness).is_some();
                answered > self.checker.excused[target][lan]
                    && !elsewhere
                    && vouched
                    && self.network.clean_since(lan, host, host).is_some()
            })
    }

    /// Nothing is under way: neither misses that began before the source fell silent, and a probe at the first that it may have
    /// answered, nor an answer of then that is late.
    fn is_ready(&self, target: usize, lan: usize) -> bool {
        let state = self.unit_on(target, lan).and_then(|unit| {
            let daemon = self.targets[target].daemon.as_ref()?;
            daemon.policy.state(unit)
        });
        let answers = (0..self.checker.lans).any(|lan| {
            self.network
                .is_under_way(lan, Host::Source, Host::Target(target), self.now)
        });
        let misses = self.targets[target].daemon.as_ref().is_none_or(|daemon| {
            let mut beats = daemon.thread.beats.iter().flatten();
            beats.any(|beats| beats.judge.state() == PathState::Missing)
        });
        state == Some(State::Healthy) && !misses && !answers && self.targets[target].busy == 0
    }

    /// A target takes an address that it does not hold yet: nobody else that it could have heard of may have it.
    pub(super) fn check_takeover(&mut self, target: usize, unit: UnitId, lan: usize, cause: Cause) {
        self.check_leave(target, unit, cause);
        let place = &self.targets[target];
        let source = &place.standby.source;
        // An address that is taken at the first miss is taken before a probe can be answered.
        if cause == Cause::Adopted
            || source.misses == 1
            || place.stalled_until + 2 * SECOND > self.now
        {
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
        let lives = self.source.lives_since();
        if cause == Cause::Verdict
            && source.l2_alive != L2Alive::Ignore
            && long(clean)
            && long(lives)
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
        if cause == Cause::Verdict && (asks || held_back) {
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
            | Action::Defend { .. }
            | Action::Introduce { .. }
            | Action::AnnounceSource { .. } => {}
        }
    }

    /// Nothing has gone wrong for a long time.
    pub(super) fn check_rest(&mut self) {
        for lan in 0..self.checker.lans {
            let source = self.source.lives();
            let target = self
                .targets
                .iter()
                .any(|target| target.kernel.is_local(lan));
            if (source || target) && !self.served[lan] {
                self.complain(
                    'c',
                    format!("the client gets no answer from the address of LAN {lan}"),
                );
            }
        }
        for target in 0..self.targets.len() {
            let Some(daemon) = &self.targets[target].daemon else {
                continue;
            };
            let units: Vec<_> = daemon.policy.units().collect();
            for unit in units {
                let Some(daemon) = &self.targets[target].daemon else {
                    continue;
                };
                let Some(state) = daemon.policy.state(unit) else {
                    continue;
                };
                let holds = daemon.policy.holds(unit);
                let kernel = &self.targets[target].kernel;
                let held = (0..LANS).any(|lan| covers(unit, lan) && kernel.held[lan].is_some());
                // A failback that its hook prevents is tried again, at any time.
                let hook = self.targets[target].standby.hook_takes;
                let takes = (SETTLE_AT_MOST + GRACE + DRAIN).as_nanos() as Now + 2 * hook + SECOND;
                let since = daemon.policy.since(unit).unwrap_or(0);
                if !rests(state) && self.now > since + takes {
                    self.complain('e', format!("target {target} is still {state:?}"));
                }
                if holds != held && self.wrong != Some(Wrong::Lies) {
                    self.complain(
                        'e',
                        format!("target {target} is {state:?}, and holds: {held}"),
                    );
                }
            }
        }
    }
}

//! What must hold, seen from outside: not what a policy says of itself, but what the hosts have and what the client gets.
//!
//! - **a**: two targets hold one address no longer than [`World::both_may_hold_for`], while the link between them is healthy.
//! - **b**: when the source is gone altogether, somebody holds each address that an automatic target protects after
//!   [`World::promise`] at the latest.
//! - **c**: in the end the client is served wherever there is a host that has the address, and it hears of a takeover at once.
//! - **d**: nothing is done without cause or twice: no takeover of what is held, announcements on schedule, a hook once for a
//!   transition, and what [`super::super::watched`] knows.
//! - **f**: while addresses are handed back to a source that waits for them, the client is served at every instant.
//! - **g**: a source with our daemon uses an address that a target holds no longer than [`World::source_may_use_for`], while the link
//!   between them is healthy.
//! - **e**: every transition is in the table ([`super::super::watched`] again), and everything that was begun comes to an end.

use super::{
    handshake::Handshake,
    network::{Host, LANS, MS, SECOND},
    telling::{Excused, rests},
    thread::covers,
    world::{World, Wrong},
};
use crate::{
    config::{OnFailure, Trigger},
    monitor::judge::Testimony,
    policy::{DRAIN, GRACE, Hook, Input, Now, PathState, SETTLE_AT_MOST, State, TAKE_BACK, UnitId},
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
    pub(super) announced: [[Option<Now>; LANS]; 2],
    pub(super) hooks: Vec<(usize, UnitId, Hook)>,
    pub(super) handshakes: Vec<Handshake>,
    /// What ended daemons were told.
    pub(super) histories: Vec<(usize, Vec<(Now, Input)>)>,
    lans: usize,
    pub(super) targets: usize,
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
            handshakes: Vec::new(),
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
            self.check_source_keeps_off(lan);
        }
        self.check_handshakes();
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
            || self.says_hold(target, unit).is_some()
        {
            return false;
        }
        let whole = |source: &crate::config::Source| source.trigger != Trigger::Path;
        let mine = whole(&place.standby.source);
        (0..self.checker.lans)
            .filter(|lan| covers(unit, *lan))
            .all(|lan| {
                // Another target that fails over path by path may have one address of this unit, and then it stands back.
                let elsewhere = self.targets.iter().any(|other| {
                    whole(&other.standby.source) != mine && other.kernel.is_local(lan)
                });
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

    /// Nothing has gone wrong for a long time.
    pub(super) fn check_rest(&mut self) {
        for lan in 0..self.checker.lans {
            let source = self.source.uses(lan);
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
                let takes = (SETTLE_AT_MOST + TAKE_BACK + GRACE + DRAIN).as_nanos() as Now
                    + 2 * hook
                    + SECOND;
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

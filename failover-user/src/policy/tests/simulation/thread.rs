//! The heartbeat thread of a target. What it decides is the real thing ([`Standing`], `finding`, the judge); when it runs
//! and what it sends is a model of `monitor/thread.rs`.

use super::{
    events::{Due, Event, Order},
    heartbeat::{Heartbeats, Reply},
    network::{Arp, Host, LANS, Said},
    world::{World, Wrong},
};
use crate::{
    monitor::{
        PROBE_WAIT, Probe,
        finding::finding,
        judge::{Change, Judge, OwnLink, Testimony},
        standing::Standing,
    },
    policy::{Finding, Input, Now, PathId, UnitId, trigger},
};

/// Whether a unit has the path in a LAN.
pub(super) fn covers(unit: UnitId, lan: usize) -> bool {
    unit.path.is_none_or(|only| only == lan)
}

/// What the thread owns.
#[derive(Debug, Default)]
pub(super) struct Thread {
    pub(super) beats: [Option<Heartbeats>; LANS],
    pub(super) units: Vec<(UnitId, Standing)>,
}

impl Thread {
    pub(super) fn unit(&mut self, id: UnitId) -> Option<&mut Standing> {
        let mut units = self.units.iter_mut();
        units
            .find(|(unit, _)| *unit == id)
            .map(|(_, standing)| standing)
    }

    fn paths(&self, unit: UnitId) -> impl Iterator<Item = trigger::Standing> {
        let beats = self.beats.iter().enumerate();
        beats
            .filter(move |(lan, _)| covers(unit, *lan))
            .filter_map(|(_, beats)| beats.as_ref())
            .map(|beats| beats.judge.standing())
    }
}

/// Our own link, as it is judged.
struct Link {
    carrier: bool,
    testimony: Option<Testimony>,
}

impl OwnLink for Link {
    fn has_carrier(&self) -> bool {
        self.carrier
    }

    fn testimony(&self) -> Option<Testimony> {
        self.testimony
    }
}

impl World {
    /// The thread is told something.
    pub(super) fn obey(&mut self, target: usize, order: Order) {
        if let Some(until) = self.is_stalled(target) {
            return self.due_at(target, until, Due::Order(order));
        }
        match order {
            Order::Arm { unit, armed } => {
                let armed = armed || self.wrong == Some(Wrong::AlwaysArmed);
                if let Some(standing) = self.thread(target).and_then(|thread| thread.unit(unit)) {
                    standing.arm(armed);
                    self.act(target, unit);
                }
            }
            Order::TakeOver {
                unit,
                cause,
                ordered,
            } => {
                let report = self.take_over(target, unit, cause, ordered);
                self.reports(target, report);
            }
            Order::Probe { unit } => {
                self.probe(target, unit);
                let (at, sent) = (self.now + PROBE_WAIT.as_nanos() as Now, self.now);
                self.due_at(target, at, Due::Finding { unit, sent });
            }
            Order::Watch { lan } => self.watch(target, lan),
        }
    }

    fn is_stalled(&self, target: usize) -> Option<Now> {
        let until = self.targets[target].stalled_until;
        (until > self.now).then_some(until)
    }

    pub(super) fn thread(&mut self, target: usize) -> Option<&mut Thread> {
        self.targets[target]
            .daemon
            .as_mut()
            .map(|daemon| &mut daemon.thread)
    }

    /// Heartbeats on a path begin.
    fn watch(&mut self, target: usize, lan: usize) {
        let now = self.now;
        let Self { targets, .. } = self;
        let place = &mut targets[target];
        let earlier = (
            place.kernel.last_reply[lan],
            place.kernel.on_hold_since[lan],
        );
        let source = &place.standby.source;
        let Some(daemon) = &mut place.daemon else {
            return;
        };
        let remembered = std::mem::take(&mut daemon.remembered[lan]);
        let judge = if remembered {
            Judge::remembered(source.misses)
        } else {
            Judge::new(source.misses)
        };
        let interval = source.interval.as_nanos() as Now;
        let beats = Heartbeats::new(judge, (interval, source.misses), earlier, now);
        let due = beats.due;
        daemon.thread.beats[lan] = Some(beats);
        self.due_at(target, due, Due::Tick { lan, plan: 0 });
    }

    /// A path is due.
    pub(super) fn tick(&mut self, target: usize, lan: usize, plan: u64) {
        if let Some(until) = self.is_stalled(target) {
            return self.due_at(target, until, Due::Tick { lan, plan });
        }
        let now = self.now;
        let host = Host::Target(target);
        let link = self.link(target, lan);
        let Some(beats) = self.beats(target, lan) else {
            return;
        };
        if beats.plan != plan {
            return;
        }
        let hold = beats.hold_changed(now);
        let ticked = beats.judge(now, &link);
        if let Some(on) = hold.filter(|_| self.wrong != Some(Wrong::IgnoresHold)) {
            let path = PathId {
                source: 0,
                path: lan,
            };
            self.reports(target, Some(Input::RemoteHold { path, on }));
        }
        let unit = self.unit_on(target, lan);
        if let (true, Some(unit)) = (ticked.first_miss, unit) {
            let standing = self.thread(target).and_then(|thread| thread.unit(unit));
            if standing.is_some_and(|standing| standing.is_to_be_asked_for(now)) {
                self.probe(target, unit);
            }
        }
        if let Some(change) = ticked.change {
            self.path_changed(target, lan, change);
        }
        let reply = self.ask_source(host, lan);
        let Some(beats) = self.beats(target, lan) else {
            return;
        };
        let mut refused = None;
        if link.carrier {
            beats.send(now, reply);
        } else {
            refused = beats.refused();
        }
        if let Some(change) = refused {
            self.path_changed(target, lan, change);
        }
        let certain = self.network.is_certain(lan, host, Host::Source);
        let calm = self.targets[target].stalled_until <= now;
        if let Some(beats) = self.beats(target, lan) {
            beats.doze = beats.dozes(certain && calm);
            if beats.doze.is_none() {
                beats.plan += 1;
                let (due, plan) = (beats.due, beats.plan);
                self.due_at(target, due, Due::Tick { lan, plan });
            }
        }
    }

    /// When the reply to a request that is sent now arrives, if ever.
    fn ask_source(&mut self, host: Host, lan: usize) -> Option<Reply> {
        let answers = self.source.lives() && self.source.mute == 0;
        let there = self.network.takes(&mut self.rng, lan, host, Host::Source)?;
        let back = self.network.takes(&mut self.rng, lan, Host::Source, host)?;
        let at = self.now + there + back;
        let on_hold = self.source.on_hold > 0;
        answers.then_some(Reply { at, on_hold })
    }

    fn link(&mut self, target: usize, lan: usize) -> Link {
        let host = Host::Target(target);
        let now = self.now;
        let vouched = self.targets[target].standby.witness.then(|| {
            let asked = &mut self.checker.witnessed[target][lan];
            if self.network.reaches(lan, host, Host::Witness) {
                asked.asked_ns = now;
            }
            *asked
        });
        Link {
            carrier: self.network.has_carrier(lan, host),
            testimony: vouched,
        }
    }

    pub(super) fn beats(&mut self, target: usize, lan: usize) -> Option<&mut Heartbeats> {
        self.thread(target)?.beats[lan].as_mut()
    }

    /// Everything that dozes has to look again.
    pub(super) fn wake_all(&mut self) {
        for target in 0..self.targets.len() {
            for lan in 0..self.draw.lans {
                self.note_witness(target, lan);
                let now = self.now;
                let Some(beats) = self.beats(target, lan) else {
                    continue;
                };
                if beats.wake(now) {
                    beats.plan += 1;
                    let (due, plan) = (beats.due, beats.plan);
                    self.due_at(target, due, Due::Tick { lan, plan });
                }
            }
        }
    }

    pub(super) fn note_witnesses(&mut self) {
        for target in 0..self.targets.len() {
            for lan in 0..self.draw.lans {
                self.note_witness(target, lan);
            }
        }
    }

    /// Until now the witness has answered, or has not.
    fn note_witness(&mut self, target: usize, lan: usize) {
        let now = self.now;
        let reaches = self
            .network
            .reaches(lan, Host::Target(target), Host::Witness);
        let testimony = &mut self.checker.witnessed[target][lan];
        if reaches {
            testimony.asked_ns = now;
            if testimony.unbroken_since_ns == 0 {
                testimony.unbroken_since_ns = now.max(1);
            }
        } else {
            testimony.unbroken_since_ns = 0;
        }
    }

    /// Probes for the addresses of a unit.
    fn probe(&mut self, target: usize, unit: UnitId) {
        let now = self.now;
        if let Some(standing) = self.thread(target).and_then(|thread| thread.unit(unit)) {
            standing.asked_for(now);
        }
        let host = Host::Target(target);
        for lan in (0..self.draw.lans).filter(|lan| covers(unit, *lan)) {
            let by = self.mac(host, lan);
            let said = Said::Wants;
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

    /// Acts on a change, and only then reports it.
    fn path_changed(&mut self, target: usize, lan: usize, change: Change) {
        self.note(|_| format!("target {target} path {lan}: {change:?}"));
        let Some(unit) = self.unit_on(target, lan) else {
            return;
        };
        let path = PathId {
            source: 0,
            path: lan,
        };
        let heard = self.new_verdict(target, unit);
        let deed = self.deed(target, unit);
        if let Some(finding) = heard {
            self.reports(target, Some(Input::Heard { unit, finding }));
        }
        let Change { state, missed } = change;
        self.reports(
            target,
            Some(Input::Path {
                path,
                state,
                missed,
                refused: 0,
            }),
        );
        self.reports(target, deed);
    }

    fn new_verdict(&mut self, target: usize, unit: UnitId) -> Option<Finding> {
        let mut thread = std::mem::take(self.thread(target)?);
        let paths: Vec<_> = thread.paths(unit).collect();
        let heard = thread.unit(unit).and_then(|standing| {
            standing.follow(self.now, paths.into_iter(), |since| {
                self.heard_since(target, unit, since)
            })
        });
        *self.thread(target)? = thread;
        heard
    }

    /// What ARP has said of the addresses of a unit.
    fn heard_since(&self, target: usize, unit: UnitId, sent: Now) -> Finding {
        if self.wrong == Some(Wrong::Deaf) {
            return Finding::Silent;
        }
        let place = &self.targets[target];
        let lans = || (0..self.draw.lans).filter(|lan| covers(unit, *lan));
        let probes: Vec<_> = lans()
            .map(|lan| Probe {
                nic: lan as u32,
                frame: bytes::Bytes::new(),
                question: bytes::Bytes::new(),
                slot: lan as u32,
                ip: place.standby.source.paths[lan].addresses[0].ip,
                own_mac: self.mac(Host::Target(target), lan),
            })
            .collect();
        let macs: Vec<_> = (0..self.draw.lans)
            .filter(|lan| place.kernel.knows_source[*lan])
            .map(|lan| self.mac(Host::Source, lan))
            .collect();
        finding(&probes, &macs, sent, |slot| {
            place.kernel.heard[slot as usize]
        })
    }

    /// What probes have found is to be told.
    pub(super) fn finding_is_due(&mut self, target: usize, unit: UnitId, sent: Now) {
        if let Some(until) = self.is_stalled(target) {
            return self.due_at(target, until, Due::Finding { unit, sent });
        }
        let finding = self.heard_since(target, unit, sent);
        if let Some(standing) = self.thread(target).and_then(|thread| thread.unit(unit)) {
            standing.hear(&finding);
        }
        self.reports(target, Some(Input::Heard { unit, finding }));
    }

    /// To the daemon, in order.
    pub(super) fn reports(&mut self, target: usize, report: Option<Input>) {
        let Some(report) = report else {
            return;
        };
        let latency = self.latency(target);
        let at = self.now + latency;
        let Some(daemon) = &mut self.targets[target].daemon else {
            return;
        };
        daemon.news_at = daemon.news_at.max(at);
        let at = daemon.news_at;
        self.due_at(target, at, Due::News(report));
    }

    pub(super) fn due_at(&mut self, target: usize, at: Now, what: Due) {
        let daemon = self.targets[target].daemons;
        self.at(
            at,
            Event::Target {
                target,
                daemon,
                what,
            },
        );
    }
}

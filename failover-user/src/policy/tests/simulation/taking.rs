//! From the verdict to the takeover, as the heartbeat thread of a target and its worker carry it out.

use failover_ebpf::abi::{Held, held};
use rand::Rng;

use super::{
    draw::Point,
    events::Due,
    network::{Arp, Host, MS, Said, US},
    thread::covers,
    world::{World, Wrong},
};
use crate::policy::{Cause, Input, Now, UnitId};

impl World {
    pub(super) fn act(&mut self, target: usize, unit: UnitId) {
        let deed = self.deed(target, unit);
        self.reports(target, deed);
    }

    /// Takes a unit over if its verdict stands and the thread may.
    pub(super) fn deed(&mut self, target: usize, unit: UnitId) -> Option<Input> {
        let rule = self.targets[target].standby.source.l2_alive;
        let standing = self.thread(target)?.unit(unit)?;
        if !standing.acts(Some(rule)) {
            return None;
        }
        // The policy says so, too, and may not have been heard yet.
        if self.says_hold(target, unit).is_some() && self.wrong != Some(Wrong::IgnoresHold) {
            return None;
        }
        self.take_over(target, unit, Cause::Verdict, self.now)
    }

    /// Takes a unit over, now or by the worker. What is to be reported of it.
    pub(super) fn take_over(
        &mut self,
        target: usize,
        unit: UnitId,
        cause: Cause,
        ordered: Now,
    ) -> Option<Input> {
        self.thread(target)?.unit(unit)?.taken();
        if self.targets[target].standby.long {
            let at = self.now + self.rng.random_range(100 * US..30 * MS);
            self.due_at(
                target,
                at,
                Due::Worker {
                    unit,
                    cause,
                    ordered,
                },
            );
            return Some(Input::TakeoverBegan { unit });
        }
        self.execute(target, unit, cause, ordered)
    }

    /// The worker carries a takeover out.
    pub(super) fn work(&mut self, target: usize, unit: UnitId, cause: Cause, ordered: Now) {
        let report = self.execute(target, unit, cause, ordered);
        self.reports(target, report);
    }

    /// Addresses, entries, announcements; unless it was abandoned since it was ordered.
    fn execute(
        &mut self,
        target: usize,
        unit: UnitId,
        cause: Cause,
        ordered: Now,
    ) -> Option<Input> {
        let host = Host::Target(target);
        let abandoned = self.targets[target].daemon.as_ref()?.abandoned.get(&unit);
        if abandoned.is_some_and(|until| ordered <= *until) {
            let error = Some("the takeover was broken off".to_owned());
            return Some(Input::TakeoverDone {
                unit,
                cause,
                held: 0,
                error,
            });
        }
        let lans: Vec<_> = (0..self.draw.lans)
            .filter(|lan| covers(unit, *lan))
            .collect();
        self.note(|_| format!("target {target} takes {lans:?} over: {cause:?}"));
        let done = Input::TakeoverDone {
            unit,
            cause,
            held: lans.len(),
            error: None,
        };
        if self.wrong == Some(Wrong::Lies) {
            return Some(done);
        }
        for &lan in &lans {
            if !self.targets[target].kernel.is_local(lan) {
                self.check_takeover(target, unit, lan, cause);
            }
            let nic_mac = self.mac(host, lan);
            let source_mac = self.mac(Host::Source, lan);
            let now = self.now;
            let kernel = &mut self.targets[target].kernel;
            let entry = Held {
                mode: held::LOCAL,
                nic: lan as u32,
                nic_mac,
                source_mac: if kernel.knows_source[lan] {
                    source_mac
                } else {
                    [0; 6]
                },
                ..Held::default()
            };
            kernel.set(lan, Some(entry), now);
        }
        if self.is_killed_at(target, Point::Taken) {
            return None;
        }
        for lan in lans {
            let by = self.mac(host, lan);
            self.announce(host, lan, by);
        }
        Some(done)
    }

    /// Gratuitous ARP in both forms.
    pub(super) fn announce(&mut self, host: Host, lan: usize, by: [u8; 6]) {
        if self.wrong == Some(Wrong::Dumb) {
            return;
        }
        for _ in 0..2 {
            let said = Said::Announces;
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

    /// Since when the source has said by some path of a unit that it is on hold, and has not taken that back.
    pub(super) fn says_hold(&self, target: usize, unit: UnitId) -> Option<Now> {
        let beats = &self.targets[target].daemon.as_ref()?.thread.beats;
        let beats = beats.iter().enumerate();
        let of_unit = beats.filter(|(lan, _)| covers(unit, *lan));
        of_unit
            .filter_map(|(_, beats)| beats.as_ref()?.on_hold_since(self.now))
            .min()
    }
}

//! What the policy of a target wants, done: a model of `daemon/actions.rs`.

use std::net::IpAddr;

use failover_ebpf::abi::{held, held_flag};
use rand::Rng;

use super::{
    draw::Point,
    events::{Due, Order},
    network::{Arp, Host, LANS, Said},
    thread::covers,
    world::{World, Wrong},
};
use crate::{
    monitor::claimant::{RECENT, claimed_since, is_elsewhere, read_mac, waits_for},
    policy::{Action, DEFEND_INTERVAL, Hook, Input, Now, State, UnitId},
};

impl World {
    /// Performs an action. What is done at once gives its result.
    pub(super) fn perform(&mut self, target: usize, action: Action) -> Option<Input> {
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
            Action::Yield { unit } => {
                let addresses = self.let_find_free(target, unit);
                return Some(Input::Yielded { unit, addresses });
            }
            Action::Inquire { unit, .. } => self.inquire(target, unit),
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
            // The client hears of it by what is announced: it is never told alone.
            Action::Reassure { .. } => {}
            Action::Introduce { ip, mac, .. } => {
                if let (Some(lan), Some(mac)) = (self.lan_of(target, ip), read_mac(&mac)) {
                    self.introduce(target, lan, mac);
                }
            }
            Action::AnnounceSource { unit } => {
                for lan in (0..self.draw.lans).filter(|lan| covers(unit, *lan)) {
                    let source = self.mac(Host::Source, lan);
                    let kernel = &self.targets[target].kernel;
                    let heard = &kernel.heard[lan];
                    if kernel.knows_source[lan] && !is_elsewhere(heard, |by| by == source, self.now)
                    {
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

    /// Lets the source find those addresses free that it asks for.
    fn let_find_free(&mut self, target: usize, unit: UnitId) -> Vec<IpAddr> {
        let now = self.now;
        if let Some(daemon) = &mut self.targets[target].daemon {
            daemon.abandoned.insert(unit, now);
        }
        let mut free = Vec::new();
        for lan in (0..self.draw.lans).filter(|lan| covers(unit, *lan)) {
            let source = self.mac(Host::Source, lan);
            let kernel = &mut self.targets[target].kernel;
            let Some(mut entry) = kernel.held[lan] else {
                continue;
            };
            if kernel.knows_source[lan] {
                entry.source_mac = source;
            }
            let heard = kernel.heard[lan];
            if waits_for(&heard, entry.source_mac, now) {
                free.push(lan);
                let lately = now.saturating_sub(RECENT.as_nanos() as Now);
                if claimed_since(&heard, lately).any(|by| by == entry.source_mac) {
                    let host = Host::Target(target);
                    self.announce(host, lan, self.mac(host, lan));
                }
                let kernel = &mut self.targets[target].kernel;
                if self.wrong != Some(Wrong::HandsNothingBack) {
                    entry.flags |= held_flag::YIELDING;
                    kernel.set(lan, Some(entry), now);
                }
            }
        }
        self.watch_handshake(target, unit, &free);
        if self.wrong == Some(Wrong::HandsNothingBack) {
            free.clear();
        }
        let paths = &self.targets[target].standby.source.paths;
        let addresses = free.iter().map(|lan| paths[*lan].addresses[0].ip);
        addresses.collect()
    }

    /// Asks who else has what is held, and tells the source, should it have answered the question before.
    fn inquire(&mut self, target: usize, unit: UnitId) {
        if self.wrong == Some(Wrong::NeverInquires) {
            return;
        }
        let (host, now) = (Host::Target(target), self.now);
        for lan in (0..self.draw.lans).filter(|lan| covers(unit, *lan)) {
            let (by, source) = (self.mac(host, lan), self.mac(Host::Source, lan));
            let place = &mut self.targets[target];
            let Some(daemon) = &mut place.daemon else {
                return;
            };
            let asked = daemon.inquired[lan].take();
            let Some(entry) = place.kernel.held[lan].filter(|entry| entry.mode != held::DRAIN)
            else {
                continue;
            };
            daemon.inquired[lan] = Some(now);
            let answered = asked.is_some_and(|at| {
                claimed_since(&place.kernel.heard[lan], at).any(|by| by == source)
            });
            let known = place.kernel.knows_source[lan];
            self.note(|_| format!("target {target} asks, and the source answered: {answered}"));
            let Some(daemon) = &mut self.targets[target].daemon else {
                return;
            };
            if answered && known && entry.flags & held_flag::YIELDING == 0 {
                let again = |at: Now| now >= at + DEFEND_INTERVAL.as_nanos() as Now;
                if daemon.told_all[lan].is_none_or(again) {
                    daemon.told_all[lan] = Some(now);
                    self.announce(host, lan, by);
                } else {
                    let (to, said) = (Some(source), Said::Announces);
                    self.send(host, Arp { lan, to, by, said });
                }
            }
            let (to, said) = (None, Said::Wants);
            self.send(host, Arp { lan, to, by, said });
        }
    }

    /// NICs that have carrier again: what is held there is announced and probed for (`daemon/changes.rs`).
    pub(super) fn links_are_back(&mut self) {
        for target in 0..self.targets.len() {
            let host = Host::Target(target);
            for lan in 0..self.draw.lans {
                let carrier = self.network.has_carrier(lan, host);
                let before = &mut self.targets[target].kernel.carrier[lan];
                let back = !std::mem::replace(before, carrier) && carrier;
                let unit = self.unit_on(target, lan).filter(|_| back);
                let Some((daemon, unit)) = self.targets[target].daemon.as_ref().zip(unit) else {
                    continue;
                };
                let state = daemon.policy.state(unit);
                let holds = matches!(state, Some(State::TakenOver | State::Conflict))
                    && self.targets[target].kernel.is_local(lan);
                if holds {
                    let (to, by, said) = (None, self.mac(host, lan), Said::Wants);
                    self.announce(host, lan, by);
                    self.send(host, Arp { lan, to, by, said });
                }
            }
        }
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
            entry.flags = 0;
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

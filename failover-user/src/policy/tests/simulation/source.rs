//! The host that is watched. With our daemon it looks after its addresses: the custody is the real one, the fence a flag.

use std::net::IpAddr;

use failover_ebpf::{abi::Heard, resolve::Said as EbpfSaid};
use rand::Rng;

use super::{
    events::Event,
    network::{Arp, Host, LANS, MS, SECOND, Said, US},
    world::{World, Wrong},
};
use crate::{
    policy::Now,
    reflector::custody::{Act, Custody, LOOK_EVERY, Standing},
};

/// A source that stood still for longer (`dead_man`) is not sure of anything.
const DEAD_MAN: Now = 500 * MS;

/// Behind its latest announcement at the latest there is nothing more to announce.
const ANNOUNCES: Now = 6 * SECOND;

#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) unpowered: u32,
    pub(super) frozen: u32,
    pub(super) mute: u32,
    /// So many reasons to answer heartbeats with AdminDown.
    pub(super) on_hold: u32,
    /// Counts its returns.
    born: u32,
    /// Since when it has been as it is.
    pub(super) since: Now,
    side: Option<Side>,
}

/// What our daemon does on it.
#[derive(Debug, Default)]
struct Side {
    custody: Custody,
    heard: [Heard; LANS],
    /// Since when each address is not fenced.
    open_since: [Option<Now>; LANS],
    /// Counts its starts.
    starts: u32,
    due: Option<Now>,
    announces_until: Now,
    frozen_at: Now,
}

impl Source {
    /// It has power and runs.
    pub(super) fn lives(&self) -> bool {
        self.unpowered == 0 && self.frozen == 0
    }

    /// It has the address of a LAN, and answers for it.
    pub(super) fn uses(&self, lan: usize) -> bool {
        self.uses_since(lan).is_some()
    }

    /// Since when it does so.
    pub(super) fn lives_since(&self) -> Option<Now> {
        self.lives().then_some(self.since)
    }

    /// Since when it has the address of a LAN, and answers for it.
    pub(super) fn uses_since(&self, lan: usize) -> Option<Now> {
        if !self.lives() {
            return None;
        }
        match &self.side {
            Some(side) => Some(side.open_since[lan]?.max(self.since)),
            None => Some(self.since),
        }
    }

    /// Whether it looks after its addresses.
    pub(super) fn is_careful(&self) -> bool {
        self.side.is_some()
    }
}

impl World {
    /// The service address of a LAN.
    fn address(&self, lan: usize) -> IpAddr {
        self.draw.targets[0].source.paths[lan].addresses[0].ip
    }

    /// Its daemon starts. `found`: a daemon before it used the addresses, and was alive a moment ago.
    pub(super) fn source_starts(&mut self, found: bool) {
        if !self.draw.careful {
            return;
        }
        let starts = self.source.side.as_ref().map_or(0, |side| side.starts + 1);
        let mut side = Side {
            starts,
            ..Side::default()
        };
        for lan in 0..self.draw.lans {
            let link = self.network.has_carrier(lan, Host::Source);
            let flags = found.then_some(0);
            side.custody.add(self.address(lan), flags, true, link);
            side.open_since[lan] = found.then_some(self.now);
        }
        self.source.side = Some(side);
        self.plan_custody();
    }

    /// It stands still.
    pub(super) fn source_freezes(&mut self) {
        let now = self.now;
        if let Some(side) = &mut self.source.side {
            side.frozen_at = now;
        }
    }

    /// It goes on. Meanwhile the kernel has kept off everything.
    pub(super) fn source_thaws(&mut self) {
        let now = self.now;
        let Some(side) = &mut self.source.side else {
            return;
        };
        if now - side.frozen_at > DEAD_MAN {
            let acts = side.custody.doubt();
            self.carry_out(acts);
        }
        self.plan_custody();
    }

    /// Its links are what they are.
    pub(super) fn source_follows_links(&mut self) {
        if !self.source.lives() {
            return;
        }
        for lan in 0..self.draw.lans {
            let (ip, link) = (
                self.address(lan),
                self.network.has_carrier(lan, Host::Source),
            );
            let Some(side) = &mut self.source.side else {
                return;
            };
            let acts = side.custody.set_link(ip, link);
            self.carry_out(acts);
        }
        self.plan_custody();
    }

    /// It hears an ARP packet.
    pub(super) fn source_hears(&mut self, arp: &Arp) {
        let now = self.now;
        let Some(side) = &mut self.source.side else {
            return;
        };
        let heard = &mut side.heard[arp.lan];
        if arp.said.claims() {
            EbpfSaid::Has([0; 16]).note(heard, arp.by, now);
            let (starts, within) = (side.starts, LOOK_EVERY.as_nanos() as Now);
            let at = now + self.rng.random_range(0..within);
            self.at(at, Event::Custody { starts });
        } else if arp.said == Said::Wants {
            EbpfSaid::Wants([0; 16]).note(heard, arp.by, now);
        }
    }

    /// Its daemon looks after its addresses.
    pub(super) fn source_looks(&mut self, starts: u32) {
        let now = self.now;
        if !self.source.lives() {
            return;
        }
        let addresses: Vec<_> = (0..self.draw.lans).map(|lan| self.address(lan)).collect();
        let Some(side) = &mut self.source.side else {
            return;
        };
        if side.starts != starts {
            return;
        }
        if side.due == Some(now) {
            side.due = None;
        }
        let Side { custody, heard, .. } = side;
        let acts = custody.on_clock(now, |ip| {
            let lan = addresses.iter().position(|known| *known == ip);
            lan.map_or_else(Heard::default, |lan| heard[lan])
        });
        self.carry_out(acts);
        self.plan_custody();
    }

    /// It looks every tenth of a second; what would find nothing, as nobody has claimed anything, is left out.
    fn plan_custody(&mut self) {
        let late = self.rng.random_range(0..200 * US);
        let now = self.now;
        let Some(side) = &mut self.source.side else {
            return;
        };
        let ours = side
            .custody
            .standings()
            .all(|(_, standing)| standing == Standing::Ours);
        let Some(next) = side.custody.next_deadline() else {
            return;
        };
        let twice = 2 * LOOK_EVERY.as_nanos() as Now;
        let quiet = side
            .heard
            .iter()
            .all(|heard| heard.claimed_ns + twice < now);
        if ours && quiet && now > side.announces_until {
            return;
        }
        let at = next.max(now + 1) + late;
        if side.due.is_none_or(|due| due <= now || at < due) {
            side.due = Some(at);
            let starts = side.starts;
            self.at(at, Event::Custody { starts });
        }
    }

    fn carry_out(&mut self, acts: Vec<Act>) {
        for act in acts {
            let (Act::Probe(ip) | Act::Write(ip, _) | Act::Announce(ip) | Act::Tell(ip, _)) = act;
            let Some(lan) = (0..self.draw.lans).find(|lan| self.address(*lan) == ip) else {
                continue;
            };
            self.note(|_| format!("source: {act:?}"));
            let (now, by) = (self.now, self.mac(Host::Source, lan));
            let Some(side) = &mut self.source.side else {
                return;
            };
            match act {
                Act::Probe(_) => {
                    let (to, said) = (None, Said::Wants);
                    self.send(Host::Source, Arp { lan, to, by, said });
                }
                Act::Write(_, 0) => side.open_since[lan] = Some(now),
                Act::Write(..) if self.wrong == Some(Wrong::NoFence) => {}
                Act::Write(..) => side.open_since[lan] = None,
                Act::Announce(_) => {
                    side.announces_until = now + ANNOUNCES;
                    self.announce(Host::Source, lan, by);
                }
                Act::Tell(..) => {}
            }
        }
    }

    /// A source that is back may announce its addresses, and talks in their name.
    pub(super) fn source_talks(&mut self, announces: bool, born: u32) {
        if !self.source.lives() || born != self.source.born {
            return;
        }
        let said = if announces {
            Said::Announces
        } else {
            Said::Mentions
        };
        for lan in (0..self.draw.lans)
            .filter(|lan| self.source.uses(*lan))
            .collect::<Vec<_>>()
        {
            let (to, by) = (None, self.mac(Host::Source, lan));
            self.send(Host::Source, Arp { lan, to, by, said });
        }
        let again = self.now + self.rng.random_range(SECOND..20 * SECOND);
        if self.now < self.draw.calm() + 5 * SECOND {
            let announces = false;
            self.at(again, Event::SourceTalks { announces, born });
        }
    }

    pub(super) fn source_is_back(&mut self) {
        self.source.born += 1;
        let (announces, born) = (self.rng.random_bool(0.5), self.source.born);
        let at = self.now + self.rng.random_range(MS..SECOND);
        self.at(at, Event::SourceTalks { announces, born });
    }
}

//! The hosts, and what happens next.

use std::{cmp::Ordering, collections::BinaryHeap};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    checker::{Checker, Violation},
    client::{Asks, Client},
    daemon::{Daemon, Disk},
    draw::{Draw, Point, Standby, Trouble, What},
    kernel::{Fate, Kernel, Told},
    network::{Arp, HOSTS, Host, LANS, MS, Mac, Network, SECOND, Said, US},
};
use crate::policy::{Cause, Command, Hook, Input, Now, UnitId};

/// How long nothing goes wrong at the end.
const QUIET: Now = 75 * SECOND;
/// How often the client sends a packet to each address.
const CLIENT_EVERY: Now = SECOND;

/// What is on its way.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A trouble begins.
    Begins(usize),
    /// It ends.
    Ends(usize),
    /// A cable that flaps comes or goes.
    Flaps {
        lan: usize,
        host: Host,
        plugged: bool,
    },
    /// An ARP packet arrives.
    Arrives {
        at: Host,
        arp: Arp,
    },
    /// The client sends its packets.
    Packets,
    /// A source that is back talks.
    SourceTalks {
        announces: bool,
        born: u32,
    },
    Start {
        target: usize,
    },
    Target {
        target: usize,
        daemon: u32,
        what: Due,
    },
}

/// What is due at a target, for one of its daemons.
#[derive(Clone, Debug)]
pub(super) enum Due {
    Tick {
        lan: usize,
        plan: u64,
    },
    /// The thread is told something.
    Order(Order),
    /// What probes have found is to be told.
    Finding {
        unit: UnitId,
        sent: Now,
    },
    /// The worker carries a takeover out.
    Worker {
        unit: UnitId,
        cause: Cause,
        ordered: Now,
    },
    /// The daemon hears from the thread.
    News(Input),
    /// The daemon reads the claims.
    Claims,
    /// By now it is known who that was.
    Stranger(Told),
    Clock,
    HookDone {
        unit: UnitId,
        hook: Hook,
    },
    /// Once a second.
    Housekeeping,
}

/// From the daemon to the thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Arm {
        unit: UnitId,
        armed: bool,
    },
    TakeOver {
        unit: UnitId,
        cause: Cause,
        ordered: Now,
    },
    Probe {
        unit: UnitId,
    },
    Watch {
        lan: usize,
    },
}

#[derive(Debug)]
struct Entry {
    at: Now,
    number: u64,
    event: Event,
}

impl Ord for Entry {
    /// The earliest is the greatest, and of two at once the one that was there first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

/// The host that is watched.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) unpowered: u32,
    pub(super) frozen: u32,
    pub(super) mute: u32,
    /// Counts its starts.
    born: u32,
    /// Since when it has been as it is.
    since: Now,
}

impl Source {
    /// It has its addresses, and answers for them.
    pub(super) fn lives(&self) -> bool {
        self.unpowered == 0 && self.frozen == 0
    }

    /// Since when it does so.
    pub(super) fn lives_since(&self) -> Option<Now> {
        self.lives().then_some(self.since)
    }
}

/// A host that stands in.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) standby: Standby,
    pub(super) kernel: Kernel,
    pub(super) disk: Disk,
    pub(super) daemon: Option<Daemon>,
    /// Counts its daemons.
    pub(super) daemons: u32,
    /// Its daemon is killed there, and started again after so long.
    pub(super) dies: Option<(Point, Now)>,
    /// Its heartbeat thread does not run until then.
    pub(super) stalled_until: Now,
    /// Its daemon is slow.
    pub(super) busy: u32,
}

/// What is deliberately wrong, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Nobody who has an address is heard by who asks for it.
    Deaf,
    /// Claims of held addresses are not told.
    NoClaims,
    /// A takeover is reported, and not carried out.
    Lies,
    /// Nothing is announced.
    Dumb,
    /// Every scheduled announcement is made twice.
    Stutters,
    /// The heartbeat thread may act whatever it is told.
    AlwaysArmed,
}

/// A history while it happens.
pub(super) struct World {
    pub(super) draw: Draw,
    pub(super) rng: SmallRng,
    pub(super) now: Now,
    queue: BinaryHeap<Entry>,
    numbers: u64,
    pub(super) network: Network,
    pub(super) source: Source,
    pub(super) targets: Vec<Target>,
    client: Client,
    pub(super) served: [bool; LANS],
    pub(super) checker: Checker,
    pub(super) wrong: Option<Wrong>,
    /// What happened, in words, if that is wanted.
    pub(super) journal: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(draw: Draw, wrong: Option<Wrong>, journal: bool) -> Self {
        let targets = draw.targets.iter().map(|standby| Target {
            standby: standby.clone(),
            kernel: Kernel::default(),
            disk: Disk::default(),
            daemon: None,
            daemons: 0,
            dies: None,
            stalled_until: 0,
            busy: 0,
        });
        let mut world = Self {
            rng: SmallRng::seed_from_u64(draw.seed ^ 0x5eed),
            now: 0,
            queue: BinaryHeap::new(),
            numbers: 0,
            network: Network::new(),
            source: Source::default(),
            targets: targets.collect(),
            client: Client::default(),
            served: [true; LANS],
            checker: Checker::new(draw.lans, draw.targets.len()),
            wrong,
            journal: journal.then(Vec::new),
            draw,
        };
        for lan in 0..world.draw.lans {
            let mac = world.mac(Host::Source, lan);
            world.client.knows(lan, mac);
        }
        for target in 0..world.targets.len() {
            let at = world.rng.random_range(MS..100 * MS);
            world.at(at, Event::Start { target });
        }
        for number in 0..world.draw.troubles.len() {
            world.at(world.draw.troubles[number].at, Event::Begins(number));
        }
        world.at(CLIENT_EVERY, Event::Packets);
        world
    }

    /// Lets everything happen.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        let calm = self.draw.calm();
        let end = calm + QUIET;
        let mut disarmed = false;
        while let Some(entry) = self.queue.pop() {
            if entry.at > end {
                break;
            }
            self.now = entry.at;
            if !disarmed && self.now > calm {
                disarmed = true;
                self.targets
                    .iter_mut()
                    .for_each(|target| target.dies = None);
            }
            self.check();
            self.happen(entry.event);
            if let Some(violation) = self.checker.violation.take() {
                return Err(violation);
            }
        }
        self.now = end;
        self.check();
        self.check_rest();
        self.checker.violation.take().map_or(Ok(()), Err)
    }

    pub(super) fn at(&mut self, at: Now, event: Event) {
        self.numbers += 1;
        self.queue.push(Entry {
            at,
            number: self.numbers,
            event,
        });
    }

    pub(super) fn note(&mut self, words: impl FnOnce(&Self) -> String) {
        if self.journal.is_some() {
            let line = format!("{:>12.6} {}", self.now as f64 / 1e9, words(self));
            self.journal.get_or_insert_default().push(line);
        }
    }

    pub(super) fn client_mac(&self, lan: usize) -> Option<Mac> {
        self.client.mac(lan)
    }

    pub(super) fn mac(&self, host: Host, lan: usize) -> Mac {
        let octet = match host {
            Host::Source => 10,
            Host::Target(index) => self.targets[index].standby.octet,
            Host::Client => 200,
            Host::Witness => 1,
        };
        [2, 0, 0, 0, lan as u8, octet]
    }

    fn host_with(&self, mac: Mac, lan: usize) -> Option<Host> {
        let there = |host: &Host| match host {
            Host::Target(index) => *index < self.targets.len(),
            Host::Source | Host::Client | Host::Witness => true,
        };
        HOSTS
            .into_iter()
            .filter(there)
            .find(|host| self.mac(*host, lan) == mac)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begins(number) => self.trouble(number, true),
            Event::Ends(number) => self.trouble(number, false),
            Event::Flaps { lan, host, plugged } => {
                self.wake_all();
                let port = self.network.port(lan, host);
                port.unplugged = if plugged {
                    port.unplugged - 1
                } else {
                    port.unplugged + 1
                };
                self.changed();
            }
            Event::Arrives { at, arp } => self.arrives(at, arp),
            Event::Packets => self.packets(),
            Event::SourceTalks { announces, born } => self.source_talks(announces, born),
            Event::Start { target } => self.start(target),
            Event::Target {
                target,
                daemon,
                what,
            } => {
                if self.targets[target].daemon.is_some() && self.targets[target].daemons == daemon {
                    self.due(target, what);
                }
            }
        }
    }

    /// Sends an ARP packet to whoever is to have it.
    pub(super) fn send(&mut self, from: Host, arp: Arp) {
        let hosts = [Host::Source, Host::Target(0), Host::Target(1), Host::Client];
        let only = arp.to.and_then(|mac| self.host_with(mac, arp.lan));
        for at in hosts {
            if at == from || matches!(at, Host::Target(index) if index >= self.targets.len()) {
                continue;
            }
            if arp.to.is_some() && only != Some(at) {
                continue;
            }
            let (now, rng) = (self.now, &mut self.rng);
            if let Some(arrives) = self.network.carry(rng, now, arp.lan, from, at) {
                self.at(arrives, Event::Arrives { at, arp });
            }
        }
    }

    fn arrives(&mut self, at: Host, arp: Arp) {
        let answer = |by| Arp {
            to: Some(arp.by),
            by,
            said: Said::Answers,
            ..arp
        };
        match at {
            Host::Source => {
                if self.source.lives() && arp.said.asks() {
                    let by = self.mac(Host::Source, arp.lan);
                    self.send(Host::Source, answer(by));
                }
            }
            Host::Client => self.client.hear(&arp, self.now),
            Host::Witness => {}
            Host::Target(target) => {
                let nic = self.mac(at, arp.lan);
                match self.targets[target].kernel.receive(&arp, nic, self.now) {
                    Fate::Passes => {}
                    Fate::Answered => {
                        if self.wrong != Some(Wrong::Deaf) || arp.said == Said::Asks {
                            self.send(at, answer(nic));
                        }
                    }
                    Fate::Conflict => self.claims_are_read(target),
                    Fate::TurnedRound(mac) => self.send(
                        at,
                        Arp {
                            to: Some(mac),
                            ..arp
                        },
                    ),
                }
            }
        }
    }

    /// The host that a packet to a MAC ends up at, if it is served there.
    fn serves(&self, lan: usize, mac: Mac) -> Option<Host> {
        let host = self.host_with(mac, lan)?;
        if !self.network.reaches(lan, Host::Client, host) {
            return None;
        }
        match host {
            Host::Source => self.source.lives().then_some(host),
            Host::Target(index) => {
                let entry = self.targets[index].kernel.held[lan]?;
                if self.targets[index].kernel.is_local(lan) {
                    return Some(host);
                }
                let source = Host::Source;
                let turned = self.mac(source, lan) == entry.next_hop
                    && self.source.lives()
                    && self.network.passes(lan, host, source)
                    && self.network.passes(lan, source, Host::Client);
                turned.then_some(source)
            }
            Host::Client | Host::Witness => None,
        }
    }

    fn packets(&mut self) {
        for lan in 0..self.draw.lans {
            let mac = self.client.mac(lan);
            let served = mac.and_then(|mac| self.serves(lan, mac)).is_some();
            self.served[lan] = served;
            let to = match self.client.served(lan, served) {
                Asks::Nobody => continue,
                Asks::Known(mac) => Some(mac),
                Asks::Everybody => None,
            };
            let by = self.mac(Host::Client, lan);
            let said = Said::Asks;
            self.send(Host::Client, Arp { lan, to, by, said });
        }
        self.at(self.now + CLIENT_EVERY, Event::Packets);
    }

    /// A source that is back may announce its addresses, and talks in their name.
    fn source_talks(&mut self, announces: bool, born: u32) {
        if !self.source.lives() || born != self.source.born {
            return;
        }
        let said = if announces {
            Said::Announces
        } else {
            Said::Mentions
        };
        for lan in 0..self.draw.lans {
            let by = self.mac(Host::Source, lan);
            self.send(
                Host::Source,
                Arp {
                    lan,
                    to: None,
                    by,
                    said,
                },
            );
        }
        let again = self.now + self.rng.random_range(SECOND..20 * SECOND);
        if self.now < self.draw.calm() + 5 * SECOND {
            self.at(
                again,
                Event::SourceTalks {
                    announces: false,
                    born,
                },
            );
        }
    }

    fn source_is_back(&mut self) {
        self.source.born += 1;
        let (announces, born) = (self.rng.random_bool(0.5), self.source.born);
        let at = self.now + self.rng.random_range(MS..SECOND);
        self.at(at, Event::SourceTalks { announces, born });
    }

    fn trouble(&mut self, number: usize, begins: bool) {
        let Trouble { lasts, what, .. } = self.draw.troubles[number].clone();
        self.note(|_| format!("{} {what:?}", if begins { "TROUBLE" } else { "over:" }));
        self.wake_all();
        let count = |count: &mut u32| {
            *count = if begins { *count + 1 } else { *count - 1 };
            *count
        };
        let mut ends = lasts != Now::MAX;
        if matches!(what, What::Dies | What::Freezes) {
            self.source.since = self.now;
        }
        match what {
            What::Dies => {
                if count(&mut self.source.unpowered) == 0 {
                    self.source_is_back();
                }
            }
            What::Freezes => {
                count(&mut self.source.frozen);
            }
            What::Mute => {
                count(&mut self.source.mute);
            }
            What::Unplugged { lan, host } => {
                let plugged = count(&mut self.network.port(lan, host).unplugged) == 0;
                if plugged && host == Host::Source && self.source.lives() {
                    self.source_is_back();
                }
            }
            What::Flaps { lan, host, times } => {
                ends = false;
                let step = (lasts / (2 * times)).max(MS);
                for flap in 0..2 * times {
                    let plugged = flap % 2 == 1;
                    self.at(self.now + flap * step, Event::Flaps { lan, host, plugged });
                }
            }
            What::Cut { lan, host, way } => {
                count(&mut self.network.port(lan, host).ways[way].cut);
            }
            What::Split { lan, sides } if begins => self.network.split(lan, number, sides),
            What::Split { lan, .. } => self.network.unite(lan, number),
            What::Lossy {
                lan,
                host,
                way,
                loss,
            } => {
                let known = &mut self.network.port(lan, host).ways[way].loss;
                *known = if begins { *known + loss } else { *known - loss };
            }
            What::Late {
                lan,
                host,
                way,
                delay,
            } => {
                let known = &mut self.network.port(lan, host).ways[way].delay;
                *known = if begins {
                    *known + delay
                } else {
                    *known - delay
                };
            }
            What::Killed { target, gently } => {
                ends = false;
                self.kill(target, gently, lasts);
            }
            What::KilledAt { target, point } => {
                ends = false;
                self.targets[target].dies = Some((point, lasts));
            }
            What::Stalled { target } => {
                ends = false;
                let until = &mut self.targets[target].stalled_until;
                *until = (*until).max(self.now + lasts);
            }
            What::Busy { target } => {
                count(&mut self.targets[target].busy);
            }
            What::Says { target, command } => {
                ends = false;
                self.says(target, command, lasts);
            }
        }
        if begins && ends {
            self.at(self.now + lasts, Event::Ends(number));
        }
        self.changed();
    }

    /// Something around is different.
    fn changed(&mut self) {
        self.network.refresh(self.now);
        let silent = (0..self.draw.lans)
            .all(|lan| !self.source.lives() || !self.network.has_carrier(lan, Host::Source));
        self.note_witnesses();
        let now = self.now;
        let since = &mut self.checker.silent_since;
        *since = silent.then(|| since.unwrap_or(now));
    }

    /// How long news or an order takes at a target.
    pub(super) fn latency(&mut self, target: usize) -> Now {
        if self.targets[target].busy > 0 {
            return self.rng.random_range(MS..100 * MS);
        }
        self.rng.random_range(20 * US..400 * US)
    }

    fn says(&mut self, target: usize, command: Command, lasts: Now) {
        let units: Vec<UnitId> = match &self.targets[target].daemon {
            Some(daemon) => daemon.policy.units().collect(),
            None => return,
        };
        if command == Command::Release {
            if let Some(daemon) = &mut self.targets[target].daemon {
                daemon.ending = Some(lasts);
            }
            for unit in units {
                self.feed(target, Input::Command { unit, command });
            }
            self.ends_if_released(target);
            return;
        }
        let unit = units[self.rng.random_range(0..units.len())];
        self.feed(target, Input::Command { unit, command });
    }
}

//! The hosts, and what happens next.

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    checker::{Checker, Violation},
    client::{Asks, Client},
    daemon::{Daemon, Disk},
    draw::{Draw, OCTETS, Point, Standby},
    events::{Event, Queue},
    kernel::{Fate, Kernel},
    network::{Arp, HOSTS, Host, LANS, MS, Mac, Network, SECOND, Said, US},
    source::Source,
};
use crate::policy::Now;

/// How long nothing goes wrong at the end.
const QUIET: Now = 75 * SECOND;
/// How often the client sends a packet to each address.
const CLIENT_EVERY: Now = SECOND;

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
    /// Who holds addresses asks nobody whether he has them, too.
    NeverInquires,
    /// That the source is on hold is not told, and keeps nobody from anything.
    IgnoresHold,
    /// A source that keeps off its addresses is not let find them free before packets are turned round to it.
    HandsNothingBack,
    /// The source knows who has its addresses, and uses them all the same.
    NoFence,
}

/// A history while it happens.
pub(super) struct World {
    pub(super) draw: Draw,
    pub(super) rng: SmallRng,
    pub(super) now: Now,
    queue: Queue,
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
            kernel: Kernel {
                carrier: [true; LANS],
                ..Kernel::default()
            },
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
            queue: Queue::default(),
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
        world.source_starts(true);
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
        while let Some((at, event)) = self.queue.pop() {
            if at > end {
                break;
            }
            self.now = at;
            if !disarmed && self.now > calm {
                disarmed = true;
                self.targets
                    .iter_mut()
                    .for_each(|target| target.dies = None);
            }
            self.check();
            self.happen(event);
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
        self.queue.push(at, event);
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
            Host::Target(index) if self.draw.crossed && lan % 2 == 1 => {
                OCTETS[0] + OCTETS[1] - self.targets[index].standby.octet
            }
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
            Event::Custody { starts } => self.source_looks(starts),
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
                if !self.source.lives() {
                    return;
                }
                self.source_hears(&arp);
                if self.source.uses(arp.lan) && arp.said.asks() {
                    let by = self.mac(Host::Source, arp.lan);
                    self.send(Host::Source, answer(by));
                }
            }
            Host::Client => self.client.hear(&arp, self.now),
            Host::Witness => {}
            Host::Target(target) => {
                let nic = self.mac(at, arp.lan);
                match self.targets[target].kernel.receive(&arp, nic, self.now) {
                    Fate::Passes | Fate::Yielded => {}
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
    pub(super) fn serves(&self, lan: usize, mac: Mac) -> Option<Host> {
        let host = self.host_with(mac, lan)?;
        if !self.network.reaches(lan, Host::Client, host) {
            return None;
        }
        match host {
            Host::Source => self.source.uses(lan).then_some(host),
            Host::Target(index) => {
                let entry = self.targets[index].kernel.held[lan]?;
                if self.targets[index].kernel.is_local(lan) {
                    return Some(host);
                }
                let source = Host::Source;
                let turned = self.mac(source, lan) == entry.next_hop
                    && self.source.uses(lan)
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

    /// How long news or an order takes at a target.
    pub(super) fn latency(&mut self, target: usize) -> Now {
        if self.targets[target].busy > 0 {
            return self.rng.random_range(MS..100 * MS);
        }
        self.rng.random_range(20 * US..400 * US)
    }
}

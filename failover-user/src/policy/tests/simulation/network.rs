//! A switch for each LAN, and the cables to it: what passes, how late, and since when two hosts have nothing to complain of.

use rand::{Rng, rngs::SmallRng};

use crate::policy::Now;

pub(super) const US: Now = 1_000;
pub(super) const MS: Now = 1_000_000;
pub(super) const SECOND: Now = 1_000 * MS;

/// Number of LANs at most: a source has a NIC, a monitored address and a service address in each.
pub(super) const LANS: usize = 2;

/// A MAC address.
pub(super) type Mac = [u8; 6];

/// A host, by its place in the tables here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// It is watched.
    Source,
    /// It stands in.
    Target(usize),
    /// It talks to the addresses.
    Client,
    /// It answers echo requests, whatever happens.
    Witness,
}

/// Every host. The second target may be switched off.
pub(super) const HOSTS: [Host; 5] = [
    Host::Source,
    Host::Target(0),
    Host::Target(1),
    Host::Client,
    Host::Witness,
];

impl Host {
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Source => 0,
            Self::Target(index) => 1 + index,
            Self::Client => 3,
            Self::Witness => 4,
        }
    }
}

/// What an ARP packet says about the one service address of its LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A probe (RFC 5227 1.1): would like to have it.
    Wants,
    /// Gratuitous: has it.
    Announces,
    /// Has it, and asks for another host in its name.
    Mentions,
    /// Asks for it in a name of its own.
    Asks,
    /// Has it: an answer.
    Answers,
}

impl Said {
    /// Its sender protocol address is the service address.
    pub(super) const fn claims(self) -> bool {
        match self {
            Self::Announces | Self::Mentions | Self::Answers => true,
            Self::Wants | Self::Asks => false,
        }
    }

    /// It is a question for the service address, which who has it answers.
    pub(super) const fn asks(self) -> bool {
        match self {
            Self::Wants | Self::Asks => true,
            Self::Announces | Self::Mentions | Self::Answers => false,
        }
    }
}

/// An ARP packet on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arp {
    pub(super) lan: usize,
    /// `None`: to everybody.
    pub(super) to: Option<Mac>,
    /// Sender hardware address.
    pub(super) by: Mac,
    pub(super) said: Said,
}

/// One direction of a cable.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// So many reasons keep everything from passing, unseen by either end.
    pub(super) cut: u32,
    /// Lost of a hundred.
    pub(super) loss: u32,
    /// In addition to what is usual.
    pub(super) delay: Now,
}

/// A cable to a switch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Port {
    /// So many reasons for no carrier.
    pub(super) unplugged: u32,
    /// From the host, and to it.
    pub(super) ways: [Way; 2],
}

/// Everything between hosts.
#[derive(Debug)]
pub(super) struct Network {
    ports: [[Port; HOSTS.len()]; LANS],
    /// Each cuts a LAN in two: the side of every host.
    splits: [Vec<(usize, [bool; HOSTS.len()])>; LANS],
    /// Since when nothing has been wrong between two hosts.
    clean_since: [[[Option<Now>; HOSTS.len()]; HOSTS.len()]; LANS],
    /// When the latest frame from one to the other arrives: a switch keeps the order.
    arrived: [[[Now; HOSTS.len()]; HOSTS.len()]; LANS],
}

impl Network {
    pub(super) fn new() -> Self {
        Self {
            ports: Default::default(),
            splits: Default::default(),
            clean_since: [[[Some(0); HOSTS.len()]; HOSTS.len()]; LANS],
            arrived: Default::default(),
        }
    }

    pub(super) fn port(&mut self, lan: usize, host: Host) -> &mut Port {
        &mut self.ports[lan][host.place()]
    }

    pub(super) fn split(&mut self, lan: usize, number: usize, sides: [bool; HOSTS.len()]) {
        self.splits[lan].push((number, sides));
    }

    pub(super) fn unite(&mut self, lan: usize, number: usize) {
        self.splits[lan].retain(|(other, _)| *other != number);
    }

    /// Something has changed.
    pub(super) fn refresh(&mut self, now: Now) {
        for lan in 0..LANS {
            for one in HOSTS {
                for other in HOSTS {
                    let clean = self.is_clean(lan, one, other);
                    let since = &mut self.clean_since[lan][one.place()][other.place()];
                    *since = clean.then(|| since.unwrap_or(now));
                }
            }
        }
    }

    pub(super) fn has_carrier(&self, lan: usize, host: Host) -> bool {
        self.ports[lan][host.place()].unplugged == 0
    }

    /// Whether anything passes from one host to the other.
    pub(super) fn passes(&self, lan: usize, from: Host, to: Host) -> bool {
        let (from, to) = (from.place(), to.place());
        let (sender, receiver) = (&self.ports[lan][from], &self.ports[lan][to]);
        sender.unplugged == 0
            && receiver.unplugged == 0
            && sender.ways[0].cut == 0
            && receiver.ways[1].cut == 0
            && self.splits[lan]
                .iter()
                .all(|(_, sides)| sides[from] == sides[to])
    }

    /// Whether something passes both ways.
    pub(super) fn reaches(&self, lan: usize, one: Host, other: Host) -> bool {
        self.passes(lan, one, other) && self.passes(lan, other, one)
    }

    fn is_clean(&self, lan: usize, one: Host, other: Host) -> bool {
        let fine = |host: Host| {
            let ways = &self.ports[lan][host.place()].ways;
            ways.iter().all(|way| way.loss == 0 && way.delay == 0)
        };
        self.reaches(lan, one, other) && fine(one) && fine(other)
    }

    /// Whether what passes there and back is certain, and either nothing or everything in time.
    pub(super) fn is_certain(&self, lan: usize, one: Host, other: Host) -> bool {
        !self.reaches(lan, one, other) || self.is_clean(lan, one, other)
    }

    /// Since when the link between two hosts is healthy: everything passes, both ways, in time.
    pub(super) fn clean_since(&self, lan: usize, one: Host, other: Host) -> Option<Now> {
        self.clean_since[lan][one.place()][other.place()]
    }

    /// How long a packet takes; `None`: it is lost.
    pub(super) fn takes(
        &self,
        rng: &mut SmallRng,
        lan: usize,
        from: Host,
        to: Host,
    ) -> Option<Now> {
        if !self.passes(lan, from, to) {
            return None;
        }
        let out = self.ports[lan][from.place()].ways[0];
        let into = self.ports[lan][to.place()].ways[1];
        for loss in [out.loss, into.loss] {
            if loss > 0 && rng.random_range(0..100) < loss {
                return None;
            }
        }
        let delay = out.delay + into.delay;
        let jitter = if delay == 0 {
            100 * US
        } else {
            100 * US + delay / 4
        };
        Some(50 * US + delay + rng.random_range(0..jitter))
    }

    /// Whether a frame from one host to the other has still to arrive.
    pub(super) fn is_under_way(&self, lan: usize, from: Host, to: Host, now: Now) -> bool {
        self.arrived[lan][from.place()][to.place()] > now
    }

    /// When a frame that is sent now arrives; `None`: it is lost.
    pub(super) fn carry(
        &mut self,
        rng: &mut SmallRng,
        now: Now,
        lan: usize,
        from: Host,
        to: Host,
    ) -> Option<Now> {
        let takes = self.takes(rng, lan, from, to)?;
        let latest = &mut self.arrived[lan][from.place()][to.place()];
        *latest = (now + takes).max(*latest + US);
        Some(*latest)
    }
}

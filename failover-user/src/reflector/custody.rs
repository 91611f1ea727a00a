//! Who uses this host's addresses: asked by ARP probes (RFC 5227 1.1), which touch nobody's cache. Pure.
//!
//! An address is `Ours` until another host claims it, and then until our probes are answered: a claim alone proves
//! nothing. It is `Elsewhere` until our probes are not answered any more; then it is ours again, and announced. While we
//! are `Asking` after a start, an outage of our link or of our daemon, it is withheld, if so configured.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use failover_ebpf::abi::{Heard, identity};

/// A MAC address.
pub type Mac = [u8; 6];

/// Nanoseconds of the monotonic clock.
type Now = u64;

/// Probes of a round. RFC 5227 has as many.
pub const PROBES: u32 = 3;
/// Between two probes of a round, and how long an answer may take. RFC 5227 1.1 has seconds, for networks of 2008 and hosts
/// that wake up together; the host that stands in answers in its driver, and our clients wait.
pub const GAP: Duration = Duration::from_millis(100);
/// How often it is asked whether another host has let go.
pub const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether another host claims what is ours.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When an address that is ours again is announced after the first time: Linux before 4.11 ignores a change within a second.
const ANNOUNCEMENTS: [Duration; 3] = [
    Duration::from_millis(1100),
    Duration::from_millis(2200),
    Duration::from_secs(5),
];
/// Answered probes of a round that prove a claim of an address that we use. Others may speak of it in passing.
const PROOF: u32 = 2;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ask who has the address. If that is not possible, [`Custody::not_sent`].
    Probe(IpAddr),
    /// Write these flags ([`identity`]) into the map of the identity; none: this host uses the address.
    Write(IpAddr, u32),
    /// Tell the network that it is here.
    Announce(IpAddr),
    /// Tell people.
    Tell(IpAddr, Standing),
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This host uses it.
    Ours,
    /// It is being asked for; `withheld` says whether this host keeps off it meanwhile.
    Asking {
        /// This host keeps off it.
        withheld: bool,
    },
    /// Another host has it.
    Elsewhere {
        /// Its MAC.
        by: Mac,
    },
}

/// The addresses of the identity.
#[derive(Clone, Debug, Default)]
pub struct Custody {
    addresses: BTreeMap<IpAddr, Address>,
    /// The host as a whole uses none of them, for another reason.
    paused: bool,
}

#[derive(Clone, Debug)]
struct Address {
    /// The NIC that has it is up, so that somebody may answer.
    link: bool,
    /// When there was doubt, it is withheld.
    cautious: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `looked`: what was claimed until then is known.
    Ours {
        looked: Now,
        next: Now,
        announced: Announced,
    },
    Asking {
        withheld: bool,
        round: Round,
    },
    Elsewhere {
        by: Mac,
        round: Round,
        next: Now,
    },
}

/// Whether an address that is ours still has to be announced again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announced {
    Enough,
    /// Since the first announcement, so many more were made.
    Since {
        first: Now,
        more: usize,
    },
}

/// Where others may look for an address that is about to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Here,
    Elsewhere,
}

/// Probes in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    /// Those that have left this host.
    sent: u32,
    answered: u32,
    /// When the latest one was sent, until it is judged.
    asked: Option<Now>,
    /// When it goes on.
    next: Now,
}

impl Custody {
    /// Begins to look after an address. `found` are the flags that an earlier daemon had left in the map, if it was alive a
    /// moment ago: what it used is used on while we ask. `cautious`: with `self_fence`.
    pub fn add(&mut self, ip: IpAddr, found: Option<u32>, cautious: bool, link: bool) {
        let withheld = found.map_or(cautious, |flags| flags != 0);
        self.addresses.insert(
            ip,
            Address {
                link,
                cautious,
                state: State::Asking {
                    withheld,
                    round: Round::default(),
                },
            },
        );
    }

    /// Looks after an address no more.
    pub fn remove(&mut self, ip: IpAddr) {
        self.addresses.remove(&ip);
    }

    /// Whether doubt leads to keeping off.
    pub fn set_cautious(&mut self, cautious: bool) {
        for address in self.addresses.values_mut() {
            address.cautious = cautious;
        }
    }

    /// The NIC of an address has lost or got its link. Behind a dead link nobody is heard: there is doubt.
    pub fn set_link(&mut self, ip: IpAddr, up: bool) -> Vec<Act> {
        let Some(address) = self.addresses.get_mut(&ip) else {
            return Vec::new();
        };
        let before = std::mem::replace(&mut address.link, up);
        if before == up {
            return Vec::new();
        }
        address.doubt(ip)
    }

    /// Nothing is known any more: the host stood still, or was not well.
    pub fn doubt(&mut self) -> Vec<Act> {
        let addresses = self.addresses.iter_mut();
        addresses
            .flat_map(|(ip, address)| address.doubt(*ip))
            .collect()
    }

    /// The host as a whole keeps off its addresses, or does so no more: then there is doubt.
    pub fn pause(&mut self, paused: bool) -> Vec<Act> {
        let before = std::mem::replace(&mut self.paused, paused);
        if before && !paused {
            self.doubt()
        } else {
            Vec::new()
        }
    }

    /// A probe that was to be sent could not be: no sender, no memory, a NIC that was switched off.
    pub fn not_sent(&mut self, ip: IpAddr) {
        match self
            .addresses
            .get_mut(&ip)
            .map(|address| &mut address.state)
        {
            Some(State::Asking { round, .. } | State::Elsewhere { round, .. }) => round.not_sent(),
            Some(State::Ours { .. }) | None => {}
        }
    }

    /// Time has passed, and this was heard of each address.
    pub fn on_clock(&mut self, now: Now, heard: impl Fn(IpAddr) -> Heard) -> Vec<Act> {
        if self.paused {
            return Vec::new();
        }
        let addresses = self.addresses.iter_mut();
        addresses
            .filter(|(_, address)| address.due().is_some_and(|due| due <= now))
            .flat_map(|(ip, address)| address.turn(*ip, now, &heard(*ip)))
            .collect()
    }

    /// When [`Custody::on_clock`] has something to do.
    pub fn next_deadline(&self) -> Option<Now> {
        if self.paused {
            return None;
        }
        self.addresses.values().filter_map(Address::due).min()
    }

    /// Where each address is.
    pub fn standings(&self) -> impl Iterator<Item = (IpAddr, Standing)> {
        let addresses = self.addresses.iter();
        addresses.map(|(ip, address)| (*ip, address.standing()))
    }

    /// The addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.keys().copied()
    }
}

impl Address {
    fn standing(&self) -> Standing {
        match self.state {
            State::Ours { .. } => Standing::Ours,
            State::Asking { withheld, .. } => Standing::Asking { withheld },
            State::Elsewhere { by, .. } => Standing::Elsewhere { by },
        }
    }

    fn due(&self) -> Option<Now> {
        if !self.link {
            return None;
        }
        Some(match self.state {
            State::Ours { next, .. } | State::Elsewhere { next, .. } => next,
            State::Asking { round, .. } => round.next,
        })
    }

    fn doubt(&mut self, ip: IpAddr) -> Vec<Act> {
        let (withheld, wrote) = match self.state {
            State::Ours { .. } => (self.cautious, false),
            State::Asking { withheld, .. } => (withheld || self.cautious, withheld),
            // It has not said that it let go.
            State::Elsewhere { .. } => {
                self.state = match self.state {
                    State::Elsewhere { by, .. } => State::Elsewhere {
                        by,
                        round: Round::default(),
                        next: 0,
                    },
                    State::Ours { .. } | State::Asking { .. } => self.state,
                };
                return Vec::new();
            }
        };
        self.state = State::Asking {
            withheld,
            round: Round::default(),
        };
        if withheld == wrote {
            return Vec::new();
        }
        vec![
            Act::Write(ip, identity::UNPROVEN),
            Act::Tell(ip, self.standing()),
        ]
    }

    fn turn(&mut self, ip: IpAddr, now: Now, heard: &Heard) -> Vec<Act> {
        match self.state {
            State::Ours {
                looked, announced, ..
            } => self.look(ip, now, heard, looked, announced),
            State::Asking { withheld, round } => self.ask(ip, now, heard, withheld, round),
            State::Elsewhere { by, round, .. } => self.ask_again(ip, now, heard, by, round),
        }
    }

    /// It is ours: does anybody claim it?
    fn look(
        &mut self,
        ip: IpAddr,
        now: Now,
        heard: &Heard,
        looked: Now,
        announced: Announced,
    ) -> Vec<Act> {
        if heard.claimed_ns > looked {
            self.state = State::Asking {
                withheld: false,
                round: Round::default(),
            };
            return self.turn(ip, now, heard);
        }
        let (acts, announced) = match announced {
            Announced::Since { first, more } => {
                let due = ANNOUNCEMENTS.get(more).map(|after| first + nanos(*after));
                match due {
                    Some(due) if due <= now => {
                        let more = more + 1;
                        (vec![Act::Announce(ip)], Announced::Since { first, more })
                    }
                    Some(_) => (Vec::new(), announced),
                    None => (Vec::new(), Announced::Enough),
                }
            }
            Announced::Enough => (Vec::new(), announced),
        };
        self.state = State::Ours {
            looked,
            next: now + nanos(LOOK_EVERY),
            announced,
        };
        acts
    }

    /// A round of probes after which it is ours, unless they are answered.
    fn ask(
        &mut self,
        ip: IpAddr,
        now: Now,
        heard: &Heard,
        withheld: bool,
        mut round: Round,
    ) -> Vec<Act> {
        round.judge(heard);
        let proof = if withheld { 1 } else { PROOF };
        if round.answered >= proof {
            self.state = State::Elsewhere {
                by: heard.claimed_by,
                round: Round::default(),
                next: now + nanos(ASK_EVERY),
            };
            return vec![
                Act::Write(ip, identity::HELD_ELSEWHERE),
                Act::Tell(ip, self.standing()),
            ];
        }
        if round.sent < PROBES {
            round.send(now);
            self.state = State::Asking { withheld, round };
            return vec![Act::Probe(ip)];
        }
        let known = if round.answered > 0 {
            Known::Elsewhere
        } else {
            Known::Here
        };
        self.take_up(ip, now, heard, withheld, known)
    }

    /// Another host has it: still?
    fn ask_again(
        &mut self,
        ip: IpAddr,
        now: Now,
        heard: &Heard,
        by: Mac,
        mut round: Round,
    ) -> Vec<Act> {
        let sent = round.sent;
        round.judge(heard);
        if round.answered > 0 {
            self.state = State::Elsewhere {
                by: heard.claimed_by,
                round: Round::default(),
                next: now + nanos(ASK_EVERY),
            };
            if by == heard.claimed_by {
                return Vec::new();
            }
            return vec![Act::Tell(ip, self.standing())];
        }
        if sent >= PROBES {
            return self.take_up(ip, now, heard, true, Known::Elsewhere);
        }
        round.send(now);
        self.state = State::Elsewhere {
            by,
            round,
            next: round.next,
        };
        vec![Act::Probe(ip)]
    }

    /// Nobody has it. What was withheld has to be announced, and what another host has let go while it was being asked for: whoever
    /// has held it waits for that. Otherwise the others have never heard of anybody else.
    fn take_up(
        &mut self,
        ip: IpAddr,
        now: Now,
        heard: &Heard,
        withheld: bool,
        known: Known,
    ) -> Vec<Act> {
        let announces = withheld || known == Known::Elsewhere;
        let announced = if announces {
            Announced::Since {
                first: now,
                more: 0,
            }
        } else {
            Announced::Enough
        };
        self.state = State::Ours {
            looked: heard.claimed_ns,
            next: now + nanos(LOOK_EVERY),
            announced,
        };
        if withheld {
            // First the fence, or the answers to the announcement would be lost.
            vec![
                Act::Write(ip, 0),
                Act::Announce(ip),
                Act::Tell(ip, Standing::Ours),
            ]
        } else if announces {
            vec![Act::Announce(ip)]
        } else {
            Vec::new()
        }
    }
}

impl Round {
    fn send(&mut self, now: Now) {
        self.sent += 1;
        self.asked = Some(now);
        self.next = now + nanos(GAP);
    }

    /// The latest probe has not left this host: it is tried again, and nobody's silence counts meanwhile.
    fn not_sent(&mut self) {
        if self.asked.take().is_some() {
            self.sent -= 1;
        }
    }

    /// Whether somebody has claimed the address since the latest probe.
    fn judge(&mut self, heard: &Heard) {
        if self.asked.take().is_some_and(|at| heard.claimed_ns >= at) {
            self.answered += 1;
        }
    }
}

const fn nanos(duration: Duration) -> Now {
    duration.as_nanos() as Now
}

#[cfg(test)]
mod tests;

//! Another host claims an address that this host holds (RFC 5227 2.4).

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::{
    Action, Claimant, Finding, Now, State,
    table::On,
    unit::{Phase, Turn, Unit, nanos},
    words,
};
use crate::config::OnConflict;

/// An address is defended at most once in this time (RFC 5227 1.1, DEFEND_INTERVAL).
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Nobody has claimed an address for so long: the conflict is over.
pub const CONFLICT_QUIET: Duration = Duration::from_secs(30);

/// Hosts that we know are told where an address is, each alone, at most once in this time, beside what defends it. Claims that
/// follow each other closer than half of it are told of once ([`failover_ebpf::abi::CLAIM_INTERVAL_NS`]).
const REASSURE_INTERVAL: Duration = Duration::from_millis(200);

const _: () =
    assert!(REASSURE_INTERVAL.as_nanos() >= 2 * failover_ebpf::abi::CLAIM_INTERVAL_NS as u128);
/// After a conflict with another failover host the network is told again who has the addresses, at most once in this time: both
/// had answered for them.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// Another failover host is told who has an address at most once in this time, beside what defends it.
const INTRODUCE_INTERVAL: Duration = Duration::from_secs(1);

/// A conflict.
#[derive(Clone, Debug)]
pub(super) struct Clash {
    since: Now,
    latest: Now,
    /// Who made the latest claim.
    by: Claimant,
    /// The administrator is asked, and has not said that they are to be defended.
    asks: bool,
    /// The latest claim, if it is no source's.
    other: Option<Finding>,
    ip: IpAddr,
    /// Another failover host was heard, and gives them up: since then the network is told again.
    told_again: Option<Now>,
    /// When the hosts that we know were last told where an address is.
    reassured: BTreeMap<IpAddr, Now>,
    /// What was claimed when it could not be answered at once.
    owed: BTreeMap<IpAddr, Owed>,
}

/// When a claim is answered that came too soon after another one. Whoever has believed it would go on to for as long as nobody
/// says anything.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    defence: Option<Now>,
    reassurance: Option<Now>,
}

impl Clash {
    /// When it is over, if nothing is heard until then.
    pub(super) fn quiet_at(&self) -> Now {
        self.latest.saturating_add(nanos(CONFLICT_QUIET))
    }

    /// When the next claim is answered that could not be answered at once.
    pub(super) fn owed_at(&self) -> Option<Now> {
        let owed = self.owed.values();
        owed.flat_map(|owed| [owed.defence, owed.reassurance])
            .flatten()
            .min()
    }
}

impl Unit {
    pub(super) fn on_claim(&mut self, turn: &mut Turn, ip: IpAddr, mac: String, by: Claimant) {
        if by == Claimant::Source {
            self.taken_back(turn, ip);
        }
        let rule = self.rules.on_conflict;
        let Phase::Holding(holding) = &mut self.phase else {
            return self.on_claim_giving_back(turn, ip, mac, by);
        };
        let other = match by {
            Claimant::Source => None,
            Claimant::Peer { .. } | Claimant::Stranger => Some(Finding::Other {
                ip,
                mac: mac.clone(),
            }),
        };
        let clash = holding.clash.get_or_insert_with(|| Clash {
            since: turn.now,
            latest: turn.now,
            by,
            asks: rule == OnConflict::Ask,
            other: None,
            ip,
            told_again: None,
            reassured: BTreeMap::new(),
            owed: BTreeMap::new(),
        });
        clash.latest = turn.now;
        clash.by = by;
        clash.ip = ip;
        clash.other.clone_from(&other);
        let asks = clash.asks;

        let cause = words::claimed(ip, &mac, by, asks);
        if self.state == State::Conflict {
            self.cause = cause;
        } else {
            self.go(turn, State::Conflict, On::Claim, cause);
        }
        match (by, rule) {
            (Claimant::Peer { keeps: true }, _) => {
                self.make_known(turn, ip, mac);
                self.start_failback(turn, On::Claim, words::PEER_KEEPS);
            }
            (Claimant::Peer { keeps: false }, _) => {
                if !self.defend(turn, ip) {
                    self.introduce(turn, ip, mac);
                }
                self.tell_again(turn.now);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Release) => {
                self.start_failback(turn, On::Claim, words::RELEASED);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Defend) => {
                self.answer_claim(turn, ip);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Ask) if !asks => {
                self.answer_claim(turn, ip);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Ask) => {}
        }
    }

    /// The same while the addresses wait to go back. With a host that keeps them they wait no longer.
    fn on_claim_giving_back(&mut self, turn: &mut Turn, ip: IpAddr, mac: String, by: Claimant) {
        if !self.serves() {
            return;
        }
        match by {
            Claimant::Peer { keeps: true } => {
                self.make_known(turn, ip, mac.clone());
                self.give_way(turn, Finding::Other { ip, mac });
            }
            Claimant::Peer { keeps: false } => self.introduce(turn, ip, mac),
            Claimant::Source | Claimant::Stranger => {}
        }
    }

    /// Whoever keeps the addresses knows us, too, and does not take us for a stranger. IPv6 addresses are asked for in a way that
    /// shows no failover host ([`crate::net::announce::question`]), so for the one that is claimed there is a probe as well.
    fn make_known(&self, turn: &mut Turn, ip: IpAddr, mac: String) {
        let unit = self.id;
        turn.actions.push(Action::Probe { unit });
        turn.actions.push(Action::Introduce { unit, ip, mac });
    }

    /// Another failover host gives the addresses up, and has answered for them until now.
    fn tell_again(&mut self, now: Now) {
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        let Some(clash) = &mut holding.clash else {
            return;
        };
        let lately = |at: Now| at.saturating_add(nanos(TELL_AGAIN)) > now;
        if clash.told_again.is_some_and(lately) {
            return;
        }
        clash.told_again = Some(now);
        holding.announcements.restart(now);
    }

    /// How often it is asked who else has the addresses, once it is known: a host that is none of ours and does not let go is
    /// defended against as rarely, and is not to fill the events meanwhile.
    pub(super) fn strangers_pace(&self, now: Now) -> Option<Duration> {
        match &self.phase {
            Phase::Holding(holding) => {
                let clash = holding.clash.as_ref()?;
                let long = clash.since.saturating_add(nanos(CONFLICT_QUIET)) <= now;
                (long && clash.by == Claimant::Stranger).then_some(DEFEND_INTERVAL)
            }
            Phase::Idle
            | Phase::Watching(_)
            | Phase::Checking { .. }
            | Phase::BeforeTakeover(_)
            | Phase::AwaitingThread { .. }
            | Phase::Commanded(_)
            | Phase::GivingBack(_) => None,
        }
    }

    /// Announces the address, unless that was done a moment ago: two hosts that both defend must not flood the network. `false`:
    /// it was.
    fn defend(&mut self, turn: &mut Turn, ip: IpAddr) -> bool {
        let again = |at: &Now| at.saturating_add(nanos(DEFEND_INTERVAL)) <= turn.now;
        let due = self.defended.get(&ip).is_none_or(again);
        if due {
            self.defended.insert(ip, turn.now);
            turn.actions.push(Action::Defend { unit: self.id, ip });
        }
        due
    }

    /// Defends the address against a host that does not listen: a source that has come back speaks for its addresses again and
    /// again, and each time those that hear it send there. RFC 5227 2.4 (c) allows one announcement in [`DEFEND_INTERVAL`]. In
    /// between the hosts that we know are told, each alone, and at its end everybody is.
    ///
    /// They are told once more a moment later, as claims that come right behind this one are not told of.
    fn answer_claim(&mut self, turn: &mut Turn, ip: IpAddr) {
        let announced = self.defend(turn, ip);
        let (unit, now) = (self.id, turn.now);
        let defended = self.defended.get(&ip).copied().unwrap_or(now);
        let Some(clash) = self.clash_mut() else {
            return;
        };
        let again = |at: &Now| at.saturating_add(nanos(REASSURE_INTERVAL)) <= now;
        if !announced && clash.reassured.get(&ip).is_none_or(again) {
            clash.reassured.insert(ip, now);
            turn.actions.push(Action::Reassure { unit, ip });
        }
        let defence = (!announced).then(|| defended.saturating_add(nanos(DEFEND_INTERVAL)));
        let reassurance = Some(now.saturating_add(nanos(REASSURE_INTERVAL)));
        let owed = Owed {
            defence,
            reassurance,
        };
        clash.owed.insert(ip, owed);
    }

    /// Answers the claims that are due.
    pub(super) fn pay(&mut self, turn: &mut Turn) {
        let unit = self.id;
        let Some(clash) = self.clash_mut() else {
            return;
        };
        let now = turn.now;
        let due = |at: &mut Option<Now>| at.take_if(|at| *at <= now).is_some();
        let mut defences = Vec::new();
        for (ip, owed) in &mut clash.owed {
            if due(&mut owed.defence) {
                // Which tells those that we know as well.
                owed.reassurance = None;
                defences.push(*ip);
            } else if due(&mut owed.reassurance) {
                clash.reassured.insert(*ip, now);
                let ip = *ip;
                turn.actions.push(Action::Reassure { unit, ip });
            }
        }
        for ip in defences {
            self.defend(turn, ip);
        }
    }

    fn clash_mut(&mut self) -> Option<&mut Clash> {
        match &mut self.phase {
            Phase::Holding(holding) => holding.clash.as_mut(),
            Phase::Idle
            | Phase::Watching(_)
            | Phase::Checking { .. }
            | Phase::BeforeTakeover(_)
            | Phase::AwaitingThread { .. }
            | Phase::Commanded(_)
            | Phase::GivingBack(_) => None,
        }
    }

    /// Tells another failover host that claims an address who keeps it. That one announcement in [`DEFEND_INTERVAL`] is used up
    /// must not make both hold it until the next scheduled one.
    fn introduce(&mut self, turn: &mut Turn, ip: IpAddr, mac: String) {
        let again = |at: &Now| at.saturating_add(nanos(INTRODUCE_INTERVAL)) <= turn.now;
        if self.introduced.get(&ip).is_none_or(again) {
            self.introduced.insert(ip, turn.now);
            let unit = self.id;
            turn.actions.push(Action::Introduce { unit, ip, mac });
        }
    }

    /// Whether an administrator is asked what to do about a conflict.
    pub(super) fn asks_about_conflict(&self) -> bool {
        match &self.phase {
            Phase::Holding(holding) => holding.clash.as_ref().is_some_and(|clash| clash.asks),
            Phase::Idle
            | Phase::Watching(_)
            | Phase::Checking { .. }
            | Phase::BeforeTakeover(_)
            | Phase::AwaitingThread { .. }
            | Phase::Commanded(_)
            | Phase::GivingBack(_) => false,
        }
    }

    /// `failover approve`: they are defended from now on.
    pub(super) fn defend_from_now_on(&mut self, turn: &mut Turn) {
        let Some(clash) = self.clash_mut() else {
            return;
        };
        clash.asks = false;
        let ip = clash.ip;
        self.cause = words::with_note(self.cause.clone(), words::DEFENDED);
        self.defend(turn, ip);
    }

    /// The host, other than the source, that a conflict is with.
    pub(super) fn rival_in_conflict(&self) -> Option<Finding> {
        match &self.phase {
            Phase::Holding(holding) => holding.clash.as_ref()?.other.clone(),
            Phase::Idle
            | Phase::Watching(_)
            | Phase::Checking { .. }
            | Phase::BeforeTakeover(_)
            | Phase::AwaitingThread { .. }
            | Phase::Commanded(_)
            | Phase::GivingBack(_) => None,
        }
    }

    /// Nobody has claimed anything for a while.
    pub(super) fn conflict_is_over(&mut self, turn: &mut Turn) {
        if let Phase::Holding(holding) = &mut self.phase {
            holding.clash = None;
        }
        let cause = self
            .taken
            .as_ref()
            .map_or_else(String::new, |taken| taken.cause.clone());
        self.go(turn, State::TakenOver, On::Quiet, cause);
    }
}

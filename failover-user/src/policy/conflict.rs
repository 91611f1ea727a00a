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

/// Another failover host is told who has an address at most once in this time, beside what defends it.
const INTRODUCE_INTERVAL: Duration = Duration::from_secs(1);

/// A conflict.
#[derive(Clone, Debug)]
pub(super) struct Clash {
    latest: Now,
    /// The administrator is asked, and has not said that they are to be defended.
    asks: bool,
    /// The latest claim, if it is no source's.
    other: Option<Finding>,
    ip: IpAddr,
    /// When another failover host was last told who has an address.
    introduced: BTreeMap<IpAddr, Now>,
}

impl Clash {
    /// When it is over, if nothing is heard until then.
    pub(super) fn quiet_at(&self) -> Now {
        self.latest.saturating_add(nanos(CONFLICT_QUIET))
    }
}

impl Unit {
    pub(super) fn on_claim(&mut self, turn: &mut Turn, ip: IpAddr, mac: String, by: Claimant) {
        if by == Claimant::Source {
            self.taken_back(turn, ip);
        }
        let rule = self.rules.on_conflict;
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        let other = match by {
            Claimant::Source => None,
            Claimant::Peer { .. } | Claimant::Stranger => Some(Finding::Other {
                ip,
                mac: mac.clone(),
            }),
        };
        let clash = holding.clash.get_or_insert_with(|| Clash {
            latest: turn.now,
            asks: rule == OnConflict::Ask,
            other: None,
            ip,
            introduced: BTreeMap::new(),
        });
        clash.latest = turn.now;
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
                // By a probe the other one knows us, too, and does not take us for a stranger.
                turn.actions.push(Action::Probe { unit: self.id });
                self.start_failback(turn, On::Claim, words::PEER_KEEPS);
            }
            (Claimant::Peer { keeps: false }, _) => {
                if !self.defend(turn, ip) {
                    self.introduce(turn, ip, mac);
                }
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Release) => {
                self.start_failback(turn, On::Claim, words::RELEASED);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Defend) => {
                self.defend(turn, ip);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Ask) if !asks => {
                self.defend(turn, ip);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Ask) => {}
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

    /// Tells another failover host that claims an address who keeps it. That one announcement in [`DEFEND_INTERVAL`] is used up
    /// must not make both hold it until the next scheduled one.
    fn introduce(&mut self, turn: &mut Turn, ip: IpAddr, mac: String) {
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        let Some(clash) = &mut holding.clash else {
            return;
        };
        let again = |at: &Now| at.saturating_add(nanos(INTRODUCE_INTERVAL)) <= turn.now;
        if clash.introduced.get(&ip).is_none_or(again) {
            clash.introduced.insert(ip, turn.now);
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
        let Phase::Holding(holding) = &mut self.phase else {
            return;
        };
        let Some(clash) = &mut holding.clash else {
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

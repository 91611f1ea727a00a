//! Another host claims an address that this host holds (RFC 5227 2.4).

use std::{net::IpAddr, time::Duration};

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

/// A conflict.
#[derive(Clone, Debug)]
pub(super) struct Clash {
    latest: Now,
    /// The administrator is asked, and has not said that they are to be defended.
    asks: bool,
    /// The latest claim, if it is no source's.
    other: Option<Finding>,
    ip: IpAddr,
}

impl Clash {
    /// When it is over, if nothing is heard until then.
    pub(super) fn quiet_at(&self) -> Now {
        self.latest.saturating_add(nanos(CONFLICT_QUIET))
    }
}

impl Unit {
    pub(super) fn on_claim(&mut self, turn: &mut Turn, ip: IpAddr, mac: String, by: Claimant) {
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
                self.start_failback(turn, On::Claim, words::PEER_KEEPS);
            }
            (Claimant::Peer { keeps: false }, _) => self.defend(turn, ip),
            (Claimant::Source | Claimant::Stranger, OnConflict::Release) => {
                self.start_failback(turn, On::Claim, words::RELEASED);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Defend) => self.defend(turn, ip),
            (Claimant::Source | Claimant::Stranger, OnConflict::Ask) if !asks => {
                self.defend(turn, ip);
            }
            (Claimant::Source | Claimant::Stranger, OnConflict::Ask) => {}
        }
    }

    /// Announces the address, unless that was done a moment ago: two hosts that both defend must not flood the network.
    fn defend(&mut self, turn: &mut Turn, ip: IpAddr) {
        let again = |at: &Now| at.saturating_add(nanos(DEFEND_INTERVAL)) <= turn.now;
        if self.defended.get(&ip).is_none_or(again) {
            self.defended.insert(ip, turn.now);
            turn.actions.push(Action::Defend { unit: self.id, ip });
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

//! Whether anybody else has what is held: whoever holds addresses asks, again and again.
//!
//! Behind a partition two hosts may hold the same addresses, and neither is told when the network is whole again. Each asks
//! for one address a NIC in turn ([`Action::Inquire`]), and whoever answers claims it ([`super::Input::Claim`]).

use std::time::Duration;

use super::{
    Action, Now,
    unit::{Phase, Turn, Unit, nanos},
};

/// How often a unit whose addresses are held asks whether somebody else answers for one of them. An ARP broadcast a second is
/// nothing to a network, and VRRP, whose routers speak as often, is not faster in ending a double master (RFC 9568 6.1).
pub const INQUIRE_EVERY: Duration = Duration::from_secs(1);

/// When it is asked, and for which address in turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inquiries {
    next: Now,
    round: u32,
}

impl Inquiries {
    /// The addresses are held from now on, or still.
    pub(super) fn begin(&mut self, now: Now) {
        let latest = now.saturating_add(nanos(INQUIRE_EVERY));
        if self.next <= now || self.next > latest {
            self.next = latest;
        }
    }
}

impl Unit {
    /// When [`Self::inquire`] has something to do.
    pub(super) fn inquiry_due(&self) -> Option<Now> {
        self.serves().then_some(self.inquiries.next)
    }

    /// Asks, if it is time.
    pub(super) fn inquire(&mut self, turn: &mut Turn) {
        if self.inquiry_due().is_none_or(|due| due > turn.now) {
            return;
        }
        let every = self.strangers_pace(turn.now).unwrap_or(INQUIRE_EVERY);
        let Inquiries { next, round } = &mut self.inquiries;
        turn.actions.push(Action::Inquire {
            unit: self.id,
            round: *round,
        });
        *next = turn.now.saturating_add(nanos(every));
        *round = round.wrapping_add(1);
    }

    /// Whether the addresses are held, and not only to turn packets round: another host that has them is one too many.
    pub(super) fn serves(&self) -> bool {
        match &self.phase {
            Phase::Holding(_) => true,
            Phase::GivingBack(giving_back) => giving_back.serves(),
            Phase::Idle
            | Phase::Watching(_)
            | Phase::Checking { .. }
            | Phase::BeforeTakeover(_)
            | Phase::AwaitingThread { .. }
            | Phase::Commanded(_) => false,
        }
    }
}

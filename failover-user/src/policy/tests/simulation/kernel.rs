//! What a target keeps in the kernel, and what the program there makes of an ARP packet. It outlives the daemon.

use std::collections::VecDeque;

use failover_ebpf::{
    abi::{Heard, Held, held},
    resolve::{Said as EbpfSaid, is_conflict, tell_again, yields},
};

use super::network::{Arp, LANS, Mac, Said};
use crate::policy::Now;

/// A claim that the program has told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) at: Now,
    pub(super) lan: usize,
    pub(super) by: Mac,
}

/// What becomes of an ARP packet beside being noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing of ours.
    Passes,
    /// It is answered.
    Answered,
    /// It is not: the source is to find the address free.
    Yielded,
    /// A held address is claimed: the daemon is told.
    Conflict,
    /// It is turned round to the source.
    TurnedRound(Mac),
}

/// The maps of one target.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// Takeover map, by LAN.
    pub(super) held: [Option<Held>; LANS],
    /// Since when an address is held and not going back.
    pub(super) local_since: [Option<Now>; LANS],
    pub(super) heard: [Heard; LANS],
    /// Not read yet.
    pub(super) claims: VecDeque<Told>,
    /// When the source answered last, by LAN.
    pub(super) last_reply: [Now; LANS],
    /// Since when it has said in its answers that it is on hold.
    pub(super) on_hold_since: [Option<Now>; LANS],
    /// Its NIC had carrier when that was looked at last.
    pub(super) carrier: [bool; LANS],
    /// It is in the table of neighbours.
    pub(super) knows_source: [bool; LANS],
}

impl Kernel {
    /// Holds the address, and not only to turn packets round.
    pub(super) fn is_local(&self, lan: usize) -> bool {
        self.local_since[lan].is_some()
    }

    pub(super) fn set(&mut self, lan: usize, entry: Option<Held>, now: Now) {
        self.held[lan] = entry;
        let local = entry.is_some_and(|entry| entry.mode == held::LOCAL);
        let since = &mut self.local_since[lan];
        *since = local.then(|| since.unwrap_or(now));
    }

    /// An ARP packet comes in by the NIC with the MAC `nic`.
    pub(super) fn receive(&mut self, arp: &Arp, nic: Mac, now: Now) -> Fate {
        let heard = &mut self.heard[arp.lan];
        if arp.by == nic {
            return Fate::Passes;
        }
        if arp.said.claims() {
            EbpfSaid::Has([0; 16]).note(heard, arp.by, now);
        } else if arp.said == Said::Wants {
            EbpfSaid::Wants([0; 16]).note(heard, arp.by, now);
        }
        let Some(entry) = self.held[arp.lan] else {
            return Fate::Passes;
        };
        if entry.mode == held::DRAIN {
            let ours = arp.said.asks() && arp.to == Some(nic) && arp.by != entry.next_hop;
            return if ours {
                Fate::TurnedRound(entry.next_hop)
            } else {
                Fate::Passes
            };
        }
        if arp.said.claims() {
            let answers = arp.said == Said::Answers;
            if is_conflict(arp.by, &entry, answers, |_| false) && tell_again(heard, now) {
                heard.told_ns = now;
                let (lan, by) = (arp.lan, arp.by);
                self.claims.push_back(Told { at: now, lan, by });
                return Fate::Conflict;
            }
            return Fate::Passes;
        }
        if arp.said == Said::Wants && yields(arp.by, &entry) {
            return Fate::Yielded;
        }
        Fate::Answered
    }
}

//! A client's neighbour entries, as Linux keeps them, one for each LAN.

use super::network::{Arp, LANS, Mac, SECOND, Said};
use crate::policy::Now;

/// An answer does not replace what was learnt so short a time before (`locktime`); an announcement does.
const LOCK_TIME: Now = SECOND;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    mac: Option<Mac>,
    updated: Now,
    /// Packets in a row without an answer.
    unserved: u32,
}

/// What a client knows of the service addresses.
#[derive(Debug, Default)]
pub(super) struct Client {
    entries: [Entry; LANS],
}

/// What a client whose packet was not answered does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Nobody,
    /// Whom it knows (a unicast probe, `NUD_PROBE`).
    Known(Mac),
    Everybody,
}

impl Client {
    pub(super) fn knows(&mut self, lan: usize, mac: Mac) {
        self.entries[lan].mac = Some(mac);
    }

    pub(super) fn mac(&self, lan: usize) -> Option<Mac> {
        self.entries[lan].mac
    }

    /// It hears an ARP packet.
    pub(super) fn hear(&mut self, arp: &Arp, now: Now) {
        let entry = &mut self.entries[arp.lan];
        let gratuitous = arp.said == Said::Announces;
        // Without an entry only an answer makes one.
        let learns = match entry.mac {
            Some(_) => gratuitous || now >= entry.updated + LOCK_TIME,
            None => arp.said == Said::Answers,
        };
        if arp.said.claims() && learns {
            entry.mac = Some(arp.by);
            entry.updated = now;
        }
    }

    /// It has sent a packet, and has or has not got an answer.
    pub(super) fn served(&mut self, lan: usize, served: bool) -> Asks {
        let entry = &mut self.entries[lan];
        if served {
            entry.unserved = 0;
            return Asks::Nobody;
        }
        entry.unserved += 1;
        match entry.mac {
            Some(mac) if entry.unserved == 1 => Asks::Known(mac),
            Some(_) | None => {
                entry.mac = None;
                Asks::Everybody
            }
        }
    }
}

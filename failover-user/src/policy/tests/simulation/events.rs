//! What happens, and in which order.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{
    kernel::Told,
    network::{Arp, Host},
};
use crate::policy::{Cause, Hook, Input, Now, UnitId};

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
    /// The source's daemon looks after its addresses.
    Custody {
        starts: u32,
    },
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

/// Everything that is on its way, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    numbers: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Now, event: Event) {
        self.numbers += 1;
        let number = self.numbers;
        self.heap.push(Entry { at, number, event });
    }

    pub(super) fn pop(&mut self) -> Option<(Now, Event)> {
        let Entry { at, event, .. } = self.heap.pop()?;
        Some((at, event))
    }
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

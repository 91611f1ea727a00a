//! The source's side in the loop: whether this host answers heartbeats and uses its identity.
//!
//! [`health`] keeps the kernel informed of checks and holds, [`keeping`] asks who has the addresses and acts on it, [`told`]
//! says all of that to people.

mod health;
mod keeping;
pub(super) mod told;

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use failover_ebpf::{
    abi::{self, health as flag, identity},
    health::expired,
};
use tokio::sync::mpsc;

use super::Daemon;
use crate::{
    bpf::{health::HealthBoard, pins::Pins},
    config::Reflector,
    monitor::clock,
    reflector::{
        checks::{Checked, Checks},
        custody::{Custody, LOOK_EVERY},
        dead_man::{self, DeadMan, HAND_OVER},
    },
};

/// The source's side of a daemon.
pub(super) struct SourceSide {
    board: HealthBoard,
    /// Ticks as long as there is a reflector.
    dead_man: Option<DeadMan>,
    checks: Checks,
    custody: Custody,
    /// Addresses whose entry in the map says that this host does not use them.
    withheld: BTreeSet<IpAddr>,
    /// The administrator of this host wants no takeover.
    hold: bool,
    /// When it was last looked at all of this.
    looked_ns: u64,
    /// What people were told last.
    told: told::Told,
}

impl SourceSide {
    /// Nothing is under way yet. Results of checks come out of the receiver.
    pub(super) fn new(
        pins: &Pins,
        hold: bool,
    ) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Checked>)> {
        let (checks, results) = Checks::new();
        let side = Self {
            board: HealthBoard::open(pins)?,
            dead_man: None,
            checks,
            custody: Custody::default(),
            withheld: BTreeSet::new(),
            hold,
            looked_ns: 0,
            told: told::Told::default(),
        };
        Ok((side, results))
    }

    /// Whether this host's administrator wants no takeover.
    pub(super) fn on_hold(&self) -> bool {
        self.hold
    }

    /// The loop goes round.
    pub(super) fn beat(&self) {
        if let Some(dead_man) = &self.dead_man {
            dead_man.beat();
        }
    }
}

/// What an earlier daemon has left.
struct Found {
    /// It ran a moment ago, and its reflector answered.
    alive: bool,
    /// A check had failed.
    ill: bool,
}

impl Daemon {
    /// Before the program is on any NIC: the fence is up from its first frame on.
    ///
    /// What a daemon that was alive a moment ago had used is used on, or a plain restart would cost packets; after anything
    /// else (a boot, a crash) the identity is withheld until it is known that nobody else has it, if `self_fence` is set.
    pub(super) fn begin_source_side(&mut self) -> anyhow::Result<()> {
        self.begin_source_side_with(&self.found())
    }

    fn begin_source_side_with(&mut self, found: &Found) -> anyhow::Result<()> {
        let Some(reflector) = self.config.reflector.clone() else {
            return self.end_source_side();
        };
        let usable = found.alive && !(found.ill && reflector.self_fence);
        let entries = self.maps.identity()?;
        let side = &mut self.side;
        if reflector.self_fence && !usable {
            side.board.set(flag::UNPROVEN);
        }
        side.board.put(flag::SELF_FENCE, reflector.self_fence);
        side.board.put(flag::ADMIN_DOWN, side.hold);
        // Of a host that was well it is assumed that it still is; otherwise the first results say so.
        let assumed = (found.alive && !found.ill).then_some(true);
        side.checks.begin(&reflector.checks, assumed);
        side.board.put(flag::CHECKS_FAILED, side.checks.failing());
        for address in &reflector.identity {
            let ip = address.ip;
            let flags = entries.get(&ip).copied().unwrap_or(0);
            // What was kept off is kept off until it has been asked for, whatever became of the daemon that had found out.
            let found = (usable || flags != 0).then_some(flags);
            self.look_after(ip, found, &reflector)?;
        }
        for ip in entries.into_keys() {
            if !reflector.identity.iter().any(|address| address.ip == ip) {
                self.maps.remove_identity(ip)?;
            }
        }
        // Each address has its own flags by now.
        self.put_withheld();
        self.side.board.clear(flag::UNPROVEN);
        self.start_dead_man(reflector.dead_man)?;
        self.write_health();
        self.learn_fence();
        Ok(())
    }

    /// What the kernel knows of the daemon before this one.
    fn found(&self) -> Found {
        let health = self.side.board.get();
        let alive = health.dead_man_ns != 0
            && health.flags & flag::UNPROVEN == 0
            && !expired(&health, clock::now());
        Found {
            alive,
            ill: health.flags & flag::CHECKS_FAILED != 0,
        }
    }

    /// Begins to look after an address of the identity; see [`Custody::add`].
    fn look_after(
        &mut self,
        ip: IpAddr,
        found: Option<u32>,
        reflector: &Reflector,
    ) -> anyhow::Result<()> {
        let link = self.has_link(ip);
        let custody = &mut self.side.custody;
        custody.add(ip, found, reflector.self_fence, link);
        let withheld = found.map_or(reflector.self_fence, |flags| flags != 0);
        let flags = match found {
            Some(flags) => flags,
            None if withheld => identity::UNPROVEN,
            None => 0,
        };
        if withheld {
            self.side.withheld.insert(ip);
        }
        self.maps.set_identity(ip, flags)
    }

    fn start_dead_man(&mut self, dead_man: Duration) -> anyhow::Result<()> {
        let side = &mut self.side;
        if side.dead_man.is_none() {
            // Until the thread has ticked, which it does at once.
            side.board
                .tick(clock::now() + dead_man::START.as_nanos() as u64);
        }
        // It has ticked when this returns, and the one before goes on until then: so a shorter time finds a young tick.
        let started = DeadMan::start(&self.pins, dead_man, dead_man::loop_patience(dead_man))?;
        side.board.set_dead_man(dead_man.as_nanos() as u64);
        side.dead_man = Some(started);
        Ok(())
    }

    /// This host has no reflector: it answers nobody, and keeps off nothing.
    fn end_source_side(&mut self) -> anyhow::Result<()> {
        self.side.dead_man = None;
        self.side.checks.begin(&[], None);
        self.side.custody = Custody::default();
        self.side.withheld.clear();
        self.side.board.reset();
        self.learn_fence();
        for ip in self.maps.identity()?.into_keys() {
            self.maps.remove_identity(ip)?;
        }
        Ok(())
    }

    /// Another configuration: what stays goes on.
    pub(super) fn change_source_side(&mut self, before: Option<&Reflector>) -> anyhow::Result<()> {
        let Some(reflector) = self.config.reflector.clone() else {
            return self.end_source_side();
        };
        let Some(before) = before else {
            // The host is in use, and nobody has said that its addresses are not its own, nor that it is not well.
            return self.begin_source_side_with(&Found {
                alive: true,
                ill: false,
            });
        };
        if *before == reflector {
            return Ok(());
        }
        for address in &before.identity {
            if !reflector
                .identity
                .iter()
                .any(|stays| stays.ip == address.ip)
            {
                self.side.custody.remove(address.ip);
                self.side.withheld.remove(&address.ip);
                self.maps.remove_identity(address.ip)?;
            }
        }
        for address in &reflector.identity {
            if !before.identity.iter().any(|known| known.ip == address.ip) {
                // It may be in use, and nobody has said that it is not ours.
                self.look_after(address.ip, Some(0), &reflector)?;
            }
        }
        self.put_withheld();
        self.side.custody.set_cautious(reflector.self_fence);
        self.side.board.put(flag::SELF_FENCE, reflector.self_fence);
        if before.dead_man != reflector.dead_man {
            self.start_dead_man(reflector.dead_man)?;
        }
        if before.checks != reflector.checks {
            // A check that is new must not silence a healthy host before it has failed.
            self.side.checks.begin(&reflector.checks, Some(true));
        }
        self.write_health();
        self.learn_fence();
        Ok(())
    }

    /// The daemon ends and leaves everything to the next one, for which the kernel waits a while.
    pub(super) fn hand_over_source_side(&mut self) {
        if let Some(mut dead_man) = self.side.dead_man.take() {
            dead_man.stop();
            let until = clock::now() + HAND_OVER.as_nanos() as u64;
            self.side.board.tick(until);
        }
    }

    /// The fence on the way out of the NICs that need one, and of no others.
    pub(super) fn refresh_fences(&mut self) -> anyhow::Result<()> {
        for nic in self.pins.fenced_nics()? {
            if !self.is_fence_on(&nic) {
                self.program.unfence(&nic)?;
            }
        }
        for nic in self.attached.keys().cloned().collect::<Vec<_>>() {
            if self.is_fence_on(&nic) && self.network.links.contains_key(&nic) {
                self.program.fence(&nic)?;
            }
        }
        Ok(())
    }

    /// Whether a NIC needs a fence on its way out.
    pub(super) fn is_fence_on(&self, nic: &str) -> bool {
        let reflector = self.config.reflector.iter();
        reflector
            .filter(|reflector| !reflector.identity.is_empty())
            .any(|reflector| reflector.nics.iter().any(|name| name == nic))
    }

    /// What the kernel knows of this host's health.
    pub(super) fn health(&self) -> abi::Health {
        self.side.board.get()
    }

    /// When the loop has to look after the source's side again.
    pub(super) fn side_deadline(&self) -> Option<u64> {
        self.side.dead_man.as_ref()?;
        let look = self.side.looked_ns + LOOK_EVERY.as_nanos() as u64;
        Some(look.min(self.side.custody.next_deadline().unwrap_or(look)))
    }
}

/// The slot of an address of the identity among those that are listened for, behind those of witnesses.
pub(super) fn identity_slot(index: usize) -> u32 {
    abi::MAX_ADDRESSES + abi::MAX_WITNESSES + index as u32
}

/// The identity, with the slot of each address.
pub(super) fn slots(config: &crate::config::Config) -> impl Iterator<Item = (IpAddr, u32)> {
    let reflector = config.reflector.iter();
    reflector
        .flat_map(|reflector| reflector.identity.iter().enumerate())
        .map(|(index, address)| (address.ip, identity_slot(index)))
}

const _: () = {
    let last = abi::MAX_ADDRESSES + abi::MAX_WITNESSES + abi::MAX_IDENTITY - 1;
    assert!(last < abi::MAX_LISTENED);
};

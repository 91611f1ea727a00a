//! The loop of the heartbeat thread.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap},
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, mpsc},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    Command, Report, Watch, clock,
    nics::Nics,
    plan::{Outcome, Plan},
    scheduling::{self, Acquired},
    session::{Change, Session},
};
use crate::{
    bpf::{maps::Addresses, pins::Pins, shared::Sessions},
    config::Trigger,
    net::batch::BatchSocket,
    policy::{
        Cause, PathId, PathState, UnitId,
        trigger::{UnitVerdict, verdict},
    },
};

/// A unit as the thread knows it.
#[derive(Debug)]
struct Unit {
    trigger: Trigger,
    /// The thread may act by itself.
    armed: bool,
    plan: Option<Plan>,
}

/// How often the thread ran late since the last report of it.
#[derive(Debug, Default)]
struct Stalls {
    times: u64,
    worst_ns: u64,
    reported_ns: u64,
}

impl Stalls {
    const INTERVAL_NS: u64 = 1_000_000_000;

    fn note(&mut self, late_ns: u64) {
        self.times += 1;
        self.worst_ns = self.worst_ns.max(late_ns);
    }

    /// A host that is late all the time must not be kept busy by saying so.
    fn due(&mut self, now: u64) -> Option<Report> {
        if self.times == 0 || now - self.reported_ns < Self::INTERVAL_NS {
            return None;
        }
        let report = Report::Stalled {
            late_ns: self.worst_ns,
            times: self.times,
        };
        *self = Self {
            reported_ns: now,
            ..Self::default()
        };
        Some(report)
    }
}

/// Everything that the thread owns.
pub(super) struct Heartbeats {
    shared: Sessions,
    addresses: Addresses,
    netlink: BatchSocket,
    nics: Nics,
    sessions: Vec<Session>,
    units: BTreeMap<UnitId, Unit>,
    /// When which session (by index) is due.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    scheduling: Acquired,
    /// Sessions of this tick by NIC, kept for its memory.
    outgoing: Vec<(u32, usize)>,
    stalls: Stalls,
    inbox: mpsc::Receiver<Command>,
    wake: Arc<OwnedFd>,
    reports: UnboundedSender<Report>,
}

impl Heartbeats {
    pub(super) fn new(
        pins: &Pins,
        inbox: mpsc::Receiver<Command>,
        wake: Arc<OwnedFd>,
        reports: UnboundedSender<Report>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            shared: Sessions::open(pins)?,
            addresses: Addresses::open(pins)?,
            netlink: BatchSocket::open()?,
            nics: Nics::new()?,
            sessions: Vec::new(),
            units: BTreeMap::new(),
            due: BinaryHeap::new(),
            scheduling: Acquired::none(),
            outgoing: Vec::new(),
            stalls: Stalls::default(),
            inbox,
            wake,
            reports,
        })
    }

    pub(super) fn run(mut self, scheduling: Acquired) {
        self.scheduling = scheduling;
        while self.obey() {
            self.tick();
            self.sleep();
        }
    }

    /// Carries commands out; `false` ends the thread.
    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return false,
                Err(mpsc::TryRecvError::Empty) => return true,
                Ok(Command::Nic { index, name }) => {
                    if let Err(error) = self.nics.open(index, &name) {
                        self.report(Report::NicFailed {
                            name,
                            error: error.to_string(),
                        });
                    }
                }
                Ok(Command::NicGone { index }) => self.nics.close(index),
                Ok(Command::Unit { unit, trigger }) => {
                    self.units
                        .entry(unit)
                        .or_insert(Unit {
                            trigger,
                            armed: false,
                            plan: None,
                        })
                        .trigger = trigger;
                }
                Ok(Command::UnitGone(unit)) => {
                    self.units.remove(&unit);
                }
                Ok(Command::Watch(watch)) => self.watch(*watch),
                Ok(Command::Unwatch(path)) => self.unwatch(path),
                Ok(Command::Plan(plan)) => {
                    if let Some(unit) = self.units.get_mut(&plan.unit) {
                        unit.plan = Some(*plan);
                    }
                }
                Ok(Command::Arm { unit, armed }) => self.arm(unit, armed),
                Ok(Command::TakeOver { unit, cause }) => {
                    let done = self.take_over(unit, cause, clock::now(), 0);
                    self.report_if_any(done);
                }
                Ok(Command::Interval { shortest, answer }) => {
                    self.scheduling = scheduling::acquire(shortest);
                    let _ = answer.send(self.scheduling.scheduling());
                }
                Ok(Command::Answer(answer)) => {
                    // Whoever asked may have given up.
                    let _ = answer.send(());
                }
            }
        }
    }

    fn watch(&mut self, watch: Watch) {
        if let Some(session) = self
            .sessions
            .iter_mut()
            .find(|session| session.path == watch.path)
        {
            session.update(watch);
            return;
        }
        let interval = watch.interval.as_nanos() as u64;
        let index = self.sessions.len();
        self.sessions.push(Session::new(watch, &self.shared));
        self.outgoing.reserve(self.sessions.len());
        // Sessions of one interval share their ticks, so that their frames leave together.
        self.due
            .push(Reverse(((clock::now() / interval + 1) * interval, index)));
    }

    fn unwatch(&mut self, path: PathId) {
        let Some(gone) = self
            .sessions
            .iter()
            .position(|session| session.path == path)
        else {
            return;
        };
        self.sessions.remove(gone);
        // The others keep their times: a request in flight must not be judged early.
        self.due = self
            .due
            .drain()
            .filter_map(|Reverse((due, index))| match index.cmp(&gone) {
                Ordering::Less => Some(Reverse((due, index))),
                Ordering::Equal => None,
                Ordering::Greater => Some(Reverse((due, index - 1))),
            })
            .collect();
    }

    fn arm(&mut self, unit: UnitId, armed: bool) {
        let Some(known) = self.units.get_mut(&unit) else {
            return;
        };
        known.armed = armed;
        // The verdict may have come while the permission was on its way.
        let done = self.act_on(unit, clock::now());
        self.report_if_any(done);
    }

    /// Judges and sends whatever is due.
    fn tick(&mut self) {
        let now = clock::now();
        while let Some(Reverse((due, index))) = self
            .due
            .peek()
            .copied()
            .filter(|Reverse((due, _))| *due <= now)
        {
            self.due.pop();
            let late_ns = now - due;
            let session = &mut self.sessions[index];
            if late_ns > session.interval_ns {
                session.stalled(now);
                self.stalls.note(late_ns);
            }
            self.judge(index);
            let session = &mut self.sessions[index];
            session.next_request(&self.shared, clock::now());
            self.outgoing.push((session.nic, index));
            // Ticks that were slept through are not made up for: they would be a burst.
            let pace = session.pace_ns(&self.shared);
            let slowed = session.slowed(pace);
            self.due
                .push(Reverse((due + pace * (1 + late_ns / pace), index)));
            self.report_if_any(slowed);
        }
        self.flush();
        if let Some(report) = self.stalls.due(now) {
            self.report(report);
        }
    }

    fn judge(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        let nic = session.nic;
        if let Some(change) = session.judge(&self.shared, || self.nics.has_carrier(nic)) {
            self.changed(index, change);
        }
    }

    /// Acts on a change, and only then reports it.
    fn changed(&mut self, index: usize, change: Change) {
        let now = clock::now();
        let session = &self.sessions[index];
        let (path, unit) = (session.path, session.unit);
        let last_reply_ns = session.last_reply_ns(&self.shared);
        let done = if change.state == PathState::Down {
            crate::fault::point("verdict:seen");
            self.act_on(unit, now)
        } else {
            None
        };
        crate::fault::point_if(done.is_some(), "verdict:acted");
        self.report(Report::Path {
            path,
            state: change.state,
            missed: change.missed,
            at_ns: now,
            last_reply_ns,
        });
        crate::fault::point_if(done.is_some(), "verdict:half-reported");
        self.report_if_any(done);
    }

    /// Takes a unit over if its verdict stands and the thread may.
    fn act_on(&mut self, unit: UnitId, now: u64) -> Option<Report> {
        let known = self.units.get(&unit)?;
        let paths = self.sessions.iter().filter(|session| session.unit == unit);
        if !known.armed
            || verdict(known.trigger, paths.clone().map(Session::state)) != UnitVerdict::Failed
        {
            return None;
        }
        let last_reply_ns = paths
            .map(|session| session.last_reply_ns(&self.shared))
            .max()
            .unwrap_or(0);
        self.take_over(unit, Cause::Verdict, now, now.saturating_sub(last_reply_ns))
    }

    fn take_over(
        &mut self,
        unit: UnitId,
        cause: Cause,
        now: u64,
        detect_ns: u64,
    ) -> Option<Report> {
        let known = self.units.get_mut(&unit)?;
        known.armed = false;
        let outcome = match known.plan.as_ref() {
            Some(plan) => {
                let _uninterrupted = plan.is_long().then(|| self.scheduling.uninterrupted());
                plan.execute(now, &mut self.netlink, &mut self.addresses, &mut self.nics)
            }
            None => Outcome::unprepared(now),
        };
        Some(Report::TakenOver {
            unit,
            cause,
            detect_ns,
            outcome,
        })
    }

    /// Sends what this tick made ready, by one system call a NIC as long as it takes everything.
    fn flush(&mut self) {
        self.outgoing.sort_unstable();
        let mut start = 0;
        while let Some(&(nic, _)) = self.outgoing.get(start) {
            let end = start
                + self.outgoing[start..]
                    .iter()
                    .take_while(|(other, _)| *other == nic)
                    .count();
            while start < end {
                start = self.send(nic, start, end);
            }
        }
        self.outgoing.clear();
    }

    /// Sends the frames from `start` to `end` of this tick, and says where to go on: behind the end, or behind a frame that
    /// was refused.
    fn send(&mut self, nic: u32, start: usize, end: usize) -> usize {
        let batch = &self.outgoing[start..end];
        let frames = batch.iter().map(|&(_, index)| self.sessions[index].frame());
        let (sent, error) = self.nics.send_batch(nic, frames);
        let Some(error) = error else { return end };
        let refused = start + sent;
        let dead = match error.raw_os_error() {
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => true,
            // A full queue, or no carrier: the kernel says the same of both.
            Some(libc::ENOBUFS) => !self.nics.has_carrier(nic),
            Some(_) | None => false,
        };
        // What has no room now has none for the frames behind it either.
        let next = if dead || error.kind() == std::io::ErrorKind::WouldBlock {
            end
        } else {
            refused + 1
        };
        for place in refused..next {
            self.refused(place, dead);
        }
        next
    }

    /// A frame was not sent, so it cannot be missed. A NIC that is down or gone, or that refuses as often as would be a
    /// verdict, isolates its paths.
    fn refused(&mut self, place: usize, dead: bool) {
        let index = self.outgoing[place].1;
        self.sessions[index].not_sent(&self.shared);
        if (dead || self.sessions[index].is_refused())
            && let Some(change) = self.sessions[index].isolated(&self.shared)
        {
            self.changed(index, change);
        }
    }

    /// Waits for the next tick or a command.
    fn sleep(&self) {
        let timeout = self
            .due
            .peek()
            .map(|Reverse((due, _))| Duration::from_nanos(due.saturating_sub(clock::now())));
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let mut fds = [PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => {
                let mut count = [0; 8];
                // Another wake-up may have emptied it; the inbox is looked at in any case.
                let _ = rustix::io::read(self.wake.as_fd(), &mut count);
            }
            Err(error) => unreachable!("poll of one event descriptor: {error}"),
        }
    }

    fn report_if_any(&self, report: Option<Report>) {
        if let Some(report) = report {
            self.report(report);
        }
    }

    fn report(&self, report: Report) {
        // The daemon goes away only together with the process.
        let _ = self.reports.send(report);
    }
}

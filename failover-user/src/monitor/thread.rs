//! The loop of the heartbeat thread: what it is told, when what is due, and how it sleeps. What it does then is in
//! [`acting`] (verdicts and takeovers), [`asking`] (witnesses and probes) and [`sending`].

mod acting;
mod asking;
mod paces;
mod sending;

use std::{
    cmp::Reverse,
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

use self::paces::Paces;
use super::{
    Command, Report, Watch, clock,
    plan::{Means, Plan},
    roster::Roster,
    scheduling,
    session::{Session, next_due},
    standing::Standing,
    witness::Witness,
    worker::{Brake, Job},
};
use crate::{
    bpf::{
        pins::Pins,
        shared::{HeardBoard, Sessions},
    },
    policy::UnitId,
};

/// A unit as the thread knows it.
#[derive(Debug)]
struct Unit {
    standing: Standing,
    plan: Option<Arc<Plan>>,
}

/// What is due at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The path with this place among the sessions.
    Path(usize),
    /// The witness with this index.
    Witness(usize),
    /// What the probes for a unit, sent at this time, have found.
    Finding { unit: UnitId, sent_ns: u64 },
}

/// Whose request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Path(usize),
    Witness(usize),
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
    board: HeardBoard,
    means: Means,
    worker: mpsc::Sender<Job>,
    brake: Arc<Brake>,
    sessions: Roster<Session>,
    units: BTreeMap<UnitId, Unit>,
    witnesses: BTreeMap<usize, Witness>,
    paces: Paces,
    /// What is due when. An entry of a path or a witness counts if that is due then; there may be others.
    due: BinaryHeap<Reverse<(u64, Due)>>,
    /// Requests of this tick by NIC, kept for its memory.
    outgoing: Vec<(u32, Asked)>,
    stalls: Stalls,
    inbox: mpsc::Receiver<Command>,
    wake: Arc<OwnedFd>,
    reports: UnboundedSender<Report>,
}

impl Heartbeats {
    pub(super) fn new(
        pins: &Pins,
        worker: mpsc::Sender<Job>,
        brake: Arc<Brake>,
        inbox: mpsc::Receiver<Command>,
        wake: Arc<OwnedFd>,
        reports: UnboundedSender<Report>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            shared: Sessions::open(pins)?,
            board: HeardBoard::open(pins)?,
            means: Means::open(pins)?,
            worker,
            brake,
            sessions: Roster::default(),
            paces: Paces::default(),
            units: BTreeMap::new(),
            witnesses: BTreeMap::new(),
            due: BinaryHeap::new(),
            outgoing: Vec::new(),
            stalls: Stalls::default(),
            inbox,
            wake,
            reports,
        })
    }

    pub(super) fn run(mut self) {
        while self.obey() {
            self.tick();
            self.sleep();
        }
    }

    /// Carries commands out; `false` ends the thread.
    fn obey(&mut self) -> bool {
        let goes_on = self.carry_out_commands();
        // Once for each unit, however many of its paths are watched no more.
        for unit in self.sessions.thinned() {
            self.forget_verdict(unit);
        }
        goes_on
    }

    fn carry_out_commands(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return false,
                Err(mpsc::TryRecvError::Empty) => return true,
                Ok(Command::Nic { index, name }) => self.open_nic(index, name),
                Ok(Command::NicGone { index }) => {
                    self.means.nics.close(index);
                    self.hand_over(Job::NicGone { index });
                }
                Ok(Command::Unit { unit, trigger }) => {
                    self.units
                        .entry(unit)
                        .or_insert(Unit {
                            standing: Standing::new(trigger),
                            plan: None,
                        })
                        .standing
                        .set_trigger(trigger);
                }
                Ok(Command::UnitGone(unit)) => {
                    self.units.remove(&unit);
                }
                Ok(Command::Watch(watch)) => self.watch(*watch),
                Ok(Command::Unwatch(path)) => self.sessions.remove(path),
                Ok(Command::Witness(watch)) => self.watch_witness(*watch),
                Ok(Command::KeepWitnesses { count }) => {
                    self.witnesses.split_off(&count);
                }
                Ok(Command::Plan(plan)) => self.prepare(plan),
                Ok(Command::Arm { unit, armed }) => self.arm(unit, armed),
                Ok(Command::TakeOver {
                    unit,
                    cause,
                    ordered_ns,
                }) => {
                    let deed = self.take_over(unit, cause, ordered_ns, 0);
                    self.conclude(deed);
                }
                Ok(Command::Interval { shortest, answer }) => {
                    // Whoever asked may have given up.
                    let _ = answer.send(scheduling::acquire(shortest));
                }
                Ok(Command::Answer(answer)) => self.hand_over(Job::Answer(answer)),
                Ok(Command::Probe { unit }) => self.probe(unit),
            }
        }
    }

    fn open_nic(&mut self, index: u32, name: String) {
        if let Err(error) = self.means.nics.open(index, &name) {
            self.report(Report::NicFailed {
                name,
                error: error.to_string(),
            });
            return;
        }
        self.hand_over(Job::Nic { index, name });
    }

    fn watch(&mut self, watch: Watch) {
        let now = clock::now();
        let index = match self.sessions.place(watch.path) {
            Some(index) => {
                self.sessions.move_to(index, watch.nic);
                if !self.sessions[index].update(watch, now) {
                    return;
                }
                index
            }
            None => {
                let (path, unit, nic) = (watch.path, watch.unit, watch.nic);
                let session = Session::new(watch, &self.shared, now);
                let index = self.sessions.add(path, unit, nic, session);
                self.outgoing
                    .reserve(self.sessions.len() + self.witnesses.len());
                index
            }
        };
        self.due
            .push(Reverse((self.sessions[index].due_ns, Due::Path(index))));
    }

    fn prepare(&mut self, plan: Arc<Plan>) {
        if let Some(unit) = self.units.get_mut(&plan.unit)
            && let Some(old) = unit.plan.replace(plan)
        {
            self.hand_over(Job::Discard(old));
        }
    }

    /// Does whatever is due.
    fn tick(&mut self) {
        let now = clock::now();
        self.paces.begin();
        while let Some(Reverse((due_ns, due))) = self
            .due
            .peek()
            .copied()
            .filter(|Reverse((due_ns, _))| *due_ns <= now)
        {
            self.due.pop();
            match due {
                Due::Path(index) => self.path_is_due(index, due_ns, now),
                Due::Witness(index) => self.witness_is_due(index, due_ns),
                Due::Finding { unit, sent_ns } => self.finding_is_due(unit, sent_ns),
            }
        }
        self.flush();
        if let Some(report) = self.stalls.due(now) {
            self.report(report);
        }
    }

    /// Judges the request of a path that is in flight, and makes the next one ready.
    fn path_is_due(&mut self, index: usize, due_ns: u64, now: u64) {
        // Whoever was at this place when it was noted may be gone, and another one there.
        if self
            .sessions
            .get(index)
            .is_none_or(|session| session.due_ns != due_ns)
        {
            return;
        }
        let session = &mut self.sessions[index];
        let late_ns = now - due_ns;
        if late_ns > session.interval_ns {
            session.stalled(now);
            self.stalls.note(late_ns);
        }
        let hold = self.sessions[index].hold_changed(&self.shared);
        self.report_if_any(hold);
        self.judge(index);
        let session = &mut self.sessions[index];
        let sent_ns = clock::now();
        session.next_request(&self.shared, sent_ns);
        let pace = session.pace_ns(&self.shared);
        let slowed = session.slowed(pace);
        session.due_ns = next_due(due_ns, sent_ns - due_ns, pace);
        self.due.push(Reverse((session.due_ns, Due::Path(index))));
        self.outgoing.push((session.nic, Asked::Path(index)));
        self.report_if_any(slowed);
    }

    /// Tells the worker. If it has died, the daemon notices and ends.
    fn hand_over(&self, job: Job) {
        let _ = self.worker.send(job);
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

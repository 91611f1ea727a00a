//! The heartbeat thread: it schedules and sends requests, judges what the program in the kernel measured, and takes
//! over by itself when the verdict stands and it may.
//!
//! It is a plain thread with real-time scheduling and no async. The daemon talks to it by [`Monitor`]: commands go in,
//! [`Report`]s come out; what changes all the time is in [`PathStats`].
//!
//! Takeovers that take long are left to a worker, a thread beside it, so that they delay no heartbeat.

pub mod claimant;
pub mod clock;
pub mod finding;
pub mod frames;
pub mod judge;
pub mod nics;
mod plan;
pub mod rehearsal;
mod report;
mod roster;
pub mod scheduling;
mod session;
pub mod standing;
mod thread;
mod watch;
mod witness;
mod worker;

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use self::worker::Brake;
pub use self::{
    plan::{Announcement, Outcome, Plan, Probe, SLICE, Slice},
    report::Report,
    scheduling::Scheduling,
    watch::{PathStats, Request, Watch, WitnessRequest, WitnessWatch},
};
use crate::{
    bpf::pins::Pins,
    config::Trigger,
    policy::{Cause, PathId, UnitId},
};

/// What the daemon tells the thread.
#[derive(Debug)]
enum Command {
    Nic {
        index: u32,
        name: String,
    },
    NicGone {
        index: u32,
    },
    Unit {
        unit: UnitId,
        trigger: Trigger,
    },
    UnitGone(UnitId),
    Watch(Box<Watch>),
    Unwatch(PathId),
    Witness(Box<WitnessWatch>),
    KeepWitnesses {
        count: usize,
    },
    Plan(Arc<Plan>),
    Arm {
        unit: UnitId,
        armed: bool,
    },
    TakeOver {
        unit: UnitId,
        cause: Cause,
        ordered_ns: u64,
    },
    Answer(oneshot::Sender<()>),
    Interval {
        shortest: Duration,
        answer: oneshot::Sender<Scheduling>,
    },
    Probe {
        unit: UnitId,
    },
    Stop,
}

/// How long [`Monitor::probe`] waits for answers.
pub const PROBE_WAIT: Duration = Duration::from_millis(100);

/// The running thread.
#[derive(Debug)]
pub struct Monitor {
    commands: mpsc::Sender<Command>,
    wake: Arc<OwnedFd>,
    /// The heartbeat thread and its worker.
    threads: Vec<JoinHandle<()>>,
    brake: Arc<Brake>,
    /// The shortest interval that the thread is scheduled for.
    shortest: Duration,
    scheduling: Scheduling,
}

impl Monitor {
    /// Starts the threads. `interval` is the shortest that it will have to keep.
    pub fn start(
        pins: &Pins,
        interval: Duration,
        reports: UnboundedSender<Report>,
    ) -> anyhow::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (commands, inbox) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let brake = Arc::new(Brake::default());
        let (jobs, worker) = worker::start(pins, Arc::clone(&brake), reports.clone())?;
        let inner = thread::Heartbeats::new(
            pins,
            jobs,
            Arc::clone(&brake),
            inbox,
            Arc::clone(&wake),
            reports,
        )?;
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                // The daemon waits for this answer; it only ever goes away together with the process.
                let acquired = scheduling::acquire(interval);
                let _ = ready.send(acquired);
                inner.run();
            })?;
        let scheduling = started.recv()?;
        Ok(Self {
            commands,
            wake,
            threads: vec![thread, worker],
            brake,
            shortest: interval,
            scheduling,
        })
    }

    /// How the thread is scheduled.
    pub fn scheduling(&self) -> Scheduling {
        self.scheduling
    }

    /// Opens a NIC for sending.
    pub fn open_nic(&self, index: u32, name: &str) {
        self.tell(Command::Nic {
            index,
            name: name.to_owned(),
        });
    }

    /// Forgets a NIC that is gone.
    pub fn close_nic(&self, index: u32) {
        self.tell(Command::NicGone { index });
    }

    /// Makes a unit known, before its paths.
    pub fn add_unit(&self, unit: UnitId, trigger: Trigger) {
        self.tell(Command::Unit { unit, trigger });
    }

    /// Forgets a unit, after its paths: what was prepared for it cannot be carried out any more.
    pub fn remove_unit(&self, unit: UnitId) {
        self.tell(Command::UnitGone(unit));
    }

    /// Starts heartbeats on a path, or goes on with another frame.
    pub fn watch(&self, watch: Watch) {
        self.tell(Command::Watch(Box::new(watch)));
    }

    /// Ends heartbeats on a path.
    pub fn unwatch(&self, path: PathId) {
        self.tell(Command::Unwatch(path));
    }

    /// Starts asking a witness, or goes on with another frame.
    pub fn watch_witness(&self, watch: WitnessWatch) {
        self.tell(Command::Witness(Box::new(watch)));
    }

    /// Witnesses with this index and above are asked no more.
    pub fn keep_witnesses(&self, count: usize) {
        self.tell(Command::KeepWitnesses { count });
    }

    /// Prepares a takeover.
    pub fn prepare(&self, plan: Plan) {
        self.tell(Command::Plan(Arc::new(plan)));
    }

    /// Allows or forbids the thread to take a unit over by itself.
    pub fn arm(&self, unit: UnitId, armed: bool) {
        self.tell(Command::Arm { unit, armed });
    }

    /// Has a unit taken over now.
    pub fn take_over(&self, unit: UnitId, cause: Cause) {
        self.tell(Command::TakeOver {
            unit,
            cause,
            ordered_ns: clock::now(),
        });
    }

    /// Waits until the thread has carried out everything that it was told so far. What it has to report of that is in the
    /// reports by then.
    pub async fn caught_up(&self) -> anyhow::Result<()> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Answer(answer));
        answered.await.context("the heartbeat thread has ended")
    }

    /// Has the thread scheduled for another shortest interval than at its start.
    pub async fn schedule_for(&mut self, shortest: Duration) -> anyhow::Result<()> {
        if shortest == self.shortest {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Interval { shortest, answer });
        self.scheduling = answered.await.context("the heartbeat thread has ended")?;
        self.shortest = shortest;
        Ok(())
    }

    /// Voids the takeovers of a unit that have been ordered, and waits (a few milliseconds) until none of its addresses
    /// is being taken: to be called before addresses are given back. What was begun is reported as broken off.
    pub fn abandon(&self, unit: UnitId) {
        self.brake.abandon(unit);
    }

    /// Does something short while no address is being taken: everything that was begun has its entries by then.
    pub fn while_nothing_is_taken<T>(&self, work: impl FnOnce() -> T) -> T {
        self.brake.between_takeovers(work)
    }

    /// Has a unit's addresses asked for by ARP now, whether or not its source answers. After [`PROBE_WAIT`],
    /// [`Report::Heard`] tells what was found.
    pub fn probe(&self, unit: UnitId) {
        self.tell(Command::Probe { unit });
    }

    /// Ends the threads. A long takeover ends behind its current slice.
    pub fn stop(&mut self) {
        self.brake.stop();
        self.tell(Command::Stop);
        // The worker ends when the heartbeat thread, which gives it work, is gone.
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(thread = name, "a thread had panicked");
            }
        }
    }

    /// Whether a thread has ended without being told to.
    pub fn has_died(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    fn tell(&self, command: Command) {
        // A thread that has died is noticed by `has_died`, and the daemon ends.
        if self.commands.send(command).is_err() {
            return;
        }
        if let Err(error) = rustix::io::write(self.wake.as_fd(), &1u64.to_ne_bytes()) {
            tracing::error!(error = %io::Error::from(error), "the heartbeat thread cannot be woken");
        }
    }
}

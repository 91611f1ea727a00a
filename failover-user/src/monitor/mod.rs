//! The heartbeat thread: it schedules and sends requests, judges what the program in the kernel measured, and takes
//! over by itself when the verdict stands and it may.
//!
//! It is a plain thread with real-time scheduling and no async. The daemon talks to it by [`Monitor`]: commands go in,
//! [`Report`]s come out; what changes all the time is in [`PathStats`].

pub mod clock;
pub mod frames;
pub mod judge;
pub mod nics;
mod plan;
pub mod rehearsal;
pub mod scheduling;
mod session;
mod thread;

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc::UnboundedSender;

pub use self::{
    plan::{Outcome, Plan},
    scheduling::Scheduling,
};
use crate::{
    bpf::pins::Pins,
    config::Trigger,
    policy::{Cause, PathId, PathState, UnitId},
};

/// What is sent on a path, and how it is judged.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Which path.
    pub path: PathId,
    /// Which unit it belongs to.
    pub unit: UnitId,
    /// Its session number.
    pub session: u16,
    /// The NIC that requests leave by (ifindex).
    pub nic: u32,
    /// Time between two requests; also the timeout of each.
    pub interval: Duration,
    /// Misses in a row that make a verdict.
    pub misses: u32,
    /// The request.
    pub request: Request,
    /// Where the thread counts.
    pub stats: Arc<PathStats>,
}

/// A request to be sent again and again.
#[derive(Clone, Debug)]
pub enum Request {
    /// S-BFD.
    Sbfd(frames::SbfdRequest),
    /// ICMP echo.
    Icmp(frames::EchoRequest),
}

/// What the thread counts on a path. One writer, any number of readers.
#[derive(Debug, Default)]
pub struct PathStats {
    /// Requests sent.
    pub sent: AtomicU64,
    /// Requests without a reply in time.
    pub missed: AtomicU64,
    /// Misses in a row, now.
    pub missed_in_a_row: AtomicU32,
    /// How often one miss more would have been a verdict.
    pub near_misses: AtomicU64,
}

impl PathStats {
    /// Misses in a row, now.
    pub fn missed_in_a_row(&self) -> u32 {
        self.missed_in_a_row.load(Relaxed)
    }
}

/// What the daemon tells the thread.
#[derive(Debug)]
enum Command {
    Nic { index: u32, name: String },
    NicGone { index: u32 },
    Unit { unit: UnitId, trigger: Trigger },
    Watch(Box<Watch>),
    Unwatch(PathId),
    Plan(Box<Plan>),
    Arm { unit: UnitId, armed: bool },
    TakeOver { unit: UnitId, cause: Cause },
    Stop,
}

/// What the thread tells the daemon.
#[derive(Clone, Debug)]
pub enum Report {
    /// A path changed its state or missed another request.
    Path {
        /// Which.
        path: PathId,
        /// Its state.
        state: PathState,
        /// Misses in a row.
        missed: u32,
        /// When, nanoseconds of the monotonic clock.
        at_ns: u64,
        /// When the latest valid reply arrived; 0: never.
        last_reply_ns: u64,
    },
    /// A takeover was carried out.
    TakenOver {
        /// Which unit.
        unit: UnitId,
        /// Why.
        cause: Cause,
        /// From the last valid reply to the verdict; 0 without a verdict.
        detect_ns: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// The thread ran late by more than an interval. Reported at most once a second.
    Stalled {
        /// By how much at the worst, nanoseconds.
        late_ns: u64,
        /// How often since the last such report.
        times: u64,
    },
    /// Requests are sent at another pace from now on, because the reflector says how fast it can be asked.
    Pace {
        /// Which path.
        path: PathId,
        /// Time between two requests, nanoseconds.
        pace_ns: u64,
        /// The configured one.
        interval_ns: u64,
    },
    /// A NIC could not be opened for sending.
    NicFailed {
        /// Its name.
        name: String,
        /// Why.
        error: String,
    },
}

/// The running thread.
#[derive(Debug)]
pub struct Monitor {
    commands: mpsc::Sender<Command>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    scheduling: Scheduling,
}

impl Monitor {
    /// Starts the thread. `interval` is the shortest that it will have to keep.
    pub fn start(
        pins: &Pins,
        interval: Duration,
        reports: UnboundedSender<Report>,
    ) -> anyhow::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (commands, inbox) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let inner = thread::Heartbeats::new(pins, inbox, Arc::clone(&wake), reports)?;
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                // The daemon waits for this answer; it only ever goes away together with the process.
                let acquired = scheduling::acquire(interval);
                let _ = ready.send(acquired.scheduling());
                inner.run(acquired);
            })?;
        let scheduling = started.recv()?;
        Ok(Self {
            commands,
            wake,
            thread: Some(thread),
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

    /// Starts heartbeats on a path, or goes on with another frame.
    pub fn watch(&self, watch: Watch) {
        self.tell(Command::Watch(Box::new(watch)));
    }

    /// Ends heartbeats on a path.
    pub fn unwatch(&self, path: PathId) {
        self.tell(Command::Unwatch(path));
    }

    /// Prepares a takeover.
    pub fn prepare(&self, plan: Plan) {
        self.tell(Command::Plan(Box::new(plan)));
    }

    /// Allows or forbids the thread to take a unit over by itself.
    pub fn arm(&self, unit: UnitId, armed: bool) {
        self.tell(Command::Arm { unit, armed });
    }

    /// Has a unit taken over now.
    pub fn take_over(&self, unit: UnitId, cause: Cause) {
        self.tell(Command::TakeOver { unit, cause });
    }

    /// Ends the thread.
    pub fn stop(&mut self) {
        self.tell(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the heartbeat thread had panicked");
        }
    }

    /// Whether the thread has ended without being told to.
    pub fn has_died(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
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

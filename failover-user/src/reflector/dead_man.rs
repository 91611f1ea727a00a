//! The dead-man's handle: a small thread that says again and again that the daemon runs. When it stops, whatever the
//! reason, the kernel falls silent by itself.
//!
//! It is a thread of its own in real time, so that a busy host is not mistaken for a dead one; a daemon that is stopped
//! (SIGSTOP, a frozen cgroup) stops it with everything else.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use failover_ebpf::{
    abi::{Health, health},
    health::expired,
};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};

use crate::{
    bpf::{health::HealthBoard, pins::Pins},
    monitor::{clock, scheduling},
};

/// Ticks in a dead-man's time: that many in a row would have to be lost.
const TICKS: u32 = 5;

/// How long the next daemon has to start after this one has handed over. Nobody vouches for the host meanwhile.
pub const HAND_OVER: Duration = Duration::from_secs(10);

/// The running thread.
#[derive(Debug)]
pub struct DeadMan {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    ends: AtomicBool,
    late: AtomicBool,
    wake: OwnedFd,
}

impl DeadMan {
    /// Starts to tick: the dead-man's time has been written, and lasts until [`DeadMan::stop`].
    pub fn start(pins: &Pins, dead_man: Duration) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            ends: AtomicBool::new(false),
            late: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let board = HealthBoard::open(pins)?;
        let interval = (dead_man / TICKS).max(Duration::from_millis(1));
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("dead-man".to_owned())
            .spawn(move || {
                scheduling::keep_time(interval);
                while !inner.ends.load(Ordering::Acquire) {
                    tick(&board, &inner.late);
                    inner.sleep(interval);
                }
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Whether the thread was late since the last call, by more than the dead-man's time: the kernel has been silent, and
    /// another host may have taken over.
    pub fn was_late(&self) -> bool {
        self.shared.late.swap(false, Ordering::AcqRel)
    }

    /// Ends the ticks.
    pub fn stop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        if let Err(error) = rustix::io::write(self.shared.wake.as_fd(), &1u64.to_ne_bytes()) {
            tracing::error!(error = %io::Error::from(error), "the dead-man's thread cannot be woken");
        }
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the dead-man's thread had panicked");
        }
    }
}

impl Drop for DeadMan {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

impl Shared {
    fn sleep(&self, interval: Duration) {
        let timeout = Timespec {
            tv_sec: interval.as_secs() as i64,
            tv_nsec: i64::from(interval.subsec_nanos()),
        };
        let mut fds = [PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => unreachable!("poll of one event descriptor: {error}"),
        }
    }
}

/// One tick, of the time before anything else is looked at: a thread that is stopped in the middle of this ticks in the
/// past, which frees nothing.
fn tick(board: &HealthBoard, late: &AtomicBool) {
    let now = clock::now();
    let before = board.get();
    if expired(&before, now) {
        late.store(true, Ordering::Release);
        if doubts(&before) {
            // Before the tick, which would lift the fence: meanwhile another host may have taken the addresses.
            board.set(health::UNPROVEN);
        }
    }
    board.tick(now);
}

/// Whether a host that was dead has to ask before it uses its addresses again.
fn doubts(health: &Health) -> bool {
    health.flags & health::SELF_FENCE != 0
}

//! The dead-man's handle: a small thread that says again and again that the daemon runs. When it stops, whatever the
//! reason, the kernel falls silent by itself.
//!
//! It is a thread of its own in real time, so that a busy host is not mistaken for a dead one; a daemon that is stopped
//! (SIGSTOP, a frozen cgroup) stops it with everything else. It speaks for the daemon's loop only as long as that goes
//! round: a loop that hangs is given more patience, as it may be held up by a slow kernel, and then none.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::sync_channel,
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
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

/// How long the thread may take until it ticks for the first time.
pub const START: Duration = Duration::from_secs(1);

/// How long the daemon's loop may take to go round before the daemon counts as one that hangs: changes of many NICs, whose
/// drivers are slow, are made in it.
const LOOP: Duration = Duration::from_secs(5);

/// The same, where a dead daemon has `dead_man`.
pub fn loop_patience(dead_man: Duration) -> Duration {
    dead_man.max(LOOP)
}

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
    /// When the daemon's loop went round, nanoseconds of the monotonic clock; 0: it has not begun.
    beat_ns: AtomicU64,
    wake: OwnedFd,
}

impl DeadMan {
    /// Starts to tick, and has done so once when this returns. The ticks last until [`DeadMan::stop`], or until the loop
    /// that has begun to [`DeadMan::beat`] has not done so for `patience`.
    ///
    /// # Errors
    /// No thread, or one that does not run within [`START`].
    pub fn start(pins: &Pins, dead_man: Duration, patience: Duration) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            ends: AtomicBool::new(false),
            late: AtomicBool::new(false),
            beat_ns: AtomicU64::new(0),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let board = HealthBoard::open(pins)?;
        let interval = (dead_man / TICKS).max(Duration::from_millis(1));
        let inner = Arc::clone(&shared);
        let (ticked, first) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("dead-man".to_owned())
            .spawn(move || {
                scheduling::keep_time(interval);
                let mut ticks = Ticks::new(board);
                let mut hung = false;
                while !inner.ends.load(Ordering::Acquire) {
                    let now = clock::now();
                    let hangs = hangs(inner.beat_ns.load(Ordering::Acquire), now, patience);
                    if !hangs {
                        ticks.tick(now, clock::suspended(), &inner.late);
                        // Nobody waits for later ones, which is no error.
                        let _ = ticked.try_send(());
                    }
                    if hangs && !hung {
                        tracing::error!(
                            patience = %humantime::format_duration(patience),
                            "the daemon's loop hangs: this host is not vouched for any more",
                        );
                    }
                    hung = hangs;
                    inner.sleep(interval);
                }
            })?;
        let started = Self {
            shared,
            thread: Some(thread),
        };
        first
            .recv_timeout(START)
            .context("the dead-man's thread does not run")?;
        Ok(started)
    }

    /// The daemon's loop goes round.
    pub fn beat(&self) {
        self.shared.beat_ns.store(clock::now(), Ordering::Release);
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

/// Whether a loop hangs that went round at `beat_ns`; 0: it has not begun.
fn hangs(beat_ns: u64, now: u64, patience: Duration) -> bool {
    beat_ns != 0 && now.saturating_sub(beat_ns) > patience.as_nanos() as u64
}

/// The ticks, and what is known of the time between them.
struct Ticks {
    board: HealthBoard,
    /// How long the machine had been suspended at the latest one.
    suspended_ns: u64,
}

impl Ticks {
    fn new(board: HealthBoard) -> Self {
        Self {
            board,
            suspended_ns: clock::suspended(),
        }
    }

    /// One tick, of a time before anything else is looked at: a thread that is stopped in the middle of this ticks in the
    /// past, which frees nothing.
    fn tick(&mut self, now: u64, suspended_ns: u64, late: &AtomicBool) {
        let before = self.board.get();
        let suspended = suspended_ns.saturating_sub(self.suspended_ns);
        self.suspended_ns = suspended_ns;
        if stood_still(&before, now, suspended) {
            late.store(true, Ordering::Release);
            if doubts(&before) {
                // Before the tick, which would lift the fence: meanwhile another host may have taken the addresses.
                self.board.set(health::UNPROVEN);
            }
        }
        self.board.tick(now);
    }
}

/// Whether the host stood still for longer than it may: nobody ticked, or it was `suspended` for so long since the latest
/// tick. Of that the kernel's clock, by which the program judges, knows nothing.
fn stood_still(health: &Health, now: u64, suspended: u64) -> bool {
    expired(health, now) || (health.dead_man_ns != 0 && suspended > health.dead_man_ns)
}

/// Whether a host that was dead has to ask before it uses its addresses again.
fn doubts(health: &Health) -> bool {
    health.flags & health::SELF_FENCE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const NOW: u64 = 1_000_000 * MS;

    fn ticked(ago: u64) -> Health {
        Health {
            tick_ns: NOW - ago,
            dead_man_ns: 500 * MS,
            flags: health::SELF_FENCE,
            reserved: 0,
        }
    }

    #[test]
    fn a_host_that_was_suspended_for_longer_than_the_dead_mans_time_stood_still() {
        let after = |suspended| stood_still(&ticked(100 * MS), NOW, suspended);

        assert!(!after(0));
        assert!(!after(500 * MS));
        assert!(after(500 * MS + 1));
        assert!(after(3_600_000 * MS), "an hour");
    }

    #[test]
    fn a_host_whose_ticks_were_late_stood_still_without_a_suspension_too() {
        assert!(!stood_still(&ticked(500 * MS), NOW, 0));
        assert!(stood_still(&ticked(501 * MS), NOW, 0));
        assert!(!stood_still(&Health::default(), NOW, u64::MAX));
    }

    #[test]
    fn a_loop_hangs_when_it_has_not_gone_round_for_too_long() {
        let patience = loop_patience(Duration::from_millis(500));
        let beat = |ago| hangs(NOW - ago, NOW, patience);

        assert_eq!(patience, Duration::from_secs(5));
        assert_eq!(
            loop_patience(Duration::from_secs(60)),
            Duration::from_secs(60)
        );
        assert!(!beat(5_000 * MS) && beat(5_001 * MS));
        assert!(!hangs(0, NOW, patience), "not begun yet");
    }

    #[test]
    fn this_machine_is_not_suspended_between_two_looks() {
        let first = clock::suspended();

        let second = clock::suspended();

        assert!(second.abs_diff(first) < 100 * MS, "{first} {second}");
    }
}

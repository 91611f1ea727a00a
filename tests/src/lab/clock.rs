//! Time in the lab: nanoseconds of `CLOCK_MONOTONIC`, the clock that the XDP program stamps with.

use std::time::{Duration, Instant};

use rustix::{
    thread::{ClockId, Timespec},
    time::clock_gettime,
};

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn now_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds of `CLOCK_REALTIME`, which the kernel stamps frames with.
pub(crate) fn wall_clock_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Realtime))
}

/// Sleeps until [`now_ns`] has reached `at_ns`; at once if it has.
pub fn sleep_until(at_ns: u64) {
    let at = Timespec {
        tv_sec: (at_ns / 1_000_000_000).cast_signed(),
        tv_nsec: (at_ns % 1_000_000_000).cast_signed(),
    };

    while let Err(error) = rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &at) {
        assert_eq!(error, rustix::io::Errno::INTR, "clock_nanosleep");
    }
}

/// Asks `condition` again and again, a millisecond apart, until it holds. `false` if it did not within `timeout`.
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + timeout;

    loop {
        if condition() {
            return true;
        }

        if Instant::now() >= end {
            return false;
        }

        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets the calling thread run before all normal ones, as a machine of its own would. The lab's clients and services
/// stand for other machines: what keeps this one's processors busy must not show in what they measure. The daemon's
/// heartbeat thread (SCHED_DEADLINE, or a higher FIFO priority) still goes first. Without the privilege for it nothing
/// changes.
pub(crate) fn run_first() {
    let parameters = libc::sched_param { sched_priority: 1 };

    // SAFETY: both calls only change how the calling thread is scheduled; `parameters` outlives the call.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters);
        libc::prctl(libc::PR_SET_TIMERSLACK, 1);
    }
}

/// Lets the calling thread run only where nothing else of this machine wants to, its kernel's threads included: what it does is
/// another machine's work.
pub(crate) fn run_last() {
    let parameters = libc::sched_param { sched_priority: 0 };

    // SAFETY: the call only changes how the calling thread is scheduled; `parameters` outlives it.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
}

fn to_ns(time: Timespec) -> u64 {
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

//! The clocks of the heartbeat thread.

use rustix::time::{ClockId, clock_gettime};

/// Now, in nanoseconds of the monotonic clock, which is also what the program in the kernel reads.
pub fn now() -> u64 {
    read(ClockId::Monotonic)
}

/// Now, in nanoseconds since 1970.
pub fn unix_now() -> u64 {
    read(ClockId::Realtime)
}

/// How long this machine has been suspended since it was started, nanoseconds: the monotonic clock stands still meanwhile.
pub fn suspended() -> u64 {
    // In this order nothing but a suspension between the two makes it too long.
    let monotonic = now();
    read(ClockId::Boottime).saturating_sub(monotonic)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

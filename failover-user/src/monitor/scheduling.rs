//! What the heartbeat thread asks of the scheduler: to run in time, whatever else the host does.
//!
//! `SCHED_DEADLINE` comes before every `SCHED_FIFO` priority, so that not even a real-time hog starves the thread.

use std::{io, time::Duration};

/// How the thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// Earliest deadline first.
    Deadline,
    /// Real-time priority.
    Fifo,
    /// Like any other process: a busy host may delay heartbeats.
    Normal,
}

impl Scheduling {
    /// Its name in `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Fifo => "fifo",
            Self::Normal => "normal",
        }
    }
}

/// `SCHED_DEADLINE` refuses periods below this (`sched_deadline_period_min_us`).
const PERIOD_MIN: Duration = Duration::from_micros(100);
/// And above this (`sched_deadline_period_max_us`).
const PERIOD_MAX: Duration = Duration::from_secs(4);
/// Time to run in each period, at least.
const RUNTIME_MIN: Duration = Duration::from_micros(20);
/// Below the kernel's own threads of the highest priority, above everything that administrators usually run.
const FIFO_PRIORITY: i32 = 90;

/// Of the thread that carries long takeovers out: before ordinary processes, behind everything else in real time.
const WORKER_PRIORITY: i32 = 1;

/// Asks for the best scheduling that the kernel grants the calling thread, whose shortest interval is given. Says in one
/// line why it is not the best one.
pub fn acquire(interval: Duration) -> Scheduling {
    let deadline = match deadline(interval) {
        Ok(()) => return Scheduling::Deadline,
        Err(error) => error,
    };
    match fifo(FIFO_PRIORITY) {
        Ok(()) => {
            tracing::warn!(reason = %deadline, "heartbeats run under SCHED_FIFO: SCHED_DEADLINE was refused");
            Scheduling::Fifo
        }
        Err(fifo) => {
            tracing::warn!(
                reason = %fifo,
                "heartbeats run at normal priority, so a busy host may delay them: root or CAP_SYS_NICE is needed",
            );
            Scheduling::Normal
        }
    }
}

/// Lets the calling thread, which has next to nothing to do, do it every `interval`, whatever else the host does.
pub fn keep_time(interval: Duration) {
    let Err(deadline) = deadline(interval) else {
        return;
    };
    if let Err(fifo) = fifo(FIFO_PRIORITY) {
        tracing::warn!(
            %deadline, %fifo,
            "the dead-man's thread runs at normal priority, so a busy host may be taken for a dead one: root or CAP_SYS_NICE is needed",
        );
    }
}

/// Lets the calling thread run before ordinary processes, if the kernel grants it; the heartbeats go first all the same.
pub fn come_before_ordinary_work() {
    if let Err(error) = fifo(WORKER_PRIORITY) {
        tracing::debug!(reason = %error, "long takeovers run at normal priority");
    }
}

/// Keeps the process's memory from being paged out, now and later.
pub fn lock_memory() {
    use rustix::mm::{MlockAllFlags, mlockall};

    // Without ONFAULT every thread stack and every mapping would be filled at once.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        tracing::warn!(reason = %error, "memory is not locked, so paging may delay heartbeats: root or CAP_IPC_LOCK is needed");
    }
}

/// Bandwidth that nobody else of the class uses may be used on top of the reserved runtime: packets that the kernel handles
/// on this thread's time must not end its turn (GRUB; Linux 4.13).
const SCHED_FLAG_RECLAIM: u64 = 0x02;

#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

fn deadline(interval: Duration) -> io::Result<()> {
    let period = interval.clamp(PERIOD_MIN, PERIOD_MAX);
    let runtime = (period / 4).max(RUNTIME_MIN);
    let attributes = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: libc::SCHED_DEADLINE as u32,
        flags: SCHED_FLAG_RECLAIM,
        nice: 0,
        priority: 0,
        runtime: runtime.as_nanos() as u64,
        deadline: period.as_nanos() as u64,
        period: period.as_nanos() as u64,
    };
    // SAFETY: the structure is valid for the call and says its own size.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn fifo(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the structure is valid for the call.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

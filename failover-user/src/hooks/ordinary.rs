//! What a hook must not inherit from a daemon that runs with privileges of time and memory.
//!
//! A program inherits these from the thread that starts it. They are set on a thread of its own, not between `fork` and
//! `exec`: a `fork` would write-protect every page of the daemon, and the heartbeat thread would pay for the faults.

use std::{fs, io, mem, ptr};

use rustix::process::{getpriority_process, setpriority_process};

/// Gives this thread ordinary scheduling, no advantage by its nice value, and no blocked signals.
pub(super) fn become_ordinary() {
    for (what, done) in [
        ("scheduling", ordinary_scheduling()),
        ("nice", no_advantage()),
        ("signal mask", no_blocked_signals()),
    ] {
        if let Err(error) = done {
            tracing::warn!(%error, what, "a hook keeps a setting of the daemon");
        }
    }
}

/// A daemon that the kernel spares when memory is short must not hand that down. Errors mean that `pid` has ended.
pub(super) fn unspare(pid: u32) {
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    if own.trim().parse::<i32>().is_ok_and(|own| own < 0)
        && let Err(error) = fs::write(format!("/proc/{pid}/oom_score_adj"), "0")
    {
        tracing::debug!(%error, pid, "a hook keeps the daemon's oom_score_adj");
    }
}

fn ordinary_scheduling() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the structure is valid for the call.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn no_advantage() -> io::Result<()> {
    // On Linux the nice value belongs to the thread.
    if getpriority_process(None)? < 0 {
        setpriority_process(None, 0)?;
    }
    Ok(())
}

fn no_blocked_signals() -> io::Result<()> {
    // SAFETY: all zeros is a valid sigset_t, and sigemptyset makes it an empty one.
    let mut none: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the set is valid for both calls; the former mask is not asked for.
    let done = unsafe {
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut())
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(done))
    }
}

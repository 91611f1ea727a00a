//! How much of the machine others have used meanwhile.
//!
//! Source, target and whoever floods them share the processors of one machine. What one of them is kept from by somebody else's
//! work, a compiler's or another test's with real-time threads, says nothing of how a host fares under a flood.

use std::{fs, process};

use failover_tests::lab::Daemon;

/// Busy time of the machine so far, and the part of it that is ours. In ticks of `/proc`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    all: u64,
    busy: u64,
    ours: u64,
}

impl Usage {
    /// Of this process and these daemons.
    pub(super) fn now(daemons: [&Daemon; 2]) -> Self {
        let (all, busy) = machine();
        let [first, second] = daemons.map(Daemon::pid);
        Self {
            all,
            busy,
            ours: [process::id(), first, second]
                .map(process_time)
                .iter()
                .sum(),
        }
    }

    /// The share of the processors that went to others since then. What the kernel does in interrupts belongs to nobody, and is
    /// mostly the flood's.
    pub(super) fn of_others_since(self, before: Self) -> f64 {
        let busy = self.busy - before.busy;
        let ours = self.ours - before.ours;
        busy.saturating_sub(ours) as f64 / (self.all - before.all).max(1) as f64
    }
}

/// All time of all processors, and that in which they were busy: user, nice, system, and stolen by other machines (proc(5)).
fn machine() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").expect("the machine's time");
    let line = text.lines().next().expect("a line for all processors");
    let times: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|time| time.parse().expect("ticks"))
        .collect();
    let [user, nice, system, .., steal] = times[..] else {
        panic!("{line}");
    };
    (times.iter().sum(), user + nice + system + steal)
}

/// Time that a process has used, in the kernel as well.
fn process_time(pid: u32) -> u64 {
    /// Where utime is, behind the name in brackets (proc(5)).
    const USER: usize = 11;

    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process's time");
    let (_, behind) = text.rsplit_once(") ").expect("a name in brackets");
    let times = behind.split_whitespace().skip(USER).take(2);
    times.map(|time| time.parse::<u64>().expect("ticks")).sum()
}

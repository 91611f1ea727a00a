//! Places where a test has the daemon killed. They exist only with the feature `fault-points`, which no build that is
//! meant for use has; without it a point compiles to nothing.
//!
//! `FAILOVER_FAULT=NAME` kills the process at the point of that name, `FAILOVER_FAULT=NAME@N` when it gets there for the
//! N-th time. It is SIGKILL, to all threads, at once: nothing is flushed, answered or tidied up.

/// The variable that names the point.
pub const VARIABLE: &str = "FAILOVER_FAULT";

/// All points, in the order in which a daemon may come by them.
pub const POINTS: &[&str] = &[
    // The start.
    "start:attached",
    "start:adopted",
    "start:unwatched",
    // Each input of the policy.
    "policy:input",
    "policy:decided",
    // A takeover: the heartbeat thread, then the daemon that hears of it.
    "verdict:seen",
    "takeover:decided",
    "takeover:addresses",
    "takeover:entry",
    "takeover:entries",
    "takeover:announced",
    "verdict:acted",
    "verdict:half-reported",
    "takeover:heard",
    "takeover:told",
    "announce:begin",
    "announce:sent",
    // A failback.
    "failback:asked",
    "failback:drain",
    "failback:entry-turned",
    "failback:turned",
    "failback:drained",
    "failback:remove",
    "failback:removed",
    "failback:forget",
    "failback:entry-forgotten",
    "failback:forgotten",
    // A file of the state directory is written beside the old one; the memory is in its place.
    "state:written",
    "memory:saved",
];

/// Kills the process here if [`VARIABLE`] says so. `name` is one of [`POINTS`].
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}

/// The same, where the point is one only on a condition.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn point_if(_here: bool, _name: &'static str) {}

#[cfg(feature = "fault-points")]
pub use armed::{point, point_if};

#[cfg(feature = "fault-points")]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    use rustix::process::{Signal, getpid, kill_process};

    use super::{POINTS, VARIABLE};

    struct Fault {
        name: String,
        /// How often the point is still passed.
        times: AtomicU64,
    }

    static FAULT: LazyLock<Option<Fault>> = LazyLock::new(|| {
        let wanted = std::env::var(VARIABLE).ok()?;
        let (name, times) = wanted.split_once('@').unwrap_or((&wanted, "1"));
        assert!(POINTS.contains(&name), "{VARIABLE}: no point {name}");
        let times: u64 = times
            .parse()
            .unwrap_or_else(|error| panic!("{VARIABLE}={wanted}: {error}"));
        assert!(times > 0, "{VARIABLE}={wanted}: counted from 1");
        Some(Fault {
            name: name.to_owned(),
            times: AtomicU64::new(times),
        })
    });

    /// Kills the process here if [`VARIABLE`] says so. `name` is one of [`POINTS`].
    pub fn point(name: &'static str) {
        if let Some(fault) = &*FAULT
            && fault.name == name
            && fault.times.fetch_sub(1, Ordering::AcqRel) == 1
        {
            kill_process(getpid(), Signal::KILL).expect("a process may always kill itself");
            // Nothing more may happen here until the signal arrives.
            loop {
                std::thread::park();
            }
        }
    }

    /// The same, where the point is one only on a condition.
    pub fn point_if(here: bool, name: &'static str) {
        if here {
            point(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn used(dir: &Path, names: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, names);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for call in text.split(concat!("fault", "::point")).skip(1) {
                    let name = call.split('"').nth(1).unwrap();
                    names.push(name.to_owned());
                }
            }
        }
    }

    #[test]
    fn the_table_has_every_point_and_each_is_in_one_place() {
        let mut names = Vec::new();

        used(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut names,
        );

        let distinct: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let known: BTreeSet<&str> = POINTS.iter().copied().collect();
        assert_eq!(distinct, known);
        assert_eq!(names.len(), POINTS.len(), "{names:?}");
    }
}

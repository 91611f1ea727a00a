//! Real programs. Whatever a test waits for is a condition; a hook that must not run into its timeout has an hour.

mod ending;
mod inherited;
mod notifying;
mod running;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::*;
use crate::policy;

const HOUR: Duration = Duration::from_secs(3600);

fn facts() -> Facts {
    Facts {
        hook: policy::Hook::BeforeTakeover,
        source: "web1".to_owned(),
        path: Some(2),
        monitor: vec![[10, 0, 0, 10].into(), [10, 0, 1, 10].into()],
        addresses: vec!["10.0.0.10/24".to_owned(), "10.0.0.11/24".to_owned()],
        nics: vec!["ens2".to_owned(), "ens3".to_owned()],
        state: "failed".to_owned(),
        cause: "3 heartbeats missed".to_owned(),
        dry_run: false,
        host: "standby".to_owned(),
        at: "2026-05-01T03:12:45.123Z".parse().unwrap(),
    }
}

/// A directory for a hook and what it leaves behind.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A script that gets the directory as `$1`. The shell is what is run: a file that was just written can be busy
    /// (ETXTBSY) while another test starts a process.
    fn script(&self, text: &str) -> Vec<String> {
        let path = self.path("hook.sh");
        fs::write(&path, text).unwrap();
        [Path::new("/bin/sh"), &path, self.dir.path()]
            .map(|part| part.to_str().unwrap().to_owned())
            .to_vec()
    }

    /// Waits for a number that the hook writes to a file, a process id.
    async fn number(&self, name: &str) -> i32 {
        until(|| fs::read_to_string(self.path(name)).is_ok_and(|text| text.ends_with('\n'))).await;
        self.read(name).trim().parse().unwrap()
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// State and process group, from `/proc/PID/stat`; `None`: no such process.
fn state_and_group(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

fn lives(pid: i32) -> bool {
    state_and_group(pid).is_some_and(|(state, _)| state != 'Z')
}

/// Processes of a group, zombies included.
fn members(group: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| state_and_group(*pid).is_some_and(|(_, of)| of == group))
        .collect()
}

/// Runs a script that makes the file `ready` when it is what the test is about, with a timeout long enough for that.
async fn run_into_timeout(place: &Place, text: &str) -> Outcome {
    let program = place.script(text);
    let mut timeout = Duration::from_millis(100);
    loop {
        let outcome = run(&program, timeout, &facts()).await;
        if place.path("ready").exists() {
            let limit = humantime::format_duration(timeout).to_string();
            let error = outcome.error.map(|error| error.replace(&limit, "LIMIT"));
            return Outcome { error, ..outcome };
        }
        timeout *= 2;
    }
}

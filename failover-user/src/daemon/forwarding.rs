//! NICs that were made to forward, because a standby server is behind them, and what their settings were before: kept on
//! disk, so that a later daemon can set them back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::{
    net::sysctl::{Changes, Version},
    state_file::replace,
};

const FILE_NAME: &str = "forwarding.json";

/// Which start of the host this is. The kernel's settings do not outlive it.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The start of the host in which they were changed.
    boot_id: String,
    changes: Changes,
}

/// The changed settings, in memory and on disk.
#[derive(Debug)]
pub(super) struct Forwarding {
    changes: Changes,
    file: PathBuf,
    boot_id: String,
}

impl Forwarding {
    /// What an earlier daemon has changed and not set back. A file that cannot be read is no reason not to start.
    pub(super) fn open(state_dir: &Path) -> Self {
        let file = state_dir.join(FILE_NAME);
        let boot_id = boot_id();
        let changes = boot_id
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{BOOT_ID} cannot be read: {error}"))
            .and_then(|boot_id| read(&file, boot_id))
            .unwrap_or_else(|error| {
                tracing::warn!(error = %format!("{error:#}"), "forwarding of an earlier daemon will not be set back");
                Changes::default()
            });
        Self {
            changes,
            file,
            boot_id: boot_id.unwrap_or_default(),
        }
    }

    /// Makes a NIC forward packets of an IP version.
    pub(super) fn enable(&mut self, nic: &str, version: Version) -> anyhow::Result<()> {
        let before = self.changes.list().len();
        self.changes.forward(nic, version)?;
        if self.changes.list().len() != before
            && let Err(error) = self.write()
        {
            tracing::warn!(error = %format!("{error:#}"), "a later daemon will not set forwarding back");
        }
        Ok(())
    }

    /// Sets everything back.
    pub(super) fn restore(&mut self) -> anyhow::Result<()> {
        self.changes.restore()?;
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.file.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn write(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string(&Kept {
            boot_id: self.boot_id.clone(),
            changes: self.changes.clone(),
        })?;
        replace(&self.file, text.as_bytes())
            .with_context(|| format!("{} cannot be written", self.file.display()))
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

/// What was changed since the host was started. What an earlier start had is gone, and whatever has the same value today has it
/// from somebody else.
fn read(file: &Path, boot_id: &str) -> anyhow::Result<Changes> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let kept: Kept = serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged", file.display()))?;
            Ok(if kept.boot_id == boot_id {
                kept.changes
            } else {
                Changes::default()
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Changes::default()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_before_the_host_was_started_anew_is_not_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE_NAME);
        let changed = r#"[{"path":"/proc/sys/net/ipv4/conf/ens1/forwarding","old":"0","new":"1"}]"#;
        fs::write(
            &file,
            format!(r#"{{"boot_id":"before","changes":{changed}}}"#),
        )
        .unwrap();

        let same = read(&file, "before").unwrap();
        let other = read(&file, "now").unwrap();

        assert_eq!((same.list().len(), other.list().len()), (1, 0));
    }

    #[test]
    fn what_this_daemon_changes_the_next_one_knows() {
        let dir = tempfile::tempdir().unwrap();
        let mut forwarding = Forwarding::open(dir.path());
        forwarding.changes = serde_json::from_str(
            r#"[{"path":"/proc/sys/net/ipv4/conf/ens1/forwarding","old":"0","new":"1"}]"#,
        )
        .unwrap();

        forwarding.write().unwrap();

        assert_eq!(Forwarding::open(dir.path()).changes, forwarding.changes);
    }
}

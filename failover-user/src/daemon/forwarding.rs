//! NICs that were made to forward, because a standby server is behind them, and what their settings were before: kept on
//! disk, so that a later daemon can set them back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    net::sysctl::{Changes, Version},
    state_file::replace,
};

const FILE_NAME: &str = "forwarding.json";

/// The changed settings, in memory and on disk.
#[derive(Debug)]
pub(super) struct Forwarding {
    changes: Changes,
    file: PathBuf,
}

impl Forwarding {
    /// What an earlier daemon has changed and not set back. A file that cannot be read is no reason not to start.
    pub(super) fn open(state_dir: &Path) -> Self {
        let file = state_dir.join(FILE_NAME);
        let changes = read(&file).unwrap_or_else(|error| {
            tracing::warn!(error = %format!("{error:#}"), "forwarding of an earlier daemon will not be set back");
            Changes::default()
        });
        Self { changes, file }
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
        let text = serde_json::to_string(&self.changes)?;
        replace(&self.file, text.as_bytes())
            .with_context(|| format!("{} cannot be written", self.file.display()))
    }
}

fn read(file: &Path) -> anyhow::Result<Changes> {
    match fs::read_to_string(file) {
        Ok(text) => {
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Changes::default()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

//! Root, where a network namespace or the kernel asks for it; the builds stay with the user.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// How a command gets root.
pub(crate) enum Privilege {
    /// This process has it.
    Root,
    /// By this `sudo`, which keeps our environment.
    Sudo(PathBuf),
}

impl Privilege {
    /// What there is, without asking anybody for a password.
    pub(crate) fn find() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            return Some(Self::Root);
        }
        process::find_program("sudo").map(Self::Sudo)
    }

    /// Makes sure of root now, so that no password is asked for in the middle of a run.
    pub(crate) fn acquire(purpose: &str) -> Result<Self> {
        let Some(found) = Self::find() else {
            bail!("{purpose} needs root and there is no sudo: run this command as root");
        };
        if let Self::Sudo(sudo) = &found {
            process::run_checked(Command::new(sudo).arg("-v")).with_context(|| {
                format!(
                    "{purpose} needs root: run this command as root, or as a user who may use sudo"
                )
            })?;
        }
        Ok(found)
    }

    /// `program` as root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Root => Command::new(program),
            Self::Sudo(sudo) => {
                let mut command = Command::new(sudo);
                command.arg("-E").arg(program);
                command
            }
        }
    }

    /// Cargo's `runner` setting that starts test binaries as root; `None` when nothing is needed.
    pub(crate) fn runner(&self) -> Option<String> {
        match self {
            Self::Root => None,
            Self::Sudo(sudo) => Some(format!("{} -E", sudo.display())),
        }
    }
}

//! Programs that play in a lab of namespaces, from set-up to their exit code.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::build::{self, Profile};
use crate::privilege::Privilege;
use crate::{process, ui};

/// One of them.
pub(crate) struct Program {
    /// Its name among the binaries of the tests.
    pub(crate) binary: &'static str,
    /// What it is called.
    pub(crate) title: &'static str,
    /// Where it leaves what remains.
    pub(crate) out: PathBuf,
}

impl Program {
    /// Builds it and `failover`, then runs it as root; its exit code is ours. On Ctrl-C it cleans up and we wait for that.
    pub(crate) fn run(&self, args: &[OsString]) -> Result<ExitCode> {
        let built = build::failover(Profile::Release)?;
        let program = build::binary(
            "failover-tests",
            self.binary,
            &[],
            &built.object,
            Profile::Release,
        )?;
        // Made by the user, so that the user can also remove what root leaves in it.
        fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make {}", self.out.display()))?;
        let title = self.title;
        let reason = format!(
            "the {} makes network namespaces, which",
            title.to_lowercase()
        );
        let privilege = Privilege::acquire(&reason)?;
        ui::headline(title);
        let mut command = privilege.command(&program);
        process::clean_env(&mut command);
        command
            .arg("--failover")
            .arg(&built.failover)
            .arg("--out")
            .arg(&self.out)
            .args(args);
        let status = process::run(&mut command)?;
        Ok(process::exit_code(status))
    }
}

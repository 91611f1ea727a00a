//! `cargo xtask run`: a fresh `failover`, as root, in the user's directory.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::privilege::Privilege;
use crate::{build, process};

/// Builds, then runs `failover ARGS`; its exit code is ours.
pub(crate) fn verb(build: &build::Args, args: &[OsString]) -> Result<ExitCode> {
    let built = build::failover(build.profile())?;
    let privilege = Privilege::acquire("failover")?;
    let mut command = privilege.command(&built.failover);
    process::clean_env(&mut command);
    let status = process::run(command.args(args))?;
    Ok(process::exit_code(status))
}

//! `cargo xtask demo`: the main job on this machine, from set-up to picture.

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::build::{self, Profile};
use crate::privilege::Privilege;
use crate::{paths, process, ui};

/// Builds, then runs the demonstration as root; its exit code is ours. On Ctrl-C it cleans up and we wait for that.
pub(crate) fn verb(args: &[OsString]) -> Result<ExitCode> {
    let built = build::failover(Profile::Release)?;
    let demo = build::binary(
        "failover-tests",
        "failover-demo",
        &[],
        &built.object,
        Profile::Release,
    )?;
    // Made by the user, so that the user can also remove what root leaves in it.
    let out = paths::demo_output();
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let privilege = Privilege::acquire("the demonstration makes network namespaces, which")?;
    ui::headline("Demonstration");
    let mut command = privilege.command(&demo);
    process::clean_env(&mut command);
    command
        .arg("--failover")
        .arg(&built.failover)
        .arg("--out")
        .arg(&out)
        .args(args);
    let status = process::run(&mut command)?;
    Ok(process::exit_code(status))
}

//! `cargo xtask bench`: speed and scale, ours and others', from set-up to charts.

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::build::{self, Profile};
use crate::privilege::Privilege;
use crate::{paths, process, ui};

/// Builds, then runs the benchmark as root; its exit code is ours.
pub(crate) fn verb(args: &[OsString]) -> Result<ExitCode> {
    let built = build::failover(Profile::Release)?;
    let bench = build::binary(
        "failover-tests",
        "failover-bench",
        &[],
        &built.object,
        Profile::Release,
    )?;
    // Made by the user, so that the user can also remove what root leaves in it.
    let out = paths::bench_output();
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let privilege = Privilege::acquire("the benchmark makes network namespaces, which")?;
    ui::headline("Benchmark");
    let mut command = privilege.command(&bench);
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

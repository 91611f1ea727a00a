//! The host's binaries, with the eBPF object inside.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{object, paths, process, setup, ui};

/// How the host's binaries are built. Release by default: the figures that failover is about are the release build's.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Build with optimizations (the default)
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build quickly, with checks and without optimizations
    #[arg(long)]
    debug: bool,
}

impl Args {
    /// Cargo's profile.
    pub(crate) fn profile(self) -> Profile {
        if self.debug {
            Profile::Debug
        } else {
            Profile::Release
        }
    }
}

/// Cargo's profile for the host's binaries.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    fn directory(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    /// Adds cargo's flags for it.
    pub(crate) fn apply(self, cargo: &mut Command) {
        match self {
            Self::Debug => {}
            Self::Release => {
                cargo.arg("--release");
            }
        }
    }
}

/// `cargo xtask build`
pub(crate) fn verb(args: &Args) -> Result<ExitCode> {
    failover(args.profile())?;
    Ok(ExitCode::SUCCESS)
}

/// What a complete build leaves.
pub(crate) struct Built {
    /// The eBPF object.
    pub(crate) object: PathBuf,
    /// The `failover` binary, with the object inside.
    pub(crate) failover: PathBuf,
}

/// Builds everything that a user runs.
pub(crate) fn failover(profile: Profile) -> Result<Built> {
    let kit = setup::ensure()?;
    let object = object::build(&kit)?;
    let failover = binary("failover-user", "failover", &[], &object, profile)?;
    Ok(Built { object, failover })
}

/// Builds the daemon that tests kill at its fault points, beside the normal one.
pub(crate) fn failover_fault(object: &Path, profile: Profile) -> Result<PathBuf> {
    binary(
        "failover-user",
        "failover-fault",
        &["--features", "fault-points"],
        object,
        profile,
    )
}

/// Builds one of the workspace's binaries and returns its path.
pub(crate) fn binary(
    package: &str,
    name: &str,
    features: &[&str],
    object: &Path,
    profile: Profile,
) -> Result<PathBuf> {
    let started = Instant::now();
    ui::headline(&format!("{name} ({})", profile.directory()));
    let mut cargo = cargo("build", object);
    cargo.args(["--package", package, "--bin", name]);
    cargo.args(features);
    profile.apply(&mut cargo);
    process::run_checked(&mut cargo).with_context(|| format!("{name} did not build"))?;
    let binary = paths::target().join(profile.directory()).join(name);
    if !binary.is_file() {
        bail!(
            "cargo built no {}; is another target configured (`build.target`)?",
            binary.display()
        );
    }
    ui::info(&format!(
        "{} ({})",
        paths::shown(&binary),
        ui::took(started.elapsed())
    ));
    Ok(binary)
}

/// `cargo SUBCOMMAND` for the host with the object handed over to failover-user's build script.
pub(crate) fn cargo(subcommand: &str, object: &Path) -> Command {
    let mut cargo = process::host_cargo();
    cargo
        .arg(subcommand)
        .args(process::locked())
        .arg("--target-dir")
        .arg(paths::target())
        .env("FAILOVER_EBPF_OBJECT", object);
    cargo
}

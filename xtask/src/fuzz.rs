//! `cargo xtask fuzz`: frames that libFuzzer makes up, against the parsers on the host and the program in the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::privilege::Privilege;
use crate::{object, paths, process, setup, ui};

/// What to try.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to go on, at least 1
    #[arg(long, default_value_t = 60, value_parser = seconds)]
    seconds: u32,
    /// Seed of the random choices [default: another one each time; it is printed]
    #[arg(long)]
    seed: Option<u32>,
    /// Try this one input instead, which a finding has kept, and tell it in words
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "seed"])]
    replay: Option<PathBuf>,
}

/// A time in which there is something to do.
fn seconds(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("in no time nothing is tried: say 1 or more".to_owned()),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err("say a number of seconds, such as 60".to_owned()),
    }
}

/// What makes coverage visible to libFuzzer.
const COVERAGE: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Counters are found by their section, of which each unit has one.
    "-Ccodegen-units=1",
    // Arithmetic that wraps by accident is a finding.
    "-Coverflow-checks=on",
];

/// Builds with coverage, then fuzzes as root; a finding is a failure.
pub(crate) fn verb(args: &Args) -> Result<ExitCode> {
    // Before the long part.
    if let Some(path) = &args.replay {
        fs::File::open(path).with_context(|| {
            format!(
                "cannot read {}: name a file that a finding was kept in, as its last line says",
                path.display()
            )
        })?;
    }
    if ["c++", "g++", "clang++"]
        .iter()
        .all(|name| process::find_program(name).is_none())
    {
        bail!(
            "libFuzzer is C++ and there is no compiler for it (c++): install one, for example with `apt-get install g++`"
        );
    }
    let kit = setup::ensure()?;
    let object = object::build(&kit)?;
    let fuzzer = build(&kit, &object)?;
    let out = paths::target().join("fuzz");
    let corpus = out.join("corpus");
    fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let privilege = Privilege::acquire("running frames through the kernel")?;
    ui::headline("Fuzzing");
    let mut command = privilege.command(&fuzzer);
    process::clean_env(&mut command);
    command
        .arg("--corpus")
        .arg(&corpus)
        .arg("--findings")
        .arg(&out)
        .args(["--seconds", &args.seconds.to_string()]);
    if let Some(seed) = args.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(replay) = &args.replay {
        command.arg("--replay").arg(replay);
    }
    let status = process::run(&mut command)?;
    Ok(process::exit_code(status))
}

fn build(kit: &setup::Kit, object: &Path) -> Result<PathBuf> {
    ui::headline("failover-fuzz (release, with coverage)");
    let target = paths::target().join("fuzz").join("build");
    let triple = &kit.toolchain.host;
    let mut cargo = process::host_cargo();
    cargo
        .args(["build", "--release", "--package", "failover-tests"])
        .args(["--bin", "failover-fuzz", "--features", "fuzz-driver"])
        // With a target named, build scripts and macros are built without the flags.
        .args(["--target", triple, "--target-dir"])
        .arg(&target)
        .env("FAILOVER_EBPF_OBJECT", object)
        .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"))
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    process::run_checked(&mut cargo).context("failover-fuzz did not build")?;
    Ok(target.join(triple).join("release").join("failover-fuzz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_in_which_something_is_tried() {
        assert_eq!(seconds("1"), Ok(1));
        assert!(seconds("0").is_err_and(|error| error.contains("1 or more")));
        assert!(seconds("-1").is_err());
        assert!(seconds("a while").is_err());
    }
}

//! `cargo xtask check`: layout, format and lints, all of them even when one fails.

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Kit};
use crate::tally::Counts;
use crate::ui::Step;
use crate::{object, paths, process, toolchain, ui};

/// What the top level holds, besides dotfiles and the target directory.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "failover-ebpf",
    "failover-user",
    "tests",
    "xtask",
];

/// Runs all checks and closes with their count.
pub(crate) fn verb() -> Result<ExitCode> {
    let kit = setup::ensure()?;
    toolchain::with_linters()?;
    let checks: [(&str, &dyn Fn() -> Result<()>); 4] = [
        ("top level", &layout),
        ("format", &format),
        ("lints of the host's crates", &host_lints),
        ("lints of the eBPF program", &|| ebpf_lints(&kit)),
    ];
    let mut counts = Counts::default();
    for (name, check) in checks {
        ui::headline(&format!("Check: {name}"));
        let step = Step::plain(name);
        match check() {
            Ok(()) => {
                step.done("good");
                counts.passed += 1;
            }
            Err(_) if process::interrupted() => bail!("interrupted"),
            Err(error) => {
                step.failed(&format!("{error:#}"));
                counts.failed += 1;
            }
        }
    }
    ui::result("");
    ui::result(&counts.to_string());
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn layout() -> Result<()> {
    let target = paths::target();
    let found = fs::read_dir(paths::root())
        .context("cannot read the top level")?
        .flatten()
        .filter(|entry| entry.path() != target)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        // The default target directory may be left from a run without CARGO_TARGET_DIR.
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let problems = misplaced(&found);
    if !problems.is_empty() {
        bail!("{}", problems.join(", "));
    }
    Ok(())
}

/// What is at the top level and should not be, and the other way round.
fn misplaced(found: &BTreeSet<String>) -> Vec<String> {
    let agreed: BTreeSet<String> = TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect();
    let extra = found
        .difference(&agreed)
        .map(|name| format!("{name} does not belong at the top level"));
    let missing = agreed
        .difference(found)
        .map(|name| format!("{name} is missing"));
    extra.chain(missing).collect()
}

fn format() -> Result<()> {
    process::run_checked(process::host_cargo().args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` puts it right")
}

fn host_lints() -> Result<()> {
    let mut cargo = process::host_cargo();
    cargo
        .args(["clippy", "--workspace", "--all-targets"])
        // The fuzzer is built with its feature alone; without libFuzzer itself, for which a C++ compiler would be needed.
        .args(["--features", "failover-tests/fuzz", "--target-dir"])
        .arg(paths::target())
        .args(process::locked())
        .args(["--", "-D", "warnings"]);
    process::run_checked(&mut cargo)
}

fn ebpf_lints(kit: &Kit) -> Result<()> {
    let mut clippy = object::cargo(kit, "clippy");
    let available = process::output(object::tool(kit, "clippy").arg("--version")).is_ok();
    if available {
        return process::run_checked(clippy.args(["--", "-D", "warnings"]));
    }
    ui::warn(&format!(
        "{} has no clippy: the compiler's own lints only",
        kit.toolchain.described()
    ));
    // `cargo check` takes no flags for the compiler.
    let mut rustc = object::cargo(kit, "rustc");
    process::run_checked(rustc.args(["--", "-D", "warnings"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed() -> BTreeSet<String> {
        TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_agreed_top_level_is_good() {
        assert!(misplaced(&agreed()).is_empty());
    }

    #[test]
    fn extra_and_missing_names_are_both_reported() {
        let mut found = agreed();
        found.insert("scripts".to_owned());
        found.remove("README.md");

        let problems = misplaced(&found);

        assert_eq!(
            problems,
            [
                "scripts does not belong at the top level",
                "README.md is missing"
            ]
        );
    }
}

//! `cargo xtask test`: three tiers and one closing count.

use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::build::{self, Built, Profile};
use crate::privilege::Privilege;
use crate::tally::{Counts, Tally};
use crate::toolchain::Toolchain;
use crate::{paths, process, ui};

/// One scenario at a time: each runs a heartbeat thread with real-time priority and measures milliseconds, and two of them on
/// a machine with two cores would measure each other.
const SCENARIO_THREADS: &str = "--test-threads=1";

/// The integration tests of failover-tests, all of which need root: they are not in its `tests` folder.
const NETWORK: &str = "network";
const PROGRAMS: &str = "programs";
const SCENARIOS: &str = "scenarios";

/// What to test.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this tier
    #[arg(long, value_enum)]
    tier: Option<Tier>,
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Arguments of the test harness (for example `-- --nocapture`)
    #[arg(last = true)]
    harness: Vec<OsString>,
}

/// A kind of tests, by what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// Plain tests: no privilege, no eBPF toolchain
    Host,
    /// The eBPF programs, run packet by packet in the kernel (root)
    Program,
    /// Real daemons and traffic in network namespaces (root)
    Scenario,
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Program => "program",
            Self::Scenario => "scenario",
        }
    }

    fn privileged(self) -> bool {
        match self {
            Self::Host => false,
            Self::Program | Self::Scenario => true,
        }
    }
}

/// How a tier went.
struct Outcome {
    tier: Tier,
    counts: Counts,
    failed: Vec<String>,
    time: Duration,
}

/// Runs the tiers, all of them even when one fails.
pub(crate) fn verb(args: &Args) -> Result<ExitCode> {
    let tiers = match args.tier {
        Some(tier) => vec![tier],
        None => vec![Tier::Host, Tier::Program, Tier::Scenario],
    };
    // Before the long part: what is missing should be known now, and a password asked for now.
    let root = if tiers.iter().any(|tier| tier.privileged()) {
        Some(Root::prepare(tiers.contains(&Tier::Scenario))?)
    } else {
        None
    };

    let mut outcomes = Vec::new();
    for tier in tiers {
        let outcome = run(tier, args, root.as_ref())?;
        if process::interrupted() {
            bail!("interrupted");
        }
        outcomes.push(outcome);
    }
    Ok(close(&outcomes, args.filter.as_deref()))
}

/// What the privileged tiers need.
struct Root {
    built: Built,
    /// The daemon with fault points, for scenarios.
    fault: Option<PathBuf>,
    privilege: Privilege,
    host: String,
}

impl Root {
    fn prepare(scenarios: bool) -> Result<Self> {
        let privilege = Privilege::acquire("testing in the kernel and in network namespaces")?;
        let built = build::failover(Profile::Release)?;
        let fault = scenarios
            .then(|| build::failover_fault(&built.object, Profile::Release))
            .transpose()?;
        Ok(Self {
            built,
            fault,
            privilege,
            host: Toolchain::active()?.host,
        })
    }

    /// `cargo test` of failover-tests in the profile that users get: built by the user, run as root.
    fn cargo(&self, test: &str) -> Command {
        let mut cargo = build::cargo("test", &self.built.object);
        Profile::Release.apply(&mut cargo);
        cargo
            .args(["--package", "failover-tests", "--test", test])
            .env("FAILOVER_BIN", &self.built.failover);
        if let Some(fault) = &self.fault {
            cargo.env("FAILOVER_FAULT_BIN", fault);
        }
        if let Some(runner) = self.privilege.runner() {
            let triple = self.host.to_uppercase().replace('-', "_");
            cargo.env(format!("CARGO_TARGET_{triple}_RUNNER"), runner);
        }
        cargo
    }
}

fn run(tier: Tier, args: &Args, root: Option<&Root>) -> Result<Outcome> {
    ui::headline(&format!("Tests: {} tier", tier.name()));
    let started = Instant::now();
    let mut counts = Counts::default();
    let mut failed = Vec::new();
    for (mut cargo, harness) in commands(tier, root) {
        cargo.arg("--no-fail-fast");
        cargo.args(&args.filter).arg("--").args(harness);
        if std::io::stdout().is_terminal() {
            // The harness sees our pipe and not the terminal.
            cargo.arg("--color=always");
        }
        cargo.args(&args.harness);
        let mut tally = Tally::default();
        let status = process::run_teed(&mut cargo, |output| tally.read(output))?;
        let (more, names) = tally.finish(status.success());
        counts += more;
        failed.extend(names);
    }
    // A tier that quietly tests nothing is worse than one that fails.
    if args.filter.is_none() && counts.ran() == 0 {
        counts.failed += 1;
        failed.push("no test ran at all".to_owned());
    }
    Ok(Outcome {
        tier,
        counts,
        failed,
        time: started.elapsed(),
    })
}

/// The tier's `cargo test` commands, each with its arguments for the harness.
fn commands(tier: Tier, root: Option<&Root>) -> Vec<(Command, &'static [&'static str])> {
    match (tier, root) {
        (Tier::Host, _) => {
            // Debug, so that overflow and debug assertions are checked; without the object, as a plain `cargo test`.
            let host = || {
                let mut cargo = process::host_cargo();
                cargo
                    .args(["test", "--workspace", "--target-dir"])
                    .arg(paths::target())
                    .args(process::locked());
                cargo
            };
            let mut plain = host();
            plain.args(["--lib", "--bins"]);
            for name in host_integration_tests() {
                plain.args(["--test", &name]);
            }
            let mut documentation = host();
            documentation.arg("--doc");
            vec![(plain, &[]), (documentation, &[])]
        }
        (Tier::Program, Some(root)) => vec![(root.cargo(PROGRAMS), &[])],
        (Tier::Scenario, Some(root)) => vec![
            (root.cargo(NETWORK), &[]),
            (root.cargo(SCENARIOS), &[SCENARIO_THREADS]),
        ],
        (Tier::Program | Tier::Scenario, None) => Vec::new(),
    }
}

/// Integration tests of any package that need no root.
fn host_integration_tests() -> Vec<String> {
    let mut names: Vec<String> = ["failover-ebpf", "failover-user", "tests", "xtask"]
        .iter()
        .filter_map(|package| fs::read_dir(paths::root().join(package).join("tests")).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let is_test = if path.is_dir() {
                path.join("main.rs").is_file()
            } else {
                path.extension()? == "rs"
            };
            is_test.then(|| path.file_stem()?.to_str().map(str::to_owned))?
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// One line for each tier, what failed, and the closing line.
fn close(outcomes: &[Outcome], filter: Option<&str>) -> ExitCode {
    let mut total = Counts::default();
    ui::result("");
    for outcome in outcomes {
        ui::result(&format!(
            "{:<10} {} ({})",
            outcome.tier.name(),
            outcome.counts,
            ui::took(outcome.time)
        ));
        for name in &outcome.failed {
            ui::result(&format!("           failed: {name}"));
        }
        total += outcome.counts;
    }
    let nothing = total.ran() == 0;
    if let (true, Some(filter)) = (nothing, filter) {
        ui::result(&format!("no test's name contains \"{filter}\""));
    }
    ui::result("");
    ui::result(&total.to_string());
    if total.failed > 0 || nothing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

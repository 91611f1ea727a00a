//! Frames that libFuzzer makes up, each handed to the parsers on the host, whose coverage guides it, and to the program in
//! the kernel; an oracle says what has to become of it. `cargo xtask fuzz` builds and runs this.

mod driver;
mod frames;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use failover_tests::fuzz::{LONGEST, Trial, fixture, seeds};

use crate::frames::{Frames, replay, say};

/// Fuzz the program.
#[derive(Parser)]
struct Options {
    /// How long to go on
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Seed of the random choices
    #[arg(long)]
    seed: Option<u32>,
    /// Where inputs are kept that reach something new
    #[arg(long)]
    corpus: PathBuf,
    /// Where an input is kept that is treated wrongly
    #[arg(long)]
    findings: PathBuf,
    /// Try this input and nothing else
    #[arg(long)]
    replay: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    if let Some(path) = &options.replay {
        let input = fs::read(path).with_context(|| {
            format!(
                "cannot read {}: name a file that a finding was kept in",
                path.display()
            )
        })?;

        return fixture::with(|fixture| {
            Ok(if replay(&mut Trial::new(fixture)?, &input) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        });
    }

    write_seeds(&options.corpus)?;

    let seed = options.seed.unwrap_or_else(rand::random);
    let arguments = arguments(options, seed);

    say(&format!("seed {seed}"));
    fixture::with(|fixture| {
        let frames = Frames::new(Trial::new(fixture)?, &options.findings);

        driver::run(Box::new(frames), &arguments)
    })
}

fn write_seeds(corpus: &Path) -> Result<()> {
    for (number, input) in seeds::inputs().iter().enumerate() {
        let path = corpus.join(format!("seed-{number:03}"));

        fs::write(&path, input).with_context(|| format!("cannot write {}", path.display()))?;
    }

    Ok(())
}

/// libFuzzer's.
fn arguments(options: &Options, seed: u32) -> Vec<String> {
    vec![
        format!("-max_total_time={}", options.seconds),
        // 0 would be one of libFuzzer's own choice.
        format!("-seed={}", seed.max(1)),
        format!("-max_len={LONGEST}"),
        format!("-artifact_prefix={}/finding-", options.findings.display()),
        "-len_control=0".to_owned(),
        // Signals end the run in order; it says by itself how far it is.
        "-handle_int=0".to_owned(),
        "-handle_term=0".to_owned(),
        "-verbosity=0".to_owned(),
        "-print_funcs=0".to_owned(),
        options.corpus.display().to_string(),
    ]
}

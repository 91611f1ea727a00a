//! Frames that libFuzzer makes up, each handed to the parsers on the host, whose coverage guides it, and to the program in
//! the kernel; an oracle says what has to become of it. `cargo xtask fuzz` builds and runs this.

mod driver;
mod fixture;
mod mutator;
mod seeds;
mod target;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::target::Frames;

/// Longest input: a full-size frame, and what says where it comes in.
const LONGEST: usize = 1520;

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
    match prepare(&Options::parse()) {
        Ok(arguments) => fixture::with(|fixture| driver::run(Frames::boxed(fixture), &arguments)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the seeds, and libFuzzer's arguments.
fn prepare(options: &Options) -> Result<Vec<String>> {
    if let Some(replay) = &options.replay {
        return Ok(vec![replay.display().to_string()]);
    }

    let corpus = &options.corpus;
    let seed = options.seed.unwrap_or_else(rand::random);

    for (number, input) in seeds::inputs().iter().enumerate() {
        let path = corpus.join(format!("seed-{number:03}"));

        fs::write(&path, input).with_context(|| format!("cannot write {}", path.display()))?;
    }

    target::say(&format!("seed {seed}"));

    Ok(vec![
        format!("-max_total_time={}", options.seconds),
        format!("-seed={seed}"),
        format!("-max_len={LONGEST}"),
        format!("-artifact_prefix={}/finding-", options.findings.display()),
        "-len_control=0".to_owned(),
        "-print_final_stats=1".to_owned(),
        corpus.display().to_string(),
    ])
}

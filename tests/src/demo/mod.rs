//! The demonstration: the main job on this machine, on real packets, shown while it happens.
//!
//! [`topology`] builds the network, [`acts`] plays on it, [`watch`] gathers what the daemon and the clients report into a
//! [`timeline`], and [`summary`] and [`picture`] tell the [`story`] of it. `--runs` plays it several times and makes a
//! [`table`] of [`figures`].

pub mod acts;
pub mod disturbed;
pub mod figures;
pub mod files;
mod many;
mod pace;
pub mod picture;
mod show;
pub mod story;
pub mod summary;
pub mod table;
pub mod timeline;
pub mod topology;
mod watch;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};

use crate::live::{self, show as terminal, shown};

use self::{files::Files, pace::Pace, summary::Summary};

/// Plays the main job on this machine: a source fails, a target stands in, the source comes back.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "failover-demo")]
pub struct Options {
    /// The failover binary
    #[arg(long, value_name = "PATH")]
    pub failover: PathBuf,
    /// Where the picture and the daemons' logs go
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Time between two heartbeats, such as 10ms, 1ms or 500us
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = interval)]
    pub interval: Duration,
    /// Heartbeats missed in a row that make a verdict
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub misses: u32,
    /// Requests a second to the source's first address; the others get a tenth
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    pub rate: u64,
    /// Play this often, quietly, and compare the figures with what is allowed; the picture is of the median run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;

    if (Duration::from_micros(50)..=Duration::from_secs(1)).contains(&interval) {
        Ok(interval)
    } else {
        Err("the demonstration takes 50us to 1s".to_owned())
    }
}

/// Plays, shows, and returns the process's exit code: 0, 1 after a failure, 130 after Ctrl-C.
pub fn run(options: &Options) -> ExitCode {
    live::run("the demonstration", &options.out, || {
        if options.runs > 1 {
            many::play(options)
        } else {
            once(options)
        }
    })
}

fn once(options: &Options) -> Result<()> {
    let files = Files::only(&options.out);
    let story = acts::play(options, &files, Pace::TOLD)?;
    let summary = Summary::of(&story);
    let picture = acts::picture(&story, &files)?;

    terminal::heading("Summary");
    for line in summary::lines(&story, &summary) {
        terminal::line(line);
    }
    terminal::line(format_args!("picture     {}", shown(&picture).display()));

    match summary.lost_in_failback() {
        0 => Ok(()),
        lost => bail!("the planned failback lost {lost} requests; it must not lose any"),
    }
}

//! The benchmark: what is promised of speed and scale, measured beside what others do, in one interleaved run on one machine.
//!
//! A [`groups::Group`] measures its contenders in turn, again and again, and makes a [`outcome::Section`] of the figures, with
//! goals that are ratios of them. [`terminal`], [`chart`] and the JSON tell the same sections.

mod chart;
mod datapath;
mod groups;
mod outage;
pub mod outcome;
mod peers;
mod terminal;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::ValueEnum as _;

use crate::live::{self, machine, show, shown};

use self::{groups::Group, outcome::Report, peers::Peers};

/// Measures what failover promises of speed and scale, beside others where there are any.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "failover-bench", bin_name = "cargo xtask bench")]
pub struct Options {
    /// What to measure; everything by default
    #[arg(value_enum, value_name = "GROUP")]
    groups: Vec<Group>,
    /// Measure Debian's keepalived as well: it is fetched with apt-get and unpacked beside the charts, nothing is installed
    #[arg(long)]
    peers: bool,
    /// How often each is measured; medians are compared
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Write everything to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The failover binary
    #[arg(long, value_name = "PATH", hide = true)]
    failover: PathBuf,
    /// Where charts and logs go
    #[arg(long, value_name = "DIR", hide = true)]
    out: PathBuf,
}

/// Measures, shows, and returns the process's exit code: 0, 1 after a failure or if a goal is missed, 130 after Ctrl-C.
pub fn run(options: &Options) -> ExitCode {
    live::run("the benchmark", &options.out, || {
        match measure(options)?.missed() {
            missed if missed.is_empty() => Ok(()),
            missed => bail!("{} goals are missed: {}", missed.len(), missed.join("; ")),
        }
    })
}

/// Measures, and shows and writes what is asked for.
pub fn measure(options: &Options) -> Result<Report> {
    let peers = options
        .peers
        .then(|| Peers::fetch(&options.out.join("peers")))
        .transpose()
        .context("fetching the peers")?;
    let mut report = Report {
        machine: machine::described(),
        failover: env!("CARGO_PKG_VERSION").to_owned(),
        peers: peers.as_ref().map(Peers::versions).unwrap_or_default(),
        runs: options.runs,
        sections: Vec::new(),
    };
    let groups = if options.groups.is_empty() {
        Group::value_variants()
    } else {
        &options.groups
    };

    for line in terminal::head(&report) {
        show::line(line);
    }

    for group in groups {
        for section in group.measure(options, peers.as_ref())? {
            show::heading(&section.title);

            for line in terminal::section(&section) {
                show::line(line);
            }

            let chart = options.out.join(format!("{}.svg", section.name));

            fs::write(&chart, chart::svg(&section)?)
                .with_context(|| format!("writing {}", chart.display()))?;
            show::line(format_args!("chart  {}", shown(&chart).display()));
            report.sections.push(section);
        }
    }

    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;

        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }

    Ok(report)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Options::command().debug_assert();
    }
}

//! The acts several times over, quietly, each time on a network and daemons of its own: the figures to hold against what
//! is promised.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::live::{interrupt, machine, show, shown, spread};

use super::{
    Options, acts,
    figures::{Column, Figures},
    files::Files,
    pace::Pace,
    summary::{self, Summary},
    table,
    topology::ADDRESSES,
};

/// Plays `options.runs` times. An error if the promise was not kept.
pub(super) fn play(options: &Options) -> Result<()> {
    let runs = options.runs;

    show::heading(&format!(
        "{runs} runs, each with a network, services and daemons of its own"
    ));
    show::line(format_args!("machine     {}", machine::described()));
    show::line(format_args!(
        "heartbeats  every {}, {} misses",
        humantime::format_duration(options.interval),
        options.misses
    ));
    show::line(format_args!("load        {}", load(options.rate)?));
    show::line(format_args!(
        "failback    asked for {} after heartbeats are answered again",
        humantime::format_duration(Pace::quiet(0, runs, options.interval).wait)
    ));
    show::line(format_args!(
        "columns     times for the client of {}; requests lost over all {} addresses",
        ADDRESSES[0].ip,
        ADDRESSES.len()
    ));
    show::line("");

    for line in table::head("run") {
        show::line(line);
    }

    let mut played = Vec::new();
    let mut scheduling = String::new();

    for index in 0..runs {
        interrupt::check()?;

        let files = Files::of_run(&options.out, index + 1);
        let pace = Pace::quiet(index, runs, options.interval);
        let story = acts::play(options, &files, pace)
            .with_context(|| format!("run {} of {runs}", index + 1))?;
        let run = Figures::of(&story, &Summary::of(&story));

        acts::picture(&story, &files)?;
        show::line(table::row(&(index + 1).to_string(), &run));

        for remark in run.remarks() {
            show::note(format_args!("     {remark}"));
        }

        scheduling = story.machinery.scheduling;
        played.push(run);
    }

    show::heading(&format!("Over {runs} runs"));

    for line in table::head("").into_iter().chain(table::spread(&played)) {
        show::line(line);
    }

    show::line("");

    let verdict = table::Verdict::of(&played, options.interval, options.misses);

    for line in verdict.lines() {
        show::line(line);
    }

    show::line(format_args!(
        "scheduling  the heartbeat thread ran under {}",
        summary::scheduling(&scheduling)
    ));

    let (number, picture) = keep_picture(options, &played)?;

    show::line(format_args!(
        "picture     {} (of run {number}, whose outage is the median one)",
        shown(&picture).display()
    ));

    match verdict.broken() {
        broken if broken.is_empty() => Ok(()),
        broken => bail!("{}", broken.join("; ")),
    }
}

fn load(rate: u64) -> Result<String> {
    let [first, others @ ..] = ADDRESSES;
    let others = others.map(|address| address.ip).join(" and ");
    let shown = |rate: u64| anyhow::Ok(summary::thousands(usize::try_from(rate)?));

    Ok(format!(
        "{} requests a second to {}, {} to each of {others}",
        shown(rate)?,
        first.ip,
        shown((rate / 10).max(1))?
    ))
}

/// Makes the picture of the run with the median outage the picture of all. Returns that run's number and the picture.
fn keep_picture(options: &Options, played: &[Figures]) -> Result<(u32, PathBuf)> {
    let outages = Column::OUTAGE.values(played);
    let middle = spread::middle(&outages);

    ensure!(middle.is_some(), "nothing was played");

    let number = u32::try_from(middle.unwrap_or_default())? + 1;
    let from = Files::of_run(&options.out, number).picture();
    let to = Files::only(&options.out).picture();

    fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;

    Ok((number, to))
}

//! The acts: a healthy source, load, the pulled cable, the takeover, the cable back in, the failback.

use std::{path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, bail};
use failover_user::{control::protocol::Status, policy};

use crate::{
    lab::{Capture, Client, Daemon, Direction, Report, clock::now_ns},
    live::interrupt,
};

use super::{
    Options,
    files::Files,
    pace::Pace,
    story::{Lane, LogLine, Machinery, Story},
    summary,
    timeline::What,
    topology::{ADDRESSES, Address, Cast, DIAGRAM, SOURCE},
    watch::{Events, Watcher},
};

/// How long anything may take besides the heartbeats' own time.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the failback may take: it drains for 3 s.
const FAILBACK_PATIENCE: Duration = Duration::from_secs(20);

/// Plays everything once.
pub(super) fn play(options: &Options, files: &Files, pace: Pace) -> Result<Story> {
    pace.act(
        1,
        "Daemons on source and target, a service on source, target and standby",
    );
    for line in DIAGRAM.lines() {
        pace.line(line);
    }

    let cast = Cast::assemble(&options.failover, files, options.interval, options.misses);
    let played = perform(options, pace, &cast);

    if let Err(error) = &played
        && !error.is::<interrupt::Interrupted>()
    {
        let status = cast.target_daemon.failover(&["status", "--json"]);

        eprintln!("{}", String::from_utf8_lossy(&status.stdout));

        for (_, daemon) in cast.daemons() {
            daemon.print_log();
        }
    }

    played
}

fn perform(options: &Options, pace: Pace, cast: &Cast) -> Result<Story> {
    let target = &cast.target_daemon;
    let window = options.interval * (options.misses + 2);
    let patience = PATIENCE + 5 * window;
    let hold_back = (2 * window).clamp(Duration::from_millis(60), Duration::from_millis(500));
    let addresses = ADDRESSES.map(|address| address.ip);

    wait_healthy(target, patience)?;
    show_health(pace, &target.typed_status());

    pace.act(
        2,
        &format!(
            "Load: {} requests a second to {}, a tenth of that to each of the others",
            summary::thousands(usize::try_from(options.rate)?),
            ADDRESSES[0].ip
        ),
    );
    let events = Events::follow(&target.socket()).context("following the target's events")?;
    let started_ns = now_ns();
    let clients = cast.load(options.rate);
    let mut watcher = Watcher::new(
        &events,
        clients
            .iter()
            .map(|(address, _, client)| (address.ip, client)),
        hold_back,
        pace.told,
    );
    watcher.zero(started_ns);
    watcher.until(patience, "the source answers", |timeline| {
        Watcher::all_answered(timeline, 0, |_| "source", &addresses)
    })?;
    watcher.during(pace.wait + pace.delay)?;

    pace.act(
        3,
        "The source's cable is pulled (0 ms: no frame passes from here on)",
    );
    watcher.expect_others_than(|_| "source");
    let pulled_ns = cast.source_nic.pull();
    watcher.zero(pulled_ns);
    watcher.mark(pulled_ns, What::CablePulled);
    watcher.until(patience, "the target stands in", |timeline| {
        Watcher::all_answered(timeline, pulled_ns, stand_in, &addresses)
    })?;
    watcher.settle(hold_back)?;
    watcher.during(pace.wait)?;

    pace.act(
        4,
        "The cable is plugged in again; the target goes on standing in",
    );
    let replugged_ns = now_ns();
    cast.source_nic.replug();
    watcher.mark(replugged_ns, What::CableBack);
    watcher.until(patience, "heartbeats are answered again", |timeline| {
        timeline.has(replugged_ns, |what| *what == What::HeartbeatsBack)
    })?;
    watcher.settle(hold_back)?;
    watcher.during(pace.wait)?;

    pace.act(
        5,
        &format!("Planned failback under load: failover failback {SOURCE} --yes"),
    );
    watcher.expect_others_than(stand_in);
    let failback_ns = now_ns();
    watcher.mark(failback_ns, What::FailbackAsked);
    fail_back(target, &mut watcher)?;
    watcher.until(FAILBACK_PATIENCE, "the failback is complete", |timeline| {
        timeline.has(failback_ns, |what| *what == What::FailbackDone)
            && Watcher::all_answered(timeline, failback_ns, |_| "source", &addresses)
    })?;
    watcher.settle(hold_back)?;
    watcher.during(pace.wait)?;

    let machinery = machinery(cast);
    let marks = watcher.into_marks();
    let lanes = finish(clients)
        .into_iter()
        .map(|(address, per_second, report)| lane(&address, per_second, report, &cast.second_wire))
        .collect();

    Ok(Story {
        interval: options.interval,
        misses: options.misses,
        pulled_ns,
        replugged_ns,
        failback_ns,
        lanes,
        marks,
        machinery,
    })
}

fn stand_in(ip: &str) -> &'static str {
    ADDRESSES
        .iter()
        .find(|address| address.ip == ip)
        .map_or("", |address| address.stand_in)
}

fn wait_healthy(target: &Daemon, patience: Duration) -> Result<()> {
    let end_ns = now_ns() + u64::try_from(patience.as_nanos())?;

    loop {
        interrupt::check()?;

        let status = target.typed_status();
        let source = &status.sources[0];

        // A few answers, so that there is something to show.
        if source.state == policy::State::Healthy && source.paths[0].received >= 20 {
            return Ok(());
        }

        if now_ns() > end_ns {
            bail!(
                "{SOURCE} is {:?} ({}) and not healthy after {}",
                source.state,
                source.cause,
                humantime::format_duration(patience)
            );
        }

        thread::sleep(Duration::from_millis(20));
    }
}

fn show_health(pace: Pace, status: &Status) {
    let path = &status.sources[0].paths[0];
    let us = |ns: u64| format!("{:.1} us", ns as f64 / 1e3);

    pace.line(format_args!(
        "{SOURCE} is healthy: {} heartbeats answered in its kernel, round trip {} at the median, {} at most",
        path.received,
        us(path.rtt_ns.p50),
        us(path.rtt_ns.max)
    ));
}

/// Runs the command line's failback beside the watcher.
fn fail_back(target: &Daemon, watcher: &mut Watcher<'_>) -> Result<()> {
    let mut command = target.start_failover(&["failback", SOURCE, "--yes"]);
    let watched = watcher.until(FAILBACK_PATIENCE, "the failback command ends", |_| {
        !matches!(command.try_wait(), Ok(None))
    });

    if watched.is_err() {
        // It may have ended meanwhile.
        drop(command.kill());
    }

    let output = command.wait_with_output()?;

    watched?;

    if !output.status.success() {
        bail!(
            "failover failback {SOURCE} --yes failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }

    Ok(())
}

/// Ends the clients, all at once: each waits for answers that are on their way.
fn finish(clients: Vec<(Address, u64, Client)>) -> Vec<(Address, u64, Report)> {
    thread::scope(|scope| {
        let ending: Vec<_> = clients
            .into_iter()
            .map(|(address, per_second, client)| {
                (address, per_second, scope.spawn(|| client.finish()))
            })
            .collect();

        ending
            .into_iter()
            .map(|(address, per_second, thread)| {
                let report = thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));

                (address, per_second, report)
            })
            .collect()
    })
}

fn lane(address: &Address, per_second: u64, report: Report, second_wire: &Capture) -> Lane {
    // Replies that a host sends by the target's second NIC have the address as their source.
    let octets: Vec<u8> = address
        .ip
        .split('.')
        .filter_map(|octet| octet.parse().ok())
        .collect();
    let left_by_place = (address.nic == "ens2").then(|| {
        second_wire.count(|frame| {
            frame.direction == Direction::Out
                && frame.octets.get(12..14) == Some(&[0x08, 0x00])
                && frame.octets.get(26..30) == Some(&octets)
        })
    });

    Lane {
        address: address.ip.to_owned(),
        per_second,
        stand_in: address.stand_in.to_owned(),
        place: address.place(),
        left_by_place,
        report,
    }
}

fn machinery(cast: &Cast) -> Machinery {
    let nics = |status: &Status| {
        status
            .nics
            .iter()
            .map(|nic| format!("{} {}", nic.name, nic.xdp_mode))
            .collect()
    };
    let target = cast.target_daemon.typed_status();

    Machinery {
        source: nics(&cast.source_daemon.typed_status()),
        target: nics(&target),
        scheduling: target.scheduling,
        warnings: cast
            .daemons()
            .iter()
            .flat_map(|(host, daemon)| LogLine::warnings(host, &daemon.log()))
            .collect(),
    }
}

/// Writes the picture and returns where it is.
pub fn picture(story: &Story, files: &Files) -> Result<PathBuf> {
    let path = files.picture();

    std::fs::write(&path, super::picture::svg(story)?)
        .with_context(|| format!("writing {}", path.display()))?;

    Ok(path)
}

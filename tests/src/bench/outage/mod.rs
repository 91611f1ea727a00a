//! How long clients are without an answer after the source's cable was pulled.

mod keepalived;
mod ours;
mod stage;

use std::{thread, time::Duration};

use anyhow::{Context, Result, bail};

use crate::{
    lab::Client,
    live::{interrupt, show},
};

use self::{
    keepalived::Keepalived,
    ours::Failover,
    stage::{SERVICE, Stage},
};

use super::{
    Options,
    outcome::{Bound, Goal, Row, Section, Unit},
    peers::Peers,
};

/// Requests a second: an answer is missed 50 us after it is due.
const RATE: u64 = 20_000;

/// How long the source answers under load before its cable is pulled.
const WARM: Duration = Duration::from_millis(300);

/// Attempts at a run in which the target waits for the pull.
const ATTEMPTS: u32 = 5;

/// Somebody whose outage is measured.
trait Contender {
    /// Who, and how it is set.
    fn name(&self) -> String;

    /// How often it looks whether the source is there. Pulls are spread over that time.
    fn interval(&self) -> Duration;

    /// Starts it on source and target; when this returns the source has the address, and the target is ready to take it.
    fn start<'a>(&'a self, stage: &'a Stage) -> Result<Box<dyn Running + 'a>>;
}

/// A contender at work; it is ended by dropping it.
trait Running {}

/// Measures everybody in turn.
pub(super) fn measure(options: &Options, peers: Option<&Peers>) -> Result<Section> {
    let ours = [
        (Duration::from_millis(10), 3),
        (Duration::from_millis(1), 3),
        (Duration::from_micros(200), 3),
        (Duration::from_micros(100), 3),
    ]
    .map(|(interval, misses)| Failover {
        binary: options.failover.clone(),
        interval,
        misses,
    });
    let theirs: Vec<Keepalived<'_>> = peers
        .map(|peers| keepalived::SETTINGS.map(|setting| Keepalived { peers, setting }))
        .into_iter()
        .flatten()
        .collect();
    let contenders: Vec<&dyn Contender> = ours
        .iter()
        .map(|one| one as &dyn Contender)
        .chain(theirs.iter().map(|one| one as &dyn Contender))
        .collect();
    let mut rows: Vec<Row> = contenders
        .iter()
        .map(|contender| Row {
            name: contender.name(),
            ours: contender.name().starts_with("failover"),
            values: Vec::new(),
        })
        .collect();

    for run in 0..options.runs {
        for (contender, row) in contenders.iter().zip(&mut rows) {
            interrupt::check()?;

            let value = play_undisturbed(*contender, run, options.runs)
                .with_context(|| format!("run {} of {}", run + 1, row.name))?;

            show::line(format_args!(
                "run {:>2}  {:<28}  {}",
                run + 1,
                row.name,
                Unit::Nanoseconds.show(value)
            ));
            row.values.push(value);
        }
    }

    let goals = goals(&ours, &theirs, &rows);

    Ok(Section {
        name: "outage".to_owned(),
        title: format!("Outage: first answer after the cable was pulled, {RATE} requests a second"),
        unit: Unit::Nanoseconds,
        rows,
        goals,
    })
}

/// [`play`], again if the target has taken over before anything was pulled, which is said.
fn play_undisturbed(contender: &dyn Contender, run: u32, runs: u32) -> Result<f64> {
    for _ in 0..ATTEMPTS {
        if let Some(value) = play(contender, run, runs)? {
            return Ok(value);
        }

        show::note(format_args!(
            "run {:>2}  {:<28}  the target took over before the cable was pulled; once more",
            run + 1,
            contender.name()
        ));
    }

    bail!("the target takes over before the cable is pulled, {ATTEMPTS} times in a row");
}

/// One run: nanoseconds from the pull to the first answer by the target. `None`: it took over before that.
fn play(contender: &dyn Contender, run: u32, runs: u32) -> Result<Option<f64>> {
    let stage = Stage::new();
    let running = contender.start(&stage)?;
    let client = Client::start(&stage.client, SERVICE, RATE);

    client.wait_for_answer_by("source", 0);
    thread::sleep(WARM + contender.interval() * run / runs);

    if client.report().answered_by("target") > 0 {
        return Ok(None);
    }

    let pulled_ns = stage.source_nic.pull();
    let answered_ns = client.wait_for_answer_by("target", pulled_ns);

    drop(running);

    Ok(Some((answered_ns - pulled_ns) as f64))
}

fn goals(ours: &[Failover], theirs: &[Keepalived<'_>], rows: &[Row]) -> Vec<Goal> {
    let (our_rows, their_rows) = rows.split_at(ours.len());
    let fastest = |rows: &[Row]| {
        rows.iter()
            .map(Row::median)
            .min_by(f64::total_cmp)
            .unwrap_or(f64::INFINITY)
    };
    let limit = |index: usize, most: f64| Goal {
        what: format!("{}, outage", our_rows[index].name),
        unit: Unit::Nanoseconds,
        bound: Bound::AtMost(most),
        value: our_rows[index].median(),
    };
    let mut goals = vec![limit(2, 1e6), limit(3, 0.6e6)];

    for (one, row) in ours.iter().zip(our_rows) {
        // What is left is the time to the next heartbeat, the takeover, and the client's next request.
        let floor = (one.interval * one.misses).as_nanos() as f64;

        if one.interval <= Duration::from_micros(200) {
            goals.push(Goal {
                what: format!("{}, beyond misses x interval", row.name),
                unit: Unit::Nanoseconds,
                bound: Bound::AtMost(300e3),
                value: row.median() - floor,
            });
        }
    }

    if !theirs.is_empty() {
        goals.push(Goal {
            what: "shorter than keepalived's at its fastest".to_owned(),
            unit: Unit::Times,
            bound: Bound::AtLeast(30.0),
            value: fastest(their_rows) / fastest(our_rows),
        });
    }

    goals
}

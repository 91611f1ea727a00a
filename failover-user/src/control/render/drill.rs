//! `failover drill`.

use owo_colors::{OwoColorize as _, Style};

use super::{
    Clock, source,
    table::{Cell, table},
    units::{count, local, short, wrap},
};
use crate::{
    control::drill::{
        DrillAddress, DrillDetection, DrillHook, DrillReport, DrillResult, DrillTakeover, DrillUnit,
    },
    monitor::PROBE_WAIT,
    policy::{Finding, Hook, asked_by},
};

/// Addresses that are listed one by one; of more only those with a problem.
const LISTED: usize = 8;

/// Lines of a failed hook's output that are shown.
const OUTPUT: usize = 5;

/// What would happen, the result first.
pub fn drill(report: &DrillReport, clock: &Clock) -> String {
    let mut text = String::new();
    for unit in &report.units {
        let name = match unit.path {
            None => report.source.clone(),
            Some(path) => format!("{} path {path}", report.source),
        };
        text += &one(unit, &name);
        text.push('\n');
    }
    let at = local(&report.at, clock);
    text += &format!("Drill of {at}. Nothing was moved.\n");
    text
}

fn one(unit: &DrillUnit, name: &str) -> String {
    let mut text = headline(unit, name);
    for warning in &unit.warnings {
        text += &wrap("  ! ", warning).yellow().to_string();
    }
    text += &steps(unit);
    if unit.result != DrillResult::NotTaken {
        text += &times(unit);
    }
    text += &hooks(&unit.hooks);
    text += &addresses(&unit.addresses);
    if let Some(heard) = &unit.heard {
        let asked = match heard {
            Finding::Silent => "ARP",
            Finding::Source { ip } | Finding::Other { ip, .. } | Finding::Rival { ip, .. } => {
                asked_by(*ip)
            }
        };
        text += &wrap(&format!("  {asked} now: "), &finding(heard));
    }
    text
}

fn headline(unit: &DrillUnit, name: &str) -> String {
    let why = unit.steps.last().map_or("", |step| step.cause.as_str());
    let (result, style, rest) = match unit.result {
        DrillResult::TakenOver => {
            let asked = if unit.would_ask {
                ", once somebody approves"
            } else {
                ""
            };
            let within = unit
                .total_ns
                .map(|total| format!(" within {}", short(total)))
                .unwrap_or_default();
            (
                "would be TAKEN OVER",
                Style::new().green().bold(),
                format!("{within}{asked}"),
            )
        }
        DrillResult::Aborted => (
            "WOULD BE ABORTED",
            Style::new().red().bold(),
            hook_that_aborts(&unit.hooks),
        ),
        DrillResult::NotTaken => (
            "would NOT be taken over",
            Style::new().red().bold(),
            format!(": {why}"),
        ),
    };
    format!("{}  {}{rest}\n", name.bold(), result.style(style))
}

fn hook_that_aborts(hooks: &[DrillHook]) -> String {
    hooks
        .iter()
        .find(|run| run.hook == Hook::BeforeTakeover)
        .and_then(|run| run.error.as_ref())
        .map(|error| format!(": before_takeover: {error}"))
        .unwrap_or_default()
}

fn steps(unit: &DrillUnit) -> String {
    let rows = unit.steps.iter().enumerate().map(|(number, step)| {
        let (state, tone) = source::words(step.state);
        let when = if number == 0 { "now" } else { "" };
        [
            Cell::from(when),
            Cell::styled(state, tone.style()),
            Cell::from(&step.cause),
        ]
    });
    table(["", "state", "why"], rows.collect())
}

fn times(unit: &DrillUnit) -> String {
    let mut rows = vec![[
        Cell::from("until the verdict"),
        Cell::from(short(unit.detection.detect_max_ns)),
        Cell::from(detection(&unit.detection)),
    ]];
    if unit.would_ask {
        rows.push(["approval", "?", "as long as a person takes"].map(Cell::from));
    }
    for run in unit
        .hooks
        .iter()
        .filter(|run| run.hook == Hook::BeforeTakeover)
    {
        rows.push([
            Cell::from(run.hook.name()),
            Cell::from(short(run.took_ns)),
            Cell::from("as in this dry run"),
        ]);
        rows.push([
            Cell::from("who has them"),
            Cell::from(short(PROBE_WAIT.as_nanos() as u64)),
            Cell::from("asked by ARP once more behind the hook"),
        ]);
    }
    match &unit.takeover {
        DrillTakeover::Rehearsed {
            addresses_ns,
            entries_ns,
            announcements_ns,
            takeover_ns: _,
        } => {
            let number = count_addresses(unit.addresses.len());
            for (what, ns, how) in [
                ("addresses", addresses_ns, number.as_str()),
                ("takeover map", entries_ns, ""),
                ("announcements", announcements_ns, ""),
            ] {
                rows.push([Cell::from(what), Cell::from(short(*ns)), Cell::from(how)]);
            }
        }
        DrillTakeover::Unknown { reason } => {
            rows.push([
                Cell::from("takeover"),
                Cell::styled("not known", Style::new().yellow()),
                Cell::from(reason),
            ]);
        }
    }
    if let Some(total) = unit.total_ns {
        let bold = Style::new().bold();
        rows.push([
            Cell::styled("in all", bold),
            Cell::styled(short(total), bold),
            Cell::from("about, measured by rehearsal"),
        ]);
    }
    table(["step", "takes", ""], rows)
}

fn detection(detection: &DrillDetection) -> String {
    let DrillDetection {
        interval_ns,
        pace_ns,
        misses,
        ..
    } = *detection;
    let misses = if misses == 1 {
        "1 miss".to_owned()
    } else {
        format!("{misses} misses")
    };
    let every = format!("{misses}, a heartbeat every {}", short(pace_ns));
    if pace_ns == interval_ns {
        every
    } else {
        format!(
            "{every} (not {}: the reflector is slower)",
            short(interval_ns)
        )
    }
}

fn hooks(hooks: &[DrillHook]) -> String {
    let rows = hooks.iter().map(|run| {
        let result = match &run.error {
            None => Cell::styled("ok", Style::new().green()),
            Some(error) => Cell::styled(error, Style::new().red().bold()),
        };
        [
            Cell::from(run.hook.name()),
            Cell::from(short(run.took_ns)),
            result,
            Cell::from(run.program.join(" ")),
        ]
    });
    let mut text = table(
        ["hook (dry run)", "took", "result", "program"],
        rows.collect(),
    );
    for run in hooks.iter().filter(|run| run.error.is_some()) {
        let lines: Vec<&str> = run.output.lines().collect();
        for line in &lines[lines.len().saturating_sub(OUTPUT)..] {
            let line: String = line.chars().filter(|char| !char.is_control()).collect();
            text += &format!("    {}: {line}\n", run.hook.name());
        }
    }
    text
}

fn addresses(addresses: &[DrillAddress]) -> String {
    let all = addresses.len() <= LISTED;
    let listed = addresses
        .iter()
        .filter(|address| all || !address.problems.is_empty());
    let rows: Vec<_> = listed
        .map(|address| {
            let problem = if address.problems.is_empty() {
                Cell::styled("ok", Style::new().green())
            } else {
                Cell::styled(address.problems.join("; "), Style::new().red().bold())
            };
            [
                Cell::from(&address.ip),
                Cell::from(&address.nic),
                Cell::from(&address.deliver),
                problem,
            ]
        })
        .collect();
    let well = addresses.len() - rows.len();
    let mut text = table(["address", "NIC", "deliver", ""], rows);
    if well > 0 {
        text += &format!("  {}: ok\n", count_addresses(well));
    }
    text
}

fn count_addresses(number: usize) -> String {
    if number == 1 {
        count(1, "address")
    } else {
        format!("{number} addresses")
    }
}

/// Who has the addresses, in words.
fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Silent => "nobody answers for the addresses".to_owned(),
        Finding::Source { ip } => format!("the source answers for {ip}"),
        Finding::Other { ip, mac } => format!("another host answers for {ip}: {mac}"),
        Finding::Rival { ip, mac, first } => format!(
            "another host asks for {ip} as well: {mac}, which goes {}",
            if *first { "first" } else { "second" }
        ),
    }
}

//! Several runs in lines, for the terminal, and whether they keep what is promised.

use std::time::Duration;

use crate::live::spread::Spread;

use super::{
    figures::{Column, Figures},
    summary::{bound, show, thousands},
};

/// The two lines above the rows; `name` is the title of what the rows are named by.
pub fn head(name: &str) -> [String; 2] {
    [0, 1].map(|line| {
        let name = if line == 0 { name } else { "" };

        cells(name, |column| column.title[line].to_owned())
    })
}

/// A run.
pub fn row(name: &str, run: &Figures) -> String {
    cells(name, |column| column.show((column.value)(run)))
}

/// Minimum, median and maximum of each column.
pub fn spread(runs: &[Figures]) -> [String; 3] {
    let line = |name: &str, pick: fn(&Spread) -> f64| {
        cells(name, |column| {
            Spread::of(&column.values(runs))
                .map_or(String::new(), |spread| column.show(pick(&spread)))
        })
    };

    [
        line("minimum", |spread| spread.min),
        line("median", |spread| spread.median),
        line("maximum", |spread| spread.max),
    ]
}

fn cells(name: &str, cell: impl Fn(&Column) -> String) -> String {
    let cells = Column::ALL.iter().map(|column| {
        let width = column
            .title
            .map(str::len)
            .into_iter()
            .max()
            .unwrap_or(0)
            .max(9);

        format!("  {:>width$}", cell(column))
    });

    format!("{name:<7}{}", cells.collect::<String>())
}

/// What the runs come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The median of the first answers, nanoseconds; infinite if there was none.
    first_answer: f64,
    /// What it may be.
    bound: Duration,
    /// `bound` in words.
    allowed: String,
    runs: usize,
    lost: usize,
    asked: usize,
    /// Numbers of the failbacks that lost requests, from 1.
    failed: Vec<usize>,
    /// Numbers of the runs that something disturbed.
    disturbed: Vec<usize>,
}

impl Verdict {
    /// Of `runs`, with heartbeats each `interval` and `misses` of them to a verdict.
    pub fn of(runs: &[Figures], interval: Duration, misses: u32) -> Self {
        let numbers = |such: fn(&Figures) -> bool| {
            (1..)
                .zip(runs)
                .filter(|(_, run)| such(run))
                .map(|(number, _)| number)
                .collect()
        };
        let first_answers = Column::FIRST_ANSWER.values(runs);
        let bound = bound(interval, misses);

        Self {
            first_answer: Spread::of(&first_answers).map_or(f64::INFINITY, |spread| spread.median),
            bound,
            allowed: format!(
                "({misses} + 2) x {} + 3 ms = {}",
                humantime::format_duration(interval),
                show(bound)
            ),
            runs: runs.len(),
            lost: runs.iter().map(|run| run.lost_in_failback).sum(),
            asked: runs.iter().map(|run| run.asked_in_failback).sum(),
            failed: numbers(|run| run.lost_in_failback > 0),
            disturbed: numbers(|run| !run.notes.is_empty()),
        }
    }

    /// In lines, for the terminal.
    pub fn lines(&self) -> Vec<String> {
        let relation = if self.is_late() {
            "LONGER than"
        } else {
            "within"
        };
        let mut lines = vec![
            format!(
                "outage      first answer from the target {} after the pull at the median, {relation} what is allowed: {}",
                self.first_answer(),
                self.allowed
            ),
            format!(
                "failback    {} of {} requests lost in {} failbacks{}",
                thousands(self.lost),
                thousands(self.asked),
                self.runs,
                listed(": in run ", &self.failed)
            ),
        ];

        if !self.disturbed.is_empty() {
            lines.push(format!(
                "disturbed   {} of {} runs, counted like the others{}",
                self.disturbed.len(),
                self.runs,
                listed(": run ", &self.disturbed)
            ));
        }

        lines
    }

    /// What was not kept, a sentence each.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();

        if self.is_late() {
            broken.push(format!(
                "the median of the first answers is {} after the pull and may be {}",
                self.first_answer(),
                self.allowed
            ));
        }

        if !self.failed.is_empty() {
            broken.push(format!(
                "{} of {} planned failbacks lost {} requests; they must not lose any",
                self.failed.len(),
                self.runs,
                thousands(self.lost)
            ));
        }

        broken
    }

    fn is_late(&self) -> bool {
        self.first_answer > self.bound.as_nanos() as f64
    }

    fn first_answer(&self) -> String {
        Column::FIRST_ANSWER.show(self.first_answer)
    }
}

/// `before` and the numbers, or nothing without numbers.
fn listed(before: &str, numbers: &[usize]) -> String {
    if numbers.is_empty() {
        return String::new();
    }

    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();

    format!("{before}{}", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(10);

    fn run(first_answer_ms: u64) -> Figures {
        let time = Some(Duration::from_millis(first_answer_ms));

        Figures {
            first_answer: time,
            outage: time,
            detect: time,
            takeover: Some(Duration::from_micros(300)),
            lost_in_outage: 200,
            lost_in_failback: 0,
            asked_in_failback: 20_000,
            lost_span: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_median_decides_and_not_the_worst() {
        let verdict = Verdict::of(&[run(30), run(53), run(500)], INTERVAL, 3);

        assert_eq!(verdict.broken(), Vec::<String>::new());
        assert_eq!(
            verdict.lines(),
            [
                "outage      first answer from the target 53.0 ms after the pull at the median, within what is allowed: (3 + 2) x 10ms + 3 ms = 53.0 ms",
                "failback    0 of 60,000 requests lost in 3 failbacks",
            ]
        );
    }

    #[test]
    fn a_median_that_is_too_long_is_said_and_breaks_the_promise() {
        let verdict = Verdict::of(&[run(30), run(54), run(54)], INTERVAL, 3);

        assert!(verdict.lines()[0].contains("LONGER than"));
        assert_eq!(verdict.broken().len(), 1);
    }

    #[test]
    fn runs_that_nobody_answered_in_break_the_promise() {
        let silent = Figures {
            first_answer: None,
            ..run(30)
        };

        let verdict = Verdict::of(&[run(30), silent.clone(), silent], INTERVAL, 3);

        assert!(verdict.lines()[0].contains("target none after"));
        assert_eq!(verdict.broken().len(), 1);
    }

    #[test]
    fn one_request_lost_in_one_failback_breaks_the_promise() {
        let mut runs = [run(30), run(30), run(30)];
        runs[1].lost_in_failback = 1;

        let verdict = Verdict::of(&runs, INTERVAL, 3);

        assert_eq!(
            verdict.lines()[1],
            "failback    1 of 60,000 requests lost in 3 failbacks: in run 2"
        );
        assert_eq!(
            verdict.broken(),
            ["1 of 3 planned failbacks lost 1 requests; they must not lose any"]
        );
    }

    #[test]
    fn disturbed_runs_are_named_and_count() {
        let mut runs = [run(60), run(60), run(30)];
        runs[0].notes.push("noise".to_owned());

        let verdict = Verdict::of(&runs, INTERVAL, 3);

        assert_eq!(
            verdict.lines()[2],
            "disturbed   1 of 3 runs, counted like the others: run 1"
        );
        assert_eq!(verdict.broken().len(), 1);
    }

    #[test]
    fn rows_and_spread_stand_below_their_titles() {
        let runs = [run(30), run(40)];

        let [first, second] = head("run");
        let [_, median, _] = spread(&runs);

        for line in [&second, &row("1", &runs[0]), &median] {
            assert_eq!(line.len(), first.len(), "{line}");
        }
        assert!(median.starts_with("median        35.0 ms"), "{median}");
    }
}

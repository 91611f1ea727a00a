//! What was measured: figures over several runs, and goals that they are held against.
//!
//! A value that a run does not have, such as an answer that never came, is infinite: worse than all others. JSON has `null`
//! for it.

use serde::Serialize;

use crate::live::spread::{Spread, median};

/// Everything that was measured in one run of the benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Kernel, processors and load.
    pub machine: String,
    /// Our version.
    pub failover: String,
    /// Name and version of each peer.
    pub peers: Vec<(String, String)>,
    /// How often each was measured.
    pub runs: u32,
    /// In the order they were measured.
    pub sections: Vec<Section>,
}

impl Report {
    /// The goals that were missed, in words.
    pub fn missed(&self) -> Vec<String> {
        self.sections
            .iter()
            .flat_map(|section| &section.goals)
            .filter(|goal| !goal.is_reached())
            .map(Goal::to_string)
            .collect()
    }
}

/// Contenders that were measured in turn.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Its name, for files.
    pub name: String,
    /// What was measured, in words.
    pub title: String,
    /// What its figures count.
    pub unit: Unit,
    /// The figures.
    pub rows: Vec<Row>,
    /// What they have to reach.
    pub goals: Vec<Goal>,
}

/// What figures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A time.
    Nanoseconds,
    /// How many times as much as something else.
    Times,
}

impl Unit {
    /// A value for the terminal.
    pub fn show(self, value: f64) -> String {
        if value.is_infinite() {
            return "none".to_owned();
        }

        match self {
            Self::Nanoseconds => match value.abs() {
                ..1e3 => format!("{value:.1} ns"),
                1e3..1e6 => format!("{:.1} us", value / 1e3),
                1e6..1e7 => format!("{:.2} ms", value / 1e6),
                1e7..1e9 => format!("{:.1} ms", value / 1e6),
                _ => format!("{:.2} s", value / 1e9),
            },
            Self::Times => format!("{value:.1} times"),
        }
    }
}

/// One contender's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Who, and how it was set.
    pub name: String,
    /// Whether it is ours.
    pub ours: bool,
    /// What each run measured.
    pub values: Vec<f64>,
}

impl Row {
    /// Minimum, median and maximum; infinite without values.
    pub fn spread(&self) -> Spread {
        Spread::of(&self.values).unwrap_or(Spread {
            min: f64::INFINITY,
            median: f64::INFINITY,
            max: f64::INFINITY,
        })
    }

    /// The median; infinite without values.
    pub fn median(&self) -> f64 {
        median(&self.values).unwrap_or(f64::INFINITY)
    }
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

/// A goal and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// What is held against the bound, in words.
    pub what: String,
    /// Its unit.
    pub unit: Unit,
    /// What it has to be.
    pub bound: Bound,
    /// What it is.
    pub value: f64,
}

impl Goal {
    /// Whether it is reached.
    pub fn is_reached(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.value <= most,
            // Infinitely many times as much as something that was not measured is no success.
            Bound::AtLeast(least) => self.value >= least && self.value.is_finite(),
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.unit.show(self.value);

        match self.bound {
            Bound::AtMost(most) => {
                write!(
                    f,
                    "{}: {value}, at most {}",
                    self.what,
                    self.unit.show(most)
                )
            }
            Bound::AtLeast(least) => {
                write!(
                    f,
                    "{}: {value}, at least {}",
                    self.what,
                    self.unit.show(least)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(bound: Bound, value: f64) -> Goal {
        Goal {
            what: "something".to_owned(),
            unit: Unit::Times,
            bound,
            value,
        }
    }

    #[test]
    fn a_goal_is_reached_at_its_bound() {
        assert!(goal(Bound::AtMost(1.5), 1.5).is_reached());
        assert!(!goal(Bound::AtMost(1.5), 1.51).is_reached());
        assert!(goal(Bound::AtLeast(30.0), 30.0).is_reached());
        assert!(!goal(Bound::AtLeast(30.0), 29.9).is_reached());
    }

    #[test]
    fn what_was_not_measured_reaches_no_goal() {
        assert!(!goal(Bound::AtMost(1.5), f64::INFINITY).is_reached());
        assert!(!goal(Bound::AtLeast(30.0), f64::INFINITY).is_reached());
        assert!(!goal(Bound::AtLeast(30.0), f64::NAN).is_reached());
        assert!(!goal(Bound::AtMost(30.0), f64::NAN).is_reached());
    }

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        let shown = [66.2, 4_500.0, 480_000.0, 4_150_000.0, 35.6e6, 3.4e9]
            .map(|value| Unit::Nanoseconds.show(value));

        assert_eq!(
            shown,
            [
                "66.2 ns", "4.5 us", "480.0 us", "4.15 ms", "35.6 ms", "3.40 s"
            ]
        );
        assert_eq!(Unit::Nanoseconds.show(f64::INFINITY), "none");
    }
}

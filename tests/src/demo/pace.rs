//! How a run is played: told while it happens and at leisure, or quietly and without waits that nobody looks at.

use std::{fmt::Display, time::Duration};

use crate::live::show as terminal;

use super::show;

/// How a run is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Whether the terminal shows it while it happens.
    pub(super) told: bool,
    /// How long the load runs in each situation before the next thing happens.
    pub(super) wait: Duration,
    /// What is waited in addition before the cable is pulled.
    pub(super) delay: Duration,
}

impl Pace {
    /// The only run.
    pub(super) const TOLD: Self = Self {
        told: true,
        wait: Duration::from_millis(500),
        delay: Duration::ZERO,
    };

    /// Run `index`, from 0, of `runs`. Where in the time between two heartbeats the cable is pulled decides over most of
    /// the outage: the runs are spread over that time, so that they do not all happen to have the same luck.
    pub(super) fn quiet(index: u32, runs: u32, interval: Duration) -> Self {
        Self {
            told: false,
            wait: Duration::from_millis(200),
            delay: interval * index / runs.max(1),
        }
    }

    /// The beginning of an act.
    pub(super) fn act(self, number: u32, title: &str) {
        if self.told {
            show::act(number, title);
        }
    }

    /// A line within an act.
    pub(super) fn line(self, text: impl Display) {
        if self.told {
            terminal::line(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_spread_over_the_interval() {
        let interval = Duration::from_millis(10);

        let delays: Vec<_> = (0..4)
            .map(|index| Pace::quiet(index, 4, interval).delay)
            .collect();

        assert_eq!(delays, [0, 2500, 5000, 7500].map(Duration::from_micros));
    }
}

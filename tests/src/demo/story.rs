//! Everything that was recorded in one run of the demonstration, for the summary and the picture.

use std::time::Duration;

use crate::lab::Report;

use super::timeline::{Mark, What};

/// One run.
#[derive(Clone, Debug)]
pub struct Story {
    /// Between two heartbeats.
    pub interval: Duration,
    /// Misses in a row that make a verdict.
    pub misses: u32,
    /// When the cable was pulled. All instants are `CLOCK_MONOTONIC` nanoseconds.
    pub pulled_ns: u64,
    /// When it was plugged in again.
    pub replugged_ns: u64,
    /// When the failback was asked for.
    pub failback_ns: u64,
    /// One for each address of the source.
    pub lanes: Vec<Lane>,
    /// What happened, in order.
    pub marks: Vec<Mark>,
    /// What the daemons say of themselves.
    pub machinery: Machinery,
}

/// An address of the source, and what its client saw.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The address.
    pub address: String,
    /// Requests a second.
    pub per_second: u64,
    /// The host that answers while the source cannot.
    pub stand_in: String,
    /// Where the target takes the address, e.g. `target ens2`.
    pub place: String,
    /// Of the stand-in's answers, how many left the target by that NIC, if it was counted.
    pub left_by_place: Option<usize>,
    /// The client's records.
    pub report: Report,
}

/// What the daemons say of themselves.
#[derive(Clone, Debug, Default)]
pub struct Machinery {
    /// The target's NICs and how the program is attached, e.g. `ens1 native`.
    pub target: Vec<String>,
    /// The source's.
    pub source: Vec<String>,
    /// How the target's heartbeat thread is scheduled.
    pub scheduling: String,
    /// What they logged as a warning or an error.
    pub warnings: Vec<LogLine>,
}

/// A line of a daemon's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The daemon's host.
    pub host: String,
    /// The message and its fields.
    pub text: String,
}

impl LogLine {
    /// The warnings and errors in the log of the daemon on `host`: lines such as
    /// `2026-01-01T00:00:00Z  WARN failover_user::daemon: message key=value`.
    pub fn warnings(host: &str, log: &str) -> Vec<Self> {
        let text = |line: &str| {
            let (_time, rest) = line.split_once(' ')?;
            let rest = rest.trim_start();
            let said = rest
                .strip_prefix("WARN ")
                .or_else(|| rest.strip_prefix("ERROR "))?;

            // Without the module's path.
            Some(
                said.split_once(": ")
                    .map_or(said, |(_, text)| text)
                    .to_owned(),
            )
        };

        log.lines()
            .filter_map(text)
            .map(|text| Self {
                host: host.to_owned(),
                text,
            })
            .collect()
    }
}

impl Story {
    /// The first mark of this kind at or after `from_ns`.
    pub fn first(&self, from_ns: u64, such: impl Fn(&What) -> bool) -> Option<&Mark> {
        self.marks
            .iter()
            .find(|mark| mark.at_ns >= from_ns && such(&mark.what))
    }
}

/// A run made up for tests: times in milliseconds since 1 s, a request each millisecond.
#[cfg(test)]
pub(super) mod sample {
    use super::*;
    use crate::lab::report::{Answer, Request};

    /// Milliseconds of the sample as instants.
    pub(in super::super) fn at(ms: u64) -> u64 {
        1_000_000_000 + ms * 1_000_000
    }

    fn lane(number: u64, stand_in: &str, place: &str) -> Lane {
        // Pulled at 100, taken over at 130 + number, given back at 500.
        let requests = (0..600).map(|ms| {
            let by = if !(100..503).contains(&ms) {
                Some("source")
            } else if ms >= 130 + number {
                Some(stand_in)
            } else {
                None
            };

            Request {
                sent_ns: at(ms),
                answer: by.map(|by| Answer {
                    at_ns: at(ms) + 50_000,
                    by: by.into(),
                }),
            }
        });

        Lane {
            address: format!("10.0.0.1{number}"),
            per_second: 1000,
            stand_in: stand_in.to_owned(),
            place: place.to_owned(),
            left_by_place: None,
            report: Report {
                requests: requests.collect(),
                ..Report::default()
            },
        }
    }

    /// The run.
    pub(in super::super) fn story() -> Story {
        let marks = [
            (at(98), What::LastReply),
            (at(100), What::CablePulled),
            (at(108), What::Missed { in_a_row: 1 }),
            (
                at(128),
                What::Verdict {
                    missed: 3,
                    detect_ns: 30_000_000,
                },
            ),
            (at(128) + 10_000, What::Decided),
            (at(128) + 200_000, What::AddressesOn { count: 3 }),
            (at(128) + 300_000, What::EntriesOn),
            (at(128) + 400_000, What::Announced),
            (at(300), What::CableBack),
            (at(310), What::HeartbeatsBack),
            (at(500), What::FailbackAsked),
            (at(502), What::Drain),
            (at(503), What::AddressesOff),
            (at(3502), What::FailbackDone),
        ];

        Story {
            interval: Duration::from_millis(10),
            misses: 3,
            pulled_ns: at(100),
            replugged_ns: at(300),
            failback_ns: at(500),
            lanes: vec![
                lane(0, "target", "target ens1"),
                lane(1, "target", "target ens2"),
                lane(2, "standby", "standby, behind target ens3"),
            ],
            marks: marks
                .into_iter()
                .map(|(at_ns, what)| Mark { at_ns, what })
                .collect(),
            machinery: Machinery::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_a_log_are_those_lines_alone() {
        let log = "\
2026-11-23T17:58:48.430550Z  INFO failover_user::events: carrier=true nic=ens1
2026-11-23T17:55:29.070025Z  WARN failover_user::daemon::reports: it ran late: no verdict late_ns=34279284 times=9
2026-11-23T17:55:29.080025Z ERROR failover_user::daemon: no WARN of this
";

        let warnings = LogLine::warnings("target", log);

        let texts: Vec<&str> = warnings.iter().map(|line| &*line.text).collect();
        assert_eq!(
            texts,
            [
                "it ran late: no verdict late_ns=34279284 times=9",
                "no WARN of this"
            ]
        );
        assert_eq!(warnings[0].host, "target");
    }
}

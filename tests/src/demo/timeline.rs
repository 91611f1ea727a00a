//! What happened when: the daemon's events and the client's answers as marks on one line of time.

use std::fmt;

use failover_user::control::protocol::Event;
use serde_json::Value;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// What.
    pub what: What,
}

/// What a [`Mark`] says happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The source answered a heartbeat for the last time.
    LastReply,
    /// The cable was pulled: from here on no frame passed.
    CablePulled,
    /// A heartbeat was missed.
    Missed {
        /// Misses in a row, this one included.
        in_a_row: u64,
    },
    /// The verdict stood.
    Verdict {
        /// Misses in a row.
        missed: u64,
        /// Time since the last valid reply, nanoseconds.
        detect_ns: u64,
    },
    /// The target began to take over.
    Decided,
    /// The addresses were on the target's NICs.
    AddressesOn {
        /// How many.
        count: usize,
    },
    /// The takeover entries were in the XDP program's map.
    EntriesOn,
    /// The network had been told.
    Announced,
    /// The network was told once more.
    AnnouncedAgain,
    /// The takeover failed.
    TakeoverFailed(
        /// Why.
        String,
    ),
    /// A host answered requests to an address for the first time since the situation changed.
    Answered {
        /// The address.
        address: String,
        /// The host.
        by: String,
    },
    /// The cable was plugged in again.
    CableBack,
    /// Heartbeats were answered again.
    HeartbeatsBack,
    /// The administrator asked for the failback.
    FailbackAsked,
    /// The source's MAC was announced, and what still came for the addresses was turned round to the source.
    Drain,
    /// The addresses were off the target's NICs.
    AddressesOff,
    /// The takeover entries were gone: the failback was complete.
    FailbackDone,
    /// The daemon reported an error.
    Error(
        /// In its words.
        String,
    ),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastReply => f.write_str("last heartbeat answered by the source"),
            Self::CablePulled => f.write_str("cable pulled"),
            Self::Missed { in_a_row } => write!(f, "heartbeat missed ({in_a_row} in a row)"),
            Self::Verdict { missed, detect_ns } => write!(
                f,
                "verdict: {missed} missed, {} after the last reply",
                millis(*detect_ns)
            ),
            Self::Decided => f.write_str("takeover begins"),
            Self::AddressesOn { count: 1 } => f.write_str("address on the target's NIC"),
            Self::AddressesOn { count } => write!(f, "{count} addresses on the target's NICs"),
            Self::EntriesOn => f.write_str("takeover entries in the XDP map"),
            Self::Announced => f.write_str("announced (gratuitous ARP, request and reply)"),
            Self::AnnouncedAgain => f.write_str("announced again"),
            Self::TakeoverFailed(why) => write!(f, "takeover failed: {why}"),
            Self::Answered { address, by } => write!(f, "{address}: first answer by {by}"),
            Self::CableBack => f.write_str("cable plugged in again"),
            Self::HeartbeatsBack => f.write_str("heartbeats answered again"),
            Self::FailbackAsked => f.write_str("failback asked for"),
            Self::Drain => f.write_str("source's MAC announced, stragglers turned round to it"),
            Self::AddressesOff => f.write_str("addresses off the target's NICs"),
            Self::FailbackDone => f.write_str("takeover entries deleted: failback complete"),
            Self::Error(text) => write!(f, "the daemon reports: {text}"),
        }
    }
}

/// Nanoseconds as `28.9 ms`.
pub fn millis(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

/// The marks in an event of the daemon. `received_ns` stands in where the event does not carry its instant.
pub fn of_event(event: &Event, received_ns: u64) -> Vec<Mark> {
    let number = |key: &str| event.fields.get(key).and_then(Value::as_u64);
    let text = |key: &str| event.fields.get(key).and_then(Value::as_str);
    let at = |key: &str| number(key).filter(|ns| *ns > 0);
    let at_ns = at("at_ns").unwrap_or(received_ns);
    let mark = |what| vec![Mark { at_ns, what }];

    match event.event.as_str() {
        "path" => match text("state") {
            Some("missing") => mark(What::Missed {
                in_a_row: number("missed").unwrap_or(1),
            }),
            Some("up") => mark(What::HeartbeatsBack),
            _ => Vec::new(),
        },
        "verdict" => {
            let detect_ns = number("detect_ns").unwrap_or(0);
            let mut marks = mark(What::Verdict {
                missed: number("missed").unwrap_or(0),
                detect_ns,
            });

            if detect_ns > 0 {
                marks.push(Mark {
                    at_ns: at_ns.saturating_sub(detect_ns),
                    what: What::LastReply,
                });
            }

            marks
        }
        "takeover" => {
            let addresses = event.fields.get("addresses").and_then(Value::as_array);
            let count = addresses.map_or(0, Vec::len);
            let mut marks: Vec<Mark> = [
                ("decided_ns", What::Decided),
                ("addresses_ns", What::AddressesOn { count }),
                ("entries_ns", What::EntriesOn),
                ("announced_ns", What::Announced),
            ]
            .into_iter()
            .filter_map(|(key, what)| {
                Some(Mark {
                    at_ns: at(key)?,
                    what,
                })
            })
            .collect();

            if let Some(error) = text("error") {
                marks.push(Mark {
                    at_ns: at("announced_ns").unwrap_or(received_ns),
                    what: What::TakeoverFailed(error.to_owned()),
                });
            }

            marks
        }
        "announced" => mark(What::AnnouncedAgain),
        "failback" => match text("step") {
            Some("drain") => mark(What::Drain),
            Some("addresses-removed") => mark(What::AddressesOff),
            Some("done") => mark(What::FailbackDone),
            _ => Vec::new(),
        },
        "error" => {
            let fields = failover_user::control::render::fields(&event.fields);

            mark(What::Error(fields))
        }
        _ => Vec::new(),
    }
}

/// Marks from several reporters in the order of their instants, as far as patience goes: each is held back for a while,
/// as a reporter may tell of an earlier instant later.
#[derive(Debug, Default)]
pub struct Timeline {
    marks: Vec<Mark>,
    held_back: Vec<Mark>,
    patience_ns: u64,
}

impl Timeline {
    /// An empty one that holds marks back for `patience_ns`.
    pub fn new(patience_ns: u64) -> Self {
        Self {
            patience_ns,
            ..Self::default()
        }
    }

    /// Adds a mark.
    pub fn push(&mut self, mark: Mark) {
        self.marks.push(mark.clone());
        self.held_back.push(mark);
    }

    /// Marks that have been held back for long enough, in order. Each is returned once.
    pub fn due(&mut self, now_ns: u64) -> Vec<Mark> {
        let due = |mark: &mut Mark| mark.at_ns.saturating_add(self.patience_ns) <= now_ns;
        let mut ready: Vec<Mark> = self.held_back.extract_if(.., due).collect();

        ready.sort_by_key(|mark| mark.at_ns);

        ready
    }

    /// Whether such a mark is there at or after `from_ns`, held back or not.
    pub fn has(&self, from_ns: u64, such: impl Fn(&What) -> bool) -> bool {
        self.marks
            .iter()
            .any(|mark| mark.at_ns >= from_ns && such(&mark.what))
    }

    /// All marks, in order.
    pub fn into_marks(mut self) -> Vec<Mark> {
        self.marks.sort_by_key(|mark| mark.at_ns);

        self.marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

    fn mark(at_ns: u64) -> Mark {
        Mark {
            at_ns,
            what: What::Missed { in_a_row: at_ns },
        }
    }

    #[test]
    fn a_verdict_also_tells_when_the_last_reply_was() {
        let event = event(
            r#"{"at":"2026-01-01T00:00:00Z","source":"web1","event":"verdict","monitor":"10.0.0.10","missed":3,"detect_ns":30,"at_ns":130}"#,
        );

        let marks = of_event(&event, 999);

        let verdict = What::Verdict {
            missed: 3,
            detect_ns: 30,
        };
        let expected = [(130, verdict), (100, What::LastReply)];
        assert_eq!(marks, expected.map(|(at_ns, what)| Mark { at_ns, what }));
    }

    #[test]
    fn a_takeover_is_a_mark_for_each_step_that_was_reached() {
        let event = event(
            r#"{"at":"","source":"web1","event":"takeover","cause":"verdict","addresses":["10.0.0.10","10.0.0.11"],
                "detect_ns":30,"decided_ns":130,"addresses_ns":140,"entries_ns":150,"announced_ns":0,"takeover_ns":0,
                "error":"no"}"#,
        );

        let marks = of_event(&event, 999);

        let expected = [
            (130, What::Decided),
            (140, What::AddressesOn { count: 2 }),
            (150, What::EntriesOn),
            (999, What::TakeoverFailed("no".to_owned())),
        ];
        assert_eq!(marks, expected.map(|(at_ns, what)| Mark { at_ns, what }));
    }

    #[test]
    fn an_event_without_an_instant_is_marked_when_it_came() {
        let event = event(r#"{"at":"","source":"web1","event":"announced","addresses":[]}"#);

        let marks = of_event(&event, 999);

        assert_eq!(marks[0].at_ns, 999);
    }

    #[test]
    fn an_event_of_a_later_version_is_no_mark() {
        let event = event(r#"{"at":"","source":null,"event":"aurora","at_ns":1}"#);

        assert_eq!(of_event(&event, 999), []);
    }

    #[test]
    fn a_mark_that_comes_late_still_takes_its_place() {
        let mut timeline = Timeline::new(50);
        timeline.push(mark(130));
        timeline.push(mark(100));

        let too_early = timeline.due(149);
        let first = timeline.due(150);
        timeline.push(mark(120));
        let rest = timeline.due(180);

        assert_eq!(too_early, []);
        assert_eq!(first, [mark(100)]);
        assert_eq!(rest, [mark(120), mark(130)]);
        assert_eq!(timeline.into_marks(), [mark(100), mark(120), mark(130)]);
    }
}

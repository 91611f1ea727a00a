//! The figures of one run among several, as a row of a table.

use std::time::Duration;

use super::{
    disturbed,
    story::Story,
    summary::{Summary, show},
};

/// One run. Times that it does not have are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// From the pull to the first answer of the stand-in, for the client of the first address.
    pub first_answer: Option<Duration>,
    /// From the last answer of the source to the first of the stand-in, for the same client.
    pub outage: Option<Duration>,
    /// From the source's last reply to the verdict.
    pub detect: Option<Duration>,
    /// From the decision to the last announcement.
    pub takeover: Option<Duration>,
    /// Requests lost until the stand-ins answered, over all addresses.
    pub lost_in_outage: usize,
    /// Requests lost from the moment that the failback was asked for, over all addresses.
    pub lost_in_failback: usize,
    /// Requests sent from that moment.
    pub asked_in_failback: usize,
    /// When the first and the last of those that were lost in the failback were sent, from that moment on.
    pub lost_span: Option<(Duration, Duration)>,
    /// What disturbed the run.
    pub notes: Vec<String>,
}

impl Figures {
    /// Those of `story`.
    pub fn of(story: &Story, summary: &Summary) -> Self {
        // If somebody stood in before the pull, an answer right after it is no feat.
        let counts = disturbed::took_over_early(story).is_none();
        let first = summary.lanes.first().filter(|_| counts);
        let first_answer = first.and_then(|lane| lane.first_answer);

        Self {
            first_answer,
            outage: first
                .filter(|_| first_answer.is_some())
                .map(|lane| lane.outage),
            detect: summary.detect.filter(|_| counts),
            takeover: summary.takeover.filter(|_| counts),
            lost_in_outage: summary.lanes.iter().map(|lane| lane.lost_in_outage).sum(),
            lost_in_failback: summary.lost_in_failback(),
            asked_in_failback: summary.asked_in_failback(),
            lost_span: lost_span(story),
            notes: disturbed::notes(story, &summary.lanes),
        }
    }

    /// What is to be said of the run besides its figures, a sentence each.
    pub fn remarks(&self) -> Vec<String> {
        let lost = self.lost_span.map(|(first, last)| {
            format!(
                "lost: requests that were sent {} to {} after the failback was asked for",
                show(first),
                show(last)
            )
        });
        let disturbed = self.notes.iter().map(|note| format!("disturbed: {note}"));

        lost.into_iter().chain(disturbed).collect()
    }
}

/// A column of the table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title, two lines.
    pub title: [&'static str; 2],
    /// Its figure: nanoseconds or a number, infinite if the run does not have it.
    pub value: fn(&Figures) -> f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Nanoseconds,
    Requests,
}

impl Column {
    /// [`Figures::first_answer`].
    pub const FIRST_ANSWER: Self = Self {
        title: ["first answer", "after pull"],
        value: |run| nanoseconds(run.first_answer),
        unit: Unit::Nanoseconds,
    };

    /// [`Figures::outage`].
    pub const OUTAGE: Self = Self {
        title: ["outage", "for client"],
        value: |run| nanoseconds(run.outage),
        unit: Unit::Nanoseconds,
    };

    /// All, in their order.
    pub const ALL: [Self; 6] = [
        Self::FIRST_ANSWER,
        Self::OUTAGE,
        Self {
            title: ["last reply", "to verdict"],
            value: |run| nanoseconds(run.detect),
            unit: Unit::Nanoseconds,
        },
        Self {
            title: ["takeover", "time"],
            value: |run| nanoseconds(run.takeover),
            unit: Unit::Nanoseconds,
        },
        Self {
            title: ["lost in", "outage"],
            value: |run| run.lost_in_outage as f64,
            unit: Unit::Requests,
        },
        Self {
            title: ["lost in", "failback"],
            value: |run| run.lost_in_failback as f64,
            unit: Unit::Requests,
        },
    ];

    /// Of each of `runs`.
    pub fn values(&self, runs: &[Figures]) -> Vec<f64> {
        runs.iter().map(self.value).collect()
    }

    /// A figure of this column, for the terminal.
    pub fn show(&self, value: f64) -> String {
        if value.is_infinite() {
            return "none".to_owned();
        }

        match self.unit {
            Unit::Nanoseconds => show(Duration::from_secs_f64(value / 1e9)),
            // A median may lie between two numbers.
            Unit::Requests if value.fract() != 0.0 => format!("{value:.1}"),
            Unit::Requests => format!("{value:.0}"),
        }
    }
}

fn lost_span(story: &Story) -> Option<(Duration, Duration)> {
    let lost = || {
        story
            .lanes
            .iter()
            .flat_map(|lane| &lane.report.requests)
            .filter(|request| request.answer.is_none())
            .filter_map(|request| request.sent_ns.checked_sub(story.failback_ns))
            .map(Duration::from_nanos)
    };

    Some((lost().min()?, lost().max()?))
}

fn nanoseconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::INFINITY, |time| time.as_nanos() as f64)
}

#[cfg(test)]
mod tests {
    use super::{super::story::sample, *};
    use crate::lab::report::Answer;

    fn figures(story: &Story) -> Figures {
        Figures::of(story, &Summary::of(story))
    }

    #[test]
    fn times_are_of_the_first_address_and_losses_of_all() {
        let run = figures(&sample::story());

        assert_eq!(run.first_answer, Some(Duration::from_micros(30_050)));
        assert_eq!(run.outage, Some(Duration::from_millis(31)));
        assert_eq!(run.lost_in_outage, 30 + 31 + 32);
        assert_eq!((run.lost_in_failback, run.asked_in_failback), (0, 300));
    }

    #[test]
    fn a_takeover_before_the_pull_earns_no_times() {
        let mut story = sample::story();
        story.lanes[1].report.requests[90].answer = Some(Answer {
            at_ns: sample::at(90),
            by: "target".into(),
        });

        let run = figures(&story);

        assert_eq!((run.first_answer, run.outage), (None, None));
        assert_eq!((Column::FIRST_ANSWER.value)(&run), f64::INFINITY);
    }

    #[test]
    fn a_loss_in_the_failback_says_when_it_was() {
        let mut story = sample::story();
        story.lanes[0].report.requests[512].answer = None;
        story.lanes[2].report.requests[540].answer = None;

        let run = figures(&story);

        assert_eq!(
            run.remarks(),
            ["lost: requests that were sent 12.0 ms to 40.0 ms after the failback was asked for"]
        );
        assert_eq!(figures(&sample::story()).remarks(), Vec::<String>::new());
    }

    #[test]
    fn each_column_shows_its_unit() {
        let [first, .., lost] = Column::ALL;

        let shown = [
            first.show(30_050_000.0),
            first.show(f64::INFINITY),
            lost.show(93.0),
            lost.show(92.5),
        ];

        assert_eq!(shown, ["30.1 ms", "none", "93", "92.5"]);
    }
}

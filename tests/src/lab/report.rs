//! What a [`super::Client`] saw, and the questions that scenarios and the demo ask of it.
//!
//! All times are `CLOCK_MONOTONIC` nanoseconds.

use std::{sync::Arc, time::Duration};

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When the client had it.
    pub at_ns: u64,
    /// The host that gave it.
    pub by: Arc<str>,
}

/// A request; its sequence number is its place in [`Report::requests`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was sent.
    pub sent_ns: u64,
    /// The first answer to it, if any.
    pub answer: Option<Answer>,
}

/// A time in which one host gave all the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The host.
    pub by: Arc<str>,
    /// Its first answer in this span.
    pub from_ns: u64,
    /// Its last.
    pub to_ns: u64,
    /// How many.
    pub answers: usize,
}

/// All requests of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they were sent.
    pub requests: Vec<Request>,
    /// Answers to requests that had one already.
    pub duplicates: u64,
    /// Requests that the kernel refused to send, e.g. for want of a route. They are in `requests`, unanswered.
    pub unsendable: u64,
}

impl Report {
    /// Requests sent.
    pub fn sent(&self) -> usize {
        self.requests.len()
    }

    /// Requests answered.
    pub fn answered(&self) -> usize {
        self.answers().count()
    }

    /// Requests without an answer.
    pub fn lost(&self) -> usize {
        self.sent() - self.answered()
    }

    /// Sequence numbers of the requests without an answer.
    pub fn lost_sequences(&self) -> Vec<usize> {
        let unanswered =
            |(sequence, request): (usize, &Request)| request.answer.is_none().then_some(sequence);

        self.requests
            .iter()
            .enumerate()
            .filter_map(unanswered)
            .collect()
    }

    /// How many of the requests sent in `[from_ns, to_ns)` have no answer.
    pub fn lost_between(&self, from_ns: u64, to_ns: u64) -> usize {
        self.requests
            .iter()
            .filter(|request| (from_ns..to_ns).contains(&request.sent_ns))
            .filter(|request| request.answer.is_none())
            .count()
    }

    /// The longest time between two answers that follow each other, with the time of the first of them. Zero with fewer
    /// than two answers.
    pub fn longest_silence(&self) -> (u64, Duration) {
        let times = self.answer_times();

        times
            .windows(2)
            .map(|pair| (pair[0], Duration::from_nanos(pair[1] - pair[0])))
            .max_by_key(|(_, silence)| *silence)
            .unwrap_or_default()
    }

    /// The length of [`Report::longest_silence`]: the outage as the client saw it.
    pub fn outage(&self) -> Duration {
        self.longest_silence().1
    }

    /// The longest time without an answer within `[from_ns, to_ns]`, the ends counting as answers.
    pub fn longest_silence_between(&self, from_ns: u64, to_ns: u64) -> Duration {
        let mut last = from_ns;
        let mut longest = 0;
        let within = |at: &u64| (from_ns..to_ns).contains(at);

        for at in self
            .answer_times()
            .into_iter()
            .filter(within)
            .chain([to_ns])
        {
            longest = longest.max(at.saturating_sub(last));
            last = at;
        }

        Duration::from_nanos(longest)
    }

    /// When the first answer after `after_ns` came from `host`.
    pub fn first_answer_by(&self, host: &str, after_ns: u64) -> Option<u64> {
        self.answers()
            .filter(|answer| &*answer.by == host && answer.at_ns > after_ns)
            .map(|answer| answer.at_ns)
            .min()
    }

    /// When the last answer came from `host`.
    pub fn last_answer_by(&self, host: &str) -> Option<u64> {
        self.answers()
            .filter(|answer| &*answer.by == host)
            .map(|answer| answer.at_ns)
            .max()
    }

    /// How many requests `host` answered.
    pub fn answered_by(&self, host: &str) -> usize {
        self.answers().filter(|answer| &*answer.by == host).count()
    }

    /// Who answered when, one span after the other.
    pub fn timeline(&self) -> Vec<Span> {
        let mut answers: Vec<&Answer> = self.answers().collect();
        let mut spans: Vec<Span> = Vec::new();

        answers.sort_by_key(|answer| answer.at_ns);

        for answer in answers {
            match spans.last_mut() {
                Some(span) if span.by == answer.by => {
                    span.to_ns = answer.at_ns;
                    span.answers += 1;
                }
                _ => spans.push(Span {
                    by: Arc::clone(&answer.by),
                    from_ns: answer.at_ns,
                    to_ns: answer.at_ns,
                    answers: 1,
                }),
            }
        }

        spans
    }

    /// From request to answer, of each that was answered, shortest first.
    pub fn round_trips(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> = self
            .requests
            .iter()
            .filter_map(|request| Some((request.sent_ns, request.answer.as_ref()?.at_ns)))
            .map(|(sent, answered)| Duration::from_nanos(answered.saturating_sub(sent)))
            .collect();

        times.sort_unstable();

        times
    }

    fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.requests
            .iter()
            .filter_map(|request| request.answer.as_ref())
    }

    fn answer_times(&self) -> Vec<u64> {
        let mut times: Vec<u64> = self.answers().map(|answer| answer.at_ns).collect();

        times.sort_unstable();

        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of `(sent, answered, by)`.
    fn report(requests: &[(u64, Option<(u64, &str)>)]) -> Report {
        Report {
            requests: requests
                .iter()
                .map(|(sent_ns, answer)| Request {
                    sent_ns: *sent_ns,
                    answer: answer.map(|(at_ns, by)| Answer {
                        at_ns,
                        by: by.into(),
                    }),
                })
                .collect(),
            ..Report::default()
        }
    }

    #[test]
    fn the_outage_is_the_longest_time_between_answers() {
        let report = report(&[
            (0, Some((1, "a"))),
            (10, None),
            (20, None),
            (30, Some((31, "b"))),
            (40, Some((41, "b"))),
        ]);

        assert_eq!(report.longest_silence(), (1, Duration::from_nanos(30)));
        assert_eq!(report.lost_sequences(), [1, 2]);
        assert_eq!(report.lost_between(10, 20), 1);
    }

    #[test]
    fn a_silence_at_the_end_of_the_time_asked_for_counts() {
        let report = report(&[(0, Some((1, "a")))]);

        assert_eq!(
            report.longest_silence_between(0, 100),
            Duration::from_nanos(99)
        );
        assert_eq!(report.outage(), Duration::ZERO);
    }

    #[test]
    fn the_timeline_has_a_span_for_each_turn() {
        let report = report(&[
            (0, Some((1, "a"))),
            (2, Some((3, "a"))),
            (4, Some((5, "b"))),
            (6, Some((7, "a"))),
        ]);

        let spans = report.timeline();

        let turns: Vec<_> = spans.iter().map(|span| (&*span.by, span.answers)).collect();
        assert_eq!(turns, [("a", 2), ("b", 1), ("a", 1)]);
        assert_eq!(report.first_answer_by("a", 3), Some(7));
    }
}

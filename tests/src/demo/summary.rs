//! The figures of a run.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::lab::Report;

use super::{
    disturbed,
    story::{Lane, Story},
    timeline::What,
};

/// How long before the cable was pulled a request may have been sent that was lost to the pull.
const BEFORE: u64 = 100_000_000;

/// The figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// For each address, in the story's order.
    pub lanes: Vec<LaneSummary>,
    /// From the source's last reply to the verdict.
    pub detect: Option<Duration>,
    /// From the decision to the last announcement.
    pub takeover: Option<Duration>,
    /// [`bound`].
    pub bound: Duration,
}

/// The figures of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneSummary {
    /// The address.
    pub address: String,
    /// From the last answer of the source to the first answer of the stand-in, as the client saw it.
    pub outage: Duration,
    /// From the pull to the first answer by the stand-in.
    pub first_answer: Option<Duration>,
    /// Requests lost until the stand-in answered.
    pub lost_in_outage: usize,
    /// Requests lost at any other time before the failback. There should be none.
    pub lost_besides: usize,
    /// Requests sent from the moment that the failback was asked for.
    pub asked_in_failback: usize,
    /// How many of them were lost. There must be none.
    pub lost_in_failback: usize,
    /// How many requests each host answered.
    pub answered_by: BTreeMap<String, usize>,
}

impl Summary {
    /// The figures of `story`.
    pub fn of(story: &Story) -> Self {
        let detect = story.marks.iter().find_map(|mark| {
            let What::Verdict { detect_ns, .. } = mark.what else {
                return None;
            };

            (mark.at_ns >= story.pulled_ns).then(|| Duration::from_nanos(detect_ns))
        });
        let instant =
            |such: fn(&What) -> bool| story.first(story.pulled_ns, such).map(|mark| mark.at_ns);
        let decided = instant(|what| *what == What::Decided);
        let announced = instant(|what| *what == What::Announced);

        Self {
            lanes: story
                .lanes
                .iter()
                .map(|lane| LaneSummary::of(lane, story))
                .collect(),
            detect,
            takeover: decided.zip(announced).map(|(decided, announced)| {
                Duration::from_nanos(announced.saturating_sub(decided))
            }),
            bound: bound(story.interval, story.misses),
        }
    }

    /// Requests lost in the failback, over all addresses.
    pub fn lost_in_failback(&self) -> usize {
        self.lanes.iter().map(|lane| lane.lost_in_failback).sum()
    }

    /// Requests sent in the failback, over all addresses.
    pub fn asked_in_failback(&self) -> usize {
        self.lanes.iter().map(|lane| lane.asked_in_failback).sum()
    }

    /// The first answer by any stand-in, from the pull on.
    pub fn first_answer(&self) -> Option<Duration> {
        self.lanes.iter().filter_map(|lane| lane.first_answer).min()
    }
}

impl LaneSummary {
    fn of(lane: &Lane, story: &Story) -> Self {
        let report = &lane.report;
        let before_ns = story.pulled_ns.saturating_sub(BEFORE);
        // The outage is over for requests sent from here on.
        let restored_ns = report
            .requests
            .iter()
            .filter(|request| request.sent_ns >= story.pulled_ns)
            .find(|request| {
                let answer = request.answer.as_ref();

                answer.is_some_and(|answer| *answer.by == lane.stand_in)
            })
            .map_or(story.replugged_ns, |request| request.sent_ns);
        let first_ns = report.first_answer_by(&lane.stand_in, story.pulled_ns);
        let lost_in_outage = report.lost_between(before_ns, restored_ns);
        let mut answered_by = BTreeMap::new();

        for answer in report
            .requests
            .iter()
            .filter_map(|request| request.answer.as_ref())
        {
            *answered_by.entry(answer.by.to_string()).or_insert(0) += 1;
        }

        Self {
            address: lane.address.clone(),
            outage: outage(report, first_ns.unwrap_or(story.replugged_ns)),
            first_answer: first_ns.map(|at_ns| Duration::from_nanos(at_ns - story.pulled_ns)),
            lost_in_outage,
            lost_besides: report.lost_between(0, story.failback_ns) - lost_in_outage,
            asked_in_failback: report
                .requests
                .iter()
                .filter(|request| request.sent_ns >= story.failback_ns)
                .count(),
            lost_in_failback: report.lost_between(story.failback_ns, u64::MAX),
            answered_by,
        }
    }

    fn answered(&self) -> String {
        let mut text = String::new();

        for (host, count) in &self.answered_by {
            let comma = if text.is_empty() { "" } else { ", " };

            // Writing to a string does not fail.
            let _ = write!(text, "{comma}{host} {}", thousands(*count));
        }

        text
    }
}

/// What may pass from the pull to the first answer by a stand-in: `(misses + 2) x interval + 3 ms`.
pub fn bound(interval: Duration, misses: u32) -> Duration {
    (misses + 2) * interval + Duration::from_millis(3)
}

/// From the last answer before `ended_ns` to then.
fn outage(report: &Report, ended_ns: u64) -> Duration {
    let last_ns = report
        .requests
        .iter()
        .filter_map(|request| Some(request.answer.as_ref()?.at_ns))
        .filter(|at_ns| *at_ns < ended_ns)
        .max();

    last_ns.map_or(Duration::ZERO, |last_ns| {
        Duration::from_nanos(ended_ns - last_ns)
    })
}

/// The summary in lines, for the terminal.
pub fn lines(story: &Story, summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();

    lines.push(format!(
        "{:<11} {:>9}  {:>13}  {:>8}  {:>8}  {:<26}  answers",
        "address", "outage", "first answer", "lost in", "lost in", "stood in for by"
    ));
    lines.push(format!(
        "{:<11} {:>9}  {:>13}  {:>8}  {:>8}",
        "", "", "after pull", "outage", "failback"
    ));

    for (lane, figures) in story.lanes.iter().zip(&summary.lanes) {
        lines.push(format!(
            "{:<11} {:>9}  {:>13}  {:>8}  {:>8}  {:<26}  {}",
            lane.address,
            show(figures.outage),
            figures.first_answer.map_or("never".to_owned(), show),
            figures.lost_in_outage,
            figures.lost_in_failback,
            lane.place,
            figures.answered(),
        ));
    }

    lines.push(String::new());

    let allowed = format!(
        "allowed: ({} + 2) x {} + 3 ms = {}",
        story.misses,
        humantime::format_duration(story.interval),
        show(summary.bound)
    );

    lines.push(match summary.first_answer() {
        Some(first) if first <= summary.bound => {
            format!(
                "outage      first answer {} after the pull ({allowed})",
                show(first)
            )
        }
        Some(first) => format!(
            "outage      first answer {} after the pull: LONGER than {allowed}",
            show(first)
        ),
        None => "outage      nobody stood in".to_owned(),
    });
    lines.push(format!(
        "detection   {} from the source's last reply to the verdict",
        summary
            .detect
            .map_or("unknown: no verdict".to_owned(), show)
    ));
    lines.push(format!(
        "takeover    {} from the decision to the last announcement",
        summary.takeover.map_or("unknown".to_owned(), show)
    ));
    lines.push(format!(
        "failback    {} of {} requests lost",
        summary.lost_in_failback(),
        thousands(summary.asked_in_failback())
    ));

    for (lane, figures) in story.lanes.iter().zip(&summary.lanes) {
        if let Some(left) = lane.left_by_place {
            let answers = figures
                .answered_by
                .get(&lane.stand_in)
                .copied()
                .unwrap_or(0);

            lines.push(format!(
                "own NIC     {} of {} replies of {} left by {}",
                thousands(left),
                thousands(answers),
                lane.address,
                lane.place
            ));
        }
    }

    for note in disturbed::notes(story, &summary.lanes) {
        lines.push(format!("ATTENTION   {note}"));
    }

    lines.push(format!(
        "data plane  XDP on the target: {}; on the source: {}",
        story.machinery.target.join(", "),
        story.machinery.source.join(", ")
    ));
    lines.push(format!(
        "heartbeats  every {}, {} misses; the thread runs under {}",
        humantime::format_duration(story.interval),
        story.misses,
        scheduling(&story.machinery.scheduling)
    ));

    lines
}

/// How the heartbeat thread is scheduled, in the words of the scheduler's documentation.
pub fn scheduling(name: &str) -> String {
    match name {
        "deadline" => "SCHED_DEADLINE".to_owned(),
        "fifo" => "SCHED_FIFO".to_owned(),
        "normal" => {
            "no real-time scheduling (late verdicts are possible on a busy machine)".to_owned()
        }
        other => other.to_owned(),
    }
}

/// A duration in milliseconds, with as many digits as it deserves.
pub fn show(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;

    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        10.0..1000.0 => format!("{ms:.1} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

/// A number with thin groups: `12,345`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();

    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }

        text.push(digit);
    }

    text
}

#[cfg(test)]
mod tests {
    use super::{super::story::sample, *};

    #[test]
    fn outage_and_losses_are_those_of_each_address() {
        let summary = Summary::of(&sample::story());

        let first = &summary.lanes[0];
        // Answers at 99.05 and 130.05 ms.
        assert_eq!(first.outage, Duration::from_millis(31));
        assert_eq!(first.first_answer, Some(Duration::from_micros(30_050)));
        assert_eq!(first.lost_in_outage, 30);
        assert_eq!(summary.lanes[2].lost_in_outage, 32);
        assert_eq!(summary.lanes[2].answered_by["standby"], 503 - 132);
        assert_eq!(summary.first_answer(), first.first_answer);
    }

    #[test]
    fn a_request_lost_in_the_failback_counts_there_only() {
        let mut story = sample::story();
        story.lanes[1].report.requests[500].answer = None;

        let summary = Summary::of(&story);

        assert_eq!(summary.lost_in_failback(), 1);
        assert_eq!(summary.asked_in_failback(), 300);
        assert_eq!(summary.lanes[1].lost_in_outage, 31);
        assert_eq!(summary.lanes[1].lost_besides, 0);
    }

    #[test]
    fn a_request_lost_while_somebody_stands_in_is_not_hidden_in_the_outage() {
        let mut story = sample::story();
        story.lanes[0].report.requests[200].answer = None;

        let summary = Summary::of(&story);

        assert_eq!(summary.lanes[0].lost_in_outage, 30);
        assert_eq!(summary.lanes[0].lost_besides, 1);
        assert!(
            lines(&story, &summary)
                .iter()
                .any(|line| line.starts_with("ATTENTION"))
        );
    }

    #[test]
    fn an_outage_lasts_until_somebody_answers() {
        let mut story = sample::story();
        for request in &mut story.lanes[0].report.requests[100..300] {
            request.answer = None;
        }

        let summary = Summary::of(&story);

        assert_eq!(summary.lanes[0].outage, Duration::from_millis(201));
        assert_eq!(summary.lanes[0].lost_in_outage, 200);
    }

    #[test]
    fn a_pause_of_the_client_at_another_time_is_no_outage() {
        let mut story = sample::story();
        // The client sent nothing for 100 ms while the target stood in.
        story.lanes[0].report.requests.drain(200..300);

        let summary = Summary::of(&story);

        assert_eq!(summary.lanes[0].outage, Duration::from_millis(31));
    }

    #[test]
    fn times_come_from_the_daemon_and_the_bound_from_the_settings() {
        let summary = Summary::of(&sample::story());

        assert_eq!(summary.detect, Some(Duration::from_millis(30)));
        assert_eq!(summary.takeover, Some(Duration::from_micros(390)));
        assert_eq!(summary.bound, Duration::from_millis(53));
    }

    #[test]
    fn numbers_are_grouped() {
        let shown = [7, 999, 1000, 12_345, 1_234_567].map(thousands);

        assert_eq!(shown, ["7", "999", "1,000", "12,345", "1,234,567"]);
    }
}

//! What disturbed a run: things that have no place in it, whether or not they changed its figures.

use std::time::Duration;

use super::{
    story::{LogLine, Story},
    summary::{LaneSummary, show, thousands},
    timeline::What,
};

/// A client that sends nothing for this long has paused, if it is also several requests' time.
const PAUSE: Duration = Duration::from_millis(1);

/// What the daemon logs when its heartbeat thread was late.
const LATE: &str = "the heartbeat thread ran late";

/// What disturbed the run, a sentence each.
pub fn notes(story: &Story, lanes: &[LaneSummary]) -> Vec<String> {
    let mut notes = Vec::new();

    if let Some(early) = took_over_early(story) {
        notes.push(format!(
            "a stand-in answered {} before the pull: the takeover was wrong, and this run has no outage to measure",
            show(early)
        ));
    }

    notes.extend(lateness(&story.machinery.warnings));
    notes.extend(
        story
            .machinery
            .warnings
            .iter()
            .filter(|line| !line.text.contains(LATE))
            .map(|line| format!("the {} logged: {}", line.host, line.text)),
    );
    notes.extend(
        story
            .marks
            .iter()
            .filter(|mark| matches!(mark.what, What::TakeoverFailed(_)))
            .map(|mark| mark.what.to_string()),
    );

    if let Some(pause) = pause(story) {
        notes.push(format!(
            "the client itself sent nothing for {} around the outage",
            show(pause)
        ));
    }

    notes.extend(
        lanes
            .iter()
            .filter(|lane| lane.lost_besides > 0)
            .map(|lane| {
                format!(
                    "{} requests to {} were lost outside of outage and failback",
                    thousands(lane.lost_besides),
                    lane.address
                )
            }),
    );

    notes
}

/// How long before the pull a stand-in gave its first answer, if any did: a takeover for no reason.
pub fn took_over_early(story: &Story) -> Option<Duration> {
    let first_ns = story
        .lanes
        .iter()
        .filter_map(|lane| lane.report.first_answer_by(&lane.stand_in, 0))
        .min()?;

    (first_ns < story.pulled_ns).then(|| Duration::from_nanos(story.pulled_ns - first_ns))
}

/// How often heartbeat threads were late, for each host that says so.
fn lateness(lines: &[LogLine]) -> Vec<String> {
    let mut hosts: Vec<(&str, u64, u64)> = Vec::new();

    for line in lines.iter().filter(|line| line.text.contains(LATE)) {
        let times = field(&line.text, "times").unwrap_or(1);
        let late_ns = field(&line.text, "late_ns").unwrap_or(0);

        match hosts.iter_mut().find(|(host, ..)| *host == line.host) {
            Some((_, all, worst_ns)) => {
                *all += times;
                *worst_ns = late_ns.max(*worst_ns);
            }
            None => hosts.push((&line.host, times, late_ns)),
        }
    }

    hosts
        .into_iter()
        .map(|(host, times, worst_ns)| {
            let plural = if times == 1 { "" } else { "s" };

            format!(
                "the {host}'s heartbeat thread ran late {times} time{plural}, by {} at the worst",
                show(Duration::from_nanos(worst_ns))
            )
        })
        .collect()
}

/// The number in `… KEY=NUMBER …`.
fn field(text: &str, key: &str) -> Option<u64> {
    text.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .find_map(|(name, value)| (name == key).then(|| value.parse().ok())?)
}

/// The longest pause of the first address's client from shortly before the pull to the stand-in's first answer.
fn pause(story: &Story) -> Option<Duration> {
    let lane = story.lanes.first()?;
    let report = &lane.report;
    let window_ns = nanos(story.interval * (story.misses + 2));
    let end_ns = report
        .first_answer_by(&lane.stand_in, story.pulled_ns)
        .unwrap_or(story.replugged_ns);
    let from_ns = story.pulled_ns.saturating_sub(window_ns);
    let worth_ns = nanos(PAUSE).max(5_000_000_000 / lane.per_second.max(1));

    report
        .requests
        .windows(2)
        .map(|pair| (pair[0].sent_ns, pair[1].sent_ns))
        .filter(|(left, right)| *right > from_ns && *left < end_ns)
        .map(|(left, right)| right - left)
        .max()
        .filter(|longest| *longest > worth_ns)
        .map(Duration::from_nanos)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{story::sample, summary::Summary},
        *,
    };
    use crate::lab::report::Answer;

    fn notes_of(story: &Story) -> Vec<String> {
        notes(story, &Summary::of(story).lanes)
    }

    fn logged(text: &str) -> LogLine {
        LogLine {
            host: "target".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_run_without_disturbance_has_no_notes() {
        assert_eq!(notes_of(&sample::story()), Vec::<String>::new());
    }

    #[test]
    fn a_late_heartbeat_thread_is_noted_with_its_worst() {
        let mut story = sample::story();
        let late = "the heartbeat thread ran late: no verdict until a later request is missed too";
        story.machinery.warnings = vec![
            logged(&format!("{late} late_ns=23352299 times=1")),
            logged(&format!("{late} late_ns=34279284 times=9")),
        ];

        let notes = notes_of(&story);

        assert_eq!(
            notes,
            ["the target's heartbeat thread ran late 10 times, by 34.3 ms at the worst"]
        );
    }

    #[test]
    fn any_other_warning_is_noted_in_its_own_words() {
        let mut story = sample::story();
        story.machinery.warnings = vec![logged("an announcement was not sent")];

        let notes = notes_of(&story);

        assert_eq!(notes, ["the target logged: an announcement was not sent"]);
    }

    #[test]
    fn a_takeover_before_the_pull_is_noted() {
        let mut story = sample::story();
        story.lanes[0].report.requests[90].answer = Some(Answer {
            at_ns: sample::at(90),
            by: "target".into(),
        });

        let early = took_over_early(&story);

        assert_eq!(early, Some(Duration::from_millis(10)));
        assert!(notes_of(&story)[0].starts_with("a stand-in answered 10.0 ms before the pull"));
    }

    #[test]
    fn a_pause_of_the_client_in_the_outage_is_noted_and_one_elsewhere_is_not() {
        let mut elsewhere = sample::story();
        elsewhere.lanes[0].report.requests.drain(200..300);
        let mut within = sample::story();
        within.lanes[0].report.requests.drain(110..120);

        assert_eq!(notes_of(&elsewhere), Vec::<String>::new());
        assert_eq!(
            notes_of(&within),
            ["the client itself sent nothing for 11.0 ms around the outage"]
        );
    }
}

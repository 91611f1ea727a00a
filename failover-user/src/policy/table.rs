//! Every transition that is allowed, as data.

use super::State::{
    self, AwaitingApproval, Failed, FailingBack, Healthy, Isolated, Suspect, TakenOver, TakingOver,
    Unknown,
};

/// What brings a transition about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The source answers.
    Answer,
    /// A request is unanswered.
    Miss,
    /// The trigger's condition is met.
    Verdict,
    /// Our own link went down or came back.
    OwnLink,
    /// Monitoring began anew, so nothing is known.
    Restart,
    /// `failover approve`.
    Approve,
    /// `failover decline`.
    Decline,
    /// `failover takeover`.
    Takeover,
    /// `failover failback`.
    Failback,
    /// `failover stop --release`.
    Release,
    /// A takeover that nobody had asked for here is reported.
    Reported,
    /// The takeover is done.
    Taken,
    /// The takeover failed, or was not made at all.
    NotTaken,
    /// Addresses were found in the takeover map.
    Adopted,
    /// The source has been healthy for `failback_after`.
    SourceHealthy,
    /// The last step of a failback is done.
    GivenBack,
}

impl On {
    /// Its name in the figure.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Miss => "miss",
            Self::Verdict => "verdict",
            Self::OwnLink => "own link",
            Self::Restart => "restart",
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Takeover => "takeover",
            Self::Failback => "failback",
            Self::Release => "release",
            Self::Reported => "reported",
            Self::Taken => "taken",
            Self::NotTaken => "not taken",
            Self::Adopted => "adopted",
            Self::SourceHealthy => "source healthy",
            Self::GivenBack => "given back",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// From any of these.
    pub from: &'static [State],
    /// To.
    pub to: State,
    /// On what.
    pub on: On,
    /// In words.
    pub words: &'static str,
}

const fn row(from: &'static [State], to: State, on: On, words: &'static str) -> Row {
    Row {
        from,
        to,
        on,
        words,
    }
}

/// The table. What is not in it does not happen.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    // Watching.
    row(&[Unknown, Suspect, Failed], Healthy, On::Answer, "the source answers"),
    row(&[AwaitingApproval], Healthy, On::Answer, "the source answers, the prompt is withdrawn"),
    row(&[Failed], Suspect, On::Answer, "some paths answer again"),
    row(&[AwaitingApproval], Suspect, On::Answer, "some paths answer again, the prompt is withdrawn"),
    row(&[Healthy], Suspect, On::Miss, "a request is unanswered, or one path of several is down"),
    row(&[Unknown, Healthy, Suspect, AwaitingApproval], Isolated, On::OwnLink, "our own link is down"),
    row(&[Isolated], Healthy, On::OwnLink, "our own link is back, the source answers"),
    row(&[Isolated], Suspect, On::OwnLink, "our own link is back, requests are unanswered"),
    row(&[Isolated], Unknown, On::OwnLink, "our own link is back, the source has not answered yet"),
    row(&[Healthy, Suspect, AwaitingApproval], Unknown, On::Restart, "monitoring began anew"),
    // From the verdict to the takeover.
    row(&[Healthy, Suspect, Isolated], Failed, On::Verdict, "the trigger's condition is met"),
    row(&[Failed], TakingOver, On::Verdict, "on_failure = \"automatic\""),
    row(&[Failed], AwaitingApproval, On::Verdict, "on_failure = \"ask\""),
    row(&[AwaitingApproval], TakingOver, On::Approve, "the administrator says yes"),
    row(&[AwaitingApproval], Failed, On::Decline, "the administrator says no"),
    row(&[AwaitingApproval], Failed, On::Release, "the daemon stops, nobody is asked any more"),
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval], TakingOver, On::Takeover,
        "the administrator wants it, whatever the source does"),
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval], TakingOver, On::Reported,
        "it was under way, and the news of it crossed something else"),
    row(&[TakingOver], TakenOver, On::Taken, "at least one address is held"),
    row(&[TakingOver], Failed, On::NotTaken, "no address could be taken"),
    row(&[TakingOver], Healthy, On::NotTaken, "nothing was taken yet, and the source answers"),
    row(&[TakingOver], Suspect, On::NotTaken, "nothing was taken yet, and some paths answer"),
    row(&[TakingOver], Isolated, On::NotTaken, "nothing was taken yet, and our own link is down"),
    row(&[TakingOver], Unknown, On::NotTaken, "nothing was taken yet, and monitoring began anew"),
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval, TakingOver], TakenOver, On::Adopted,
        "addresses were found in the takeover map at start"),
    // And back.
    row(&[TakenOver], FailingBack, On::Failback, "the administrator wants it"),
    row(&[TakenOver], FailingBack, On::SourceHealthy, "failback = \"automatic\", healthy for failback_after"),
    row(&[TakenOver], FailingBack, On::Release, "the daemon stops and gives everything back"),
    row(&[TakenOver], FailingBack, On::Adopted, "the addresses were already draining at start"),
    row(&[FailingBack], Healthy, On::GivenBack, "the source answers"),
    row(&[FailingBack], Suspect, On::GivenBack, "requests are unanswered"),
    row(&[FailingBack], Unknown, On::GivenBack, "the source has not answered since the failback began"),
    row(&[FailingBack], Isolated, On::GivenBack, "our own link is down"),
    row(&[FailingBack], Failed, On::GivenBack, "the source answered, and failed again meanwhile"),
];

/// Whether the table has this transition.
pub fn allows(from: State, to: State, on: On) -> bool {
    TABLE
        .iter()
        .any(|row| row.from.contains(&from) && row.to == to && row.on == on)
}

/// Name of a state, as in `status` and in the configuration's words.
pub const fn name(state: State) -> &'static str {
    match state {
        Unknown => "unknown",
        Healthy => "healthy",
        Suspect => "suspect",
        Failed => "failed",
        AwaitingApproval => "awaiting-approval",
        TakingOver => "taking-over",
        TakenOver => "taken-over",
        FailingBack => "failing-back",
        Isolated => "isolated",
    }
}

/// States in the order of the figure.
const STATES: [State; 9] = [
    Unknown,
    Healthy,
    Suspect,
    Isolated,
    Failed,
    AwaitingApproval,
    TakingOver,
    TakenOver,
    FailingBack,
];

/// The table as text: each state, and below it where it leads.
pub fn figure() -> String {
    let mut text = String::new();
    for from in STATES {
        text.push_str(name(from));
        text.push('\n');
        for row in TABLE.iter().filter(|row| row.from.contains(&from)) {
            let line = format!(
                "    -> {:<17}  {:<14}  {}\n",
                name(row.to),
                row.on.name(),
                row.words
            );
            text.push_str(&line);
        }
    }
    text
}

/// What [`figure`] prints.
pub const FIGURE: &str = include_str!("transitions.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "to be copied when it has changed")]
    fn the_figure_is_the_table() {
        let text = figure();

        println!("{text}");
        assert_eq!(
            text, FIGURE,
            "put the text above into transitions.txt and into the README"
        );
    }

    #[test]
    fn no_transition_is_listed_twice() {
        let mut seen = Vec::new();

        for row in TABLE {
            for from in row.from {
                assert!(!seen.contains(&(*from, row.to, row.on)), "{from:?} {row:?}");
                seen.push((*from, row.to, row.on));
            }
        }

        assert!(
            seen.iter()
                .all(|(from, to, on)| from != to && allows(*from, *to, *on))
        );
    }

    #[test]
    fn the_figure_shows_every_row() {
        let lines: usize = TABLE.iter().map(|row| row.from.len()).sum();

        assert_eq!(figure().lines().count(), STATES.len() + lines);
    }

    #[test]
    fn names_are_those_of_the_control_protocol() {
        for row in TABLE {
            let json = serde_json::to_string(&row.to).unwrap();

            assert_eq!(json, format!("\"{}\"", name(row.to)));
        }
    }
}

//! Every transition that is allowed, as data.

use super::State::{
    self, AwaitingApproval, Conflict, Failed, FailingBack, Healthy, Held, HeldElsewhere, Isolated,
    Suspect, TakenOver, TakingOver, Unknown,
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
    /// `failover hold`.
    Hold,
    /// The source's own administrator has put it on hold.
    SourceHold,
    /// `failover resume`, here or there.
    Resume,
    /// The source answers ARP although heartbeats fail.
    AliveOnL2,
    /// The source has fallen silent on ARP too.
    SilentOnL2,
    /// Another host has the addresses, or is about to take them.
    Elsewhere,
    /// It has them no more.
    LetGo,
    /// Another host claims a held address.
    Claim,
    /// Nobody has claimed it for a while.
    Quiet,
    /// A hook failed.
    HookFailed,
    /// An earlier daemon knew it.
    Remembered,
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
            Self::Hold => "hold",
            Self::SourceHold => "source's hold",
            Self::Resume => "resume",
            Self::AliveOnL2 => "alive on L2",
            Self::SilentOnL2 => "silent on L2",
            Self::Elsewhere => "elsewhere",
            Self::LetGo => "let go",
            Self::Claim => "claim",
            Self::Quiet => "quiet",
            Self::HookFailed => "hook failed",
            Self::Remembered => "remembered",
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
    row(&[Unknown, Suspect, Failed, HeldElsewhere], Healthy, On::Answer, "the source answers"),
    row(&[AwaitingApproval], Healthy, On::Answer, "the source answers, the prompt is withdrawn"),
    row(&[Unknown, Failed, HeldElsewhere], Suspect, On::Answer, "some paths answer"),
    row(&[AwaitingApproval], Suspect, On::Answer, "some paths answer again, the prompt is withdrawn"),
    row(&[Healthy], Suspect, On::Miss, "a request is unanswered, or one path of several is down"),
    row(&[Unknown, Healthy, Suspect, AwaitingApproval, HeldElsewhere], Isolated, On::OwnLink,
        "our own link is down, or no witness answers"),
    row(&[Isolated], Healthy, On::OwnLink, "our own link is back, the source answers"),
    row(&[Isolated], Suspect, On::OwnLink, "our own link is back, requests are unanswered"),
    row(&[Isolated], Unknown, On::OwnLink, "our own link is back, the source has not answered yet"),
    row(&[Healthy, Suspect, AwaitingApproval, HeldElsewhere], Unknown, On::Restart, "monitoring began anew"),
    // Hold.
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval, HeldElsewhere], Held, On::Hold,
        "the administrator wants nothing done"),
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval, HeldElsewhere], Held, On::SourceHold,
        "the source says that its own administrator wants nothing done"),
    row(&[Held], Unknown, On::Resume, "the source has not answered yet"),
    row(&[Held], Healthy, On::Resume, "the source answers"),
    row(&[Held], Suspect, On::Resume, "requests are unanswered"),
    row(&[Held], Isolated, On::Resume, "our own link is down"),
    row(&[Held], Failed, On::Resume, "the trigger's condition is met"),
    // From the verdict to the takeover.
    row(&[Unknown, Healthy, Suspect, Isolated], Failed, On::Verdict, "the trigger's condition is met"),
    row(&[Failed], TakingOver, On::Verdict, "on_failure = \"automatic\""),
    row(&[Failed], AwaitingApproval, On::Verdict, "on_failure = \"ask\""),
    row(&[Failed], AwaitingApproval, On::AliveOnL2, "the source answers ARP, l2_alive = \"ask\""),
    row(&[Failed, AwaitingApproval, TakingOver], HeldElsewhere, On::Elsewhere,
        "another host has the addresses, or is about to take them"),
    row(&[HeldElsewhere], Failed, On::LetGo, "it has them no more, and the source is still silent"),
    row(&[Failed, AwaitingApproval], TakingOver, On::SilentOnL2,
        "the source has fallen silent on ARP too, on_failure = \"automatic\""),
    row(&[Failed], AwaitingApproval, On::SilentOnL2,
        "the source has fallen silent on ARP too, on_failure = \"ask\""),
    row(&[AwaitingApproval], TakingOver, On::Approve, "the administrator says yes"),
    row(&[AwaitingApproval], Failed, On::Decline, "the administrator says no"),
    row(&[AwaitingApproval], Failed, On::Release, "the daemon stops, nobody is asked any more"),
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval, Held], TakingOver, On::Takeover,
        "the administrator wants it, whatever the source does"),
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval, Held, HeldElsewhere], TakingOver, On::Reported,
        "it was under way, and the news of it crossed something else"),
    row(&[Unknown], AwaitingApproval, On::Remembered, "the prompt was open when the daemon before this one ended"),
    row(&[Unknown], Failed, On::Remembered, "an earlier daemon had been told to leave it alone"),
    row(&[Unknown], Held, On::Remembered, "it was on hold when the daemon before this one ended"),
    row(&[TakingOver], TakenOver, On::Taken, "at least one address is held"),
    row(&[TakingOver], Failed, On::NotTaken, "no address could be taken"),
    row(&[TakingOver], Failed, On::HookFailed, "before_takeover failed, on_error = \"abort\""),
    row(&[TakingOver], Failed, On::AliveOnL2, "nothing was taken yet, the source answers ARP, l2_alive = \"refuse\""),
    row(&[TakingOver], AwaitingApproval, On::AliveOnL2,
        "nothing was taken yet, the source answers ARP, l2_alive = \"ask\""),
    row(&[TakingOver], Healthy, On::NotTaken, "nothing was taken yet, and the source answers"),
    row(&[TakingOver], Suspect, On::NotTaken, "nothing was taken yet, and some paths answer"),
    row(&[TakingOver], Isolated, On::NotTaken, "nothing was taken yet, and our own link is down"),
    row(&[TakingOver], Unknown, On::NotTaken, "nothing was taken yet, and monitoring began anew"),
    row(&[Failed, TakingOver], Held, On::NotTaken, "nothing was taken, and it is on hold"),
    row(&[Unknown, Healthy, Suspect, Isolated, Failed, AwaitingApproval, TakingOver, Held, HeldElsewhere], TakenOver,
        On::Adopted, "addresses were found in the takeover map at start"),
    // While they are held.
    row(&[TakenOver], Conflict, On::Claim, "another host claims a held address"),
    row(&[Conflict], TakenOver, On::Quiet, "nobody has claimed it for a while"),
    // And back.
    row(&[TakenOver, Conflict], FailingBack, On::Failback, "the administrator wants it"),
    row(&[TakenOver, Conflict], FailingBack, On::SourceHealthy, "failback = \"automatic\", healthy for failback_after"),
    row(&[TakenOver, Conflict], FailingBack, On::Release, "the daemon stops and gives everything back"),
    row(&[TakenOver], FailingBack, On::Adopted, "the addresses were already draining at start"),
    row(&[Conflict], FailingBack, On::Claim, "on_conflict = \"release\", or another failover host goes first"),
    row(&[Conflict], FailingBack, On::Decline, "the administrator does not want to defend them"),
    row(&[FailingBack], TakenOver, On::HookFailed, "before_failback failed, on_error = \"abort\""),
    row(&[FailingBack], Healthy, On::GivenBack, "the source answers"),
    row(&[FailingBack], Suspect, On::GivenBack, "requests are unanswered"),
    row(&[FailingBack], Unknown, On::GivenBack, "the source has not answered since the failback began"),
    row(&[FailingBack], Isolated, On::GivenBack, "our own link is down"),
    row(&[FailingBack], Failed, On::GivenBack, "the source answered, and failed again meanwhile"),
    row(&[FailingBack], Held, On::GivenBack, "it is on hold"),
    row(&[FailingBack], HeldElsewhere, On::GivenBack, "another host has them now"),
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
        Held => "held",
        HeldElsewhere => "held-elsewhere",
        Conflict => "conflict",
    }
}

/// States in the order of the figure.
const STATES: [State; 12] = [
    Unknown,
    Healthy,
    Suspect,
    Isolated,
    Held,
    Failed,
    HeldElsewhere,
    AwaitingApproval,
    TakingOver,
    TakenOver,
    Conflict,
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

//! One path's heartbeats, judged: answered, missed, the verdict. Pure: it is told the times.

use crate::policy::PathState;

/// What the witnesses of a NIC say about it. Times are nanoseconds of the monotonic clock; 0: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Testimony {
    /// When the latest request that one of them has answered was sent.
    pub asked_ns: u64,
    /// Since when one of them has answered every request: when the first of those answers arrived.
    pub unbroken_since_ns: u64,
}

/// Our own link, looked at only when it matters: a look may be a system call.
pub trait OwnLink {
    /// Whether the NIC is up and has carrier.
    fn has_carrier(&self) -> bool;
    /// What its witnesses say; `None` if it has none.
    fn testimony(&self) -> Option<Testimony>;
}

/// The judgement on one path.
#[derive(Clone, Debug)]
pub struct Judge {
    /// Misses in a row that make a verdict.
    misses: u32,
    state: PathState,
    /// Misses in a row, now. Behind a link of ours that is not trusted: since it can be trusted.
    missed: u32,
    /// When the first of them was sent.
    first_missed_ns: u64,
    /// A verdict needs a request that was sent at this time or later, and missed.
    not_before_ns: u64,
    /// How often one miss more would have been a verdict.
    near_misses: u64,
    /// The verdict stood when our own link went down.
    was_down: bool,
    /// [`Testimony::unbroken_since_ns`] that the misses of an isolated path are counted from.
    vouched_ns: u64,
    /// It had answered an earlier daemon, and has not answered this one yet.
    remembered: bool,
}

impl Judge {
    /// A path that has never answered.
    pub fn new(misses: u32) -> Self {
        Self {
            misses,
            state: PathState::Unknown,
            missed: 0,
            first_missed_ns: 0,
            not_before_ns: 0,
            near_misses: 0,
            was_down: false,
            vouched_ns: 0,
            remembered: false,
        }
    }

    /// A path that had answered an earlier daemon a moment ago: its silence is a failure like that of any other, after as many
    /// misses.
    pub fn remembered(misses: u32) -> Self {
        Self {
            remembered: true,
            ..Self::new(misses)
        }
    }

    /// Another number of misses makes a verdict from the next miss on.
    pub fn set_misses(&mut self, misses: u32) {
        self.misses = misses;
    }

    /// How the path stands.
    pub fn state(&self) -> PathState {
        self.state
    }

    /// Misses in a row.
    pub fn missed_in_a_row(&self) -> u32 {
        self.missed
    }

    /// How often one miss more would have been a verdict.
    pub fn near_misses(&self) -> u64 {
        self.near_misses
    }

    /// The latest judged request was answered.
    pub fn answered(&mut self) {
        self.alive();
        self.state = PathState::Up;
    }

    /// A request that was sent at `sent_ns` was not answered in time. `last_reply_ns` is when the latest valid reply to
    /// any request arrived (0: never): a verdict needs that nothing valid was received since the first of the misses
    /// was sent, so that a path whose answers take longer than the interval is not taken for dead.
    pub fn missed(&mut self, sent_ns: u64, last_reply_ns: u64, link: &impl OwnLink) {
        if self.missed > 0 && last_reply_ns >= self.first_missed_ns {
            self.alive();
        }
        if last_reply_ns >= sent_ns {
            self.state = PathState::Up;
            return;
        }
        if self.state == PathState::Isolated {
            self.missed_while_isolated(sent_ns, link);
            return;
        }
        self.count(sent_ns);
        match self.state {
            // Without a first answer there is nothing that can have failed.
            PathState::Unknown if !self.remembered => {}
            PathState::Isolated | PathState::Down => {}
            PathState::Unknown | PathState::Up | PathState::Missing => {
                let stands = self.missed >= self.misses && sent_ns >= self.not_before_ns;
                if !stands {
                    if self.state == PathState::Up {
                        self.state = PathState::Missing;
                    }
                } else if link.has_carrier() && self.is_vouched_for(link.testimony()) {
                    self.state = PathState::Down;
                } else {
                    self.isolated();
                    self.was_down = false;
                }
            }
        }
    }

    /// Our own link was the excuse. Without a witness, carrier is all that can be asked for, and does not say what happened
    /// meanwhile: a verdict that stood before stands again, but a source that fell silent may have failed, or a switch may
    /// not forward to us yet. A witness that answers proves that the link works, and then the silence is the source's.
    fn missed_while_isolated(&mut self, sent_ns: u64, link: &impl OwnLink) {
        let testimony = link.testimony();
        if let Some(Testimony {
            unbroken_since_ns, ..
        }) = testimony
        {
            if self.vouched_ns != unbroken_since_ns {
                self.vouched_ns = unbroken_since_ns;
                self.missed = 0;
            }
            if unbroken_since_ns == 0 || sent_ns < unbroken_since_ns {
                return;
            }
        }
        self.count(sent_ns);
        let stands = self.missed >= self.misses && sent_ns >= self.not_before_ns;
        if !stands || !self.is_vouched_for(testimony) || !link.has_carrier() {
            return;
        }
        self.state = if self.was_down || testimony.is_some() {
            PathState::Down
        } else {
            PathState::Unknown
        };
    }

    /// This thread ran late by more than an interval until `now`: whatever is missing may have waited for us. No verdict
    /// until a request that was sent after the stall has been missed too.
    pub fn stalled(&mut self, now: u64) {
        self.not_before_ns = now;
    }

    /// Our own link is down: nothing can be said.
    pub fn isolated(&mut self) {
        self.missed = 0;
        self.vouched_ns = 0;
        if self.state != PathState::Unknown && self.state != PathState::Isolated {
            self.was_down = self.state == PathState::Down;
            self.state = PathState::Isolated;
        }
    }

    /// Whether a witness, if there is one, has answered a request that was sent since the first of the misses was.
    fn is_vouched_for(&self, testimony: Option<Testimony>) -> bool {
        testimony.is_none_or(|testimony| testimony.asked_ns >= self.first_missed_ns)
    }

    fn count(&mut self, sent_ns: u64) {
        if self.missed == 0 {
            self.first_missed_ns = sent_ns;
        }
        self.missed = self.missed.saturating_add(1);
    }

    fn alive(&mut self) {
        if self.missed > 0 && self.missed + 1 == self.misses {
            self.near_misses += 1;
        }
        self.missed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathState::{Down, Isolated, Missing, Unknown, Up};

    const MS: u64 = 1_000_000;

    /// What is seen of our own link.
    struct Link {
        carrier: bool,
        testimony: Option<Testimony>,
    }

    impl OwnLink for Link {
        fn has_carrier(&self) -> bool {
            self.carrier
        }

        fn testimony(&self) -> Option<Testimony> {
            self.testimony
        }
    }

    const FINE: Link = Link {
        carrier: true,
        testimony: None,
    };
    const DEAD: Link = Link {
        carrier: false,
        testimony: None,
    };

    /// Carrier, and a witness.
    fn witness(asked_ns: u64, unbroken_since_ns: u64) -> Link {
        Link {
            testimony: Some(Testimony {
                asked_ns,
                unbroken_since_ns,
            }),
            ..FINE
        }
    }

    /// A path that has answered at 1 ms, with a verdict after three misses.
    fn up() -> Judge {
        let mut judge = Judge::new(3);
        judge.answered();
        judge
    }

    #[test]
    fn three_misses_in_a_row_are_the_verdict() {
        let mut judge = up();
        let mut states = Vec::new();

        for n in 2..=4 {
            judge.missed(n * MS, MS, &FINE);
            states.push((judge.state(), judge.missed_in_a_row()));
        }

        assert_eq!(states, [(Missing, 1), (Missing, 2), (Down, 3)]);
    }

    #[test]
    fn one_miss_can_be_the_verdict() {
        let mut judge = Judge::new(1);
        judge.answered();

        judge.missed(2 * MS, MS, &FINE);

        assert_eq!((judge.state(), judge.near_misses()), (Down, 0));
    }

    #[test]
    fn a_source_never_seen_is_never_down() {
        let mut judge = Judge::new(3);

        for n in 1..=100 {
            judge.missed(n * MS, 0, &FINE);
        }

        assert_eq!(judge.state(), Unknown);
    }

    #[test]
    fn an_answer_starts_the_count_again() {
        let mut judge = up();
        judge.missed(2 * MS, MS, &FINE);
        judge.missed(3 * MS, MS, &FINE);

        judge.answered();
        judge.missed(5 * MS, 4 * MS + 1, &FINE);

        assert_eq!(
            (judge.state(), judge.missed_in_a_row(), judge.near_misses()),
            (Missing, 1, 1)
        );
    }

    #[test]
    fn late_answers_prevent_the_verdict() {
        let mut judge = up();

        // Each answer takes two intervals and a half.
        for n in 2..50 {
            judge.missed(n * MS, (n - 2) * MS + MS / 2, &FINE);
        }
        let while_late = judge.state();
        for n in 50..53 {
            judge.missed(n * MS, 49 * MS, &FINE);
        }

        assert_ne!(while_late, Down);
        assert_eq!(judge.state(), Down);
    }

    #[test]
    fn after_a_stall_one_more_request_has_to_be_missed() {
        let mut judge = up();
        judge.missed(2 * MS, MS, &FINE);

        judge.stalled(50 * MS);
        judge.missed(3 * MS, MS, &FINE);
        judge.missed(4 * MS, MS, &FINE);
        let right_after = judge.state();
        judge.missed(50 * MS, MS, &FINE);

        assert_eq!((right_after, judge.state()), (Missing, Down));
    }

    #[test]
    fn an_isolated_path_waits_for_an_answer() {
        let mut judge = up();

        judge.isolated();
        for n in 2..20 {
            judge.missed(n * MS, MS, &DEAD);
        }
        let isolated = judge.state();
        judge.answered();

        assert_eq!((isolated, judge.state()), (Isolated, Up));
    }

    #[test]
    fn without_carrier_there_is_no_verdict() {
        let mut judge = up();

        for n in 2..=4 {
            judge.missed(n * MS, MS, &DEAD);
        }

        assert_eq!((judge.state(), judge.missed_in_a_row()), (Isolated, 0));
    }

    #[test]
    fn a_verdict_that_stood_before_our_link_went_down_stands_again() {
        let mut judge = up();
        for n in 2..=4 {
            judge.missed(n * MS, MS, &FINE);
        }

        judge.isolated();
        let states: Vec<_> = (10..=12)
            .map(|n| {
                judge.missed(n * MS, MS, &FINE);
                judge.state()
            })
            .collect();

        assert_eq!(states, [Isolated, Isolated, Down]);
    }

    #[test]
    fn after_our_own_outage_a_silent_source_is_unknown_and_not_down() {
        let mut judge = up();
        for n in 2..=4 {
            judge.missed(n * MS, MS, &DEAD);
        }

        for n in 10..=12 {
            judge.missed(n * MS, MS, &FINE);
        }

        assert_eq!(judge.state(), Unknown);
    }

    #[test]
    fn a_witness_that_has_answered_since_the_first_miss_lets_the_verdict_stand() {
        let mut judge = up();
        judge.missed(2 * MS, MS, &witness(0, 0));
        judge.missed(3 * MS, MS, &witness(0, 0));

        judge.missed(4 * MS, MS, &witness(3 * MS, 3 * MS + 1));

        assert_eq!(judge.state(), Down);
    }

    #[test]
    fn a_witness_that_answered_before_the_first_miss_says_nothing() {
        let mut judge = up();

        for n in 2..=4 {
            judge.missed(n * MS, MS, &witness(2 * MS - 1, 1));
        }

        assert_eq!((judge.state(), judge.missed_in_a_row()), (Isolated, 0));
    }

    #[test]
    fn a_silent_witness_isolates_for_any_length_of_time() {
        let mut judge = up();

        for n in 2..=100 {
            judge.missed(n * MS, MS, &witness(0, 0));
        }

        assert_eq!((judge.state(), judge.missed_in_a_row()), (Isolated, 0));
    }

    /// Isolated at 4 ms, because its witness fell silent together with the source.
    fn isolated_with_its_witness() -> Judge {
        let mut judge = up();
        for n in 2..=9 {
            judge.missed(n * MS, MS, &witness(1, 0));
        }
        assert_eq!(judge.state(), Isolated);
        judge
    }

    #[test]
    fn when_the_witness_is_back_a_source_that_stays_silent_has_failed() {
        let mut judge = isolated_with_its_witness();

        // The answer arrives at 10.5 ms; the witness goes on answering.
        let states: Vec<_> = (10..=13)
            .map(|n| {
                judge.missed(n * MS, MS, &witness(n * MS, 10 * MS + MS / 2));
                (judge.state(), judge.missed_in_a_row())
            })
            .collect();

        assert_eq!(
            states,
            [(Isolated, 0), (Isolated, 1), (Isolated, 2), (Down, 3)]
        );
    }

    #[test]
    fn a_source_that_answers_after_its_witness_is_up() {
        let mut judge = isolated_with_its_witness();
        judge.missed(11 * MS, MS, &witness(11 * MS, 10 * MS));

        judge.answered();

        assert_eq!((judge.state(), judge.missed_in_a_row()), (Up, 0));
    }

    #[test]
    fn a_witness_that_fails_again_starts_the_count_again() {
        let mut judge = isolated_with_its_witness();
        for n in 11..=12 {
            judge.missed(n * MS, MS, &witness(n * MS, 10 * MS));
        }

        judge.missed(13 * MS, MS, &witness(12 * MS, 0));
        let broken = judge.missed_in_a_row();
        for n in 20..=21 {
            judge.missed(n * MS, MS, &witness(n * MS, 20 * MS));
        }
        let counting = judge.state();
        judge.missed(22 * MS, MS, &witness(22 * MS, 20 * MS));

        assert_eq!((broken, counting, judge.state()), (0, Isolated, Down));
    }

    #[test]
    fn a_witness_that_has_not_answered_since_the_new_misses_does_not_vouch_for_them() {
        let mut judge = isolated_with_its_witness();

        for n in 11..=20 {
            judge.missed(n * MS, MS, &witness(10 * MS, 10 * MS + 1));
        }
        let unvouched = judge.state();
        judge.missed(21 * MS, MS, &witness(20 * MS, 10 * MS + 1));

        assert_eq!((unvouched, judge.state()), (Isolated, Down));
    }

    #[test]
    fn another_number_of_misses_counts_at_once() {
        let mut judge = up();
        judge.missed(2 * MS, MS, &FINE);

        judge.set_misses(2);
        judge.missed(3 * MS, MS, &FINE);

        assert_eq!(judge.state(), Down);
    }

    #[test]
    fn a_path_that_is_down_comes_back_with_an_answer() {
        let mut judge = up();
        for n in 2..=9 {
            judge.missed(n * MS, MS, &FINE);
        }

        judge.answered();

        assert_eq!((judge.state(), judge.missed_in_a_row()), (Up, 0));
    }
}

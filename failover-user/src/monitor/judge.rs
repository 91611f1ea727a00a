//! One path's heartbeats, judged: answered, missed, the verdict. Pure: it is told the times.

use crate::policy::PathState;

/// The judgement on one path.
#[derive(Clone, Debug)]
pub struct Judge {
    /// Misses in a row that make a verdict.
    misses: u32,
    state: PathState,
    /// Misses in a row, now.
    missed: u32,
    /// When the first of them was sent.
    first_missed_ns: u64,
    /// A verdict needs a request that was sent at this time or later, and missed.
    not_before_ns: u64,
    /// How often one miss more would have been a verdict.
    near_misses: u64,
    /// The verdict stood when our own link went down.
    was_down: bool,
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
        }
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
    pub fn missed(&mut self, sent_ns: u64, last_reply_ns: u64) {
        if self.missed > 0 && last_reply_ns >= self.first_missed_ns {
            self.alive();
        }
        if last_reply_ns >= sent_ns {
            self.state = PathState::Up;
            return;
        }
        if self.missed == 0 {
            self.first_missed_ns = sent_ns;
        }
        self.missed = self.missed.saturating_add(1);
        match self.state {
            // Without a first answer there is nothing that can have failed; behind our own dead link, neither.
            PathState::Unknown | PathState::Isolated | PathState::Down => {}
            PathState::Up | PathState::Missing => {
                let stands = self.missed >= self.misses && sent_ns >= self.not_before_ns;
                self.state = if stands {
                    PathState::Down
                } else {
                    PathState::Missing
                };
            }
        }
    }

    /// This thread ran late by more than an interval until `now`: whatever is missing may have waited for us. No verdict
    /// until a request that was sent after the stall has been missed too.
    pub fn stalled(&mut self, now: u64) {
        self.not_before_ns = now;
    }

    /// Our own link is down: nothing can be said.
    pub fn isolated(&mut self) {
        self.missed = 0;
        if self.state != PathState::Unknown && self.state != PathState::Isolated {
            self.was_down = self.state == PathState::Down;
            self.state = PathState::Isolated;
        }
    }

    /// The verdict would stand, but our own link is down.
    pub fn isolated_at_the_verdict(&mut self) {
        self.isolated();
        self.was_down = false;
    }

    /// Whether our own link, if it is back, leaves no excuse for the misses any more.
    pub fn has_no_excuse(&self) -> bool {
        self.state == PathState::Isolated && self.missed >= self.misses
    }

    /// Our own link is back, and nothing answers. A verdict that stood before stands again. Otherwise nothing is known: the
    /// source may have failed meanwhile, or a switch may not forward to us yet.
    pub fn rejoined(&mut self) {
        self.state = if self.was_down {
            PathState::Down
        } else {
            PathState::Unknown
        };
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
            judge.missed(n * MS, MS);
            states.push((judge.state(), judge.missed_in_a_row()));
        }

        assert_eq!(states, [(Missing, 1), (Missing, 2), (Down, 3)]);
    }

    #[test]
    fn one_miss_can_be_the_verdict() {
        let mut judge = Judge::new(1);
        judge.answered();

        judge.missed(2 * MS, MS);

        assert_eq!((judge.state(), judge.near_misses()), (Down, 0));
    }

    #[test]
    fn a_source_never_seen_is_never_down() {
        let mut judge = Judge::new(3);

        for n in 1..=100 {
            judge.missed(n * MS, 0);
        }

        assert_eq!(judge.state(), Unknown);
    }

    #[test]
    fn an_answer_starts_the_count_again() {
        let mut judge = up();
        judge.missed(2 * MS, MS);
        judge.missed(3 * MS, MS);

        judge.answered();
        judge.missed(5 * MS, 4 * MS + 1);

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
            judge.missed(n * MS, (n - 2) * MS + MS / 2);
        }
        let while_late = judge.state();
        for n in 50..53 {
            judge.missed(n * MS, 49 * MS);
        }

        assert_ne!(while_late, Down);
        assert_eq!(judge.state(), Down);
    }

    #[test]
    fn after_a_stall_one_more_request_has_to_be_missed() {
        let mut judge = up();
        judge.missed(2 * MS, MS);

        judge.stalled(50 * MS);
        judge.missed(3 * MS, MS);
        judge.missed(4 * MS, MS);
        let right_after = judge.state();
        judge.missed(50 * MS, MS);

        assert_eq!((right_after, judge.state()), (Missing, Down));
    }

    #[test]
    fn an_isolated_path_waits_for_an_answer() {
        let mut judge = up();

        judge.isolated();
        for n in 2..20 {
            judge.missed(n * MS, MS);
        }
        let isolated = judge.state();
        judge.answered();

        assert_eq!((isolated, judge.state()), (Isolated, Up));
    }

    #[test]
    fn a_verdict_that_stood_before_our_link_went_down_stands_again() {
        let mut judge = up();
        for n in 2..=4 {
            judge.missed(n * MS, MS);
        }

        judge.isolated();
        let states: Vec<_> = (10..=12)
            .map(|n| {
                judge.missed(n * MS, MS);
                judge.has_no_excuse()
            })
            .collect();
        judge.rejoined();

        assert_eq!(states, [false, false, true]);
        assert_eq!(judge.state(), Down);
    }

    #[test]
    fn after_our_own_outage_a_silent_source_is_unknown_and_not_down() {
        let mut judge = up();
        for n in 2..=4 {
            judge.missed(n * MS, MS);
        }
        judge.isolated_at_the_verdict();
        for n in 10..=12 {
            judge.missed(n * MS, MS);
        }

        judge.rejoined();

        assert_eq!(judge.state(), Unknown);
    }

    #[test]
    fn a_path_that_is_down_comes_back_with_an_answer() {
        let mut judge = up();
        for n in 2..=9 {
            judge.missed(n * MS, MS);
        }

        judge.answered();

        assert_eq!((judge.state(), judge.missed_in_a_row()), (Up, 0));
    }
}

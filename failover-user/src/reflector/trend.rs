//! From results in a row to a verdict: `fall` failures make unhealthy, `rise` successes healthy again. Pure.

/// What is known of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trend {
    fall: u32,
    rise: u32,
    /// `None`: nothing is known, and the first result decides.
    good: Option<bool>,
    /// Results in a row that contradict it.
    against: u32,
}

impl Trend {
    /// A check of which nothing is known, or that had been `good` a moment ago.
    pub fn new(fall: u32, rise: u32, good: Option<bool>) -> Self {
        Self {
            fall,
            rise,
            good,
            against: 0,
        }
    }

    /// Takes note of a result. `true`: the verdict has changed.
    pub fn note(&mut self, success: bool) -> bool {
        let Some(good) = self.good else {
            self.good = Some(success);
            return true;
        };
        if success == good {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let needed = if good { self.fall } else { self.rise };
        if self.against < needed {
            return false;
        }
        self.against = 0;
        self.good = Some(success);
        true
    }

    /// The verdict; `None` before the first result.
    pub fn good(&self) -> Option<bool> {
        self.good
    }

    /// Results in a row that contradict the verdict.
    pub fn against(&self) -> u32 {
        self.against
    }

    /// Other numbers from the next result on.
    pub fn set(&mut self, fall: u32, rise: u32) {
        self.fall = fall;
        self.rise = rise;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict after each result.
    fn verdicts(mut trend: Trend, results: &[bool]) -> Vec<Option<bool>> {
        results
            .iter()
            .map(|result| {
                trend.note(*result);
                trend.good()
            })
            .collect()
    }

    #[test]
    fn the_first_result_decides_where_nothing_is_known() {
        assert_eq!(verdicts(Trend::new(3, 2, None), &[true]), [Some(true)]);
        assert_eq!(verdicts(Trend::new(3, 2, None), &[false]), [Some(false)]);
    }

    #[test]
    fn it_falls_after_as_many_failures_in_a_row_as_configured() {
        let found = verdicts(
            Trend::new(3, 2, Some(true)),
            &[false, false, true, false, false, false],
        );

        let wanted = [true, true, true, true, true, false].map(Some);
        assert_eq!(found, wanted);
    }

    #[test]
    fn it_rises_after_as_many_successes_in_a_row_as_configured() {
        let found = verdicts(Trend::new(3, 2, Some(false)), &[true, false, true, true]);

        assert_eq!(found, [false, false, false, true].map(Some));
    }

    #[test]
    fn a_change_is_told_once() {
        let mut trend = Trend::new(2, 1, Some(true));

        let told = [false, false, false, true, true].map(|result| trend.note(result));

        assert_eq!(told, [false, true, false, true, false]);
    }

    #[test]
    fn other_numbers_count_from_the_next_result_on() {
        let mut trend = Trend::new(10, 1, Some(true));
        trend.note(false);

        trend.set(2, 1);

        assert!(trend.note(false));
        assert_eq!(trend.good(), Some(false));
    }
}

//! When held addresses are announced again.

use std::time::Duration;

use super::{Now, unit::nanos};

/// After the takeover; the first announcement is part of it.
const EARLY: [Duration; 3] = [
    Duration::from_millis(1100),
    Duration::from_millis(2200),
    Duration::from_secs(5),
];

/// The schedule of one takeover.
#[derive(Clone, Debug)]
pub(super) struct Announcements {
    start: Now,
    pub(super) every: Duration,
    /// `None`: no more.
    pub(super) next: Option<Now>,
}

impl Announcements {
    /// Addresses are held since `start`. `every` of zero: only the early ones.
    pub(super) fn new(start: Now, every: Duration) -> Self {
        let mut schedule = Self {
            start,
            every,
            next: None,
        };
        schedule.next = schedule.after(start);
        schedule
    }

    /// Whoever has heard another host meanwhile is told as after a takeover, and as soon as that host has had time to let go.
    pub(super) fn restart(&mut self, now: Now) {
        const SOONER: Duration = Duration::from_millis(800);
        self.start = now.saturating_sub(nanos(SOONER));
        self.next = self.after(now);
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Now> {
        self.next
    }

    /// Whether one is due. Several that were slept through are one.
    pub(super) fn take(&mut self, now: Now) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = self.after(now);
        }
        due
    }

    /// The first point of the schedule later than `now`.
    pub(super) fn after(&self, now: Now) -> Option<Now> {
        let early = EARLY
            .iter()
            .map(|offset| self.start.saturating_add(nanos(*offset)));
        if let Some(next) = early.clone().find(|at| *at > now) {
            return Some(next);
        }
        let last = early.max()?;
        let rounds = now.saturating_sub(last).checked_div(nanos(self.every))?;
        Some(last.saturating_add((rounds + 1).saturating_mul(nanos(self.every))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn times(schedule: &mut Announcements, until: Now) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(next) = schedule.next().filter(|next| *next <= until) {
            assert!(schedule.take(next));
            times.push(next / MS);
        }
        times
    }

    /// RFC 4861 7.2.6: at least RetransTimer, a second, apart.
    #[test]
    fn three_early_ones_then_regular_ones() {
        let mut schedule = Announcements::new(100 * MS, Duration::from_secs(60));

        let times = times(&mut schedule, 200_000 * MS);

        assert_eq!(times, [1200, 2300, 5100, 65_100, 125_100, 185_100]);
    }

    #[test]
    fn those_slept_through_are_made_up_for_once() {
        let mut schedule = Announcements::new(0, Duration::from_secs(60));

        let due = schedule.take(200_000 * MS);

        assert!(due);
        assert!(!schedule.take(200_000 * MS));
        assert_eq!(schedule.next(), Some(245_000 * MS));
    }

    #[test]
    fn without_an_interval_only_the_early_ones() {
        let mut schedule = Announcements::new(0, Duration::ZERO);

        let times = times(&mut schedule, u64::MAX);

        assert_eq!(times, [1100, 2200, 5000]);
        assert_eq!(schedule.next(), None);
    }
}

//! How one unit stands with the heartbeat thread: what it may do by itself, what was asked, what was heard. Pure: it is told
//! the times.

use crate::{
    config::{L2Alive, Trigger},
    policy::{
        Finding, PathState,
        trigger::{Standing as PathStanding, UnitVerdict, verdict},
    },
};

/// Rounds of probes for one unit are at least this far apart.
const ROUND_NS: u64 = 10_000_000;

/// A unit as the thread judges it. Times are nanoseconds of the monotonic clock.
#[derive(Clone, Debug)]
pub struct Standing {
    trigger: Trigger,
    /// The thread may act by itself.
    armed: bool,
    /// When its addresses were last asked for; 0: never.
    probed_ns: u64,
    /// When that was done before, because of misses that still go on; 0: it was not.
    before_ns: u64,
    /// A path misses its heartbeats, and is not down.
    missing: bool,
    /// The verdict stands, and this was heard.
    failed: Option<Finding>,
}

impl Standing {
    /// A unit about which nothing is known and nothing may be done.
    pub fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            armed: false,
            probed_ns: 0,
            before_ns: 0,
            missing: false,
            failed: None,
        }
    }

    /// Another configuration has another trigger.
    pub fn set_trigger(&mut self, trigger: Trigger) {
        self.trigger = trigger;
    }

    /// Allows or forbids the thread to act by itself.
    pub fn arm(&mut self, armed: bool) {
        self.armed = armed;
    }

    /// Whether its addresses are to be asked for at a first miss at `now`. If that was done just now, what is heard since then
    /// counts.
    pub fn is_to_be_asked_for(&self, now: u64) -> bool {
        self.probed_ns == 0 || now >= self.probed_ns + ROUND_NS
    }

    /// Its addresses are asked for at `now`.
    pub fn asked_for(&mut self, now: u64) {
        self.before_ns = if self.missing { self.probed_ns } else { 0 };
        self.probed_ns = now;
    }

    /// Follows the states of its paths. If the verdict has just come to stand: what was heard since its addresses were asked
    /// for, which `heard` knows. If they were not asked for, what was heard whenever is no answer.
    ///
    /// One path may miss for the first time just before another one's misses make the verdict. Then nobody has had time to
    /// answer once more, and what was answered before, during these misses, counts.
    pub fn follow(
        &mut self,
        now: u64,
        paths: impl Iterator<Item = impl Into<PathStanding>>,
        heard: impl FnOnce(u64) -> Finding,
    ) -> Option<Finding> {
        self.missing = false;
        let paths = paths.map(Into::into).inspect(|path: &PathStanding| {
            self.missing |= path.state == PathState::Missing;
        });
        if verdict(self.trigger, paths) != UnitVerdict::Failed {
            self.failed = None;
            return None;
        }
        if self.failed.is_some() {
            return None;
        }
        let finding = match self.probed_ns {
            0 => Finding::Silent,
            latest if self.before_ns != 0 && now < latest + ROUND_NS => heard(self.before_ns),
            latest => heard(latest),
        };
        self.failed = Some(finding.clone());
        Some(finding)
    }

    /// A path of it is watched no more: the verdict may have lost what it was based on.
    pub fn forget(&mut self, paths: impl Iterator<Item = impl Into<PathStanding>>) {
        if verdict(self.trigger, paths) != UnitVerdict::Failed {
            self.failed = None;
        }
    }

    /// It was asked once more who has the addresses. While the verdict stands, the latest answer counts.
    pub fn hear(&mut self, finding: &Finding) {
        if self.failed.is_some() {
            self.failed = Some(finding.clone());
        }
    }

    /// Whether the thread takes it over now: the verdict stands, the thread may act, and nobody was heard who has the addresses.
    /// Without a plan there is no rule.
    pub fn acts(&self, rule: Option<L2Alive>) -> bool {
        let heard = self.failed.as_ref();
        self.armed
            && heard.is_some_and(|finding| rule.is_none_or(|l2_alive| finding.allows(l2_alive)))
    }

    /// It is being taken over: one verdict is one attempt.
    pub fn taken(&mut self) {
        self.armed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PathState::{Down, Missing, Up};

    const MS: u64 = 1_000_000;

    fn source() -> Finding {
        Finding::Source {
            ip: [10, 0, 0, 10].into(),
        }
    }

    /// Armed, asked for at 5 ms, and down.
    fn failed(finding: Finding) -> Standing {
        let mut unit = Standing::new(Trigger::All);
        unit.arm(true);
        unit.asked_for(5 * MS);
        unit.follow(25 * MS, [Down].into_iter(), |_| finding);
        unit
    }

    #[test]
    fn what_was_heard_since_it_was_asked_for_comes_with_the_verdict_and_once() {
        let mut unit = Standing::new(Trigger::All);
        unit.asked_for(5 * MS);
        let mut told = Vec::new();

        for state in [Missing, Down, Down, Up, Down] {
            told.push(unit.follow(25 * MS, [state].into_iter(), |since| {
                assert_eq!(since, 5 * MS);
                source()
            }));
        }

        assert_eq!(told, [None, Some(source()), None, None, Some(source())]);
    }

    #[test]
    fn where_the_latest_question_had_no_time_to_be_answered_the_one_before_counts() {
        let counts = |verdict_ns, between: &[PathState]| {
            let mut unit = Standing::new(Trigger::Any);
            unit.asked_for(5 * MS);
            unit.follow(5 * MS, between.iter().copied(), |_| source());
            unit.asked_for(45 * MS);
            let mut counts = 0;
            unit.follow(verdict_ns, [Missing, Down].into_iter(), |since| {
                counts = since;
                source()
            });
            counts
        };

        assert_eq!(counts(45 * MS, &[Up, Missing]), 5 * MS);
        assert_eq!(counts(55 * MS, &[Up, Missing]), 45 * MS, "time enough");
        assert_eq!(counts(45 * MS, &[Up, Up]), 45 * MS, "other misses");
    }

    #[test]
    fn what_was_never_asked_for_is_not_answered() {
        let mut unit = Standing::new(Trigger::All);

        let told = unit.follow(25 * MS, [Down].into_iter(), |_| source());

        assert_eq!(told, Some(Finding::Silent));
    }

    #[test]
    fn it_acts_once_and_only_where_it_may() {
        let mut unit = failed(Finding::Silent);
        let mut unarmed = failed(Finding::Silent);
        unarmed.arm(false);
        let alive = failed(source());

        assert!(unit.acts(Some(L2Alive::Ask)));
        unit.taken();
        assert!(!unit.acts(Some(L2Alive::Ask)));
        assert!(!unarmed.acts(Some(L2Alive::Ask)));
        assert_eq!(
            [L2Alive::Ask, L2Alive::Refuse, L2Alive::Ignore].map(|rule| alive.acts(Some(rule))),
            [false, false, true]
        );
    }

    #[test]
    fn the_latest_answer_counts() {
        let mut unit = failed(source());

        unit.hear(&Finding::Silent);

        assert!(unit.acts(Some(L2Alive::Ask)));
    }

    #[test]
    fn a_second_miss_right_after_the_first_asks_nobody_again() {
        let mut unit = Standing::new(Trigger::Any);
        let never = unit.is_to_be_asked_for(MS);
        unit.asked_for(5 * MS);

        assert!(never);
        assert!(!unit.is_to_be_asked_for(15 * MS - 1));
        assert!(unit.is_to_be_asked_for(15 * MS));
    }
}

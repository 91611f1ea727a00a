//! `trigger = "any" | "all" | "path"`: from the states of the paths to the verdict on their unit.

use super::PathState;
use crate::config::Trigger;

/// What the paths of a unit say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitVerdict {
    /// No path has ever answered.
    Unknown,
    /// It answers, and no path misses anything.
    Healthy,
    /// Requests are unanswered, or some paths have failed, but not enough for the trigger.
    Suspect,
    /// The trigger's condition is met.
    Failed,
    /// Our own link is down where the answer would have to come from.
    Isolated,
}

/// What a path says about its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How it stands.
    pub state: PathState,
    /// It is unknown because it has not been heard of since our own link was down behind it.
    pub hidden: bool,
}

impl From<PathState> for Standing {
    fn from(state: PathState) -> Self {
        Self {
            state,
            hidden: false,
        }
    }
}

/// The verdict on a unit. With `trigger = "path"` the unit has one path, so there is one state.
///
/// - `any`: one path that is down is enough.
/// - `all`, `path`: at least one path is down, and none is up or merely missing. If the rest is isolated, nothing
///   proves the source dead where we cannot see it: [`UnitVerdict::Isolated`].
/// - A path that never answered is neither evidence of failure nor of life: it makes no verdict (a source that was never
///   seen is never taken over) and vetoes none (a NIC that was never plugged in does not protect a dead source).
/// - A path that is isolated has not failed: the fault is ours. While another one answers, the unit counts by that.
/// - One that answered until our own link went down, and has not been heard of since, is no evidence either, but a source
///   that may still answer there is not proven dead by the others.
///
/// Allocates nothing: the heartbeat thread calls it between two requests.
pub fn verdict(trigger: Trigger, paths: impl Iterator<Item = impl Into<Standing>>) -> UnitVerdict {
    let (mut up, mut missing, mut down, mut isolated) = (false, false, false, false);
    let mut hidden = false;
    for path in paths {
        let path: Standing = path.into();
        match path.state {
            PathState::Unknown => hidden |= path.hidden,
            PathState::Up => up = true,
            PathState::Missing => missing = true,
            PathState::Down => down = true,
            PathState::Isolated => isolated = true,
        }
    }

    let alive = up || missing;
    match trigger {
        Trigger::Any if down => UnitVerdict::Failed,
        Trigger::All | Trigger::Path if down && !alive && !isolated && !hidden => {
            UnitVerdict::Failed
        }
        Trigger::All | Trigger::Path if down && !alive => UnitVerdict::Isolated,
        Trigger::Any | Trigger::All | Trigger::Path if missing || down => UnitVerdict::Suspect,
        Trigger::Any | Trigger::All | Trigger::Path if up => UnitVerdict::Healthy,
        Trigger::Any | Trigger::All | Trigger::Path if isolated => UnitVerdict::Isolated,
        Trigger::Any | Trigger::All | Trigger::Path => UnitVerdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathState::{Down, Isolated, Missing, Unknown, Up};

    fn check(trigger: Trigger, cases: &[(&[PathState], UnitVerdict)]) {
        for (states, expected) in cases {
            let forward = verdict(trigger, states.iter().copied());
            let backward = verdict(trigger, states.iter().rev().copied());

            assert_eq!(forward, *expected, "{trigger:?} {states:?}");
            assert_eq!(backward, *expected, "{trigger:?} {states:?} in reverse");
        }
    }

    #[test]
    fn one_path_alone_decides() {
        for trigger in [Trigger::Any, Trigger::All, Trigger::Path] {
            check(
                trigger,
                &[
                    (&[], UnitVerdict::Unknown),
                    (&[Unknown], UnitVerdict::Unknown),
                    (&[Up], UnitVerdict::Healthy),
                    (&[Missing], UnitVerdict::Suspect),
                    (&[Down], UnitVerdict::Failed),
                    (&[Isolated], UnitVerdict::Isolated),
                ],
            );
        }
    }

    #[test]
    fn any_fails_with_one_path() {
        check(
            Trigger::Any,
            &[
                (&[Up, Down], UnitVerdict::Failed),
                (&[Missing, Down], UnitVerdict::Failed),
                (&[Isolated, Down], UnitVerdict::Failed),
                (&[Unknown, Down], UnitVerdict::Failed),
                (&[Up, Missing], UnitVerdict::Suspect),
                (&[Up, Isolated], UnitVerdict::Healthy),
            ],
        );
    }

    #[test]
    fn all_fails_when_nothing_answers() {
        check(
            Trigger::All,
            &[
                (&[Up, Down], UnitVerdict::Suspect),
                (&[Missing, Down], UnitVerdict::Suspect),
                (&[Down, Down], UnitVerdict::Failed),
                (&[Up, Missing], UnitVerdict::Suspect),
            ],
        );
    }

    #[test]
    fn a_path_behind_our_own_dead_link_proves_nothing() {
        check(
            Trigger::All,
            &[
                (&[Isolated, Down], UnitVerdict::Isolated),
                (&[Isolated, Isolated], UnitVerdict::Isolated),
                (&[Isolated, Unknown], UnitVerdict::Isolated),
                (&[Isolated, Down, Up], UnitVerdict::Suspect),
                (&[Isolated, Missing], UnitVerdict::Suspect),
                (&[Isolated, Up], UnitVerdict::Healthy),
            ],
        );
    }

    #[test]
    fn a_path_not_heard_of_since_our_own_outage_vetoes_and_says_nothing_else() {
        let with_hidden = |trigger, others: &[PathState]| {
            let hidden = Standing {
                state: Unknown,
                hidden: true,
            };
            let others = others.iter().copied().map(Standing::from);
            verdict(trigger, others.chain([hidden]))
        };

        assert_eq!(with_hidden(Trigger::All, &[]), UnitVerdict::Unknown);
        assert_eq!(with_hidden(Trigger::All, &[Up]), UnitVerdict::Healthy);
        assert_eq!(with_hidden(Trigger::All, &[Missing]), UnitVerdict::Suspect);
        assert_eq!(with_hidden(Trigger::All, &[Down]), UnitVerdict::Isolated);
        assert_eq!(with_hidden(Trigger::Any, &[Down]), UnitVerdict::Failed);
    }

    #[test]
    fn a_path_never_seen_neither_fails_nor_vetoes() {
        for trigger in [Trigger::Any, Trigger::All] {
            check(
                trigger,
                &[
                    (&[Unknown, Unknown], UnitVerdict::Unknown),
                    (&[Unknown, Up], UnitVerdict::Healthy),
                    (&[Unknown, Missing], UnitVerdict::Suspect),
                    (&[Unknown, Down], UnitVerdict::Failed),
                ],
            );
        }
    }
}

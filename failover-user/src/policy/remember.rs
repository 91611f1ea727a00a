//! What the next daemon has to know, and what an earlier one knew.

use std::time::Duration;

use super::{
    Action, Memory, PathState, State, Taken,
    table::On,
    unit::{Phase, Turn, Unit},
    words,
};

/// A source that had answered an earlier daemon so short a time before can fail at once; one that was silent for longer has
/// to answer first. It is more than a restart takes.
pub const RECENTLY: Duration = Duration::from_secs(60);

/// Whether actions change what the next daemon has to know. Single misses do not, and they are frequent.
pub fn changes_memory(actions: &[Action]) -> bool {
    let quiet = |state: &State| matches!(state, State::Healthy | State::Suspect);
    actions.iter().any(|action| match action {
        Action::Transition { from, to, .. } => !(quiet(from) && quiet(to)),
        Action::Arm { .. }
        | Action::TakeOver { .. }
        | Action::Yield { .. }
        | Action::Drain { .. }
        | Action::LetGo { .. }
        | Action::RemoveAddresses { .. }
        | Action::Forget { .. }
        | Action::Announce { .. }
        | Action::Probe { .. }
        | Action::Defend { .. }
        | Action::Reassure { .. }
        | Action::Introduce { .. }
        | Action::Inquire { .. }
        | Action::AnnounceSource { .. }
        | Action::RunHook { .. } => false,
    })
}

/// Whether a path that was in one state and is in another now has answered for the first time, or for the first time since it
/// was silent: its silence is evidence from now on, and the next daemon has to know that.
pub fn answers_anew(before: Option<PathState>, now: PathState) -> bool {
    now == PathState::Up
        && match before {
            None | Some(PathState::Unknown | PathState::Down | PathState::Isolated) => true,
            Some(PathState::Up | PathState::Missing) => false,
        }
}

impl Unit {
    /// What is lost with this process.
    pub(super) fn memory(&self) -> Memory {
        let waits = matches!(self.phase, Phase::Watching(_));
        Memory {
            hold: self.hold,
            asked: (self.state == State::AwaitingApproval).then(|| self.cause.clone()),
            // What waits for the source to fall silent on ARP too is found out again.
            left_alone: (self.state == State::Failed && !waits).then(|| self.cause.clone()),
            taken: self.taken.clone().filter(|_| {
                matches!(
                    self.state,
                    State::TakenOver | State::Conflict | State::FailingBack
                )
            }),
            seen: self.paths.seen(),
        }
    }

    /// What an earlier daemon knew. It applies as long as nothing newer is known.
    pub(super) fn on_remembered(&mut self, turn: &mut Turn, memory: Memory) {
        self.paths.remember(&memory.seen);
        if self.state != State::Unknown {
            return self.arm(turn);
        }
        self.hold = memory.hold;
        self.taken = memory.taken;
        if memory.hold {
            self.go(turn, State::Held, On::Remembered, words::HOLD);
        } else if let Some(cause) = memory.asked {
            self.ask(turn, On::Remembered, cause);
        } else if let Some(cause) = memory.left_alone {
            self.go(turn, State::Failed, On::Remembered, cause);
        }
    }

    /// From here on the addresses are held, and why.
    pub(super) fn note_taken(&mut self, cause: String, failed: bool) {
        self.taken = Some(Taken { cause, failed });
    }
}

#[cfg(test)]
mod tests {
    use PathState::{Down, Isolated, Missing, Unknown, Up};

    use super::*;

    #[test]
    fn the_first_answer_of_each_path_and_the_first_after_a_silence_is_anew() {
        let before = [None, Some(Unknown), Some(Down), Some(Isolated)];

        for before in before {
            assert!(answers_anew(before, Up), "{before:?}");
        }
    }

    #[test]
    fn an_answer_after_a_miss_or_another_one_is_not_and_no_silence_is() {
        for before in [Some(Up), Some(Missing)] {
            assert!(!answers_anew(before, Up), "{before:?}");
        }
        for state in [Unknown, Missing, Down, Isolated] {
            assert!(!answers_anew(None, state), "{state:?}");
        }
    }
}

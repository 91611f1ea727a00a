//! What the next daemon has to know, and what an earlier one knew.

use super::{
    Memory, State, Taken,
    table::On,
    unit::{Phase, Turn, Unit},
    words,
};

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

//! What is promised, and of what each time is made up.

use super::{
    heartbeat::BACK_OFF,
    network::MS,
    world::{World, Wrong},
};
use crate::{
    monitor::{PROBE_WAIT, claimant::PEER_WAIT},
    policy::{INQUIRE_EVERY, Now, PROBE_EVERY, RIVAL_ROUNDS, RIVAL_WAIT},
    reflector::custody::{GAP, LOOK_EVERY, PROBES},
};

/// How long a daemon whose loop is as slow as it gets here may take to hear of something, or its thread to hear from it.
const SLOW: Now = 100 * MS;

/// Until somebody who was asked twice in a row, at its turn, has not answered.
const SILENT: Now = 2 * nanos(PROBE_EVERY) + nanos(PROBE_WAIT);

const fn nanos(duration: std::time::Duration) -> Now {
    duration.as_nanos() as Now
}

impl World {
    /// How long two targets may both hold an address while the link between them is healthy.
    ///
    /// - [`INQUIRE_EVERY`]: until either asks who else has it, whatever it is about to do with it.
    /// - The same again: of what comes within a tenth of a second behind the source's claim nothing is told, and the source's probe
    ///   hides that of another target. A mistake in asking has to be found by the first question.
    /// - What follows: a takeover that its own daemon has not heard of yet ([`SLOW`]); the answer, of which the asker hears
    ///   ([`SLOW`]); that they are not strangers to each other ([`PEER_WAIT`]); and that the one whose MAC is the higher
    ///   number hears of the other one ([`SLOW`]), and gives the address up at once.
    pub(super) fn both_may_hold_for(&self) -> Now {
        let questions = if self.wrong == Some(Wrong::NeverInquires) {
            1
        } else {
            2
        };
        questions * nanos(INQUIRE_EVERY) + 3 * SLOW + nanos(PEER_WAIT)
    }

    /// How long a source with our daemon may use an address that a target holds while the link between them is healthy.
    ///
    /// - Two [`INQUIRE_EVERY`]: until the target asks, and until it looks at the answers when it asks again and tells the source.
    /// - [`LOOK_EVERY`], and [`PROBES`] [`GAP`]s: the source notices, asks for itself, and is answered.
    /// - [`SLOW`], for each of the two, and for the news of the takeover.
    pub(super) fn source_may_use_for(&self) -> Now {
        2 * nanos(INQUIRE_EVERY) + nanos(LOOK_EVERY) + Now::from(PROBES) * nanos(GAP) + 3 * SLOW
    }

    /// Until when after a failure of the source somebody holds its addresses. `ready`: this target was watching in peace.
    ///
    /// - The requests that make the verdict, one that was answered just before, and the time that the last one has.
    /// - The hook before the takeover. What was heard before it is too old after it, and it is asked once more.
    /// - The news of it, and an order to the thread that may not act by itself.
    /// - With another target: it goes first, and does not get there.
    /// - If something was under way: [`Self::busy`].
    pub(super) fn promise(&self, target: usize, ready: bool) -> Now {
        let standby = &self.targets[target].standby;
        let source = &standby.source;
        let detection = (Now::from(source.misses) + 2) * nanos(source.interval);
        let hook = match source.hooks.before_takeover {
            Some(_) => standby.hook_takes + nanos(PROBE_WAIT) + 3 * SLOW,
            None => 0,
        };
        let rival = if self.targets.len() > 1 {
            self.rival()
        } else {
            0
        };
        let busy = if ready { 0 } else { self.busy() };
        detection + hook + 3 * SLOW + rival + busy
    }

    /// How long another target that is heard to be about to take over, and does not, keeps this one from it. It may be heard in
    /// every other round, and counts no more once it was heard in [`RIVAL_ROUNDS`].
    fn rival(&self) -> Now {
        let rounds = 2 * RIVAL_ROUNDS - 1;
        nanos(RIVAL_WAIT) + Now::from(rounds) * nanos(PROBE_EVERY) + nanos(PROBE_WAIT) + SLOW
    }

    /// What may have to end before anything is taken, once nobody holds the address and nothing of the source answers.
    ///
    /// - [`BACK_OFF`]: it was on hold until a moment ago, and is asked once a second still.
    /// - It had answered a question, or another target had: until they are silent. A failback ends with the verdict.
    /// - It is asked who has the address, as nobody has been for a while.
    fn busy(&self) -> Now {
        BACK_OFF + SILENT + nanos(PROBE_WAIT) + 4 * SLOW
    }
}

//! One path's heartbeats, judged: answered, missed, the verdict. Pure: it is told the times.

use crate::policy::{PathState, trigger::Standing};

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

/// What judging has changed, as it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// How the path stands.
    pub state: PathState,
    /// Misses in a row.
    pub missed: u32,
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
    /// It has not been heard of since our own link was down.
    hidden: bool,
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
            hidden: false,
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

    /// A path that is watched anew, because our own NIC or address was lost. `was_down`: the verdict stood before.
    pub fn behind_outage(misses: u32, was_down: bool) -> Self {
        Self {
            state: PathState::Isolated,
            was_down,
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

    /// What it says about its unit.
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            hidden: self.hidden,
        }
    }

    /// Misses in a row.
    pub fn missed_in_a_row(&self) -> u32 {
        self.missed
    }

    /// What is to be reported since the path stood like this. Down stays down however much more is missed.
    pub fn change_since(&self, before: Change) -> Option<Change> {
        let now = self.now();
        (now != before && (now.state != before.state || now.state == PathState::Missing))
            .then_some(now)
    }

    /// How the path stands, with its misses.
    pub fn now(&self) -> Change {
        Change {
            state: self.state,
            missed: self.missed,
        }
    }

    /// The misses that may become a verdict begin with the request that was judged last. A path that had answered an earlier
    /// daemon goes from unknown to down.
    pub fn is_at_first_miss(&self) -> bool {
        self.missed == 1 && (self.state != PathState::Unknown || self.remembered)
    }

    /// How often one miss more would have been a verdict.
    pub fn near_misses(&self) -> u64 {
        self.near_misses
    }

    /// The latest judged request was answered.
    pub fn answered(&mut self) {
        self.alive();
        self.remembered = false;
        self.hidden = false;
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
            self.remembered = false;
            self.hidden = false;
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
        self.hidden = !self.was_down && testimony.is_none();
        self.state = if self.hidden {
            PathState::Unknown
        } else {
            PathState::Down
        };
    }

    /// This thread ran late by more than an interval until `now`: whatever is missing may have waited for us. No verdict
    /// until a request that was sent after the stall has been missed too.
    pub fn stalled(&mut self, now: u64) {
        self.not_before_ns = now;
    }

    /// Our own link is down: nothing can be said.
    pub fn isolated(&mut self) {
        self.remembered = false;
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
mod tests;

//! One path's heartbeats: the judge is the real one, sending and receiving is a model of `monitor/session.rs`.

use crate::{
    monitor::judge::{Change, Judge, OwnLink},
    policy::{Now, PathState},
};

/// Why a session need not be looked at until something changes: every request ends as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doze {
    Answered,
    Unanswered,
    Unsent,
}

/// What a tick has led to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticked {
    pub(super) first_miss: bool,
    pub(super) change: Option<Change>,
}

/// Heartbeats of a path.
#[derive(Debug)]
pub(super) struct Heartbeats {
    pub(super) judge: Judge,
    pub(super) interval: Now,
    misses: u32,
    pub(super) due: Now,
    /// Counts the ticks that were planned: one that was planned before the latest is void.
    pub(super) plan: u64,
    pub(super) doze: Option<Doze>,
    /// When the request in flight was sent, and when its reply arrives.
    in_flight: Option<(Now, Option<Now>)>,
    /// When replies arrive that have not yet.
    arriving: Vec<Now>,
    last_reply: Now,
}

impl Heartbeats {
    pub(super) fn new(judge: Judge, interval: Now, misses: u32, last_reply: Now, now: Now) -> Self {
        Self {
            judge,
            interval,
            misses,
            due: (now / interval + 1) * interval,
            plan: 0,
            doze: None,
            in_flight: None,
            arriving: Vec::new(),
            last_reply,
        }
    }

    /// Judges the request in flight, whose time is up.
    pub(super) fn judge(&mut self, now: Now, link: &impl OwnLink) -> Ticked {
        let late = now - self.due;
        if late > self.interval {
            self.judge.stalled(now);
        }
        self.due += self.interval * (1 + late / self.interval);
        self.receive(now);
        let Some((sent, reply)) = self.in_flight.take() else {
            return Ticked::default();
        };
        let before = self.judge.now();
        let mut first_miss = false;
        if reply.is_some_and(|at| at <= now) {
            self.judge.answered();
        } else {
            self.judge.missed(sent, self.last_reply, link);
            first_miss = self.judge.is_at_first_miss();
        }
        Ticked {
            first_miss,
            change: self.judge.change_since(before),
        }
    }

    /// The next request goes out, and its reply arrives then, if ever.
    pub(super) fn send(&mut self, now: Now, reply: Option<Now>) {
        self.in_flight = Some((now, reply));
        self.arriving.extend(reply);
    }

    /// Our own NIC has no carrier.
    pub(super) fn refused(&mut self) -> Option<Change> {
        let before = self.judge.now();
        self.judge.isolated();
        self.judge.change_since(before)
    }

    /// Whether nothing will change as long as nothing changes around, `certain` being that of the network. The request that
    /// was sent last will end like this.
    pub(super) fn dozes(&self, certain: bool) -> Option<Doze> {
        if !certain {
            return None;
        }
        let now = self.judge.now();
        match (now.state, self.in_flight) {
            (PathState::Up, Some((_, Some(_)))) if now.missed == 0 => Some(Doze::Answered),
            (PathState::Down, Some((_, None))) => Some(Doze::Unanswered),
            (PathState::Unknown, Some((_, None))) if now.missed > self.misses => {
                Some(Doze::Unanswered)
            }
            (PathState::Unknown | PathState::Isolated, None) => Some(Doze::Unsent),
            (
                PathState::Unknown
                | PathState::Up
                | PathState::Missing
                | PathState::Down
                | PathState::Isolated,
                _,
            ) => None,
        }
    }

    /// Something changes at `now`: what would have happened until then has happened. `true`: it has to be looked at again.
    pub(super) fn wake(&mut self, now: Now) -> bool {
        let Some(doze) = self.doze.take() else {
            return false;
        };
        if now >= self.due {
            self.due += ((now - self.due) / self.interval + 1) * self.interval;
            let sent = self.due - self.interval;
            self.in_flight = match doze {
                Doze::Answered => Some((sent, Some(sent))),
                Doze::Unanswered => Some((sent, None)),
                Doze::Unsent => None,
            };
            if doze == Doze::Answered {
                self.last_reply = sent;
            }
        }
        true
    }

    /// When the latest reply arrived.
    pub(super) fn last_reply(&self, now: Now) -> Now {
        match self.doze {
            Some(Doze::Answered) if now >= self.due => now - (now - self.due) % self.interval,
            Some(_) | None => {
                let arrived = self.arriving.iter().filter(|at| **at <= now);
                arrived.copied().max().unwrap_or(0).max(self.last_reply)
            }
        }
    }

    fn receive(&mut self, now: Now) {
        self.last_reply = self.last_reply(now);
        self.arriving.retain(|at| *at > now);
    }
}

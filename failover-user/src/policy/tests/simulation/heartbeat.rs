//! One path's heartbeats: the judge is the real one, sending and receiving is a model of `monitor/session.rs`.

use super::network::SECOND;
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

/// Pace towards a reflector that is AdminDown (RFC 7880 7.3.3).
pub(super) const BACK_OFF: Now = SECOND;

/// A reply that arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) at: Now,
    /// It says that the source is on hold.
    pub(super) on_hold: bool,
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
    in_flight: Option<(Now, Option<Reply>)>,
    /// Replies that have not arrived yet.
    arriving: Vec<Reply>,
    last_reply: Now,
    /// Since when the replies say that the source is on hold.
    on_hold_since: Option<Now>,
    /// The hold that the daemon knows of.
    told_hold: bool,
}

impl Heartbeats {
    pub(super) fn new(
        judge: Judge,
        (interval, misses): (Now, u32),
        (last_reply, on_hold_since): (Now, Option<Now>),
        now: Now,
    ) -> Self {
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
            on_hold_since,
            told_hold: false,
        }
    }

    /// Time between two requests.
    fn pace(&self) -> Now {
        match self.on_hold_since {
            Some(_) => self.interval.max(BACK_OFF),
            None => self.interval,
        }
    }

    /// Since when the source has said in each reply that it is on hold.
    pub(super) fn on_hold_since(&self, now: Now) -> Option<Now> {
        let mut arrived: Vec<_> = self.arrived(now).collect();
        arrived.sort_by_key(|reply| reply.at);
        arrived.iter().fold(self.on_hold_since, held_since)
    }

    /// What the daemon is to be told of that, when it has changed.
    pub(super) fn hold_changed(&mut self, now: Now) -> Option<bool> {
        self.receive(now);
        let on = self.on_hold_since.is_some();
        (std::mem::replace(&mut self.told_hold, on) != on).then_some(on)
    }

    /// Judges the request in flight, whose time is up.
    pub(super) fn judge(&mut self, now: Now, link: &impl OwnLink) -> Ticked {
        let late = now - self.due;
        if late > self.interval {
            self.judge.stalled(now);
        }
        self.receive(now);
        self.due += self.pace() * (1 + late / self.pace());
        let Some((sent, reply)) = self.in_flight.take() else {
            return Ticked::default();
        };
        let before = self.judge.now();
        let mut first_miss = false;
        if reply.is_some_and(|reply| reply.at <= now) {
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
    pub(super) fn send(&mut self, now: Now, reply: Option<Reply>) {
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
            (PathState::Up, Some((_, Some(reply))))
                if now.missed == 0
                    && reply.on_hold == self.told_hold
                    && self
                        .arriving
                        .iter()
                        .all(|other| other.on_hold == reply.on_hold) =>
            {
                Some(Doze::Answered)
            }
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
            let pace = self.pace();
            self.due += ((now - self.due) / pace + 1) * pace;
            let sent = self.due - pace;
            let reply = Reply {
                at: sent,
                on_hold: self.told_hold,
            };
            self.in_flight = match doze {
                Doze::Answered => Some((sent, Some(reply))),
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
            Some(Doze::Answered) if now >= self.due => now - (now - self.due) % self.pace(),
            Some(_) | None => {
                let arrived = self.arrived(now).map(|reply| reply.at);
                arrived.max().unwrap_or(0).max(self.last_reply)
            }
        }
    }

    fn arrived(&self, now: Now) -> impl Iterator<Item = Reply> {
        self.arriving
            .iter()
            .copied()
            .filter(move |reply| reply.at <= now)
    }

    fn receive(&mut self, now: Now) {
        self.last_reply = self.last_reply(now);
        self.on_hold_since = self.on_hold_since(now);
        self.arriving.retain(|reply| reply.at > now);
    }
}

fn held_since(since: Option<Now>, reply: &Reply) -> Option<Now> {
    reply.on_hold.then(|| since.unwrap_or(reply.at))
}

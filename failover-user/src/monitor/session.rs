//! One path's heartbeats as the thread runs them.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use failover_ebpf::abi::{discriminator, remote};

use super::{
    PathStats, Report, Request, Watch, clock,
    frames::first_sequence,
    judge::{self, Judge, OwnLink},
};
use crate::{
    bpf::shared::Sessions,
    policy::{PathId, PathState, UnitId, trigger::Standing},
};

/// Pace towards a reflector that is AdminDown (RFC 7880 7.3.3).
const BACK_OFF_NS: u64 = 1_000_000_000;

/// A path that is watched.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) path: PathId,
    pub(super) unit: UnitId,
    pub(super) nic: u32,
    pub(super) interval_ns: u64,
    /// When the next request is due, and the one in flight has run out of time.
    pub(super) due_ns: u64,
    number: u16,
    /// Of the latest request; its low 16 bits are in the discriminator (see `abi::SessionTx`).
    sequence: u32,
    /// The request that is in flight: when it was sent.
    in_flight: Option<u64>,
    /// Requests in a row that our own NIC refused.
    refused: u32,
    /// Of the misses in a row: those that the source itself refused.
    refusals: u32,
    misses: u32,
    /// The pace that the daemon knows of.
    told_pace_ns: u64,
    /// Whether the source is on hold, as the daemon was told.
    hold: ToldHold,
    request: Request,
    judge: Judge,
    stats: Arc<PathStats>,
}

/// What judging changed, as it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) state: PathState,
    pub(super) missed: u32,
    /// Misses among them that were refused by the source.
    pub(super) refused: u32,
}

/// What judging a request led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// The misses that may become a verdict begin with this request.
    pub(super) first_miss: bool,
    pub(super) change: Option<Change>,
}

impl Session {
    /// Sessions of one interval share their ticks, so that their frames leave together.
    pub(super) fn new(watch: Watch, shared: &Sessions, now: u64) -> Self {
        let interval_ns = watch.interval.as_nanos() as u64;
        Self {
            due_ns: (now / interval_ns + 1) * interval_ns,
            path: watch.path,
            unit: watch.unit,
            nic: watch.nic,
            interval_ns,
            number: watch.session,
            // The numbering goes on where an earlier daemon left it, so that its late replies are not taken for ours.
            sequence: shared
                .last_sequence(watch.session)
                .unwrap_or_else(|| first_sequence(Duration::from_nanos(clock::unix_now()))),
            in_flight: None,
            refused: 0,
            refusals: 0,
            misses: watch.misses,
            told_pace_ns: watch.interval.as_nanos() as u64,
            hold: ToldHold::new(now),
            request: watch.request,
            judge: match watch.outage {
                Some(was_down) => Judge::behind_outage(watch.misses, was_down),
                None if watch.remembered => Judge::remembered(watch.misses),
                None => Judge::new(watch.misses),
            },
            stats: watch.stats,
        }
    }

    /// Goes on with another frame, NIC or timing, and with what is known of the path. `true`: it is due earlier now.
    pub(super) fn update(&mut self, watch: Watch, now: u64) -> bool {
        self.nic = watch.nic;
        self.request = watch.request;
        self.stats = watch.stats;
        self.misses = watch.misses;
        self.judge.set_misses(watch.misses);
        let interval_ns = watch.interval.as_nanos() as u64;
        if interval_ns == self.interval_ns {
            return false;
        }
        self.interval_ns = interval_ns;
        // The daemon knows of it, for it said so.
        self.told_pace_ns = interval_ns;
        let due_ns = earlier_due(self.due_ns, self.in_flight, interval_ns, now);
        let earlier = due_ns < self.due_ns;
        self.due_ns = due_ns;
        earlier
    }

    pub(super) fn state(&self) -> PathState {
        self.judge.state()
    }

    pub(super) fn standing(&self) -> Standing {
        self.judge.standing()
    }

    /// Time between two requests: the configured one, or what the reflector can take (RFC 7880 7.2.3: Required Min RX). While
    /// it is AdminDown the initiator MUST back off to one second at least (7.3.3).
    pub(super) fn pace_ns(&self, shared: &Sessions) -> u64 {
        let back_off = if self.is_on_hold(shared) {
            BACK_OFF_NS
        } else {
            0
        };
        let required = shared.required_min_rx_ns(self.number);
        self.interval_ns.max(required).max(back_off)
    }

    /// Whether the source has said, in its latest reply, that its administrator has put it on hold.
    pub(super) fn is_on_hold(&self, shared: &Sessions) -> bool {
        shared.remote_state(self.number) == remote::ADMIN_DOWN
    }

    /// What the daemon is to be told about the source's own hold, when it has changed.
    pub(super) fn hold_changed(&mut self, shared: &Sessions) -> Option<Report> {
        let on = self.is_on_hold(shared);
        let news = self.hold.is_news(on, self.last_reply_ns(shared));
        news.then_some(Report::RemoteHold {
            path: self.path,
            on,
        })
    }

    /// What the daemon is to be told about the pace, when it has changed.
    pub(super) fn slowed(&mut self, pace_ns: u64) -> Option<Report> {
        if pace_ns == self.told_pace_ns {
            return None;
        }
        self.told_pace_ns = pace_ns;
        Some(Report::Pace {
            path: self.path,
            pace_ns,
            interval_ns: self.interval_ns,
        })
    }

    pub(super) fn last_reply_ns(&self, shared: &Sessions) -> u64 {
        shared.last_reply(self.number)
    }

    /// The thread ran late until `now`.
    pub(super) fn stalled(&mut self, now: u64) {
        self.judge.stalled(now);
    }

    /// Whether the request in flight has no answer so far.
    pub(super) fn lacks_answer(&self, shared: &Sessions) -> bool {
        self.in_flight
            .is_some_and(|sent_ns| !self.is_answered(shared, sent_ns))
    }

    /// The mark alone may be 65,536 requests old: nothing overwrites it while nothing answers.
    fn is_answered(&self, shared: &Sessions, sent_ns: u64) -> bool {
        shared.answered(self.number, self.sequence as u16)
            && shared.last_reply(self.number) >= sent_ns
    }

    /// Judges the request in flight, whose time is up.
    pub(super) fn judge(&mut self, shared: &Sessions, link: &impl OwnLink) -> Judged {
        let Some(sent_ns) = self.in_flight.take() else {
            return Judged::default();
        };
        self.refused = 0;
        let before = self.judge.now();
        let mut first_miss = false;
        if self.is_answered(shared, sent_ns) {
            self.judge.answered();
        } else {
            self.stats.missed.fetch_add(1, Relaxed);
            self.judge
                .missed(sent_ns, shared.last_reply(self.number), link);
            self.count_refusal(
                before.missed,
                shared.refused(self.number, self.sequence as u16, sent_ns),
            );
            first_miss = self.judge.is_at_first_miss();
        }
        Judged {
            first_miss,
            change: self.changed_since(before, shared),
        }
    }

    /// The latest request was missed, before it so many in a row.
    fn count_refusal(&mut self, missed_before: u32, refused: bool) {
        if self.judge.missed_in_a_row() <= missed_before {
            // Late answers have begun the row anew, or our own link has ended it.
            self.refusals = 0;
        }
        self.refusals = self.refusals.saturating_add(refused.into());
    }

    /// Our own NIC has refused as many requests in a row as would have been a verdict.
    pub(super) fn is_refused(&self) -> bool {
        self.refused >= self.misses
    }

    /// Our own NIC refuses to send.
    pub(super) fn isolated(&mut self, shared: &Sessions) -> Option<Change> {
        let before = self.judge.now();
        self.judge.isolated();
        self.changed_since(before, shared)
    }

    /// Makes the next request ready and says that it is sent at `now`.
    pub(super) fn next_request(&mut self, shared: &Sessions, now: u64) {
        self.sequence = self.sequence.wrapping_add(1);
        match &mut self.request {
            Request::Sbfd(frame) => {
                frame.patch(discriminator(self.number, self.sequence as u16));
                frame.sign(self.sequence);
            }
            Request::Icmp(frame) => frame.patch(self.sequence as u16),
            // It has no place for a sequence: a reply answers the latest request.
            Request::Arp(_) => {}
            Request::Tcp(frame) => frame.patch(self.sequence as u16),
        }
        shared.sending(self.number, self.sequence, now);
        self.in_flight = Some(now);
        self.stats.sent.fetch_add(1, Relaxed);
    }

    /// The request that was made ready has left by `now`. If that took half of its time, this thread ran late with it.
    pub(super) fn left_at(&mut self, now: u64) {
        let half_ns = self.interval_ns / 2;
        if self
            .in_flight
            .is_some_and(|sent_ns| now.saturating_sub(sent_ns) > half_ns)
        {
            self.judge.stalled(now);
        }
    }

    /// The request that was made ready was not sent after all: it cannot be missed.
    pub(super) fn not_sent(&mut self, shared: &Sessions) {
        shared.not_sent(self.number, self.sequence as u16);
        self.in_flight = None;
        self.refused = self.refused.saturating_add(1);
        self.stats.sent.fetch_sub(1, Relaxed);
    }

    /// The request as it goes out.
    pub(super) fn frame(&self) -> &[u8] {
        match &self.request {
            Request::Sbfd(frame) => frame.frame(),
            Request::Icmp(frame) => frame.frame(),
            Request::Arp(frame) => frame,
            Request::Tcp(frame) => frame.frame(),
        }
    }

    fn changed_since(&mut self, before: judge::Change, shared: &Sessions) -> Option<Change> {
        let judge::Change { state, missed } = self.judge.now();
        self.refusals = self.refusals.min(missed);
        self.stats.missed_in_a_row.store(missed, Relaxed);
        self.stats
            .near_misses
            .store(self.judge.near_misses(), Relaxed);
        if matches!(state, PathState::Down | PathState::Isolated) && state != before.state {
            // The time until the source is back is an outage, not a gap between heartbeats.
            shared.measure_from(self.number, u64::MAX);
        } else if state == PathState::Up
            && matches!(before.state, PathState::Down | PathState::Isolated)
        {
            shared.measure_from(self.number, self.last_reply_ns(shared));
        }
        let refused = self.refusals;
        self.judge
            .change_since(before)
            .map(|judge::Change { state, missed }| Change {
                state,
                missed,
                refused,
            })
    }
}

/// What the daemon was told of the source's own hold. A session that begins does not know what an earlier one had told, and what
/// the source said last may have been cleared with that one: its first answer tells.
#[derive(Clone, Copy, Debug)]
struct ToldHold {
    told: Option<bool>,
    /// When the session began.
    began_ns: u64,
}

impl ToldHold {
    fn new(began_ns: u64) -> Self {
        Self {
            told: None,
            began_ns,
        }
    }

    /// Whether the daemon has to be told that the source is on hold, or is not. It is told once.
    fn is_news(&mut self, on: bool, last_reply_ns: u64) -> bool {
        let known = on || self.told.is_some() || last_reply_ns >= self.began_ns;
        let news = known && self.told != Some(on);
        if news {
            self.told = Some(on);
        }
        news
    }
}

/// When a session is due again that was due at `due_ns` and had its turn `late_ns` later.
///
/// Ticks that were slept through are not made up for: they would be a burst. A tick that is close ahead is left out, too: the
/// request that has just been made ready would have had no time to be answered, and with `misses = 1` that would be a verdict.
/// It has half an interval at least, and a whole one behind a stall, when even what has arrived may wait to be looked at.
pub(super) fn next_due(due_ns: u64, late_ns: u64, pace_ns: u64) -> u64 {
    let behind = late_ns % pace_ns;
    let close = if late_ns > pace_ns { 0 } else { pace_ns / 2 };
    let skipped = late_ns / pace_ns + u64::from(behind > close);
    due_ns + pace_ns * (1 + skipped)
}

/// When a session is due whose interval has become `interval_ns`: not later than before, on its new grid, and not before the
/// request in flight, sent at that time, has had the new interval to be answered.
fn earlier_due(due_ns: u64, in_flight: Option<u64>, interval_ns: u64, now: u64) -> u64 {
    let earliest = in_flight.map_or(now, |sent_ns| now.max(sent_ns + interval_ns));
    due_ns.min(earliest.next_multiple_of(interval_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_session_says_that_the_hold_is_over_once_the_source_has_answered() {
        let mut hold = ToldHold::new(100);

        let silent = hold.is_news(false, 99);
        let answers = [hold.is_news(false, 101), hold.is_news(false, 102)];
        let put_on_hold = [hold.is_news(true, 103), hold.is_news(true, 104)];

        assert!(!silent);
        assert_eq!((answers, put_on_hold), ([true, false], [true, false]));
        assert!(ToldHold::new(100).is_news(true, 0), "it has said so before");
    }

    #[test]
    fn a_shorter_interval_does_not_wait_for_the_longer_one_to_end() {
        assert_eq!(earlier_due(60_000, None, 100, 1_234), 1_300);
    }

    #[test]
    fn ticks_keep_to_their_grid_however_late_the_thread_is() {
        assert_eq!(next_due(1_000, 0, 100), 1_100);
        assert_eq!(next_due(1_000, 50, 100), 1_100);
        assert_eq!(next_due(1_000, 100, 100), 1_200);
        assert_eq!(next_due(1_000, 300, 100), 1_400);
    }

    /// RFC 7880 7.3.3: no answer is expected before there can be one.
    #[test]
    fn a_late_request_has_half_an_interval_to_be_answered_at_least() {
        for late_ns in 0..=100 {
            let given_ns = next_due(1_000, late_ns, 100) - (1_000 + late_ns);

            assert!((50..=150).contains(&given_ns), "{late_ns}: {given_ns}");
        }
    }

    #[test]
    fn behind_a_stall_it_has_a_whole_one() {
        for late_ns in 101..=1_000 {
            let given_ns = next_due(1_000, late_ns, 100) - (1_000 + late_ns);

            assert!((100..200).contains(&given_ns), "{late_ns}: {given_ns}");
        }
    }

    #[test]
    fn a_request_in_flight_gets_its_time_whatever_the_interval_becomes() {
        assert_eq!(earlier_due(60_000, Some(1_230), 100, 1_234), 1_400);
        assert_eq!(earlier_due(1_240, Some(1_230), 100, 1_234), 1_240);
    }
}

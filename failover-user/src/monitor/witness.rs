//! One witness as the thread asks it.

use std::{collections::VecDeque, net::IpAddr};

use failover_ebpf::abi::RING;

use super::{WitnessRequest, WitnessWatch, judge::Testimony};
use crate::{
    bpf::shared::{HeardBoard, Sessions},
    policy::PathState,
};

/// How often a witness is asked while nothing depends on it.
const QUIET_NS: u64 = 1_000_000_000;
/// It is not asked faster than this while a path misses answers,
const HASTE_NS: u64 = 1_000_000;
/// and than this while a path is isolated.
const PATIENT_NS: u64 = 10_000_000;
/// A request that takes longer, and longer than the pace, has no answer.
const TIMEOUT_NS: u64 = 10_000_000;
/// Requests in a row without an answer that make a witness silent.
const MISSES: u32 = 3;

/// Time between two requests to a witness, by the states and paces of the paths that leave by its NIC.
pub(super) fn pace_ns(paths: impl Iterator<Item = (PathState, u64)>) -> u64 {
    let of_path = |(state, pace_ns): (PathState, u64)| match state {
        PathState::Missing => pace_ns.max(HASTE_NS),
        PathState::Isolated => pace_ns.max(PATIENT_NS),
        PathState::Unknown | PathState::Up | PathState::Down => QUIET_NS,
    };
    paths.map(of_path).min().unwrap_or(QUIET_NS).min(QUIET_NS)
}

/// A witness.
#[derive(Debug)]
pub(super) struct Witness {
    address: IpAddr,
    pub(super) nic: u32,
    pub(super) due_ns: u64,
    pub(super) answers: Answers,
    request: Option<WitnessRequest>,
    sequence: u16,
    asked_ns: u64,
}

impl Witness {
    pub(super) fn new(watch: WitnessWatch, shared: &Sessions, now: u64) -> Self {
        let mut witness = Self {
            address: watch.address,
            nic: watch.nic,
            due_ns: now,
            answers: Answers::default(),
            request: None,
            sequence: 0,
            asked_ns: 0,
        };
        witness.update(watch, shared);
        witness
    }

    /// Goes on with another frame. Another host, or another NIC, has to answer for itself.
    pub(super) fn update(&mut self, watch: WitnessWatch, shared: &Sessions) {
        let session = |request: &Option<WitnessRequest>| match request {
            Some(WitnessRequest::Icmp { session, .. }) => Some(*session),
            Some(WitnessRequest::Neighbour { .. }) | None => None,
        };
        let before = session(&self.request);
        if (self.address, self.nic) != (watch.address, watch.nic) {
            self.answers = Answers::default();
        }
        self.address = watch.address;
        self.nic = watch.nic;
        self.request = watch.request;
        // The numbering goes on where an earlier daemon left it, so that its late replies are not taken for ours.
        if let Some(session) = session(&self.request).filter(|now| before != Some(*now)) {
            self.sequence = shared.last_sequence(session).unwrap_or(0) as u16;
        }
    }

    /// Makes the next request ready and says that it is sent at `now`. `false`: there is none to send.
    pub(super) fn next_request(&mut self, shared: &Sessions, now: u64) -> bool {
        self.sequence = self.sequence.wrapping_add(1);
        self.asked_ns = now;
        self.answers.asked(self.sequence, now);
        match &mut self.request {
            Some(WitnessRequest::Icmp { session, request }) => {
                request.patch(self.sequence);
                shared.sending(*session, self.sequence, now);
                true
            }
            Some(WitnessRequest::Neighbour { .. }) => true,
            None => false,
        }
    }

    /// The request as it goes out.
    pub(super) fn frame(&self) -> &[u8] {
        match &self.request {
            Some(WitnessRequest::Icmp { request, .. }) => request.frame(),
            Some(WitnessRequest::Neighbour { frame, .. }) => frame,
            None => &[],
        }
    }

    /// Looks for answers until `now`. Whether it answers, if that has changed.
    pub(super) fn look(
        &mut self,
        shared: &Sessions,
        board: &HeardBoard,
        pace_ns: u64,
        now: u64,
    ) -> Option<bool> {
        let request = &self.request;
        let answered = |sequence, sent_ns| {
            let at_ns =
                match request {
                    Some(WitnessRequest::Icmp { session, .. }) => shared
                        .answered(*session, sequence)
                        .then(|| shared.last_reply(*session))?,
                    Some(WitnessRequest::Neighbour { slot, .. }) => board.get(*slot).claimed_ns,
                    None => return None,
                };
            (at_ns >= sent_ns).then_some(at_ns)
        };
        self.answers.look(pace_ns.max(TIMEOUT_NS), now, answered)
    }

    /// It has to be asked at this pace from now on. `true`: it is due earlier than before.
    pub(super) fn hurry(&mut self, pace_ns: u64, now: u64) -> bool {
        let due_ns = now.max(self.asked_ns + pace_ns);
        let earlier = due_ns < self.due_ns;
        self.due_ns = self.due_ns.min(due_ns);
        earlier
    }
}

/// What a witness has answered. Pure: it is told the times, nanoseconds of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Requests without an answer so far: sequence, and when it was sent.
    outstanding: VecDeque<(u16, u64)>,
    /// When the latest request that was answered was sent; 0: none.
    asked_ns: u64,
    /// When the first answer arrived since it left a request unanswered; 0: there is none.
    unbroken_since_ns: u64,
    missed: u32,
    answers: Option<bool>,
}

impl Answers {
    pub(super) fn testimony(&self) -> Testimony {
        Testimony {
            asked_ns: self.asked_ns,
            unbroken_since_ns: self.unbroken_since_ns,
        }
    }

    fn asked(&mut self, sequence: u16, now: u64) {
        // The kernel can tell no more of them apart.
        if self.outstanding.len() == RING {
            self.outstanding.pop_front();
            self.miss();
        }
        self.outstanding.push_back((sequence, now));
    }

    /// `answered` says when an answer to a request (sequence, when it was sent) arrived.
    fn look(
        &mut self,
        timeout_ns: u64,
        now: u64,
        answered: impl Fn(u16, u64) -> Option<u64>,
    ) -> Option<bool> {
        let latest =
            self.outstanding
                .iter()
                .enumerate()
                .rev()
                .find_map(|(place, &(sequence, sent_ns))| {
                    Some((place, sent_ns, answered(sequence, sent_ns)?))
                });
        if let Some((place, sent_ns, at_ns)) = latest {
            // What was asked before has been answered too, or was lost on a link that works.
            self.outstanding.drain(..=place);
            self.asked_ns = sent_ns;
            if self.unbroken_since_ns == 0 {
                self.unbroken_since_ns = at_ns;
            }
            self.missed = 0;
        }
        while let Some((_, sent_ns)) = self.outstanding.front()
            && sent_ns + timeout_ns <= now
        {
            self.outstanding.pop_front();
            self.miss();
        }
        let answers = match (latest, self.missed >= MISSES) {
            (_, true) => Some(false),
            (Some(_), false) => Some(true),
            (None, false) => None,
        };
        let changed = answers.filter(|answers| self.answers != Some(*answers));
        self.answers = changed.or(self.answers);
        changed
    }

    fn miss(&mut self) {
        self.missed = self.missed.saturating_add(1);
        self.unbroken_since_ns = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const TIMEOUT: u64 = 10 * MS;

    /// Asked every millisecond from 1 ms on, with sequences that are the milliseconds.
    fn asked(until: u64) -> Answers {
        let mut answers = Answers::default();
        for n in 1..=until {
            answers.asked(n as u16, n * MS);
        }
        answers
    }

    #[test]
    fn an_answer_says_when_its_request_was_sent() {
        let mut answers = asked(3);

        let change = answers.look(TIMEOUT, 4 * MS, |sequence, sent_ns| {
            (sequence == 2).then_some(sent_ns + MS / 2)
        });

        assert_eq!(change, Some(true));
        assert_eq!(answers.asked_ns, 2 * MS);
        assert_eq!(answers.unbroken_since_ns, 2 * MS + MS / 2);
    }

    #[test]
    fn answers_that_take_several_paces_break_nothing() {
        let mut answers = Answers::default();

        for n in 1..=50 {
            answers.asked(n as u16, n * MS);
            let now = n * MS + MS / 2;
            answers.look(TIMEOUT, now, |_, sent_ns| {
                (sent_ns + 5 * MS <= now).then_some(sent_ns + 5 * MS)
            });
        }

        assert_eq!(
            (answers.asked_ns, answers.unbroken_since_ns),
            (45 * MS, 6 * MS)
        );
    }

    #[test]
    fn a_request_without_an_answer_breaks_the_run() {
        let mut answers = asked(1);
        answers.look(TIMEOUT, MS, |_, sent_ns| Some(sent_ns));
        answers.asked(2, 2 * MS);

        let before = (
            answers.look(TIMEOUT, 12 * MS - 1, |_, _| None),
            answers.unbroken_since_ns,
        );
        let after = (
            answers.look(TIMEOUT, 12 * MS, |_, _| None),
            answers.unbroken_since_ns,
        );

        assert_eq!((before, after), ((None, MS), (None, 0)));
    }

    #[test]
    fn three_requests_without_an_answer_make_it_silent_and_one_answer_ends_that() {
        let mut answers = asked(1);
        let mut changes = vec![answers.look(TIMEOUT, MS, |_, sent_ns| Some(sent_ns))];
        for n in 2..=5 {
            answers.asked(n, u64::from(n) * 20 * MS);
            changes.push(answers.look(TIMEOUT, u64::from(n) * 20 * MS + TIMEOUT, |_, _| None));
        }
        answers.asked(6, 120 * MS);
        changes.push(answers.look(TIMEOUT, 121 * MS, |_, sent_ns| Some(sent_ns)));

        assert_eq!(
            changes,
            [Some(true), None, None, Some(false), None, Some(true)]
        );
    }

    #[test]
    fn a_witness_that_never_answers_is_silent() {
        let mut answers = asked(3);

        let change = answers.look(TIMEOUT, 20 * MS, |_, _| None);

        assert_eq!((change, answers.asked_ns), (Some(false), 0));
    }

    #[test]
    fn a_witness_is_asked_as_fast_as_the_path_that_needs_it() {
        use PathState::{Down, Isolated, Missing, Unknown, Up};
        let pace = |paths: &[(PathState, u64)]| pace_ns(paths.iter().copied());

        assert_eq!(pace(&[]), QUIET_NS);
        assert_eq!(pace(&[(Up, MS), (Down, MS), (Unknown, MS)]), QUIET_NS);
        assert_eq!(pace(&[(Up, MS), (Missing, 5 * MS)]), 5 * MS);
        assert_eq!(pace(&[(Missing, MS / 10)]), HASTE_NS);
        assert_eq!(
            pace(&[(Isolated, MS / 10), (Isolated, 50 * MS)]),
            PATIENT_NS
        );
        assert_eq!(pace(&[(Isolated, MS), (Missing, 2 * MS)]), 2 * MS);
        assert_eq!(pace(&[(Missing, 60 * QUIET_NS)]), QUIET_NS);
    }
}

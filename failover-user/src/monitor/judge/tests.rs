use super::*;
use PathState::{Down, Isolated, Missing, Unknown, Up};

const MS: u64 = 1_000_000;

/// What is seen of our own link.
struct Link {
    carrier: bool,
    testimony: Option<Testimony>,
}

impl OwnLink for Link {
    fn has_carrier(&self) -> bool {
        self.carrier
    }

    fn testimony(&self) -> Option<Testimony> {
        self.testimony
    }
}

const FINE: Link = Link {
    carrier: true,
    testimony: None,
};
const DEAD: Link = Link {
    carrier: false,
    testimony: None,
};

/// Carrier, and a witness.
fn witness(asked_ns: u64, unbroken_since_ns: u64) -> Link {
    Link {
        testimony: Some(Testimony {
            asked_ns,
            unbroken_since_ns,
        }),
        ..FINE
    }
}

/// A path that has answered at 1 ms, with a verdict after three misses.
fn up() -> Judge {
    let mut judge = Judge::new(3);
    judge.answered();
    judge
}

#[test]
fn three_misses_in_a_row_are_the_verdict() {
    let mut judge = up();
    let mut states = Vec::new();

    for n in 2..=4 {
        judge.missed(n * MS, MS, &FINE);
        states.push((judge.state(), judge.missed_in_a_row()));
    }

    assert_eq!(states, [(Missing, 1), (Missing, 2), (Down, 3)]);
}

#[test]
fn one_miss_can_be_the_verdict() {
    let mut judge = Judge::new(1);
    judge.answered();

    judge.missed(2 * MS, MS, &FINE);

    assert_eq!((judge.state(), judge.near_misses()), (Down, 0));
}

#[test]
fn a_source_never_seen_is_never_down() {
    let mut judge = Judge::new(3);

    for n in 1..=100 {
        judge.missed(n * MS, 0, &FINE);
    }

    assert_eq!(judge.state(), Unknown);
}

#[test]
fn an_answer_starts_the_count_again() {
    let mut judge = up();
    judge.missed(2 * MS, MS, &FINE);
    judge.missed(3 * MS, MS, &FINE);

    judge.answered();
    judge.missed(5 * MS, 4 * MS + 1, &FINE);

    assert_eq!(
        (judge.state(), judge.missed_in_a_row(), judge.near_misses()),
        (Missing, 1, 1)
    );
}

#[test]
fn late_answers_prevent_the_verdict() {
    let mut judge = up();

    // Each answer takes two intervals and a half.
    for n in 2..50 {
        judge.missed(n * MS, (n - 2) * MS + MS / 2, &FINE);
    }
    let while_late = judge.state();
    for n in 50..53 {
        judge.missed(n * MS, 49 * MS, &FINE);
    }

    assert_ne!(while_late, Down);
    assert_eq!(judge.state(), Down);
}

#[test]
fn after_a_stall_one_more_request_has_to_be_missed() {
    let mut judge = up();
    judge.missed(2 * MS, MS, &FINE);

    judge.stalled(50 * MS);
    judge.missed(3 * MS, MS, &FINE);
    judge.missed(4 * MS, MS, &FINE);
    let right_after = judge.state();
    judge.missed(50 * MS, MS, &FINE);

    assert_eq!((right_after, judge.state()), (Missing, Down));
}

#[test]
fn an_isolated_path_waits_for_an_answer() {
    let mut judge = up();

    judge.isolated();
    for n in 2..20 {
        judge.missed(n * MS, MS, &DEAD);
    }
    let isolated = judge.state();
    judge.answered();

    assert_eq!((isolated, judge.state()), (Isolated, Up));
}

#[test]
fn without_carrier_there_is_no_verdict() {
    let mut judge = up();

    for n in 2..=4 {
        judge.missed(n * MS, MS, &DEAD);
    }

    assert_eq!((judge.state(), judge.missed_in_a_row()), (Isolated, 0));
}

#[test]
fn a_verdict_that_stood_before_our_link_went_down_stands_again() {
    let mut judge = up();
    for n in 2..=4 {
        judge.missed(n * MS, MS, &FINE);
    }

    judge.isolated();
    let states: Vec<_> = (10..=12)
        .map(|n| {
            judge.missed(n * MS, MS, &FINE);
            judge.state()
        })
        .collect();

    assert_eq!(states, [Isolated, Isolated, Down]);
}

#[test]
fn after_our_own_outage_a_silent_source_is_unknown_and_not_down() {
    let mut judge = up();
    for n in 2..=4 {
        judge.missed(n * MS, MS, &DEAD);
    }

    for n in 10..=12 {
        judge.missed(n * MS, MS, &FINE);
    }

    let silent = judge.standing();
    judge.answered();

    assert_eq!((silent.state, silent.hidden), (Unknown, true));
    assert!(!judge.standing().hidden);
}

#[test]
fn a_witness_that_has_answered_since_the_first_miss_lets_the_verdict_stand() {
    let mut judge = up();
    judge.missed(2 * MS, MS, &witness(0, 0));
    judge.missed(3 * MS, MS, &witness(0, 0));

    judge.missed(4 * MS, MS, &witness(3 * MS, 3 * MS + 1));

    assert_eq!(judge.state(), Down);
}

#[test]
fn a_witness_that_answered_before_the_first_miss_says_nothing() {
    let mut judge = up();

    for n in 2..=4 {
        judge.missed(n * MS, MS, &witness(2 * MS - 1, 1));
    }

    assert_eq!((judge.state(), judge.missed_in_a_row()), (Isolated, 0));
}

#[test]
fn a_silent_witness_isolates_for_any_length_of_time() {
    let mut judge = up();

    for n in 2..=100 {
        judge.missed(n * MS, MS, &witness(0, 0));
    }

    assert_eq!((judge.state(), judge.missed_in_a_row()), (Isolated, 0));
}

/// Isolated at 4 ms, because its witness fell silent together with the source.
fn isolated_with_its_witness() -> Judge {
    let mut judge = up();
    for n in 2..=9 {
        judge.missed(n * MS, MS, &witness(1, 0));
    }
    assert_eq!(judge.state(), Isolated);
    judge
}

#[test]
fn when_the_witness_is_back_a_source_that_stays_silent_has_failed() {
    let mut judge = isolated_with_its_witness();

    // The answer arrives at 10.5 ms; the witness goes on answering.
    let states: Vec<_> = (10..=13)
        .map(|n| {
            judge.missed(n * MS, MS, &witness(n * MS, 10 * MS + MS / 2));
            (judge.state(), judge.missed_in_a_row())
        })
        .collect();

    assert_eq!(
        states,
        [(Isolated, 0), (Isolated, 1), (Isolated, 2), (Down, 3)]
    );
}

#[test]
fn a_source_that_answers_after_its_witness_is_up() {
    let mut judge = isolated_with_its_witness();
    judge.missed(11 * MS, MS, &witness(11 * MS, 10 * MS));

    judge.answered();

    assert_eq!((judge.state(), judge.missed_in_a_row()), (Up, 0));
}

#[test]
fn a_witness_that_fails_again_starts_the_count_again() {
    let mut judge = isolated_with_its_witness();
    for n in 11..=12 {
        judge.missed(n * MS, MS, &witness(n * MS, 10 * MS));
    }

    judge.missed(13 * MS, MS, &witness(12 * MS, 0));
    let broken = judge.missed_in_a_row();
    for n in 20..=21 {
        judge.missed(n * MS, MS, &witness(n * MS, 20 * MS));
    }
    let counting = judge.state();
    judge.missed(22 * MS, MS, &witness(22 * MS, 20 * MS));

    assert_eq!((broken, counting, judge.state()), (0, Isolated, Down));
}

#[test]
fn a_witness_that_has_not_answered_since_the_new_misses_does_not_vouch_for_them() {
    let mut judge = isolated_with_its_witness();

    for n in 11..=20 {
        judge.missed(n * MS, MS, &witness(10 * MS, 10 * MS + 1));
    }
    let unvouched = judge.state();
    judge.missed(21 * MS, MS, &witness(20 * MS, 10 * MS + 1));

    assert_eq!((unvouched, judge.state()), (Isolated, Down));
}

#[test]
fn another_number_of_misses_counts_at_once() {
    let mut judge = up();
    judge.missed(2 * MS, MS, &FINE);

    judge.set_misses(2);
    judge.missed(3 * MS, MS, &FINE);

    assert_eq!(judge.state(), Down);
}

#[test]
fn a_path_that_is_down_comes_back_with_an_answer() {
    let mut judge = up();
    for n in 2..=9 {
        judge.missed(n * MS, MS, &FINE);
    }

    judge.answered();

    assert_eq!((judge.state(), judge.missed_in_a_row()), (Up, 0));
}

#[test]
fn a_path_that_had_answered_an_earlier_daemon_fails_without_having_answered_this_one() {
    let mut judge = Judge::remembered(3);
    let mut states = Vec::new();

    for n in 2..=4 {
        judge.missed(n * MS, MS, &FINE);
        states.push(judge.state());
    }

    assert_eq!(states, [Unknown, Unknown, Down]);
}

#[test]
fn a_path_that_is_watched_anew_behind_an_outage_goes_on_as_if_it_had_been_watched() {
    let after = |was_down, misses: u64| {
        let mut judge = Judge::behind_outage(3, was_down);
        for n in 0..misses {
            judge.missed((10 + n) * MS, MS, &FINE);
        }
        judge.state()
    };
    let mut answered = Judge::behind_outage(3, true);
    answered.answered();

    assert_eq!((after(true, 2), after(true, 3)), (Isolated, Down));
    assert_eq!((after(false, 2), after(false, 3)), (Isolated, Unknown));
    assert_eq!(answered.state(), Up);
}

#[test]
fn behind_an_outage_of_our_own_link_nothing_is_remembered() {
    let mut silent = Judge::remembered(3);
    let mut answered = Judge::remembered(3);
    answered.answered();

    for judge in [&mut silent, &mut answered] {
        for n in 2..=4 {
            judge.missed(n * MS, MS, &DEAD);
        }
        for n in 10..=30 {
            judge.missed(n * MS, MS, &FINE);
        }
    }

    assert_eq!((silent.state(), answered.state()), (Unknown, Unknown));
}

#[test]
fn misses_that_may_become_a_verdict_begin_with_the_first_also_where_an_earlier_daemon_had_the_answers()
 {
    let mut remembered = Judge::remembered(2);
    let mut never_seen = Judge::new(2);
    let mut first = Vec::new();

    for judge in [&mut remembered, &mut never_seen] {
        for n in 1..=2 {
            judge.missed(n * MS, 0, &FINE);
            first.push(judge.is_at_first_miss());
        }
    }

    assert_eq!(first, [true, false, false, false]);
    assert_eq!(remembered.state(), Down);
}

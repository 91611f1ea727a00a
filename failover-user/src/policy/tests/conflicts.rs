//! Somebody else claims what is held.

use super::bench::Bench;
use crate::{
    config::{OnConflict, Source},
    policy::{Claimant, Command, Finding, PathState::*, State},
};

fn release(source: &mut Source) {
    source.on_conflict = OnConflict::Release;
}

fn ask(source: &mut Source) {
    source.on_conflict = OnConflict::Ask;
}

/// Without announcements, which go on all the time.
fn quiet(words: Vec<(u64, String)>) -> Vec<(u64, String)> {
    words
        .into_iter()
        .filter(|(_, word)| word != "announce")
        .collect()
}

/// RFC 5227 2.4 (c).
#[test]
fn it_is_announced_once_in_ten_seconds_whatever_is_claimed() {
    let mut bench = Bench::taken_over(1, |_| {});

    let first = bench.claim(Claimant::Stranger);
    let mut defended = Vec::new();
    for second in 0..60 {
        let words = [bench.claim(Claimant::Stranger), bench.pass_words(500)].concat();
        if words.contains(&"defend 10.0.0.10".to_owned()) {
            defended.push(second);
        }
    }

    assert_eq!(first, ["taken-over->conflict", "defend 10.0.0.10"]);
    assert_eq!(defended, [19, 39, 59], "half seconds");
    assert_eq!(
        bench.cause(),
        "another host, 02:00:00:00:00:99, claims 10.0.0.10"
    );
}

#[test]
fn a_claim_that_comes_too_soon_to_be_announced_against_is_answered_to_each_neighbour() {
    let mut bench = Bench::taken_over(1, |_| {});

    bench.claim(Claimant::Source);
    bench.pass(3_000);
    let second = bench.claim(Claimant::Source);
    bench.pass(100);
    let third = bench.claim(Claimant::Source);
    let later = quiet(bench.pass(20_000));

    assert_eq!(second, ["reassure 10.0.0.10"]);
    assert_eq!(third, Bench::none(), "not at once");
    assert_eq!(
        later,
        [
            (200, "reassure 10.0.0.10".to_owned()),
            (6_900, "defend 10.0.0.10".to_owned())
        ]
    );
}

#[test]
fn claims_that_come_so_close_that_they_are_not_told_of_are_answered_all_the_same() {
    let mut bench = Bench::taken_over(1, |_| {});

    bench.claim(Claimant::Source);
    let later = quiet(bench.pass(20_000));

    assert_eq!(later, [(200, "reassure 10.0.0.10".to_owned())]);
}

#[test]
fn a_claim_that_the_administrator_is_asked_about_is_answered_to_nobody() {
    let mut bench = Bench::taken_over(1, ask);

    bench.claim(Claimant::Source);
    let second = bench.claim(Claimant::Source);
    let later = quiet(bench.pass(20_000));

    assert_eq!((second, later), (Bench::none(), Vec::new()));
}

#[test]
fn it_is_over_when_nobody_claims_anything_for_half_a_minute() {
    let mut bench = Bench::taken_over(1, |_| {});
    bench.claim(Claimant::Source);

    let words = quiet(bench.pass(40_000));

    assert_eq!(
        words,
        [
            (200, "reassure 10.0.0.10".to_owned()),
            (30_000, "conflict->taken-over".to_owned())
        ]
    );
    assert_eq!(bench.cause(), "3 of 3 heartbeats missed");
}

#[test]
fn release_gives_up_and_waits_for_the_other_to_let_go() {
    let mut bench = Bench::taken_over(1, release);

    let words = bench.claim(Claimant::Stranger);
    let done = [bench.step_done(), bench.step_done(), bench.step_done()].concat();
    bench.finds = None;
    let let_go = [bench.heard(Finding::Silent), bench.heard(Finding::Silent)].concat();

    assert_eq!(
        words,
        ["taken-over->conflict", "conflict->failing-back", "let-go"]
    );
    assert_eq!(done, ["remove", "forget", "failing-back->held-elsewhere"]);
    assert_eq!(let_go.last().unwrap(), "take-over verdict");
}

#[test]
fn released_to_a_silent_source_it_waits_for_its_answer() {
    let mut bench = Bench::taken_over(1, release);

    bench.claim(Claimant::Source);
    let done = [bench.step_done(), bench.step_done(), bench.step_done()].concat();

    assert_eq!(done, ["remove", "forget", "failing-back->unknown"]);
}

#[test]
fn asked_about_it_the_administrator_decides() {
    let mut approved = Bench::taken_over(1, ask);
    let mut declined = Bench::taken_over(1, ask);

    let asked = approved.claim(Claimant::Stranger);
    declined.claim(Claimant::Stranger);
    assert!(approved.policy.asks(approved.unit));
    let defended = approved.command(Command::Approve);
    let given_up = declined.command(Command::Decline);

    assert_eq!(asked, ["taken-over->conflict"]);
    assert_eq!(defended, ["defend 10.0.0.10"]);
    assert!(!approved.policy.asks(approved.unit));
    assert_eq!(given_up, ["conflict->failing-back", "let-go"]);
    assert_eq!(
        approved.refused(Command::Approve),
        "web1 is conflict: its addresses are being defended already"
    );
}

#[test]
fn of_two_failover_hosts_one_keeps_the_addresses_whatever_the_rule_says() {
    let mut loses = Bench::taken_over(1, ask);
    let mut keeps = Bench::taken_over(1, release);

    let lost = loses.claim(Claimant::Peer { keeps: true });
    let kept = keeps.claim(Claimant::Peer { keeps: false });

    assert_eq!(
        lost,
        [
            "taken-over->conflict",
            "introduce 10.0.0.10 to 02:00:00:00:00:99",
            "conflict->failing-back",
            "let-go"
        ]
    );
    assert_eq!(kept, ["taken-over->conflict", "defend 10.0.0.10"]);
}

#[test]
fn another_failover_host_is_told_who_we_are_whether_or_not_it_keeps_the_addresses() {
    let mut loses = Bench::taken_over(1, release);
    let mut keeps = Bench::taken_over(1, release);
    loses.finds = None;
    keeps.finds = None;

    let lost = loses.claim(Claimant::Peer { keeps: true });
    let claims: Vec<_> = [0, 500, 500]
        .map(|ms| {
            keeps.pass(ms);
            keeps.claim(Claimant::Peer { keeps: false })
        })
        .into();

    let introduced = "introduce 10.0.0.10 to 02:00:00:00:00:99";
    assert_eq!(lost[1..4], ["probe", introduced, "conflict->failing-back"]);
    assert_eq!(claims[0][1], "defend 10.0.0.10", "which is a probe as well");
    assert_eq!(claims[1], [introduced], "no announcement, so not limited");
    assert_eq!(claims[2], Bench::none(), "but not again at once");
}

#[test]
fn failback_by_hand_and_automatic_work_in_a_conflict() {
    let mut by_hand = Bench::taken_over(1, |_| {});
    by_hand.claim(Claimant::Source);
    let mut automatic = Bench::taken_over(1, |source| {
        source.failback = crate::config::Failback::Automatic;
        source.failback_after = std::time::Duration::from_secs(5);
    });
    automatic.claim(Claimant::Source);
    automatic.path(0, Up);

    let words = by_hand.command(Command::Failback);
    let later = quiet(automatic.pass(5000));

    assert_eq!(words, ["conflict->failing-back", "let-go"]);
    assert_eq!(
        later,
        [
            (200, "reassure 10.0.0.10".to_owned()),
            (5000, "conflict->failing-back".to_owned()),
            (5000, "drain".to_owned())
        ]
    );
}

#[test]
fn claims_of_what_is_not_held_mean_nothing() {
    let mut bench = Bench::healthy(1, |_| {});

    assert_eq!(bench.claim(Claimant::Stranger), Bench::none());
    assert_eq!(bench.state(), State::Healthy);
}

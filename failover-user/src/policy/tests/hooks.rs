//! Programs of the administrator's.

use std::time::Duration;

use super::bench::{Bench, MS};
use crate::{
    config::{Failback, OnConflict, OnError, OnFailure, Source},
    policy::{Cause, Claimant, Command, Finding, Hook, PathState::*, State},
};

pub(super) fn program() -> Option<Vec<String>> {
    Some(vec!["/usr/local/bin/fence".to_owned()])
}

fn fence(source: &mut Source) {
    source.hooks.before_takeover = program();
}

#[test]
fn before_takeover_runs_first_and_the_thread_stays_out_of_it() {
    let mut bench = Bench::new(1, fence);

    let healthy = bench.path(0, Up);
    let failed = bench.path(0, Down);
    let fenced = bench.hook_done(Hook::BeforeTakeover, None);

    assert_eq!(healthy, ["unknown->healthy"], "not armed");
    assert_eq!(
        failed,
        [
            "healthy->failed",
            "failed->taking-over",
            "hook before_takeover"
        ]
    );
    assert_eq!(fenced, ["take-over verdict"]);
}

#[test]
fn if_it_fails_there_is_no_takeover() {
    let mut bench = Bench::healthy(1, fence);
    bench.path(0, Down);

    let words = bench.hook_done(Hook::BeforeTakeover, Some("exit code 1"));

    assert_eq!(words, ["taking-over->failed"]);
    assert_eq!(
        bench.cause(),
        "before_takeover failed: exit code 1; takeover aborted (on_error = \"abort\")"
    );
    assert_eq!(bench.pass_words(600_000), Bench::none(), "left alone");
    assert_eq!(
        bench.command(Command::Takeover)[0],
        "failed->taking-over",
        "but by hand it is tried again"
    );
}

#[test]
fn unless_errors_do_not_matter() {
    let mut bench = Bench::healthy(1, |source| {
        fence(source);
        source.hooks.on_error = OnError::Continue;
    });
    bench.path(0, Down);

    let words = bench.hook_done(Hook::BeforeTakeover, Some("exit code 1"));

    assert_eq!(words, ["take-over verdict"]);
    assert_eq!(
        bench.cause(),
        "3 of 3 heartbeats missed; before_takeover failed: exit code 1"
    );
}

#[test]
fn a_source_that_answers_meanwhile_is_not_taken_over() {
    let mut bench = Bench::healthy(1, fence);
    bench.path(0, Down);
    bench.path(0, Up);

    let words = bench.hook_done(Hook::BeforeTakeover, None);

    assert_eq!(words, ["taking-over->healthy"]);
    assert_eq!(bench.cause(), "source answers again; nothing was taken");
}

#[test]
fn a_takeover_that_it_prevents_is_no_failure_of_a_source_that_answers_by_then() {
    let mut bench = Bench::healthy(1, fence);
    bench.path(0, Down);
    bench.path(0, Up);

    let words = bench.hook_done(Hook::BeforeTakeover, Some("exit code 1"));
    let fails_again = bench.path(0, Down);

    assert_eq!(words, ["taking-over->failed", "failed->healthy"]);
    assert_eq!(fails_again.last().unwrap(), "hook before_takeover");
}

#[test]
fn an_approval_is_void_when_the_source_answers_before_anything_is_taken() {
    let mut bench = Bench::healthy(1, |source| {
        fence(source);
        source.on_failure = OnFailure::Ask;
    });
    bench.path(0, Down);
    bench.command(Command::Approve);
    bench.path(0, Up);

    let words = bench.hook_done(Hook::BeforeTakeover, None);

    assert_eq!(words, ["taking-over->healthy"]);
    assert_eq!(bench.cause(), "source answers again; nothing was taken");
}

#[test]
fn behind_it_somebody_else_may_have_the_addresses() {
    let fenced = || {
        let mut bench = Bench::healthy(1, fence);
        bench.finds = None;
        bench.heard(Finding::Silent);
        bench.path(0, Down);
        let asks = bench.hook_done(Hook::BeforeTakeover, None);
        assert_eq!(asks, ["probe"]);
        bench
    };
    let other = Finding::Other {
        ip: [10, 0, 0, 10].into(),
        mac: "02:00:00:00:00:99".to_owned(),
    };

    let taken = fenced().heard(other);
    let free = fenced().heard(Finding::Silent);

    assert_eq!(taken, ["taking-over->held-elsewhere"]);
    assert_eq!(free, ["take-over verdict"]);
}

#[test]
fn approval_and_commands_run_it_too() {
    let mut bench = Bench::healthy(1, |source| {
        fence(source);
        source.on_failure = OnFailure::Ask;
    });
    bench.path(0, Down);

    let words = bench.command(Command::Approve);

    assert_eq!(
        words,
        ["awaiting-approval->taking-over", "hook before_takeover"]
    );
}

#[test]
fn after_takeover_runs_when_the_addresses_are_held() {
    let mut bench = Bench::healthy(1, |source| source.hooks.after_takeover = program());
    bench.path(0, Down);

    let words = bench.done(Cause::Verdict, 1);

    assert_eq!(words, ["taking-over->taken-over", "hook after_takeover"]);
    assert_eq!(
        bench.hook_done(Hook::AfterTakeover, Some("exit code 1")),
        Bench::none()
    );
}

#[test]
fn around_a_failback() {
    let mut bench = Bench::taken_over(1, |source| {
        source.hooks.before_failback = program();
        source.hooks.after_failback = program();
    });

    let begun = bench.command(Command::Failback);
    let rest = [
        bench.hook_done(Hook::BeforeFailback, None),
        bench.step_done(),
        bench.step_done(),
        bench.step_done(),
    ]
    .concat();

    assert_eq!(begun, ["taken-over->failing-back", "hook before_failback"]);
    assert_eq!(
        rest,
        [
            "let-go",
            "remove",
            "forget",
            "hook after_failback",
            "failing-back->unknown"
        ]
    );
}

#[test]
fn a_failback_can_be_prevented_and_what_is_held_stays() {
    let mut bench = Bench::taken_over(1, |source| source.hooks.before_failback = program());
    bench.command(Command::Failback);

    let words = bench.hook_done(Hook::BeforeFailback, Some("exit code 1"));

    assert_eq!(words, ["failing-back->taken-over"]);
    assert_eq!(
        bench.cause(),
        "before_failback failed: exit code 1; failback aborted (on_error = \"abort\"), the addresses are still held"
    );
}

#[test]
fn the_end_of_an_earlier_run_is_not_taken_for_that_of_the_one_that_is_waited_for() {
    let mut bench = Bench::taken_over(1, |source| {
        source.hooks.before_failback = program();
        source.on_conflict = OnConflict::Release;
    });
    // With two hosts at one address nobody waits for the hook.
    bench.claim(Claimant::Source);
    bench.step_done();
    bench.step_done();
    bench.step_done();
    bench.path(0, Up);
    bench.path(0, Down);
    bench.done(Cause::Verdict, 1);
    let begun = bench.command(Command::Failback);

    let earlier = bench.hook_done(Hook::BeforeFailback, None);
    let this = bench.hook_done(Hook::BeforeFailback, None);

    assert_eq!(begun, ["taken-over->failing-back", "hook before_failback"]);
    assert_eq!(earlier, Bench::none());
    assert_eq!(this, ["let-go"]);
}

#[test]
fn an_automatic_failback_that_is_prevented_is_not_tried_again_at_once() {
    let mut bench = Bench::taken_over(1, |source| {
        source.hooks.before_failback = program();
        source.failback = Failback::Automatic;
        source.failback_after = Duration::ZERO;
        source.announce_every = Duration::ZERO;
    });
    bench.path(0, Up);
    bench.pass(1);
    assert_eq!(bench.state(), State::FailingBack);

    bench.hook_done(Hook::BeforeFailback, Some("exit code 1"));
    let words = bench.pass(20_000);

    let again = words.iter().find(|(_, word)| word != "announce");
    assert_eq!(
        again,
        Some(&(10_000, "taken-over->failing-back".to_owned()))
    );
}

#[test]
fn each_time_it_is_prevented_it_waits_twice_as_long_and_says_so() {
    let mut bench = Bench::taken_over(1, |source| {
        source.hooks.before_failback = program();
        source.failback = Failback::Automatic;
        source.failback_after = Duration::ZERO;
        source.announce_every = Duration::ZERO;
    });
    bench.path(0, Up);
    bench.pass(1);

    let mut waits = Vec::new();
    for _ in 0..8 {
        assert_eq!(bench.state(), State::FailingBack);
        let prevented = bench.now;
        bench.hook_done(Hook::BeforeFailback, Some("exit code 1"));
        let cause = bench.cause().to_owned();
        while bench.state() == State::TakenOver {
            bench.pass(1000);
        }
        waits.push(((bench.now - prevented) / (1000 * MS), cause));
    }

    let seconds: Vec<_> = waits.iter().map(|(seconds, _)| *seconds).collect();
    assert_eq!(seconds, [10, 20, 40, 80, 160, 320, 600, 600]);
    let says = |place: usize, text: &str| waits[place].1.ends_with(text);
    assert!(
        says(1, "; tried again after 20s if the source stays healthy"),
        "{waits:?}"
    );
    assert!(
        says(7, "; tried again after 10m if the source stays healthy"),
        "{waits:?}"
    );
}

#[test]
fn a_failback_that_succeeds_ends_the_waiting() {
    let mut bench = Bench::taken_over(1, |source| {
        source.hooks.before_failback = program();
        source.failback = Failback::Automatic;
        source.failback_after = Duration::from_secs(1);
    });
    bench.path(0, Up);
    for _ in 0..3 {
        bench.pass(100_000);
        bench.hook_done(Hook::BeforeFailback, Some("exit code 1"));
    }
    bench.command(Command::Failback);
    bench.hook_done(Hook::BeforeFailback, None);
    for _ in 0..3 {
        bench.step_done();
        bench.pass(5_000);
    }
    assert_eq!(bench.state(), State::Healthy);
    bench.path(0, Down);
    bench.done(Cause::Verdict, 1);
    bench.path(0, Up);
    bench.pass(1_000);

    bench.hook_done(Hook::BeforeFailback, Some("exit code 1"));
    let words = bench.pass(10_000);

    assert!(
        words.contains(&(10_000, "taken-over->failing-back".to_owned())),
        "{words:?}"
    );
}

#[test]
fn the_end_of_the_daemon_is_not_prevented() {
    let mut bench = Bench::taken_over(1, |source| source.hooks.before_failback = program());
    bench.command(Command::Release);

    let words = bench.hook_done(Hook::BeforeFailback, Some("exit code 1"));

    assert_eq!(words, ["let-go"]);
}

#[test]
fn people_are_told_what_concerns_them_and_nothing_else() {
    let mut bench = Bench::new(1, |source| {
        source.hooks.notify = program();
        source.on_failure = OnFailure::Ask;
    });
    let told = |words: Vec<String>| words.iter().filter(|word| *word == "hook notify").count();

    let quiet = [bench.path(0, Up), bench.path(0, Missing), bench.path(0, Up)].concat();
    let prompt = bench.path(0, Down);
    let withdrawn = bench.path(0, Up);
    let again = bench.path(0, Down);
    let approved = bench.command(Command::Approve);
    let taken = bench.done(Cause::Approved, 1);

    assert_eq!(told(quiet), 0);
    assert_eq!(told(prompt), 1);
    assert_eq!(told(withdrawn), 1);
    assert_eq!(told(again), 1);
    assert_eq!(told(approved), 0);
    assert_eq!(told(taken), 1);
}

#[test]
fn behind_it_who_only_wants_the_addresses_is_not_waited_for() {
    let mut bench = Bench::healthy(1, fence);
    bench.finds = None;
    bench.path(0, Down);
    bench.pass(1000);
    bench.hook_done(Hook::BeforeTakeover, None);

    let words = bench.heard(Finding::Rival {
        ip: [10, 0, 0, 10].into(),
        mac: "02:00:00:00:00:01".to_owned(),
        first: true,
    });

    assert_eq!(words, ["take-over verdict"]);
}

#[test]
fn an_order_that_came_to_nothing_ends_no_takeover_that_is_still_being_asked_about() {
    let mut bench = Bench::healthy(1, fence);
    bench.path(0, Down);

    let words = bench.done_with_error(Cause::Adopted, 0);

    assert_eq!(words, Bench::none());
    assert_eq!(bench.state(), State::TakingOver);
}

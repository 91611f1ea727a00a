//! Hold, the prompt, and what both are after a restart; what the daemon does without a place to remember anything.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::mpsc,
    thread,
};

use failover_tests::lab::{Daemon, clock};
use serde_json::Value;

use crate::pair::{
    PATIENCE, Pair, automatic, event, run, source, state, wait_for_event, wait_for_state,
};

fn asking() -> String {
    automatic("10ms", 3).replace("\"automatic\"", "\"ask\"")
}

/// Waits until the path has failed, and returns the status of that moment.
fn wait_for_silence(daemon: &Daemon) -> Value {
    daemon.wait_for(PATIENCE, "the path to fail", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "down"
    })
}

fn cause(status: &Value) -> &str {
    source(status, "web1")["cause"].as_str().unwrap_or_default()
}

#[test]
fn a_source_on_hold_may_fail_and_nothing_happens_until_resume() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("10ms", 3));

    run(&target, &["hold", "web1"], 0);
    let refused = run(&target, &["hold", "web1"], 4);
    pair.source_nic.pull();
    let held = wait_for_silence(&target);
    target.kill9();
    target.restart();
    let after = wait_for_silence(&target);

    assert!(refused.contains("hold"), "{refused}");
    for status in [held, after] {
        assert_eq!(state(&status, "web1"), "held", "{status:#}");
        assert_eq!(source(&status, "web1")["hold"], true);
    }
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    run(&target, &["resume", "web1"], 0);
    wait_for_state(&target, "web1", "taken-over");
    run(&target, &["resume", "web1"], 4);
}

#[test]
fn an_administrator_can_take_over_a_source_that_is_on_hold() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    run(&target, &["hold", "web1"], 0);

    run(&target, &["takeover", "web1", "--yes"], 0);

    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    assert!(cause(&target.status()).contains("on hold"));
}

#[test]
fn the_prompt_of_a_killed_daemon_can_be_approved_after_the_restart() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&asking());
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");

    target.kill9();
    target.restart();
    wait_for_state(&target, "web1", "awaiting-approval");
    assert_eq!(source(&target.status(), "web1")["asks"], true);
    run(&target, &["approve", "web1"], 0);

    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn the_prompt_of_a_stopped_daemon_is_withdrawn_when_the_source_answers_the_next_one() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&asking());
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");

    assert!(target.terminate().success());
    target.restart();
    wait_for_state(&target, "web1", "awaiting-approval");
    pair.replug(&target);

    wait_for_state(&target, "web1", "healthy");
    run(&target, &["approve", "web1"], 4);
}

#[test]
fn a_declined_source_is_left_alone_after_a_restart_too() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&asking());
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");
    run(&target, &["decline", "web1"], 0);

    target.kill9();
    target.restart();
    let status = wait_for_silence(&target);

    assert_eq!(state(&status, "web1"), "failed", "{status:#}");
    assert!(cause(&status).contains("declined"), "{status:#}");
    run(&target, &["takeover", "web1", "--yes"], 0);
}

/// A child that is killed at the end.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn whoever_follows_the_events_sees_the_prompt() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&asking());
    let mut child = target.start_failover(&["events", "--follow", "--json"]);
    let printed = BufReader::new(child.stdout.take().expect("its output"));
    let _follower = Follower(child);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in printed.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines.recv_timeout(PATIENCE).expect("what happened before");

    pair.source_nic.pull();

    loop {
        let line = lines.recv_timeout(PATIENCE).expect("the prompt");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        if event["event"] == "transition" && event["to"] == "awaiting-approval" {
            assert_eq!(event["source"], "web1", "{event}");
            assert_eq!(event["from"], "failed", "{event}");
            return;
        }
    }
}

#[test]
fn a_countdown_is_to_be_seen_before_the_prompt() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&asking().replace("10ms", "300ms"));

    pair.source_nic.pull();
    let counting = target.wait_for(PATIENCE, "the countdown", |status| {
        state(status, "web1") == "suspect"
    });
    wait_for_state(&target, "web1", "awaiting-approval");

    let cause = cause(&counting);
    assert!(
        cause.contains("of 3 heartbeats missed, fails in"),
        "{cause}"
    );
}

#[test]
fn an_address_that_is_removed_by_hand_while_held_is_put_back() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let client = pair.client("10.0.0.10", 200);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    client.wait_for_answer_by("target", 0);

    pair.target_nics[0].remove_address("10.0.0.10");
    let put_back = wait_for_event(&target, "put-back");

    assert!(put_back.to_string().contains("10.0.0.10"), "{put_back}");
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    client.wait_for_answer_by("target", clock::now_ns());
    assert_eq!(state(&target.status(), "web1"), "taken-over");
}

/// A file system of its own, unmounted at the end.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path, options: &str) -> Self {
        std::fs::create_dir_all(at).expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "failover-test"])
            .arg(at)
            .status();
        assert!(mounted.expect("mount").success());
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn with_a_full_or_read_only_state_directory_everything_works_but_the_memory() {
    for options in ["ro", "nr_inodes=1"] {
        let pair = Pair::new();
        let _mount = Mount::new(&pair.lab.dir().join("target/state"), options);
        let (_source, target) = pair.start(&automatic("10ms", 3));

        let told = run(&target, &["hold", "web1"], 0);
        run(&target, &["resume", "web1"], 0);
        pair.source_nic.pull();
        wait_for_state(&target, "web1", "taken-over");

        assert!(
            told.contains("a restart will not know of it"),
            "{options}: {told}"
        );
        assert_eq!(event(&target, "takeover")["held"], 2, "{options}");
    }
}

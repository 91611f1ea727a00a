//! What is printed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use failover_user::{
    control::protocol::{Reply, Request},
    events::EventKind,
    policy::State,
};
use serde_json::{Map, Value, json};

use crate::daemon::{Daemon, command, failover, stdout};

/// Ends the process whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn commands_print_what_was_done() {
    let daemon = Daemon::says("web1 is left alone");

    let output = daemon.run(&["decline", "web1"]);

    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(0), "web1 is left alone\n")
    );
    assert_eq!(
        daemon.commands(),
        [Request::Decline {
            source: "web1".to_owned()
        }]
    );
}

#[test]
fn status_is_plain_text_where_there_is_no_terminal() {
    let daemon = Daemon::start(State::AwaitingApproval, Reply::Done(String::new()));

    let output = daemon.run(&["status", "web1"]);

    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text.starts_with("1 source: 1 AWAITING APPROVAL\n") && !text.contains('\u{1b}'),
        "{text:?}"
    );
    assert!(text.contains("2026-05-01 03:10:40 UTC: it is so"), "{text}");
}

#[test]
fn status_as_json_has_the_agreed_keys() {
    let daemon = Daemon::says("done");

    let output = daemon.run(&["status", "--json"]);

    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let path = &status["sources"][0]["paths"][0];
    assert_eq!(status["sources"][0]["name"], "web1");
    for key in ["name", "state", "since", "cause", "paths", "last_takeover"] {
        assert!(status["sources"][0].get(key).is_some(), "{key}");
    }
    for key in [
        "monitor",
        "target_nic",
        "state",
        "sent",
        "received",
        "missed",
        "consecutive_missed",
        "rtt_ns",
        "max_gap_ns",
        "near_misses",
        "addresses",
    ] {
        assert!(path.get(key).is_some(), "{key}");
    }
    for key in ["min", "p50", "p99", "max"] {
        assert!(path["rtt_ns"].get(key).is_some(), "{key}");
    }
    assert_eq!(status["counters"], json!({"pass": 7}));
}

#[test]
fn events_are_printed_as_text_and_as_json() {
    let daemon = Daemon::says("done");
    daemon.events.record(
        Some("web1"),
        EventKind::Transition,
        Map::from_iter([("to".to_owned(), json!("failed"))]),
    );

    let text = daemon.run(&["events"]);
    let json = daemon.run(&["events", "--json"]);

    assert!(
        stdout(&text).ends_with("  web1      transition  to=failed\n"),
        "{}",
        stdout(&text)
    );
    let event: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&event["source"], &event["event"], &event["to"]),
        (&json!("web1"), &json!("transition"), &json!("failed"))
    );
    assert!(event["at"].is_string());
}

#[test]
fn followed_events_arrive_as_they_happen_until_the_daemon_ends() {
    let daemon = Daemon::says("done");
    daemon.events.record(None, EventKind::Started, Map::new());
    let mut command = command(&daemon.socket(), &["events", "--follow", "--json"]);
    let mut follower = Running(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();

    let state: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let past = lines.next().unwrap().unwrap();
    daemon
        .events
        .record(Some("web1"), EventKind::Verdict, Map::new());
    let new = lines.next().unwrap().unwrap();
    daemon.stop.cancel();

    assert_eq!(state["status"]["sources"][0]["state"], "healthy", "{state}");
    assert!(
        past.contains("\"started\"") && new.contains("\"verdict\""),
        "{past} {new}"
    );
    assert!(lines.next().is_none());
    assert_eq!(follower.0.wait().unwrap().code(), Some(1));
}

#[test]
fn followed_events_begin_with_a_line_for_each_source() {
    let daemon = Daemon::start(State::AwaitingApproval, Reply::Done(String::new()));
    daemon
        .events
        .record(Some("web1"), EventKind::Verdict, Map::new());
    let mut follower = Running(
        command(&daemon.socket(), &["events", "--follow"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();

    let state = lines.next().unwrap().unwrap();
    let past = lines.next().unwrap().unwrap();

    assert!(
        state.contains("  web1      now         AWAITING APPROVAL for ")
            && state.ends_with(": it is so"),
        "{state}"
    );
    assert!(past.contains("  web1      verdict"), "{past}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let daemon = Daemon::says("done");
    for _ in 0..4000 {
        daemon.events.record(
            None,
            EventKind::Announced,
            Map::from_iter([("padding".to_owned(), json!("x".repeat(100)))]),
        );
    }
    let mut command = command(&daemon.socket(), &["events"]);
    let mut events = Running(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );

    drop(events.0.stdout.take());

    assert_eq!(events.0.wait().unwrap().code(), Some(0));
}

#[test]
fn version_and_help_need_no_daemon() {
    let socket = Path::new("/nonexistent/control.sock");

    let version = failover(socket, &["--version"]);
    let help = failover(socket, &["takeover", "--help"]);

    assert_eq!(
        stdout(&version),
        concat!("failover ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert!(
        stdout(&help).contains("1 is the first"),
        "{}",
        stdout(&help)
    );
    assert_eq!(
        (version.status.code(), help.status.code()),
        (Some(0), Some(0))
    );
}

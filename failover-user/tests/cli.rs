//! The binary against a daemon that says what the test wants.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use failover_user::{
    control::{
        protocol::{
            Failure, FailureKind, PathStatus, Reply, Request, RttStatus, SourceStatus, Status,
        },
        server::{Call, Server},
    },
    events::EventLog,
    policy::{PathState, State},
};
use serde_json::{Map, Value, json};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// A real server, and behind it a daemon with one source, `web1`.
struct Daemon {
    _runtime: Runtime,
    dir: tempfile::TempDir,
    events: EventLog,
    stop: CancellationToken,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Daemon {
    fn start(state: State, answer: Reply) -> Self {
        let runtime = Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let events = EventLog::open(None);
        let stop = CancellationToken::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (calls, mut requests) = mpsc::channel::<Call>(4);
        {
            let _in_runtime = runtime.enter();
            let server = Server::bind(&dir.path().join("control.sock")).unwrap();
            runtime.spawn(server.serve(calls, events.clone(), stop.clone()));
        }
        let (seen, end) = (Arc::clone(&asked), stop.clone());
        runtime.spawn(async move {
            while let Some(call) = requests.recv().await {
                let reply = match call.request {
                    Request::Status { .. } => Reply::Status(Box::new(status(state))),
                    _ => answer.clone(),
                };
                let ends = matches!(call.request, Request::Stop { .. });
                seen.lock().unwrap().push(call.request);
                let _ = call.reply.send(reply);
                if ends {
                    end.cancel();
                }
            }
        });
        Self {
            _runtime: runtime,
            dir,
            events,
            stop,
            asked,
        }
    }

    fn says(sentence: &str) -> Self {
        Self::start(State::Healthy, Reply::Done(sentence.to_owned()))
    }

    fn fails(kind: FailureKind, message: &str) -> Self {
        Self::start(
            State::Healthy,
            Reply::Error(Failure {
                kind,
                message: message.to_owned(),
            }),
        )
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        failover(&self.socket(), arguments)
    }

    /// What was asked of the daemon besides its status.
    fn commands(&self) -> Vec<Request> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|request| !matches!(request, Request::Status { .. }))
            .cloned()
            .collect()
    }
}

fn status(state: State) -> Status {
    let path = |number: u8| PathStatus {
        monitor: format!("10.0.{number}.10"),
        nic: "ens1".to_owned(),
        target_nic: "ens1".to_owned(),
        state,
        heartbeat: PathState::Up,
        mac: None,
        sent: 1,
        received: 1,
        late: 0,
        missed: 0,
        consecutive_missed: 0,
        rtt_ns: RttStatus::default(),
        max_gap_ns: 0,
        near_misses: 0,
        addresses: vec![],
    };
    let source = SourceStatus {
        name: "web1".to_owned(),
        state,
        since: "2026-05-01T03:10:40Z".to_owned(),
        cause: "it is so".to_owned(),
        monitored: true,
        on_failure: "ask".to_owned(),
        interval_ns: 10_000_000,
        misses: 3,
        paths: vec![path(1), path(2)],
        last_takeover: None,
    };
    Status {
        version: 1,
        daemon: "0.1.0".to_owned(),
        pid: 1,
        started: "2026-05-01T03:10:40Z".to_owned(),
        scheduling: "deadline".to_owned(),
        nics: vec![],
        sources: vec![source],
        reflector: None,
        counters: [("pass".to_owned(), 7)].into(),
    }
}

fn command(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_failover"));
    command
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null());
    command.env_remove("CLICOLOR_FORCE").env("TZ", "UTC");
    command
}

fn failover(socket: &Path, arguments: &[&str]) -> Output {
    command(socket, arguments).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

/// The exit code, and the one line on stderr.
fn failed(output: &Output) -> (i32, &str) {
    let line = str::from_utf8(&output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "not one line: {line:?}");
    assert!(output.stdout.is_empty(), "{}", stdout(output));
    (output.status.code().unwrap(), line.trim_end())
}

#[test]
fn no_daemon_is_exit_code_3_with_the_socket_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");

    for verb in [
        &["status"][..],
        &["events"],
        &["approve", "web1"],
        &["decline", "web1"],
        &["takeover", "web1"],
        &["failback", "web1"],
        &["stop"],
    ] {
        let output = failover(&socket, verb);

        let (code, line) = failed(&output);
        assert_eq!(code, 3, "{verb:?} {line}");
        assert!(
            line.contains(socket.to_str().unwrap()) && line.contains("failover run -c FILE"),
            "{line}"
        );
    }
}

#[test]
fn a_dead_daemons_socket_is_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    drop(UnixListener::bind(&socket).unwrap());

    let output = failover(&socket, &["status"]);

    assert_eq!(failed(&output).0, 3);
}

#[test]
fn a_socket_that_is_closed_to_the_user_says_so() {
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let daemon = Daemon::says("done");
    std::fs::set_permissions(daemon.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // The binary may lie where nobody else can go, so it is run from a place where everybody can.
    let binary = daemon.dir.path().join("failover");
    std::fs::copy(env!("CARGO_BIN_EXE_failover"), &binary).unwrap();

    let mut command = Command::new(binary);
    command
        .arg("--socket")
        .arg(daemon.socket())
        .arg("status")
        .uid(65534)
        .gid(65534);
    let output = command.output().unwrap();

    let (code, line) = failed(&output);
    assert_eq!(code, 1);
    assert!(line.contains("permission denied"), "{line}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let daemon = Daemon::says("done");

    for arguments in [
        &[][..],
        &["explode"],
        &["approve"],
        &["takeover", "web1", "--path", "0"],
        &["takeover", "web1", "--path", "x"],
        &["stop", "--release", "--hand-over"],
        &["run"],
        &["status", "web9"],
        &["takeover", "web9", "--yes"],
        &["takeover", "web1", "--path", "3", "--yes"],
        &["failback", "web9"],
    ] {
        let output = daemon.run(arguments);

        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    assert_eq!(daemon.commands(), []);
}

#[test]
fn an_unknown_source_is_answered_with_the_known_ones() {
    let daemon = Daemon::says("done");

    let output = daemon.run(&["status", "web9"]);

    let (code, line) = failed(&output);
    assert_eq!(code, 2);
    assert!(
        line.contains("web9") && line.contains("known: web1"),
        "{line}"
    );
}

#[test]
fn the_kind_of_failure_is_the_exit_code() {
    for (kind, expected) in [
        (FailureKind::Failed, 1),
        (FailureKind::BadRequest, 2),
        (FailureKind::Refused, 4),
    ] {
        let daemon = Daemon::fails(kind, "web1 is healthy;\nnothing to approve");

        let output = daemon.run(&["approve", "web1"]);

        assert_eq!(
            failed(&output),
            (expected, "error: web1 is healthy; nothing to approve")
        );
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
fn taking_over_a_healthy_source_needs_a_yes() {
    for state in [State::Healthy, State::Suspect] {
        let daemon = Daemon::start(state, Reply::Done("done".to_owned()));

        let output = daemon.run(&["takeover", "web1"]);

        let (code, line) = failed(&output);
        assert!(code == 4 && line.contains("--yes"), "{code} {line}");
        assert_eq!(daemon.commands(), []);
    }
}

#[test]
fn a_yes_takes_over_a_healthy_source_and_paths_count_from_1() {
    let daemon = Daemon::says("done");

    let output = daemon.run(&["takeover", "web1", "--path", "2", "--yes"]);

    assert_eq!(output.status.code(), Some(0));
    let expected = Request::Takeover {
        source: "web1".to_owned(),
        path: Some(1),
        even_if_healthy: true,
    };
    assert_eq!(daemon.commands(), [expected]);
}

#[test]
fn taking_over_a_failed_source_needs_no_yes_and_leaves_the_last_word_to_the_daemon() {
    let daemon = Daemon::start(State::Failed, Reply::Done("done".to_owned()));

    let output = daemon.run(&["takeover", "web1"]);

    assert_eq!(output.status.code(), Some(0));
    let expected = Request::Takeover {
        source: "web1".to_owned(),
        path: None,
        even_if_healthy: false,
    };
    assert_eq!(daemon.commands(), [expected]);
}

#[test]
fn failback_needs_a_yes_where_nobody_can_be_asked() {
    let daemon = Daemon::says("done");

    let without = daemon.run(&["failback", "web1"]);
    let with = daemon.run(&["failback", "web1", "--yes", "--stop-monitoring"]);

    let (code, line) = failed(&without);
    assert!(code == 4 && line.contains("--yes"), "{code} {line}");
    assert_eq!(with.status.code(), Some(0));
    assert_eq!(
        daemon.commands(),
        [Request::Failback {
            source: "web1".to_owned(),
            stop_monitoring: true
        }]
    );
}

#[test]
fn stop_comes_back_when_the_socket_is_free() {
    let daemon = Daemon::says("the daemon ends");

    let output = daemon.run(&["stop", "--release"]);

    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(0), "the daemon ends\n")
    );
    assert_eq!(daemon.commands(), [Request::Stop { release: true }]);
    assert!(!daemon.socket().exists());
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
        "transition",
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

/// Ends the process whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn followed_events_arrive_as_they_happen_until_the_daemon_ends() {
    let daemon = Daemon::says("done");
    daemon.events.record(None, "started", Map::new());
    let mut command = command(&daemon.socket(), &["events", "--follow", "--json"]);
    let mut follower = Running(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();

    let past = lines.next().unwrap().unwrap();
    daemon.events.record(Some("web1"), "verdict", Map::new());
    let new = lines.next().unwrap().unwrap();
    daemon.stop.cancel();

    assert!(
        past.contains("\"started\"") && new.contains("\"verdict\""),
        "{past} {new}"
    );
    assert!(lines.next().is_none());
    assert_eq!(follower.0.wait().unwrap().code(), Some(1));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let daemon = Daemon::says("done");
    for _ in 0..4000 {
        daemon.events.record(
            None,
            "noise",
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
fn a_daemon_that_talks_nonsense_is_a_failure_of_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let nonsense = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mail.example.org ESMTP\n").unwrap();
    });

    let output = failover(&socket, &["status"]);

    nonsense.join().unwrap();
    let (code, line) = failed(&output);
    assert!(
        code == 1 && line.contains("does not understand"),
        "{code} {line}"
    );
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

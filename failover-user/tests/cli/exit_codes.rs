//! Exit codes, and the one line that comes with them.

use std::{
    io::ErrorKind,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    process::Command,
};

use failover_user::{
    control::protocol::{FailureKind, Reply, Request},
    policy::State,
};

use crate::daemon::{Daemon, failed, failover, stdout};

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
    // Another test's child may have inherited the copy, still open for writing, for a moment.
    let output = loop {
        match command.output() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            done => break done.unwrap(),
        }
    };

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

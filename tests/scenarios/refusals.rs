//! Daemons that must not start, and requests that must not be carried out.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use failover_tests::lab::{Daemon, Host, daemon::binary};

use crate::pair::{Pair, REFLECTOR, automatic, run};

/// Starts another daemon on a host, which has to end with exit code 1; what it printed.
#[track_caller]
fn refused(pair: &Pair, host: &Host, config: &str, pins: &Path) -> String {
    let dir = pair.lab.dir().join("other");
    std::fs::create_dir_all(&dir).expect("a directory");
    let file = dir.join("config.toml");
    std::fs::write(&file, config).expect("a configuration");
    let mut command = Command::new(binary());
    command
        .arg("--socket")
        .arg(dir.join("control.sock"))
        .args(["run", "-c"])
        .arg(&file)
        .arg("--bpffs")
        .arg(pins)
        .arg("--state-dir")
        .arg(dir.join("state"))
        .stderr(Stdio::piped());

    let child = host.namespace().command(command);
    let output = child.wait_with_output().expect("the daemon's end");

    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

#[test]
fn a_second_daemon_on_the_same_pins() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    let text = refused(&pair, &pair.client, REFLECTOR, target.pins());

    assert!(text.contains("another failover daemon uses"), "{text}");
}

#[test]
fn a_second_daemon_in_one_network_namespace_whatever_its_pins() {
    let pair = Pair::new();
    let (_source, _target) = pair.start(&automatic("1ms", 3));
    let pins = pair.lab.bpffs().join("other");

    let text = refused(&pair, &pair.target, &automatic("1ms", 3), &pins);

    assert!(text.contains("another failover daemon runs"), "{text}");
}

#[test]
fn a_daemon_beside_the_data_plane_of_another_version() {
    let pair = Pair::new();
    let pins = pair.lab.bpffs().join("old");
    std::fs::create_dir_all(pins.join("v0/links/ens1")).expect("pins of another version");

    let text = refused(&pair, &pair.source, REFLECTOR, &pins);

    assert!(text.contains("failover unload"), "{text}");
}

#[test]
fn a_wrong_configuration_is_answered_with_every_mistake_and_exit_code_2() {
    let pair = Pair::new();
    let daemon = pair.start_source();
    let file = pair.lab.dir().join("wrong.toml");
    std::fs::write(
        &file,
        "[reflector]\nnics = [\"ens9\"]\nmin_rx = 5\nnisc = 1\n",
    )
    .expect("a file");
    let file = file.to_str().expect("a path");

    let checked = run(&daemon, &["check", "-c", file], 2);
    let started = run(&daemon, &["run", "-c", file], 2);

    for text in [checked, started] {
        for mistake in ["ens9", "min_rx", "nisc", "3 problems"] {
            assert!(text.contains(mistake), "no {mistake} in {text}");
        }
    }
}

#[test]
fn a_malformed_request_is_answered_and_the_daemon_goes_on() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let pair = Pair::new();
    let daemon: Daemon = pair.start_source();
    let mut stream =
        std::os::unix::net::UnixStream::connect(daemon.socket()).expect("a connection");
    let mut answers = BufReader::new(stream.try_clone().expect("a connection")).lines();

    for request in [
        "{\"request\":\"nonsense\"}\n",
        "not json\n",
        "{\"request\":\"status\"}\n",
    ] {
        stream.write_all(request.as_bytes()).expect("a request");
    }
    let answers: Vec<String> = (0..3)
        .map(|_| answers.next().expect("an answer").expect("text"))
        .collect();

    assert!(
        answers[0].contains("error") && answers[1].contains("error"),
        "{answers:?}"
    );
    assert!(answers[2].contains("\"status\""), "{answers:?}");
}

//! Somebody is to read the log of a daemon, and does not.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use failover_tests::lab::{clock, daemon::binary};

use crate::pair::{PATIENCE, Pair, automatic};

/// What it logs for one hold and its end is some hundred octets; a pipe holds 64 KiB.
const HOLDS: usize = 1000;

fn ask(stream: &mut BufReader<UnixStream>, request: &str) -> String {
    stream
        .get_mut()
        .write_all(request.as_bytes())
        .expect("asking");
    let mut line = String::new();
    stream.read_line(&mut line).expect("an answer");
    line
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up_and_says_later_what_is_missing() {
    let pair = Pair::new();
    let dir = pair.lab.dir().join("quiet");
    let pins = pair.lab.bpffs().join("quiet");
    for path in [&dir, &pins] {
        fs::create_dir_all(path).expect("a directory");
    }
    fs::write(dir.join("config.toml"), automatic("10ms", 3)).expect("a configuration");
    let mut command = Command::new(binary());
    command
        .arg("--socket")
        .arg(dir.join("socket"))
        .arg("run")
        .arg("-c")
        .arg(dir.join("config.toml"))
        .arg("--bpffs")
        .arg(&pins)
        .arg("--state-dir")
        .arg(&dir)
        .env("FAILOVER_LOG", "trace")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = pair.target.namespace().command(command);
    let unread = child.stderr.take().expect("a pipe");
    let mut stream = None;
    let ready = clock::wait_until(PATIENCE, || {
        stream = UnixStream::connect(dir.join("socket")).ok();
        stream.is_some()
    });
    assert!(ready, "no socket");
    let stream = stream.expect("a socket");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a time-out");
    let mut stream = BufReader::new(stream);

    for _ in 0..HOLDS {
        for request in ["hold", "resume"] {
            let line = format!("{{\"request\":\"{request}\",\"source\":\"web1\"}}\n");
            let reply = ask(&mut stream, &line);
            assert!(reply.starts_with("{\"done\""), "{reply}");
        }
    }
    let log = Arc::new(Mutex::new(String::new()));
    let reader = {
        let log = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(unread).lines() {
                *log.lock().expect("no panic") += &line.expect("the log");
            }
        })
    };
    let told = clock::wait_until(PATIENCE, || {
        let log = log.lock().expect("no panic");
        log.contains("lines are missing here")
    });
    let end = ask(&mut stream, "{\"request\":\"stop\",\"release\":true}\n");
    child.wait().expect("its end");
    reader.join().expect("no panic");

    assert!(end.starts_with("{\"done\""), "{end}");
    let octets = log.lock().expect("no panic").len();
    assert!(told, "{octets} octets");
}

//! The demonstration, as `cargo xtask demo` starts it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use failover_tests::lab::daemon::binary;
use rustix::process::{Pid, Signal, kill_process};

fn start(out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_failover-demo"))
        .args(["--interval", "1ms", "--failover"])
        .arg(binary())
        .arg("--out")
        .arg(out)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the demonstration")
}

/// Waits for its end; what it printed.
fn finish(demo: &mut Child, until: impl Fn(&str) -> bool) -> (String, ExitStatus) {
    let stdout = demo.stdout.take().expect("its output");
    let mut text = String::new();
    // Once: a second interrupt ends it at once, without tidying up.
    let mut interrupted = false;
    for line in BufReader::new(stdout).lines() {
        let line = line.expect("text");
        if !interrupted && until(&line) {
            interrupted = true;
            let pid = Pid::from_child(demo);
            kill_process(pid, Signal::INT).expect("an interrupt");
        }
        text += &line;
        text.push('\n');
    }
    (text, demo.wait().expect("its end"))
}

/// Directories on the BPF file system that a process's lab has left.
fn left_by(demo: &Child) -> Vec<String> {
    let mine = format!("failover-lab-{}-", demo.id());
    std::fs::read_dir("/sys/fs/bpf")
        .expect("the BPF file system")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.starts_with(&mine))
        .collect()
}

#[test]
fn it_shows_the_main_job_and_leaves_a_picture_and_nothing_else() {
    let out = tempfile::tempdir().expect("a directory");
    let mut demo = start(out.path());

    let (text, status) = finish(&mut demo, |_| false);

    assert!(status.success(), "{text}");
    for shown in [
        "verdict",
        "announced",
        "first answer by target",
        "requests lost",
    ] {
        assert!(text.contains(shown), "no {shown} in {text}");
    }
    let picture = std::fs::read_to_string(out.path().join("timeline.svg")).expect("the picture");
    assert!(
        picture.starts_with("<svg"),
        "{}",
        &picture[..40.min(picture.len())]
    );
    assert_eq!(left_by(&demo), Vec::<String>::new());
}

#[test]
fn interrupted_it_cleans_up_and_says_so_by_its_exit_code() {
    let out = tempfile::tempdir().expect("a directory");
    let mut demo = start(out.path());

    let (text, status) = finish(&mut demo, |line| line.contains("first answer by source"));

    assert_eq!(status.code(), Some(130), "{text}");
    assert_eq!(left_by(&demo), Vec::<String>::new());
}

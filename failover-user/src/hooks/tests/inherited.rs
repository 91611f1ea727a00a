use std::{collections::BTreeSet, net::UdpSocket, os::fd::AsRawFd as _, ptr};

use rustix::process::setpriority_process;

use super::*;

/// Field of `/proc/self/status` of the hook.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap()
}

/// Makes this thread as unusual as its privileges allow; hooks are started on its behalf. Whether it got a better nice value.
fn become_unusual() -> bool {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: all zeros is a valid sigset_t, filled before use; the structures are valid for the calls.
    unsafe {
        let mut blocked: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        libc::sigaddset(&raw mut blocked, libc::SIGUSR1);
        libc::sigaddset(&raw mut blocked, libc::SIGTERM);
        let mask = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, ptr::null_mut());
        assert_eq!(mask, 0);
        let scheduled = libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters);
        assert_eq!(scheduled, 0);
    }
    setpriority_process(None, -5).is_ok()
}

#[tokio::test]
async fn signals_scheduling_and_directory_are_ordinary() {
    let favoured = become_unusual();
    let place = Place::new();
    let program =
        place.script(r#"cat /proc/self/status > "$1/status"; cat /proc/$$/stat; pwd; id -u"#);

    let outcome = run(&program, HOUR, &facts()).await;

    assert_eq!(outcome.error, None);
    let status = place.read("status");
    assert_eq!(field(&status, "SigBlk:"), "0000000000000000");
    // The Rust runtime ignores SIGPIPE.
    let ignored = u64::from_str_radix(field(&status, "SigIgn:"), 16).unwrap();
    assert_eq!(ignored & (1 << (libc::SIGPIPE - 1)), 0);
    let lines: Vec<&str> = outcome.output.split(r"\n").collect();
    let (_, stat) = lines[0].rsplit_once(") ").unwrap();
    let stat: Vec<&str> = stat.split(' ').collect();
    // proc_pid_stat(5): state is field 3, pgrp 5, nice 19, policy 41.
    let pid = lines[0].split_once(' ').unwrap().0;
    assert_eq!(stat[5 - 3], pid, "a group of its own");
    assert_eq!(stat[41 - 3], libc::SCHED_OTHER.to_string());
    assert_eq!(
        stat[19 - 3],
        "0",
        "this thread had a better one: {favoured}"
    );
    assert_eq!(lines[1], "/");
}

#[tokio::test]
async fn neither_the_daemons_descriptors_nor_another_hooks_pipes_are_inherited() {
    let place = Place::new();
    let other = place
        .script(r#"readlink /proc/$$/fd/[012] > "$1/pipes"; echo $$ > "$1/pid"; exec sleep 3600"#);
    let other = tokio::spawn(async move { run(&other, HOUR, &facts()).await });
    place.number("pid").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();

    let program = place.script("readlink /proc/$$/fd/*");
    let outcome = run(&program, HOUR, &facts()).await;

    let open: BTreeSet<&str> = outcome.output.split(r"\n").collect();
    let pipes = place.read("pipes");
    assert_eq!(pipes.lines().count(), 3);
    assert!(
        open.iter().any(|link| link.starts_with("pipe:")),
        "{open:?}"
    );
    for absent in pipes
        .lines()
        .chain([file.path().to_str().unwrap(), link.to_str().unwrap()])
    {
        assert!(!open.contains(absent), "{absent}: {open:?}");
    }
    other.abort();
}

#[tokio::test]
async fn a_hook_is_not_spared_when_memory_is_short() {
    let adjustment = "/proc/self/oom_score_adj";
    let before = fs::read_to_string(adjustment).unwrap();
    // Without the privilege the value stays what it is, which is nothing to hand down.
    let spared = fs::write(adjustment, "-10").is_ok();
    let place = Place::new();
    // It is set just behind the start.
    let program = place.script(
        r#"until read value < /proc/$$/oom_score_adj && [ "$value" -ge 0 ]; do :; done; echo "$value""#,
    );

    let outcome = run(&program, HOUR, &facts()).await;

    fs::write(adjustment, before.trim()).unwrap();
    assert_eq!(outcome.error, None, "spared: {spared}");
}

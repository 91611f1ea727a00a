//! `failover top` on a real terminal, before a real daemon.

use failover_tests::lab::terminal::Size;
use rustix::process::Signal;

use crate::pair::{PATIENCE, Pair, automatic, wait_for_state};

const USUAL: Size = (24, 80);

fn asking() -> String {
    automatic("10ms", 3).replace("\"automatic\"", "\"ask\"")
}

#[test]
fn a_prompt_is_seen_approved_by_a_key_and_taken_over() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&asking());
    let mut top = target.on_terminal(&["top"], USUAL);
    top.wait_for(
        PATIENCE,
        "a healthy source, and its round trips",
        |screen| {
            let row = screen.lines().find(|line| line.starts_with(">web1"));
            row.is_some_and(|row| row.contains("healthy")) && screen.contains("rtt all")
        },
    );

    pair.source_nic.pull();
    top.wait_for(PATIENCE, "the prompt and its keys", |screen| {
        screen.contains("AWAITING APPROVAL  web1") && screen.contains("[a] approve")
    });
    top.press("a");
    top.wait_for(PATIENCE, "the question", |screen| {
        screen.contains("y yes   any other key: no")
    });
    assert_eq!(state(&target), "awaiting-approval", "before the answer");
    top.press("y");

    top.wait_for(
        PATIENCE,
        "the takeover, and what the daemon says of it",
        |screen| {
            screen.contains("TAKEN OVER") && screen.contains("web1 is taken over: 2 addresses in")
        },
    );
    wait_for_state(&target, "web1", "taken-over");
    top.press("q");
    assert!(top.wait_for_end(PATIENCE).success());
}

#[test]
fn any_other_key_leaves_the_prompt_alone() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&asking());
    let mut top = target.on_terminal(&["top"], USUAL);
    pair.source_nic.pull();
    top.wait_for(PATIENCE, "the prompt", |screen| {
        screen.contains("AWAITING APPROVAL  web1")
    });
    let asks = |screen: &str| screen.contains("any other key: no");

    top.press("a");
    top.wait_for(PATIENCE, "the question", asks);
    top.press("n");
    top.wait_for(PATIENCE, "the question gone", |screen| !asks(screen));

    assert_eq!(state(&target), "awaiting-approval");
}

#[test]
fn a_daemon_that_is_killed_is_said_to_be_gone_and_the_next_one_is_found() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("10ms", 3));
    let mut top = target.on_terminal(&["top"], USUAL);
    let healthy = |screen: &str| screen.contains("healthy") && !screen.contains("GONE");
    top.wait_for(PATIENCE, "a healthy source", healthy);

    target.kill9();
    top.wait_for(PATIENCE, "that the daemon is gone", |screen| {
        screen.contains("THE DAEMON IS GONE") && screen.contains("What stands below is old.")
    });
    top.press("t");
    top.wait_for(PATIENCE, "why nothing can be commanded", |screen| {
        screen.contains("no takeover: the daemon is gone")
    });
    target.restart();

    top.wait_for(PATIENCE, "the next daemon", |screen| {
        healthy(screen) && screen.contains(&format!("pid {}", target.pid()))
    });
    pair.source_nic.pull();
    top.wait_for(PATIENCE, "what happens under the next daemon", |screen| {
        screen.contains("TAKING OVER -> TAKEN OVER")
    });
}

#[test]
fn it_fits_into_every_size_and_gives_the_terminal_back() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let mut top = target.on_terminal(&["top"], (60, 200));
    let whole = |screen: &str| screen.contains(">web1") && screen.contains("q end");
    top.wait_for(PATIENCE, "the picture", whole);

    for size in [(24, 80), (12, 60), (10, 40)] {
        top.resize(size);
        top.wait_for(PATIENCE, &format!("source and keys on {size:?}"), whole);
    }
    for size in [(3, 20), (1, 1)] {
        top.resize(size);
        assert!(top.runs(), "ended on {size:?}");
    }
    top.resize(USUAL);
    top.wait_for(PATIENCE, "the picture again", whole);

    top.signal(Signal::TERM);
    assert!(top.wait_for_end(PATIENCE).success());
}

fn state(target: &failover_tests::lab::Daemon) -> String {
    let status = target.status();
    crate::pair::state(&status, "web1").to_owned()
}

//! Questions at a terminal that are not answered, and answers that are not read.

use failover_tests::lab::{Daemon, terminal::Size};
use rustix::process::Signal;

use crate::pair::{PATIENCE, Pair, automatic, state};

const USUAL: Size = (24, 80);

#[test]
fn a_signal_in_the_middle_of_a_question_gives_the_terminal_back_and_nothing_is_done() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));

    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut asking = target.on_terminal(&["takeover", "web1"], USUAL);
        asking.wait_for(PATIENCE, "the question", |screen| {
            screen.contains("Take the addresses of web1 over all the same?")
        });
        asking.signal(signal);

        assert_eq!(asking.wait_for_end(PATIENCE).code(), Some(code));
    }
    assert_eq!(state(&target.status(), "web1"), "healthy");
}

/// `failover ARGS` whose output nobody reads; its exit code.
fn unread(daemon: &Daemon, arguments: &[&str]) -> Option<i32> {
    let mut child = daemon.start_failover(arguments);
    drop(child.stdout.take());
    child.wait().expect("failover").code()
}

#[test]
fn a_drill_in_which_a_hook_prevents_the_takeover_fails_although_nobody_reads_it() {
    let pair = Pair::new();
    let config = automatic("10ms", 3) + "[source.hooks]\nbefore_takeover = [\"/bin/false\"]\n";
    let (_source, target) = pair.start(&config);

    assert_eq!(unread(&target, &["drill", "web1"]), Some(1));
    assert_eq!(unread(&target, &["status"]), Some(0));
}

#[test]
fn unload_is_done_although_nobody_reads_what_it_removed() {
    let pair = Pair::new();
    let mut daemon = pair.start_source();
    daemon.terminate();
    let pins = daemon.pins().to_str().expect("a path").to_owned();

    let code = unread(&daemon, &["unload", "--bpffs", &pins]);

    assert_eq!(code, Some(0));
    assert!(!daemon.pins().exists(), "{pins} is still there");
}

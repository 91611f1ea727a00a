//! The README's two hosts, with its configurations and its commands.

use failover_tests::lab::Daemon;

use crate::pair::{Pair, run, wait_for_state};

/// The block of the README that begins with this comment.
fn configuration(first_line: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).expect("the README");
    let block = readme
        .split("```toml\n")
        .find(|block| block.starts_with(first_line))
        .unwrap_or_else(|| panic!("no block in the README begins with {first_line:?}"));
    block.split("```").next().unwrap_or_default().to_owned()
}

#[test]
fn the_two_hosts_of_the_readme_do_what_it_says() {
    let pair = Pair::new();
    let web1 = configuration("# web1:");
    let standby = configuration("# standby:");
    let _web1 = Daemon::start(&pair.lab, &pair.source, &web1);
    let daemon = pair.start_target(&standby);
    let file = daemon.config();
    let client = pair.client("10.0.0.10", 1000);

    let checked = run(&daemon, &["check", "-c", file.to_str().expect("a path")], 0);
    let healthy = run(&daemon, &["status"], 0);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&daemon, "web1", "taken-over");
    let taken = run(&daemon, &["status"], 0);
    pair.replug(&daemon);
    run(&daemon, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", pulled);
    wait_for_state(&daemon, "web1", "healthy");
    let events = run(&daemon, &["events"], 0);

    assert!(checked.contains("30 to 40 ms"), "{checked}");
    assert!(healthy.contains("web1  healthy"), "{healthy}");
    assert!(taken.contains("failover failback web1"), "{taken}");
    assert!(events.contains("verdict"), "{events}");
}

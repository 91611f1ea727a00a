//! What an administrator has said of a source, over a reload that has it watched in another way.

use failover_tests::lab::clock;

use crate::pair::{PATIENCE, Pair, automatic, events, run, source, state, wait_for_state};

/// The same source, watched in another way.
fn by_icmp(config: &str) -> String {
    config.replace("misses", "probe = \"icmp\"\nmisses")
}

#[test]
fn a_reload_that_replaces_a_source_ends_no_hold_nor_does_the_restart_after_it() {
    let pair = Pair::new();
    let config = automatic("10ms", 3);
    let (_source, mut target) = pair.start(&config);
    run(&target, &["hold", "web1"], 0);

    target.write_config(&by_icmp(&config));
    run(&target, &["reload"], 0);
    target.wait_for(PATIENCE, "heartbeats of the new kind", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
    let reloaded = target.status();
    pair.source_nic.pull();
    target.wait_for(PATIENCE, "the silence", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "down"
    });
    let silent = target.status();
    target.terminate();
    target.restart();
    let restarted = target.status();

    for status in [&reloaded, &silent, &restarted] {
        assert_eq!(state(status, "web1"), "held");
        assert_eq!(source(status, "web1")["hold"], true);
    }
    assert!(events(&target, "takeover").is_empty());
    run(&target, &["resume", "web1"], 0);
}

#[test]
fn a_reload_that_replaces_a_source_has_it_monitored_no_more_than_before() {
    let pair = Pair::new();
    let config = automatic("10ms", 3);
    let (_source, target) = pair.start(&config);
    run(&target, &["takeover", "web1", "--yes"], 0);
    run(
        &target,
        &["failback", "web1", "--yes", "--stop-monitoring"],
        0,
    );
    wait_for_state(&target, "web1", "unknown");

    target.write_config(&by_icmp(&config));
    run(&target, &["reload"], 0);
    let reloaded = target.status();
    run(&target, &["resume", "web1"], 0);
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(source(&reloaded, "web1")["monitored"], false);
    let again = clock::wait_until(PATIENCE, || {
        source(&target.status(), "web1")["monitored"] == true
    });
    assert!(again);
}

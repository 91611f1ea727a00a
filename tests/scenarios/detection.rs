//! What counts as a failure, and what does not.

use failover_tests::lab::Daemon;

use crate::pair::{PATIENCE, Pair, REFLECTOR, automatic, run, source, state, wait_for_state};

/// Requests until sequence numbers repeat.
const FULL_TURN: u64 = 1 << 16;

#[test]
fn a_dead_source_stays_dead_when_sequence_numbers_repeat() {
    let pair = Pair::new();
    let asking = automatic("100us", 3).replace("\"automatic\"", "\"ask\"");
    let (_source, target) = pair.start(&asking);

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");
    target.wait_for(
        3 * PATIENCE,
        "more than a full turn of sequences",
        |status| source(status, "web1")["paths"][0]["sent"].as_u64() > Some(FULL_TURN + 2000),
    );

    let events = run(&target, &["events", "--json"], 0);
    assert!(
        !events.contains("\"from\":\"awaiting-approval\""),
        "the prompt was withdrawn: {events}"
    );
}

#[test]
fn a_slow_reflector_is_asked_as_slowly_as_it_says() {
    let pair = Pair::new();
    let slow = format!("{REFLECTOR}min_rx = \"20ms\"\n");
    let _source = Daemon::start(&pair.lab, &pair.source, &slow);
    let target = pair.start_target(&automatic("1ms", 3));

    target.wait_for(PATIENCE, "100 heartbeats", |status| {
        source(status, "web1")["paths"][0]["received"].as_u64() > Some(100)
    });

    let status = target.status();
    assert_eq!(state(&status, "web1"), "healthy", "{status:#}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    let events = run(&target, &["events", "--json"], 0);
    assert!(events.contains("\"pace_ns\":20000000"), "{events}");
    assert!(!events.contains("\"to\":\"failed\""), "{events}");
}

#[test]
fn the_prompt_comes_back_when_our_own_link_does() {
    let pair = Pair::new();
    let asking = automatic("1ms", 3).replace("\"automatic\"", "\"ask\"");
    let (_source, target) = pair.start(&asking);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");

    pair.target_nics[0].pull();
    wait_for_state(&target, "web1", "isolated");
    pair.target_nics[0].replug();

    wait_for_state(&target, "web1", "awaiting-approval");
}

#[test]
fn a_source_that_fell_silent_while_we_were_isolated_is_not_taken_over() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    pair.target_nics[0].pull();
    wait_for_state(&target, "web1", "isolated");
    pair.source_nic.pull();
    pair.target_nics[0].replug();
    wait_for_state(&target, "web1", "unknown");

    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

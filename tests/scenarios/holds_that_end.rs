//! What is told of a source across a break in its heartbeats.

use failover_tests::lab::clock;

use crate::pair::{PATIENCE, Pair, automatic, events, run, wait_for_state};

#[test]
fn a_hold_that_the_source_ends_while_our_own_address_is_lost_is_over_with_its_first_answer() {
    let pair = Pair::new();
    let (source, target) = pair.start(&automatic("10ms", 3));
    run(&source, &["hold", "--self"], 0);
    wait_for_state(&target, "web1", "held");

    pair.target_nics[0].remove_address("10.0.0.2");
    let lost = clock::wait_until(PATIENCE, || {
        events(&target, "path")
            .last()
            .is_some_and(|event| event["state"] == "isolated")
    });
    run(&source, &["resume", "--self"], 0);
    pair.target_nics[0].add_address("10.0.0.4/24");

    wait_for_state(&target, "web1", "healthy");
    assert!(lost, "{}", target.log());
}

#[test]
fn a_source_that_is_watched_no_more_is_announced_twice_at_its_failback() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    run(&target, &["takeover", "web1", "--yes"], 0);

    run(
        &target,
        &["failback", "web1", "--yes", "--stop-monitoring"],
        0,
    );
    wait_for_state(&target, "web1", "unknown");

    let done = events(&target, "failback").pop().expect("a failback");
    assert_eq!(done["step"], "done");
    let announced = events(&target, "source-announced");
    let last = announced.last().expect("the second announcement");
    assert!(last["at_ns"].as_u64() >= done["at_ns"].as_u64(), "{last}");
}

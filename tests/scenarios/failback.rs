//! The source comes back, or does not, and gets its addresses.

use failover_tests::lab::clock;

use crate::pair::{PATIENCE, Pair, automatic, run, source, wait_for_state};

#[test]
fn a_planned_failback_loses_no_request() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let client = pair.client("10.0.0.10", 5000);
    let second = pair.client("10.0.0.11", 1000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    second.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    pair.replug(&target);
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    let back = client.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    for report in [client.finish(), second.finish()] {
        assert_eq!(
            report.lost_between(begun, u64::MAX),
            0,
            "{:?}",
            report.timeline()
        );
        assert!(report.answered_by("source") > 0 && report.answered_by("target") > 0);
    }
    for nic in &pair.target_nics {
        assert!(!nic.has_address("10.0.0.10") && !nic.has_address("10.0.0.11"));
    }
    eprintln!(
        "source answers {:?} after the command",
        std::time::Duration::from_nanos(back - begun)
    );
}

#[test]
fn a_planned_switchover_and_its_failback_lose_no_request() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let client = pair.client("10.0.0.10", 5000);

    let begun = clock::now_ns();
    run(&target, &["takeover", "web1", "--yes"], 0);
    client.wait_for_answer_by("target", begun);
    let back = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", back);
    wait_for_state(&target, "web1", "healthy");

    let report = client.finish();
    assert_eq!(report.lost(), 0, "{:?}", report.timeline());
}

#[test]
fn failback_works_while_the_source_is_absent() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    run(&target, &["failback", "web1", "--yes"], 0);
    wait_for_state(&target, "web1", "unknown");
    let released = !pair.target_nics[0].has_address("10.0.0.10");
    pair.source_nic.replug();
    wait_for_state(&target, "web1", "healthy");

    assert!(released);
}

#[test]
fn after_a_failback_the_source_is_watched_again() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.10", 1000);
    let first = pair.source_nic.pull();
    client.wait_for_answer_by("target", first);
    pair.replug(&target);
    run(&target, &["failback", "web1", "--yes"], 0);
    wait_for_state(&target, "web1", "healthy");
    client.wait_for_answer_by("source", first);

    let second = pair.source_nic.pull();
    client.wait_for_answer_by("target", second);

    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn a_healthy_source_is_given_back_by_itself_if_so_configured() {
    let pair = Pair::new();
    let config = automatic("1ms", 3).replace(
        "misses = 3",
        "misses = 3\nfailback = \"automatic\"\nfailback_after = \"200ms\"",
    );
    let (_source, target) = pair.start(&config);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    pair.source_nic.replug();

    wait_for_state(&target, "web1", "healthy");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn a_planned_switchover_lasts_although_the_source_answers() {
    let pair = Pair::new();
    let config = automatic("1ms", 3).replace(
        "misses = 3",
        "misses = 3\nfailback = \"automatic\"\nfailback_after = \"100ms\"",
    );
    let (_source, target) = pair.start(&config);

    run(&target, &["takeover", "web1", "--yes"], 0);
    let received =
        |status: &serde_json::Value| source(status, "web1")["paths"][0]["received"].as_u64();
    let now = received(&target.status());
    target.wait_for(PATIENCE, "many more heartbeats", |status| {
        received(status) > now.map(|now| now + 1000)
    });

    wait_for_state(&target, "web1", "taken-over");
    let events = run(&target, &["events"], 0);
    assert!(!events.contains("failing-back"), "{events}");
}

#[test]
fn stop_monitoring_ends_the_heartbeats() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    run(
        &target,
        &["failback", "web1", "--yes", "--stop-monitoring"],
        0,
    );
    pair.source_nic.replug();
    wait_for_state(&target, "web1", "unknown");

    let sent = |status| source(status, "web1")["paths"][0]["sent"].clone();
    let status = target.status();
    assert_eq!(source(&status, "web1")["monitored"], false);
    let later = target.status();
    assert_eq!(sent(&status), sent(&later));
}

#[test]
fn commands_that_the_state_does_not_allow_are_refused_with_the_reason() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    let healthy = run(&target, &["failback", "web1", "--yes"], 4);
    let unasked = run(&target, &["takeover", "web1"], 4);
    let unknown = run(&target, &["failback", "web9", "--yes"], 2);
    run(&target, &["takeover", "web1", "--yes"], 0);
    let again = run(&target, &["takeover", "web1", "--yes"], 4);

    assert!(healthy.contains("web1"), "{healthy}");
    assert!(unasked.contains("--yes"), "{unasked}");
    assert!(unknown.contains("web1"), "{unknown}");
    assert!(again.contains("holds its addresses already"), "{again}");
}

#[test]
fn a_failback_right_after_the_return_waits_for_the_sources_stack() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.10", 5000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    // Without its link the source looks for the client in vain, and looks again only after a second.
    pair.source.run(|| {
        let socket = std::net::UdpSocket::bind("10.0.0.10:0").expect("a socket");
        let sent = socket.send_to(b"anybody?", "10.0.0.100:9");
        drop(sent.or_else(|_| socket.send_to(b"anybody?", "10.0.0.100:9")));
    });

    pair.replug(&target);
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    let report = client.finish();
    assert_eq!(
        report.lost_between(begun, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

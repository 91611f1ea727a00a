//! NICs, addresses and routes that change while a daemon runs.

use crate::pair::{PATIENCE, Pair, automatic, run, source, wait_for_state};

/// Waits until a NIC of the target is gone, by its place in the status.
fn wait_until_gone(daemon: &failover_tests::lab::Daemon, place: usize) {
    daemon.wait_for(PATIENCE, "the NIC to be gone", |status| {
        status["nics"][place]["xdp_mode"] == "none"
    });
}

#[test]
fn a_nic_that_comes_back_during_a_failback_takes_nothing_again() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    pair.source_nic.replug();
    target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
    pair.target_nics[1].remove();
    wait_until_gone(&target, 1);

    let told = run(&target, &["failback", "web1", "--yes"], 1);
    let anew = pair.plug_target("ens2", "10.0.0.3/24");
    target.wait_for(PATIENCE, "ens2 to be managed", |status| {
        status["nics"][1]["xdp_mode"] != "none"
    });
    wait_for_state(&target, "web1", "healthy");

    assert!(told.contains("the source was not announced"), "{told}");
    assert!(!anew.has_address("10.0.0.11"));
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn a_dead_nic_keeps_no_other_address_from_being_given_back_without_loss() {
    let pair = Pair::new();
    let config = automatic("10ms", 3).replace(
        "\"10.0.0.10/24\", { ip = \"10.0.0.11/24\", target_nic = \"ens2\" }",
        "{ ip = \"10.0.0.10/24\", target_nic = \"ens2\" }, \"10.0.0.11/24\"",
    );
    let (_source, target) = pair.start(&config);
    run(&target, &["takeover", "web1", "--yes"], 0);
    let client = pair.client_of("10.0.0.11", 1000, "target");
    pair.target_nics[1].remove();
    wait_until_gone(&target, 1);

    let begun = failover_tests::lab::clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 1);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(client.finish().lost_between(begun, u64::MAX), 0);
}

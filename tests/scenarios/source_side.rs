//! The source's side: a host that is on hold, restarted or configured anew. What becomes of its addresses is in [`crate::identity`].

use failover_tests::{
    frames,
    lab::{Capture, Client, Daemon, Frame, clock},
};
use serde_json::Value;

use crate::{
    identity::{identity, wait_until_ours},
    pair::{PATIENCE, Pair, automatic, events, run, source, state, wait_for_state},
};

/// A source that keeps off its addresses when it has to.
pub(crate) fn careful(more: &str) -> String {
    let identity = ["10.0.0.10/24", "10.0.0.11/24"].map(str::to_owned);
    crate::identity::careful(&identity, more)
}

/// A source with this configuration, in use and found to be nobody else's, and its target.
pub(crate) fn start(pair: &Pair, config: &str) -> (Daemon, Daemon) {
    let daemon = Daemon::start(&pair.lab, &pair.source, config);
    wait_until_ours(&daemon);
    let target = pair.start_target(&automatic("10ms", 3));
    (daemon, target)
}

/// RFC 7880 7.3.3: AdminDown is no loss of reachability, and whoever hears it slows down to one a second.
#[test]
fn a_source_on_hold_is_asked_once_a_second_and_not_taken_over_even_if_it_dies() {
    let pair = Pair::new();
    let (mut daemon, target) = start(&pair, &careful(""));

    run(&daemon, &["hold", "--self"], 0);
    wait_for_state(&target, "web1", "held");
    let told = run(&target, &["status"], 0);
    let wire = Capture::on_wire(&pair.source_nic);
    let asked = || {
        let asks = |frame: &&Frame| {
            frame
                .udp()
                .is_some_and(|(_, to, _)| to == frames::SBFD_PORT)
        };
        let frames = wire.frames();
        frames
            .iter()
            .filter(asks)
            .map(|frame| frame.at_ns)
            .collect::<Vec<_>>()
    };
    clock::wait_until(PATIENCE, || asked().len() >= 4);
    let gaps: Vec<_> = asked().windows(2).map(|two| two[1] - two[0]).collect();
    let refused = run(&daemon, &["hold", "--self"], 4);
    daemon.terminate();
    daemon.restart();
    let kept = daemon.status()["reflector"]["answers"].clone();
    pair.source_nic.pull();
    let sent = |status: &Value| source(status, "web1")["paths"][0]["consecutive_missed"].as_u64();
    target.wait_for(PATIENCE, "misses", |status| sent(status) >= Some(4));
    let silent = target.status();
    pair.source_nic.replug();
    run(&daemon, &["resume", "--self"], 0);
    wait_for_state(&target, "web1", "healthy");

    assert!(told.contains("its own administrator"), "{told}");
    assert!(gaps.iter().all(|gap| *gap >= 990_000_000), "{gaps:?}");
    assert!(refused.contains("on hold already"), "{refused}");
    assert_eq!(kept, "admin-down");
    assert_eq!(state(&silent, "web1"), "held", "{silent:#}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn a_restart_of_the_sources_daemon_costs_no_request_and_leads_to_no_takeover() {
    let pair = Pair::new();
    let (mut daemon, target) = start(&pair, &careful(""));
    let client = pair.client("10.0.0.10", 2000);

    for _ in 0..3 {
        daemon.terminate();
        daemon.restart();
    }
    wait_until_ours(&daemon);

    assert_eq!(state(&target.status(), "web1"), "healthy");
    let report = client.finish();
    assert_eq!(report.lost(), 0, "{:?}", report.timeline());
    assert!(events(&target, "verdict").is_empty());
}

#[test]
fn release_leaves_no_fence_behind() {
    let pair = Pair::new();
    let (mut daemon, _target) = start(&pair, &careful(""));
    let fences = daemon
        .pins()
        .join(format!("v{}/egress", failover_ebpf::abi::ABI_VERSION));
    let there = fences.join("ens1").exists();

    run(&daemon, &["stop", "--release"], 0);
    daemon.wait_for_end();

    assert!(there && !fences.exists());
    let client = Client::start(&pair.client, "10.0.0.10:7000", 100);
    client.wait_for_answer_by("source", 0);
}

#[test]
fn another_configuration_brings_and_takes_identity_fence_and_checks() {
    let pair = Pair::new();
    let daemon = Daemon::start(&pair.lab, &pair.source, crate::pair::REFLECTOR);
    let fence = daemon
        .pins()
        .join(format!("v{}/egress/ens1", failover_ebpf::abi::ABI_VERSION));
    let without = fence.exists();
    let client = pair.client("10.0.0.10", 1000);

    daemon.write_config(&careful(
        "[[reflector.check]]\ntcp = \"127.0.0.1:1\"\nfall = 1\ninterval = \"50ms\"\n",
    ));
    run(&daemon, &["reload"], 0);
    daemon.wait_for(PATIENCE, "the failed check", |status| {
        status["reflector"]["answers"] == "silent"
    });
    let with = fence.exists();
    let fenced = identity(&daemon.status());
    daemon.write_config(crate::pair::REFLECTOR);
    run(&daemon, &["reload"], 0);
    let after = clock::now_ns();
    client.wait_for_answer_by("source", after);

    assert!(!without && with && !fence.exists());
    assert!(fenced.iter().all(|(_, fenced)| *fenced), "{fenced:?}");
    assert_eq!(daemon.status()["reflector"]["answers"], "up");
}

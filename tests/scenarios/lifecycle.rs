//! Daemons that end, are killed, start again; NICs that go and come.

use failover_ebpf::abi::map;
use failover_tests::lab::{Daemon, Mac, clock};
use failover_user::bpf::pins::Pins;

use crate::pair::{PATIENCE, Pair, automatic, events, run, source, state, wait_for_state};

#[test]
fn a_killed_daemon_loses_no_packet_for_a_held_address() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.10", 5000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    let killed = clock::now_ns();
    target.kill9();
    pair.client.flush_neighbours();
    client.wait_for_answer_by("target", killed);
    target.restart();
    wait_for_state(&target, "web1", "taken-over");
    let restarted = clock::now_ns();
    client.wait_for_answer_by("target", restarted);

    let report = client.finish();
    // The flush makes the client ask again who has the address: without a daemon the program answers.
    assert_eq!(
        report.lost_between(killed, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
    let status = target.status();
    let cause = source(&status, "web1")["cause"]
        .as_str()
        .unwrap_or_default();
    assert!(cause.ends_with("held when the daemon started"), "{cause}");
}

/// A build of this ABI from before the program listened to ARP left no such maps.
#[test]
fn a_daemon_adopts_what_an_earlier_build_without_some_maps_has_left() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.10", 5000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    let killed = clock::now_ns();
    target.kill9();
    let pins = Pins::new(target.pins());
    let missing = [map::LISTENED, map::HEARD, map::CLAIMS].map(|name| pins.map(name));
    for path in &missing {
        std::fs::remove_file(path).expect("a pinned map");
    }
    target.restart();
    wait_for_state(&target, "web1", "taken-over");
    let restarted = clock::now_ns();
    client.wait_for_answer_by("target", restarted);

    let report = client.finish();
    assert_eq!(
        report.lost_between(killed, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
    let status = target.status();
    let cause = source(&status, "web1")["cause"]
        .as_str()
        .unwrap_or_default();
    assert!(cause.ends_with("held when the daemon started"), "{cause}");
    assert!(missing.iter().all(|path| path.exists()));
}

#[test]
fn a_restarted_daemon_can_fail_back_what_an_earlier_one_took() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.10", 5000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    target.terminate();
    target.restart();
    wait_for_state(&target, "web1", "taken-over");

    pair.replug(&target);
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(client.finish().lost_between(begun, u64::MAX), 0);
}

#[test]
fn a_reflector_answers_while_its_daemon_restarts() {
    let pair = Pair::new();
    let (mut daemon, target) = pair.start(&automatic("1ms", 10));

    daemon.terminate();
    daemon.restart();
    let received =
        |status: &serde_json::Value| source(status, "web1")["paths"][0]["received"].as_u64();
    let now = received(&target.status());
    target.wait_for(PATIENCE, "more heartbeats", |status| {
        received(status) > now.map(|now| now + 100)
    });

    assert_eq!(crate::pair::state(&target.status(), "web1"), "healthy");
}

#[test]
fn stop_hands_over_and_stop_release_gives_everything_back() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    run(&target, &["stop"], 0);
    target.wait_for_end();
    let handed_over = pair.target_nics[0].has_address("10.0.0.10");
    target.restart();
    wait_for_state(&target, "web1", "taken-over");
    run(&target, &["stop", "--release"], 0);
    target.wait_for_end();

    assert!(handed_over);
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    assert!(!target.pins().exists(), "pins are left");
}

#[test]
fn unload_removes_what_a_killed_daemon_has_left() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let pins = target.pins().to_str().expect("a path").to_owned();

    let refused = run(&target, &["unload", "--bpffs", &pins], 1);
    target.kill9();
    let removed = run(&target, &["unload", "--bpffs", &pins], 0);

    assert!(removed.contains("2 held addresses, 2 rules"), "{removed}");
    assert!(refused.contains("failover stop"), "{refused}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    assert!(!pair.target_nics[1].has_address("10.0.0.11"));
    assert!(!target.pins().exists());
}

#[test]
fn a_nic_that_comes_back_carries_on() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    pair.target_nics[1].down();
    target.wait_for(PATIENCE, "ens2 to be down", |status| {
        status["nics"][1]["carrier"] == false
    });
    pair.target_nics[1].up();
    target.wait_for(PATIENCE, "ens2 to be up", |status| {
        status["nics"][1]["carrier"] == true
    });
    let client = pair.client("10.0.0.11", 1000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);

    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn events_survive_a_restart() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    target.terminate();
    target.restart();

    let events = run(&target, &["events", "--json"], 0);

    let names: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|event| event["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    for wanted in ["started", "verdict", "takeover", "stopping"] {
        assert!(
            names.iter().any(|name| name == wanted),
            "no {wanted} in {names:?}"
        );
    }
}

#[test]
fn a_nic_that_is_removed_and_made_anew_holds_its_addresses_again() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.11", 1000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    pair.target_nics[1].remove();
    target.wait_for(PATIENCE, "ens2 to be gone", |status| {
        status["nics"][1]["xdp_mode"] == "none"
    });
    let gone = clock::now_ns();
    let anew = pair.plug_target("ens2", "10.0.0.3/24");
    client.wait_for_answer_by("target", gone);

    assert!(anew.has_address("10.0.0.11"));
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    assert_eq!(pair.client.neighbour("10.0.0.11"), Some(anew.mac()));
}

#[test]
fn a_nic_with_another_mac_is_announced_with_it() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let client = pair.client("10.0.0.11", 1000);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    let mac = Mac([0x02, 0, 0, 0, 0x77, 0x01]);
    pair.target_nics[1].set_mac(mac);
    let known = clock::wait_until(PATIENCE, || pair.client.neighbour("10.0.0.11") == Some(mac));
    let changed = clock::now_ns();
    client.wait_for_answer_by("target", changed);

    assert!(known, "{:?}", pair.client.neighbour("10.0.0.11"));
}

#[test]
fn unload_of_other_pins_leaves_the_addresses_of_a_running_daemon_alone() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let other = pair.lab.bpffs().join("other");

    let refused = run(
        &target,
        &["unload", "--bpffs", other.to_str().expect("a path")],
        1,
    );

    assert!(refused.contains("failover stop"), "{refused}");
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn the_time_of_a_takeover_outlives_any_number_of_restarts() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let at = |target: &Daemon| {
        let status = target.status();
        let at = source(&status, "web1")["last_takeover"]["at"].clone();
        at.as_str().unwrap_or_default().to_owned()
    };
    let mut times = Vec::new();
    for _ in 0..2 {
        target.terminate();
        target.restart();
        // What was found is taken over again, so that nothing of it is missing.
        let adopted = clock::wait_until(PATIENCE, || {
            events(&target, "takeover")
                .last()
                .is_some_and(|event| event["cause"] == "adopted")
                && state(&target.status(), "web1") == "taken-over"
        });
        assert!(adopted, "{}", target.log());
        times.push(at(&target));
    }

    assert_eq!(times[0], times[1]);
}

#[test]
fn an_address_whose_nic_is_another_after_a_restart_moves() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let taken = source(&target.status(), "web1")["last_takeover"]["at"].clone();
    target.terminate();
    let config = automatic("1ms", 3).replace(
        "\"10.0.0.10/24\", { ip = \"10.0.0.11/24\", target_nic = \"ens2\" }",
        "{ ip = \"10.0.0.10/24\", target_nic = \"ens2\" }, \"10.0.0.11/24\"",
    );
    target.write_config(&config);
    target.restart();
    wait_for_state(&target, "web1", "taken-over");

    let [first, second] = &pair.target_nics;
    let moved = clock::wait_until(PATIENCE, || {
        first.has_address("10.0.0.11") && second.has_address("10.0.0.10")
    });
    let left = first.has_address("10.0.0.10") || second.has_address("10.0.0.11");
    run(&target, &["failback", "web1", "--yes"], 0);

    assert!(moved && !left && !taken.is_null());
    for nic in &pair.target_nics {
        assert!(!nic.has_address("10.0.0.10") && !nic.has_address("10.0.0.11"));
    }
}

#[test]
fn whoever_stops_a_daemon_that_is_releasing_waits_too_and_a_plain_stop_is_refused() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    run(&target, &["takeover", "web1", "--yes"], 0);

    let first = target.start_failover(&["stop", "--release"]);
    wait_for_state(&target, "web1", "failing-back");
    let second = target.start_failover(&["stop", "--release"]);
    let plain = run(&target, &["stop"], 4);
    let outputs = [first, second].map(|child| child.wait_with_output().expect("stop"));

    assert!(plain.contains("--release"), "{plain}");
    for output in outputs {
        assert!(output.status.success(), "{output:?}");
    }
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn unload_removes_a_data_plane_whose_takeover_map_cannot_be_read() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let pins = target.pins().to_str().expect("a path").to_owned();
    target.kill9();
    let version = std::fs::read_dir(target.pins())
        .expect("pins")
        .next()
        .expect("a version")
        .expect("a version")
        .path();
    let maps = version.join("maps");
    std::fs::remove_file(maps.join("ADDRESSES")).expect("the takeover map");
    std::fs::rename(maps.join("COUNTERS"), maps.join("ADDRESSES")).expect("another map");

    run(&target, &["unload", "--bpffs", &pins], 0);

    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    assert!(!target.pins().exists());
}

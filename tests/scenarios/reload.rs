//! `failover reload` and SIGHUP: what differs is applied, the rest is not disturbed, a mistake changes nothing.

use failover_tests::lab::{
    Capture, Daemon, Direction, Frame, Host, Nic, clock, xdp_pass::attach_mirror,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::pair::{PATIENCE, Pair, REFLECTOR, automatic, run, source, state, wait_for_state};

/// Writes the configuration and reloads it; what the command said.
#[track_caller]
fn reload(daemon: &Daemon, config: &str, code: i32) -> String {
    daemon.write_config(config);
    run(daemon, &["reload"], code)
}

/// Another source with one path.
fn also(name: &str, address: &str, nic: &str) -> String {
    format!(
        r#"
[[source]]
name = "{name}"
interval = "5ms"
on_failure = "automatic"
[[source.path]]
monitor = "{address}"
nic = "ens1"
target_nic = "{nic}"
addresses = ["{address}/24"]
"#
    )
}

/// Another host with a reflector.
fn another_source(pair: &Pair) -> (Host, Nic, Daemon) {
    let host = pair.lab.host("second");
    let nic = pair.lab.plug(&host, "ens1", &pair.switch, "10.0.0.20/24");
    let daemon = Daemon::start(&pair.lab, &host, REFLECTOR);
    (host, nic, daemon)
}

fn names(status: &Value, what: &str) -> Vec<String> {
    let all = status[what].as_array().expect(what).iter();
    all.map(|one| one["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn events(daemon: &Daemon) -> Vec<Value> {
    run(daemon, &["events", "--json"], 0)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// An S-BFD request that leaves: its detect multiplier, its interval in microseconds, and its discriminator.
fn request(frame: &Frame) -> Option<(u8, u32, u32)> {
    let word = |at: usize| {
        let octets = frame.octets.get(at..at + 4)?;
        Some(u32::from_be_bytes(octets.try_into().ok()?))
    };
    let is_request = frame.direction == Direction::Out
        && frame.octets.get(12..14) == Some(&[0x08, 0x00])
        && frame.octets.get(23) == Some(&17)
        && frame.octets.get(36..38) == Some(&7784u16.to_be_bytes());
    if !is_request {
        return None;
    }
    Some((*frame.octets.get(44)?, word(54)?, word(46)?))
}

#[test]
fn interval_and_misses_change_in_place() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("20ms", 100));
    let before = target.status();
    let before = source(&before, "web1");
    let capture = Capture::on_wire(&pair.target_nics[0]);

    let told = reload(&target, &automatic("1ms", 3), 0);
    capture.wait_for(PATIENCE, "requests of the new kind", |frame| {
        matches!(request(frame), Some((3, 1000, _)))
    });
    let after = target.status();
    let after = source(&after, "web1");
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    assert_eq!(told, "web1 changed: interval, misses; nothing else\n");
    assert_eq!(after["since"], before["since"]);
    let count = |source: &Value, what: &str| source["paths"][0][what].as_u64().expect("a count");
    assert!(count(after, "sent") > count(before, "sent"));
    assert!(count(after, "received") >= count(before, "received"));
    assert_eq!(
        (&after["interval_ns"], &after["misses"]),
        (&1_000_000.into(), &3.into())
    );
    let events = events(&target);
    let verdict = events.iter().find(|event| event["event"] == "verdict");
    assert_eq!(verdict.expect("a verdict")["missed"], 3);
}

#[test]
fn sources_come_and_go_while_another_is_held() {
    let pair = Pair::new();
    let _third = pair.plug_target("ens3", "10.0.0.4/24");
    let (_second, second_nic, _reflector) = another_source(&pair);
    let config = automatic("5ms", 3) + &also("web3", "10.0.0.30", "ens3");
    let (_source, target) = pair.start(&config);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let client = pair.client_of("10.0.0.11", 2000, "target");
    let before = target.status();

    let begun = clock::now_ns();
    let config = also("web2", "10.0.0.20", "ens2") + &automatic("5ms", 3);
    let told = reload(&target, &config, 0);
    wait_for_state(&target, "web2", "healthy");
    let after = target.status();
    let reloaded = clock::now_ns();
    client.wait_for_answer_by("target", reloaded);
    let unknown = run(&target, &["status", "web3"], 2);
    second_nic.pull();
    wait_for_state(&target, "web2", "taken-over");

    assert_eq!(
        told,
        "1 source added (web2), 1 removed (web3); nothing else\n"
    );
    assert_eq!(names(&before, "nics"), ["ens1", "ens2", "ens3"]);
    assert_eq!(names(&after, "nics"), ["ens1", "ens2"]);
    assert_eq!(names(&after, "sources"), ["web2", "web1"]);
    assert_eq!(
        source(&after, "web1")["since"],
        source(&before, "web1")["since"]
    );
    assert!(unknown.contains("known: web2, web1"), "{unknown}");
    assert!(pair.target_nics[1].has_address("10.0.0.20"));
    let report = client.finish();
    assert_eq!(
        report.lost_between(begun, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn the_heartbeats_of_an_unchanged_source_go_on_without_a_break() {
    let pair = Pair::new();
    let (_second, _nic, _reflector) = another_source(&pair);
    let alone = automatic("5ms", 100);
    let (_source, target) = pair.start(&alone);
    let since = source(&target.status(), "web1")["since"].clone();
    let capture = Capture::on_wire(&pair.target_nics[0]);
    let first = capture.wait_for(PATIENCE, "a request", |frame| request(frame).is_some());
    let session = request(&first).expect("a request").2 >> 16;

    for _ in 0..5 {
        reload(&target, &(also("web2", "10.0.0.20", "ens2") + &alone), 0);
        wait_for_state(&target, "web2", "healthy");
        reload(&target, &alone, 0);
    }

    assert_eq!(source(&target.status(), "web1")["since"], since);
    let frames = capture.frames();
    let sequences: Vec<u16> = frames
        .iter()
        .filter_map(request)
        .filter(|(_, _, discriminator)| discriminator >> 16 == session)
        .map(|(_, _, discriminator)| discriminator as u16)
        .collect();
    assert!(sequences.len() > 10, "{sequences:?}");
    for pair in sequences.windows(2) {
        assert_eq!(pair[1], pair[0].wrapping_add(1), "{sequences:?}");
    }
}

#[test]
fn a_bad_file_is_reported_with_every_mistake_and_changes_nothing() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let bad = automatic("1us", 3).replace("ens2", "ens9") + "nonsense = 1\n";

    let report = reload(&target, &bad, 2);
    let status = target.status();
    let absent = target.config();
    std::fs::remove_file(&absent).expect("the file");
    let gone = run(&target, &["reload"], 2);

    let file = absent.display().to_string();
    let places = report.matches(&format!("{file}:")).count();
    assert!(places >= 3, "{report}");
    for mistake in [
        "interval",
        "ens9",
        "nonsense",
        "3 problems",
        "nothing was changed",
    ] {
        assert!(report.contains(mistake), "no {mistake} in {report}");
    }
    assert!(
        gone.contains(&file) && gone.contains("no such file"),
        "{gone}"
    );
    assert_eq!(source(&status, "web1")["interval_ns"], 1_000_000);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn what_is_held_is_neither_removed_nor_given_other_addresses() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let other = automatic("1ms", 7).replace("\"10.0.0.10/24\", ", "");

    let moved = reload(&target, &other, 4);
    let removed = reload(&target, &also("web2", "10.0.0.20", "ens1"), 4);
    let between = target.status();
    let allowed = reload(&target, &automatic("2ms", 7), 0);
    pair.replug(&target);
    run(&target, &["failback", "web1", "--yes"], 0);
    wait_for_state(&target, "web1", "healthy");
    let now = reload(&target, &other, 0);

    for refused in [&moved, &removed] {
        assert!(
            refused.contains("nothing was changed") && refused.contains("failover failback web1"),
            "{refused}"
        );
    }
    assert_eq!(names(&between, "sources"), ["web1"]);
    assert_eq!(source(&between, "web1")["misses"], 3);
    assert_eq!(allowed, "web1 changed: interval, misses; nothing else\n");
    assert_eq!(now, "web1 changed: addresses, interval; nothing else\n");
    assert_eq!(state(&target.status(), "web1"), "healthy");
}

#[test]
fn sighup_reloads_and_its_errors_are_events() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    target.write_config(&automatic("1ms", 9));
    target.signal(Signal::HUP);
    target.wait_for(PATIENCE, "nine misses", |status| {
        source(status, "web1")["misses"] == 9
    });
    target.write_config("[[source]]\nname = 7\n");
    target.signal(Signal::HUP);
    let mut errors = Vec::new();
    let told = clock::wait_until(PATIENCE, || {
        errors = events(&target);
        errors.retain(|event| event["event"] == "error");
        !errors.is_empty()
    });

    assert!(told);
    let events = events(&target);
    let reloaded = events.iter().find(|event| event["event"] == "reloaded");
    let reloaded = reloaded.expect("an event");
    assert_eq!(reloaded["by"], "signal");
    assert_eq!(reloaded["changed"], "web1 changed: misses; nothing else");
    let problems = errors[0]["problems"].as_array().expect("problems");
    let file = target.config();
    let place = format!("{}:", file.display());
    assert!(
        problems.iter().all(|problem| problem
            .as_str()
            .is_some_and(|problem| problem.starts_with(&place))),
        "{problems:?}"
    );
    assert_eq!(errors[0]["by"], "signal");
    assert!(
        target.log().contains(&format!("{place}2:8: ")),
        "{}",
        target.log()
    );
    assert_eq!(source(&target.status(), "web1")["misses"], 9);
}

#[test]
fn a_nic_with_another_program_refuses_the_whole_reload() {
    let pair = Pair::new();
    let [free, taken] = ["ens3", "ens4"].map(|name| (name, name.replace("ens", "10.0.0.")));
    let free = pair.plug_target(free.0, &(free.1 + "/24"));
    let taken = pair.plug_target(taken.0, "10.0.0.5/24");
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let attach = |nic: &Nic| pair.target.run(|| attach_mirror(nic.index()));
    let foreign = attach(&taken).expect("a program");
    let config = automatic("1ms", 9)
        + &also("web2", "10.0.0.20", "ens3")
        + &also("web3", "10.0.0.30", "ens4");

    let refused = reload(&target, &config, 4);
    let status = target.status();
    let also_free = attach(&free);
    let is_free = also_free.is_ok();
    drop(also_free);
    drop(foreign);
    let accepted = run(&target, &["reload"], 0);

    assert!(
        refused.contains("ens4 carries another XDP program")
            && refused.contains("nothing was changed"),
        "{refused}"
    );
    assert_eq!(names(&status, "nics"), ["ens1", "ens2"]);
    assert_eq!(names(&status, "sources"), ["web1"]);
    assert_eq!(source(&status, "web1")["misses"], 3);
    assert!(is_free, "the program was left on ens3");
    assert_eq!(
        accepted,
        "2 sources added (web2, web3), web1 changed: misses; nothing else\n"
    );
    assert_eq!(
        names(&target.status(), "nics"),
        ["ens1", "ens2", "ens3", "ens4"]
    );
}

#[test]
fn what_needs_a_restart_is_said_and_the_rest_is_done() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let config = format!("[daemon]\nxdp = \"generic\"\n{}", automatic("1ms", 9));

    let told = reload(&target, &config, 0);

    assert!(
        told.starts_with("web1 changed: misses; nothing else. Not applied"),
        "{told}"
    );
    assert!(told.contains("daemon.xdp"), "{told}");
    let status = target.status();
    assert_eq!(source(&status, "web1")["misses"], 9);
    assert_eq!(status["nics"][0]["xdp_mode"], "native");
    let log = target.log();
    let warned = log
        .lines()
        .any(|line| line.contains("WARN") && line.contains("daemon.xdp"));
    assert!(warned, "{log}");
}

#[test]
fn a_reflector_follows_a_reload() {
    let pair = Pair::new();
    let deaf = REFLECTOR.to_owned() + "initiators = [\"10.0.0.99\"]\n";
    let reflector = Daemon::start(&pair.lab, &pair.source, &deaf);
    // A host whose reflector is silent still answers ARP.
    let config = "[defaults]\nl2_alive = \"ignore\"\n".to_owned() + &automatic("1ms", 200);
    let target = Daemon::start(&pair.lab, &pair.target, &config);
    reflector.wait_for(PATIENCE, "refused requests", |status| {
        status["counters"]
            .as_object()
            .is_some_and(|counters| !counters.is_empty())
    });
    let before = target.status();

    let told = reload(&reflector, REFLECTOR, 0);
    wait_for_state(&target, "web1", "healthy");
    let silenced = reload(&reflector, &also("peer", "10.0.0.2", "ens1"), 0);
    wait_for_state(&target, "web1", "taken-over");

    assert_eq!(state(&before, "web1"), "unknown");
    assert_eq!(told, "reflector changed; nothing else\n");
    assert_eq!(
        silenced,
        "1 source added (peer), reflector changed; nothing else\n"
    );
    assert_eq!(names(&reflector.status(), "nics"), ["ens1"]);
}

#[test]
fn a_source_that_is_watched_at_another_address_is_watched_anew() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 100));
    let config =
        automatic("1ms", 100).replace("monitor = \"10.0.0.10\"", "monitor = \"10.0.0.11\"");

    let told = reload(&target, &config, 0);
    wait_for_state(&target, "web1", "healthy");
    let status = target.status();
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    assert_eq!(
        told,
        "web1 changed: paths (it is watched anew); nothing else\n"
    );
    assert_eq!(source(&status, "web1")["paths"][0]["monitor"], "10.0.0.11");
    assert_eq!(names(&status, "sources"), ["web1"]);
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    assert!(pair.target_nics[1].has_address("10.0.0.11"));
}

#[test]
fn an_address_that_was_added_is_taken_over_too() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 100));
    let since = source(&target.status(), "web1")["since"].clone();
    let config =
        automatic("1ms", 100).replace("[\"10.0.0.10/24\"", "[\"10.0.0.12/24\", \"10.0.0.10/24\"");

    let told = reload(&target, &config, 0);
    let status = target.status();
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    assert_eq!(told, "web1 changed: addresses; nothing else\n");
    assert_eq!(source(&status, "web1")["since"], since);
    assert_eq!(state(&status, "web1"), "healthy");
    for address in ["10.0.0.10", "10.0.0.12"] {
        assert!(pair.target_nics[0].has_address(address), "{address}");
    }
}

#[test]
fn a_source_whose_addresses_an_earlier_daemon_holds_is_adopted_when_it_is_added_again() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("1ms", 3));
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    target.terminate();
    target.write_config(&also("web2", "10.0.0.20", "ens1"));
    target.restart();

    let told = reload(&target, &automatic("1ms", 3), 0);
    wait_for_state(&target, "web1", "taken-over");
    run(&target, &["failback", "web1", "--yes"], 0);

    assert_eq!(
        told,
        "1 source added (web1), 1 removed (web2); nothing else\n"
    );
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    assert!(!pair.target_nics[1].has_address("10.0.0.11"));
}

#[test]
fn a_reload_when_nothing_differs_says_so() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    assert_eq!(run(&target, &["reload"], 0), "nothing is changed\n");
}

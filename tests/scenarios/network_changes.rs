//! NICs, addresses and routes that change while a daemon runs.

use std::process::{Command, Output, Stdio};

use failover_tests::lab::{
    Capture, Client, Daemon, Host, Lab, Service, clock, xdp_pass::attach_mirror,
};
use serde_json::Value;

use crate::pair::{
    PATIENCE, PORT, Pair, REFLECTOR, automatic, events, run, source, wait_for_state,
};

/// Waits until a NIC of the target is gone, by its place in the status.
fn wait_until_gone(daemon: &Daemon, place: usize) {
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
    pair.replug(&target);
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

    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 1);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(client.finish().lost_between(begun, u64::MAX), 0);
}

#[test]
fn heartbeats_go_on_from_another_address_when_theirs_is_removed() {
    let pair = Pair::new();
    let config = automatic("1ms", 3).replace("misses", "probe = \"icmp\"\nmisses");
    let target = pair.start_target(&config);
    pair.target
        .sysctl("net/ipv4/conf/ens1/promote_secondaries", "1");
    pair.target_nics[0].add_address("10.0.0.22/24");

    pair.target_nics[0].remove_address("10.0.0.2");
    let capture = Capture::on_wire(&pair.target_nics[0]);
    pair.source.flush_neighbours();
    capture.wait_for(PATIENCE, "a request from the other address", |frame| {
        is_echo_request_from(&frame.octets, [10, 0, 0, 22])
    });
    let received = |status: &Value| source(status, "web1")["paths"][0]["received"].as_u64();
    let now = received(&target.status());
    target.wait_for(PATIENCE, "more heartbeats", |status| {
        received(status) > now.map(|now| now + 100)
    });

    wait_for_state(&target, "web1", "healthy");
    assert!(!run(&target, &["events"], 0).contains("takeover"));
}

#[test]
fn nothing_is_taken_over_when_our_own_address_is_lost() {
    let pair = Pair::new();
    let config = automatic("1ms", 3).replace("misses", "probe = \"icmp\"\nmisses");
    let target = pair.start_target(&config);

    pair.target_nics[0].remove_address("10.0.0.2");
    wait_for_state(&target, "web1", "isolated");
    pair.source.flush_neighbours();
    pair.target_nics[0].add_address("10.0.0.2/24");
    wait_for_state(&target, "web1", "healthy");
    let before = run(&target, &["events"], 0);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    assert!(!before.contains("takeover"), "{before}");
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn a_prompt_that_our_own_lost_address_has_withdrawn_comes_back_with_it() {
    let pair = Pair::new();
    let config = automatic("10ms", 3)
        .replace("misses", "probe = \"icmp\"\nmisses")
        .replace("\"automatic\"", "\"ask\"");
    let target = pair.start_target(&config);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");

    pair.target_nics[0].remove_address("10.0.0.2");
    wait_for_state(&target, "web1", "isolated");
    pair.target_nics[0].add_address("10.0.0.2/24");

    wait_for_state(&target, "web1", "awaiting-approval");
}

#[test]
fn held_addresses_are_announced_when_the_link_of_their_nic_is_back() {
    let pair = Pair::new();
    let quiet = automatic("10ms", 3).replace("misses", "announce_every = \"1h\"\nmisses");
    let (_source, target) = pair.start(&quiet);
    run(&target, &["takeover", "web1", "--yes"], 0);
    // Those that follow every takeover.
    let early = clock::wait_until(PATIENCE, || events(&target, "announced").len() == 3);
    assert!(early, "{:?}", events(&target, "announced"));

    pair.target_nics[1].pull();
    target.wait_for(PATIENCE, "the link to be down", |status| {
        status["nics"][1]["carrier"] == false
    });
    pair.target_nics[1].replug();

    let again = clock::wait_until(PATIENCE, || events(&target, "announced").len() > 3);
    assert!(again, "{:?}", events(&target, "announced"));
}

#[test]
fn a_takeover_without_its_only_nic_fails_and_says_which() {
    let pair = Pair::new();
    let config = automatic("1ms", 3).replace("\"10.0.0.10/24\", {", "{");
    let (_source, target) = pair.start(&config);
    pair.target_nics[1].remove();
    wait_until_gone(&target, 1);

    let told = run(&target, &["takeover", "web1", "--yes"], 1);

    assert!(
        told.contains("10.0.0.11") && told.contains("ens2"),
        "{told}"
    );
    wait_for_state(&target, "web1", "healthy");
}

#[test]
fn a_takeover_without_one_of_its_nics_takes_the_rest_and_says_what_is_missing() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));
    pair.target_nics[1].remove();
    wait_until_gone(&target, 1);

    let told = run(&target, &["takeover", "web1", "--yes"], 1);

    let events = run(&target, &["events", "--json"], 0);
    let takeover = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .find(|event| event["event"] == "takeover")
        .expect("a takeover");
    assert!(told.contains("in part") && told.contains("ens2"), "{told}");
    assert_eq!(takeover["addresses"], serde_json::json!(["10.0.0.10"]));
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn an_address_that_a_source_gets_later_is_reflected() {
    let pair = Pair::new();
    pair.source_nic.remove_address("10.0.0.11");
    let _source = pair.start_source();
    let config = automatic("1ms", 3).replace("monitor = \"10.0.0.10\"", "monitor = \"10.0.0.11\"");
    let target = Daemon::start(&pair.lab, &pair.target, &config);

    pair.source_nic.add_address("10.0.0.11/24");

    wait_for_state(&target, "web1", "healthy");
}

#[test]
fn a_standby_servers_nic_that_is_made_anew_carries_on() {
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let [client, source, target, standby] =
        ["client", "source", "target", "standby"].map(|name| lab.host(name));
    lab.plug(&client, "ens1", &switch, "10.0.0.100/24");
    let source_nic = lab.plug(&source, "ens1", &switch, "10.0.0.10/24");
    lab.plug(&target, "ens1", &switch, "10.0.0.2/24");
    let connect = || {
        let ends = (
            (&target, "ens2", "10.0.5.1/24"),
            (&standby, "ens1", "10.0.5.20/24"),
        );
        let cable = lab.connect(ends.0, ends.1);
        standby.add_route("0.0.0.0/0", "10.0.5.1");
        cable
    };
    let cable = connect();
    standby.add_loopback_address("10.0.0.10/32");
    let _services = [&source, &standby].map(|host| Service::start(host, PORT, &["10.0.0.10"]));
    let _reflector = Daemon::start(&lab, &source, REFLECTOR);
    let daemon = Daemon::start(&lab, &target, FORWARDED);
    wait_for_state(&daemon, "web1", "healthy");
    let requests = Client::start(&client, &format!("10.0.0.10:{PORT}"), 1000);
    requests.wait_for_answer_by("source", 0);
    let pulled = source_nic.pull();
    requests.wait_for_answer_by("standby", pulled);

    cable.remove();
    daemon.wait_for(PATIENCE, "the NIC to be gone", |status| {
        status["nics"].as_array().is_some_and(|nics| {
            nics.iter()
                .all(|nic| nic["name"] != "ens2" || nic["xdp_mode"] == "none")
        })
    });
    let gone = clock::now_ns();
    connect();

    requests.wait_for_answer_by("standby", gone);
}

/// Requests are forwarded to a standby server behind another NIC.
const FORWARDED: &str = r#"
[[source]]
name = "web1"
interval = "1ms"
on_failure = "automatic"
[[source.path]]
monitor = "10.0.0.10"
target_nic = "ens1"
addresses = [{ ip = "10.0.0.10/24", deliver = { forward = "10.0.5.20" } }]
"#;

/// Whether an Ethernet frame is an ICMP echo request with this source address.
fn is_echo_request_from(frame: &[u8], source: [u8; 4]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x00])
        && frame.get(23) == Some(&1)
        && frame.get(26..30) == Some(&source)
        && frame.get(34) == Some(&8)
}

#[test]
fn a_nic_that_takes_the_name_of_another_carries_the_program() {
    let pair = Pair::new();
    let anew = pair.plug_target("ens3", "10.0.0.4/24");
    let (_source, target) = pair.start(&automatic("1ms", 3));
    for arguments in ["link set ens2 name old2", "link set ens3 name ens2"] {
        let output = ip(&pair.target, arguments);
        assert!(output.status.success(), "{output:?}");
    }
    let renamed = clock::wait_until(PATIENCE, || {
        let events = run(&target, &["events", "--json"], 0);
        events
            .lines()
            .filter(|line| line.contains("\"nic\"") && line.contains("ens2"))
            .count()
            >= 3
    });
    run(&target, &["takeover", "web1", "--yes"], 0);
    let _client = pair.client_of("10.0.0.11", 1000, "target");

    assert!(renamed && anew.has_address("10.0.0.11"));
    assert_eq!(pair.client.neighbour("10.0.0.11"), Some(anew.mac()));
    let counted = source(&target.status(), "web1")["paths"][0]["addresses"][1]["packets"].as_u64();
    assert!(counted > Some(0), "the program has not seen a packet");
}

#[test]
fn replies_of_held_addresses_follow_a_gateway_that_changes() {
    let pair = Pair::new();
    pair.target.add_route("10.9.0.0/24", "10.0.0.77");
    let (_source, target) = pair.start(&automatic("1ms", 3));
    run(&target, &["takeover", "web1", "--yes"], 0);
    let route = || {
        let output = ip(&pair.target, "route get 10.9.0.1 from 10.0.0.10");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let before = route();

    let output = ip(
        &pair.target,
        "route replace 10.9.0.0/24 via 10.0.0.78 dev ens1",
    );
    let followed = clock::wait_until(PATIENCE, || route().contains("via 10.0.0.78 "));

    assert!(output.status.success(), "{output:?}");
    assert!(before.contains("via 10.0.0.77 "), "{before}");
    assert!(followed, "{}", route());
}

#[test]
fn a_source_that_answers_pings_is_seen_when_it_comes_back_having_forgotten_us() {
    let pair = Pair::new();
    let config = automatic("1ms", 3).replace("misses", "probe = \"icmp\"\nmisses");
    let target = pair.start_target(&config);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    pair.source.flush_neighbours();
    pair.source_nic.replug();

    target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
}

/// `ip ARGUMENTS` on a host.
fn ip(host: &Host, arguments: &str) -> Output {
    let mut command = Command::new("ip");
    command
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = host.namespace().command(command);
    child.wait_with_output().expect("ip")
}

#[test]
fn a_nic_that_could_not_be_managed_is_tried_again() {
    let pair = Pair::new();
    let anew = pair.plug_target("ens3", "10.0.0.4/24");
    let (_source, target) = pair.start(&automatic("1ms", 3));
    let foreign = pair
        .target
        .run(|| attach_mirror(anew.index()))
        .expect("a program");
    for arguments in ["link set ens2 name old2", "link set ens3 name ens2"] {
        let output = ip(&pair.target, arguments);
        assert!(output.status.success(), "{output:?}");
    }
    let told = clock::wait_until(PATIENCE, || {
        run(&target, &["events"], 0).contains("another XDP program")
    });

    drop(foreign);
    target.wait_for(PATIENCE, "ens2 to be managed", |status| {
        status["nics"][1]["xdp_mode"] != "none"
    });

    let events = run(&target, &["events"], 0);
    assert!(told);
    assert_eq!(events.matches("another XDP program").count(), 1, "{events}");
}

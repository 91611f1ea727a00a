//! Held addresses that somebody removes, and what is left of them when they are not held any more.

use std::{fs, process::Command};

use failover_tests::lab::{Capture, Daemon, Host, clock};
use failover_user::net::{
    RULE_PRIORITY,
    batch::{Batch, BatchSocket},
    table_of,
};

use crate::pair::{PATIENCE, Pair, automatic, events, run, source, wait_for_state};

/// `ip ARGUMENTS` on a host has to succeed; what it printed.
#[track_caller]
fn ip(host: &Host, arguments: &str) -> String {
    let mut command = Command::new("ip");
    command
        .args(arguments.split_whitespace())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let output = host.namespace().command(command).wait_with_output();
    let output = output.expect("ip");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// More addresses than one slice of a takeover has, on one NIC.
const MANY: u8 = 40;

fn many() -> String {
    let addresses: Vec<_> = (1..=MANY)
        .map(|n| format!("\"10.0.0.{}/24\"", 150 + n))
        .collect();
    let both = "\"10.0.0.10/24\", { ip = \"10.0.0.11/24\", target_nic = \"ens2\" }";
    automatic("10ms", 3).replace(both, &addresses.join(", "))
}

fn held(pair: &Pair) -> usize {
    let addresses = pair.target_nics[0].addresses();
    addresses.iter().filter(|(_, prefix)| *prefix == 32).count()
}

#[test]
fn many_addresses_that_are_removed_at_once_are_put_back_without_another_takeover() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&many());
    run(&target, &["takeover", "web1", "--yes"], 0);
    let wire = Capture::on_wire(&pair.target_nics[0]);

    ip(&pair.target, "address flush dev ens1 to 10.0.0.128/25");
    let back = clock::wait_until(PATIENCE, || {
        held(&pair) == usize::from(MANY) && events(&target, "put-back").len() == usize::from(MANY)
    });

    assert!(back, "{} are there\n{}", held(&pair), target.log());
    let takeovers = events(&target, "takeover");
    assert_eq!(takeovers.len(), 1, "{takeovers:#?}");
    // A request and a reply for each, and no more.
    let told: usize = (1..=MANY)
        .map(|n| wire.announcements_of([10, 0, 0, 150 + n].into()).len())
        .sum();
    let repeated = 2 * usize::from(MANY) * events(&target, "announced").len();
    assert!(told <= repeated + 2 * usize::from(MANY), "{told}");
}

#[test]
fn an_address_that_is_removed_again_and_again_is_put_back_again_and_again() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    run(&target, &["takeover", "web1", "--yes"], 0);

    for times in 1..=4 {
        pair.target_nics[0].remove_address("10.0.0.10");
        let back = clock::wait_until(PATIENCE, || {
            pair.target_nics[0].has_address("10.0.0.10")
                && events(&target, "put-back").len() == times
        });
        assert!(back, "{times}\n{}", target.log());
    }

    assert_eq!(events(&target, "takeover").len(), 1);
}

/// A failback that begins with a hook, which waits for a file.
fn asks_first(pair: &Pair) -> (String, std::path::PathBuf) {
    let file = pair.lab.dir().join("answer");
    let script = format!(
        "until [ -e {0} ]; do sleep 0.01; done; read code < {0}; exit $code",
        file.display()
    );
    let config = format!(
        "{}\n[source.hooks]\nbefore_failback = [\"/bin/sh\", \"-c\", '''{script}''']\n",
        automatic("10ms", 3)
    );
    (config, file)
}

#[test]
fn an_address_that_is_lost_while_the_hook_before_failback_runs_is_served_all_the_same() {
    let pair = Pair::new();
    let (config, answer) = asks_first(&pair);
    let (_source, target) = pair.start(&config);
    run(&target, &["takeover", "web1", "--yes"], 0);
    let failback = target.start_failover(&["failback", "web1", "--yes"]);
    wait_for_state(&target, "web1", "failing-back");

    pair.target_nics[0].remove_address("10.0.0.10");
    pair.target_nics[1].down();
    target.wait_for(PATIENCE, "the NIC to be down", |status| {
        status["nics"][1]["carrier"] == false
    });
    pair.target_nics[1].up();
    let back = clock::wait_until(PATIENCE, || pair.target_nics[0].has_address("10.0.0.10"));
    fs::write(&answer, "1\n").expect("the answer");
    let ended = failback.wait_with_output().expect("failback");
    wait_for_state(&target, "web1", "taken-over");

    assert!(back, "{}", target.log());
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    for (nic, address) in pair.target_nics.iter().zip(["10.0.0.10", "10.0.0.11"]) {
        assert!(nic.has_address(address), "{address}");
    }
    let _client = pair.client_of("10.0.0.10", 1000, "target");
}

#[test]
fn an_address_that_could_not_be_removed_is_removed_later() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    // What a failback that the kernel refused in part leaves: an address with our mark, and no entry.
    let address: std::net::IpAddr = [10, 0, 0, 77].into();
    let index = pair.target_nics[0].index();
    let left = Batch::builder()
        .hold(index, address)
        .add_rule(address, table_of(index), RULE_PRIORITY)
        .build();
    pair.target
        .run(|| BatchSocket::open().expect("a socket").execute(&left))
        .expect("what is left");
    ip(&pair.target, "address add 10.0.0.78/32 dev ens1");

    run(&target, &["takeover", "web1", "--yes"], 0);
    run(&target, &["failback", "web1", "--yes"], 0);
    let gone = clock::wait_until(PATIENCE, || {
        !pair.target_nics[0].has_address("10.0.0.77")
            && !ip(&pair.target, "rule list").contains("10.0.0.77")
    });

    assert!(gone, "{}", target.log());
    assert!(pair.target_nics[0].has_address("10.0.0.78"), "not ours");
}

#[test]
fn a_nic_that_is_gone_leaves_no_rule_and_gets_it_again_when_it_is_back() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    run(&target, &["takeover", "web1", "--yes"], 0);
    let rules = || ip(&pair.target, "rule list");
    let before = rules();

    pair.target_nics[1].remove();
    let gone = clock::wait_until(PATIENCE, || !rules().contains("10.0.0.11"));
    let left = rules();
    let anew = pair.plug_target("ens2", "10.0.0.3/24");
    let back = clock::wait_until(PATIENCE, || {
        rules().contains("10.0.0.11") && anew.has_address("10.0.0.11")
    });

    assert!(before.contains("10.0.0.11"), "{before}");
    assert!(gone, "{left}");
    assert!(left.contains("10.0.0.10"), "{left}");
    assert!(back, "{}", rules());
}

#[test]
fn at_the_start_rules_and_routes_that_nothing_explains_are_removed() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("10ms", 3));
    run(&target, &["takeover", "web1", "--yes"], 0);
    target.terminate();
    for left in [
        "rule add from 10.0.0.10 lookup 78000099 priority 780 protocol 78",
        "rule add from 10.0.0.99 lookup 78000099 priority 780 protocol 78",
        "route add 10.9.0.0/24 dev ens1 table 78000099 protocol 78",
        "route add 10.8.0.0/24 dev ens1 table 78000099",
    ] {
        ip(&pair.target, left);
    }

    target.restart();

    let rules = ip(&pair.target, "rule list");
    let routes = ip(&pair.target, "route list table 78000099");
    assert!(!rules.contains("78000099"), "{rules}");
    for address in ["10.0.0.10", "10.0.0.11"] {
        assert!(rules.contains(address), "{rules}");
    }
    assert!(!routes.contains("10.9.0.0"), "{routes}");
    assert!(routes.contains("10.8.0.0"), "not ours: {routes}");
}

#[test]
fn an_address_whose_source_was_never_seen_is_left_to_it_at_once() {
    let pair = Pair::new();
    // 10.0.0.11 comes later, on a NIC of its own.
    pair.source_nic.remove_address("10.0.0.11");
    let config = automatic("10ms", 3).replace(
        "addresses = [\"10.0.0.10/24\", { ip = \"10.0.0.11/24\", target_nic = \"ens2\" }]",
        "addresses = [\"10.0.0.10/24\"]\n[[source.path]]\nmonitor = \"10.0.0.11\"\nnic = \"ens2\"\ntarget_nic = \"ens2\"\naddresses = [\"10.0.0.11/24\"]",
    );
    let _source = pair.start_source();
    let target = Daemon::start(&pair.lab, &pair.target, &config);
    target.wait_for(PATIENCE, "the first path", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
    run(&target, &["takeover", "web1", "--yes"], 0);
    run(&target, &["failback", "web1", "--yes"], 1);

    pair.source_nic.add_address("10.0.0.11/24");
    pair.client.flush_neighbours();
    let asked = pair.client("10.0.0.11", 100);
    let begun = clock::wait_until(PATIENCE, || {
        events(&target, "failback")
            .iter()
            .any(|event| event["step"] == "done")
    });
    let report = asked.finish();

    let done = events(&target, "failback").pop().expect("the last step");
    let first = report.first_answer_by("source", 0).expect("an answer");
    assert!(begun && done["step"] == "done", "{done}");
    assert!(first < done["at_ns"].as_u64().expect("a time"), "{done}");
}

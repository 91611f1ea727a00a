//! Sources that run none of our software: real kernel stacks, and a real TCP server.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
};

use failover_tests::lab::{Daemon, Host, Lab, clock};
use serde_json::Value;

use crate::pair::{PATIENCE, Pair, automatic, events, run, source, wait_for_event, wait_for_state};

/// The server's address on the source.
const SERVER: &str = "10.0.0.10:8080";

/// Both addresses are taken over at once; `more` are further keys of the source.
fn probing(probe: &str, interval: &str, more: &str) -> String {
    automatic(interval, 3).replace(
        "misses = 3",
        &format!("misses = 3\nprobe = \"{probe}\"\n{more}"),
    )
}

/// A server on the source, whose connections wait to be accepted.
fn server(pair: &Pair) -> TcpListener {
    let listener = pair
        .source
        .run(|| TcpListener::bind(SERVER))
        .expect("a server");
    listener.set_nonblocking(true).expect("a server");
    listener
}

/// Whether nobody waits to be accepted.
fn nobody_waits(server: &TcpListener) -> bool {
    matches!(server.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Connections of a host that are half open, as its kernel has them (`SYN_RECV`, 03).
fn half_open(host: &Host) -> usize {
    let table = host.run(|| fs::read_to_string("/proc/thread-self/net/tcp"));
    let table = table.expect("the table of connections");
    table
        .lines()
        .skip(1)
        .filter(|line| line.split_whitespace().nth(3) == Some("03"))
        .count()
}

/// A counter of a host's kernel, such as `Tcp:` `AttemptFails`.
fn counter(host: &Host, file: &str, group: &str, name: &str) -> u64 {
    let table = host
        .run(|| fs::read_to_string(format!("/proc/thread-self/net/{file}")))
        .expect("the kernel's counters");
    let mut rows = table.lines().filter(|line| line.starts_with(group));
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    names
        .split_whitespace()
        .zip(values.split_whitespace())
        .find(|(known, _)| *known == name)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_else(|| panic!("no {group} {name} in {table}"))
}

fn path(status: &Value) -> &Value {
    &source(status, "web1")["paths"][0]
}

/// Waits until so many requests were answered.
fn wait_for_answers(target: &Daemon, count: u64) {
    target.wait_for(PATIENCE, "answers", |status| {
        path(status)["received"].as_u64() >= Some(count)
    });
}

/// The cable of a source that was found healthy by this probe is pulled, put back, and the addresses are given back. Until
/// the end the source has its addresses configured.
fn fails_and_comes_back(probe: &str, counter: &str) {
    let pair = Pair::new();
    let _server = server(&pair);
    let target = pair.start_target(&probing(probe, "10ms", ""));
    let client = pair.client("10.0.0.10", 1000);
    wait_for_answers(&target, 100);

    let pulled = pair.source_nic.pull();
    let taken = client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    pair.replug(&target);
    let begun = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&target, "web1", "healthy");

    let status = target.status();
    assert!(
        status["counters"][counter].as_u64() >= Some(100),
        "{status:#}"
    );
    let rtt = &path(&status)["rtt_ns"];
    assert!(rtt["min"].as_u64() > Some(0), "{rtt}");
    for nic in &pair.target_nics {
        assert!(!nic.has_address("10.0.0.10") && !nic.has_address("10.0.0.11"));
    }
    let report = client.finish();
    eprintln!(
        "{probe}: served by the target {:?} after the pull; {} lost in the failback",
        std::time::Duration::from_nanos(taken - pulled),
        report.lost_between(begun, u64::MAX),
    );
}

#[test]
fn a_source_without_our_software_fails_and_comes_back_by_icmp() {
    fails_and_comes_back("icmp", "echo_measured");
}

#[test]
fn a_source_without_our_software_fails_and_comes_back_by_arp() {
    fails_and_comes_back("arp", "arp_measured");
}

#[test]
fn a_source_without_our_software_fails_and_comes_back_by_tcp() {
    fails_and_comes_back("tcp:8080", "tcp_measured");
}

#[test]
fn thousands_of_heartbeats_leave_no_connection_behind_on_the_server() {
    const HEARTBEATS: u64 = 3000;
    let pair = Pair::new();
    let server = server(&pair);
    let target = pair.start_target(&probing("tcp:8080", "1ms", ""));
    wait_for_answers(&target, HEARTBEATS);
    // Without heartbeats whatever they have left stays to be counted.
    run(&target, &["stop"], 0);

    let none_half_open = clock::wait_until(PATIENCE, || half_open(&pair.source) == 0);
    let tcp = |name| counter(&pair.source, "snmp", "Tcp:", name);
    let more = |name| counter(&pair.source, "netstat", "TcpExt:", name);

    assert!(none_half_open, "{} are half open", half_open(&pair.source));
    assert!(nobody_waits(&server), "the server saw a connection");
    assert!(
        tcp("AttemptFails") >= HEARTBEATS,
        "{} connections were reset while half open",
        tcp("AttemptFails")
    );
    assert_eq!((tcp("PassiveOpens"), tcp("CurrEstab")), (0, 0));
    for name in [
        "ListenOverflows",
        "ListenDrops",
        "TCPReqQFullDrop",
        "TCPReqQFullDoCookies",
        "TCPAbortOnTimeout",
        "SyncookiesSent",
    ] {
        assert_eq!(more(name), 0, "{name}");
    }
    // The same look finds a connection that somebody really opens.
    let connected = pair
        .client
        .run(|| TcpStream::connect(SERVER.parse::<SocketAddr>().expect("an address")));
    assert!(connected.is_ok(), "{connected:?}");
    assert!(!nobody_waits(&server));
    assert_eq!(tcp("PassiveOpens"), 1);
}

#[test]
fn the_kernel_of_the_target_never_sees_an_answer_to_a_heartbeat() {
    let pair = Pair::new();
    let _server = server(&pair);
    let target = pair.start_target(&probing("tcp:8080", "1ms", ""));
    let segments = || counter(&pair.target, "snmp", "Tcp:", "InSegs");
    let before = segments();

    let answered = path(&target.status())["received"].as_u64().unwrap_or(0);
    wait_for_answers(&target, answered + 500);

    assert_eq!(segments(), before);
    assert_eq!(counter(&pair.target, "snmp", "Tcp:", "OutRsts"), 0);
}

#[test]
fn a_closed_port_is_a_refusal_and_leads_to_the_takeover_with_that_cause() {
    let pair = Pair::new();
    let open = server(&pair);
    let target = pair.start_target(&probing("tcp:8080", "10ms", "l2_alive = \"ignore\""));
    let client = pair.client("10.0.0.10", 1000);
    wait_for_answers(&target, 20);

    let closed = clock::now_ns();
    drop(open);
    wait_for_event(&target, "takeover");
    client.wait_for_answer_by("target", closed);

    let cause = "3 of 3 heartbeats missed (connection refused)";
    let failed = events(&target, "transition");
    assert!(
        failed
            .iter()
            .any(|event| event["to"] == "failed" && event["cause"] == cause),
        "{failed:#?}"
    );
    let verdicts = events(&target, "verdict");
    assert_eq!(verdicts[0]["refused"], 3, "{verdicts:#?}");
    assert!(path(&target.status())["refused"].as_u64() >= Some(3));
}

#[test]
fn a_service_that_is_down_on_a_host_that_is_up_is_asked_about() {
    let pair = Pair::new();
    let open = server(&pair);
    let target = pair.start_target(&probing("tcp:8080", "10ms", ""));

    drop(open);
    wait_for_state(&target, "web1", "awaiting-approval");
    let cause = source(&target.status(), "web1")["cause"].clone();
    let shown = run(&target, &["status"], 0);
    let _again = server(&pair);
    wait_for_state(&target, "web1", "healthy");

    let wanted = "3 of 3 heartbeats missed (connection refused), but the source still answers ARP for 10.0.0.1";
    assert!(
        cause
            .as_str()
            .is_some_and(|cause| cause.starts_with(wanted)),
        "{cause}"
    );
    assert!(shown.contains("connection refused"), "{shown}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn a_port_that_was_never_open_is_no_failure() {
    let pair = Pair::new();
    let target = Daemon::start(&pair.lab, &pair.target, &probing("tcp:8080", "10ms", ""));

    target.wait_for(PATIENCE, "refusals", |status| {
        path(status)["refused"].as_u64() >= Some(20)
    });
    let before = source(&target.status(), "web1")["state"].clone();
    let _server = server(&pair);
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(before, "unknown");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn after_a_restart_the_server_is_asked_by_the_same_client() {
    let pair = Pair::new();
    let _server = server(&pair);
    let mut target = pair.start_target(&probing("tcp:8080", "10ms", ""));
    wait_for_answers(&target, 20);

    target.kill9();
    target.restart();
    wait_for_state(&target, "web1", "healthy");
    wait_for_answers(&target, 100);

    let status = target.status();
    assert_eq!(status["counters"]["tcp_stray"], Value::Null, "{status:#}");
    assert_eq!(path(&status)["refused"], 0, "{status:#}");
}

/// A source with IPv6 addresses and no software of ours is pulled and put back.
fn fails_and_comes_back_over_ipv6(probe: &str) {
    const SOURCE: &str = "fd00:0:0:1::10";
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let (source, host) = (lab.host("source"), lab.host("target"));
    for host in [&source, &host] {
        host.namespace().ipv6(true);
    }
    let source_nic = lab.plug(&source, "ens1", &switch, &format!("{SOURCE}/64"));
    let target_nic = lab.plug(&host, "ens1", &switch, "fd00:0:0:1::2/64");
    let _server = source
        .run(|| TcpListener::bind(format!("[{SOURCE}]:8080")))
        .expect("a server");
    let config = format!(
        r#"
[[source]]
name = "web1"
probe = "{probe}"
interval = "10ms"
on_failure = "automatic"
[[source.path]]
monitor = "{SOURCE}"
target_nic = "ens1"
addresses = ["{SOURCE}/64"]
"#
    );
    let target = Daemon::start(&lab, &host, &config);
    wait_for_state(&target, "web1", "healthy");
    wait_for_answers(&target, 50);

    source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let taken = target_nic.has_address(SOURCE);
    source_nic.replug();
    target.wait_for(PATIENCE, "heartbeats", |status| {
        path(status)["heartbeat"] == "up"
    });
    run(&target, &["failback", "web1", "--yes"], 0);
    wait_for_state(&target, "web1", "healthy");

    assert!(taken);
    assert!(!target_nic.has_address(SOURCE));
}

#[test]
fn over_ipv6_a_source_without_our_software_fails_and_comes_back_by_icmp() {
    fails_and_comes_back_over_ipv6("icmp");
}

#[test]
fn over_ipv6_a_source_without_our_software_fails_and_comes_back_by_tcp() {
    fails_and_comes_back_over_ipv6("tcp:8080");
}

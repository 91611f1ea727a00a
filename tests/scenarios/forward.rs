//! Held addresses whose packets are sent on to a standby server behind another NIC.

use failover_tests::lab::{Client, Daemon, Host, Lab, Nic, Service, clock};

use crate::pair::{PATIENCE, PORT, REFLECTOR, run, source, wait_for_state};

struct Net {
    client: Host,
    target_host: Host,
    source_nic: Nic,
    target_nic: Nic,
    _source: Daemon,
    target: Daemon,
    _services: [Service; 2],
    // Last: the daemons' files are in it.
    _lab: Lab,
}

/// client and source on a switch with the target; a standby server on a cable behind the target's second NIC.
fn net() -> Net {
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let [client, source, target, standby] =
        ["client", "source", "target", "standby"].map(|name| lab.host(name));
    lab.plug(&client, "ens1", &switch, "10.0.0.100/24");
    let source_nic = lab.plug(&source, "ens1", &switch, "10.0.0.10/24");
    let target_nic = lab.plug(&target, "ens1", &switch, "10.0.0.2/24");
    lab.connect(
        (&target, "ens2", "10.0.5.1/24"),
        (&standby, "ens1", "10.0.5.20/24"),
    );
    standby.add_loopback_address("10.0.0.10/32");
    standby.add_route("0.0.0.0/0", "10.0.5.1");
    let services = [&source, &standby].map(|host| Service::start(host, PORT, &["10.0.0.10"]));
    let reflector = Daemon::start(&lab, &source, REFLECTOR);
    let config = r#"
[[source]]
name = "web1"
interval = "1ms"
on_failure = "automatic"
[[source.path]]
monitor = "10.0.0.10"
target_nic = "ens1"
addresses = [{ ip = "10.0.0.10/24", deliver = { forward = "10.0.5.20" } }]
"#;
    let daemon = Daemon::start(&lab, &target, config);
    wait_for_state(&daemon, "web1", "healthy");
    Net {
        client,
        target_host: target,
        source_nic,
        target_nic,
        _source: reflector,
        target: daemon,
        _services: services,
        _lab: lab,
    }
}

fn counter(daemon: &Daemon, name: &str) -> u64 {
    daemon.status()["counters"][name]
        .as_u64()
        .unwrap_or_default()
}

#[test]
fn packets_are_redirected_to_the_standby_server_and_its_replies_back() {
    let net = net();
    let client = Client::start(&net.client, &format!("10.0.0.10:{PORT}"), 5000);
    client.wait_for_answer_by("source", 0);

    let pulled = net.source_nic.pull();
    client.wait_for_answer_by("standby", pulled);
    net.target
        .wait_for(PATIENCE, "redirected packets both ways", |status| {
            let count = |name: &str| status["counters"][name].as_u64().unwrap_or_default();
            count("forwarded") > 500 && count("returned") > 500
        });

    assert!(
        !net.target_nic.has_address("10.0.0.10"),
        "the target's kernel must not have the address"
    );
    let status = net.target.status();
    let address = &source(&status, "web1")["paths"][0]["addresses"][0];
    assert_eq!(
        (address["held"].as_bool(), address["deliver"].as_str()),
        (Some(true), Some("forward 10.0.5.20"))
    );
    eprintln!(
        "forwarded {}, returned {}",
        counter(&net.target, "forwarded"),
        counter(&net.target, "returned")
    );
}

#[test]
fn a_planned_failback_of_a_forwarded_address_loses_no_request() {
    let net = net();
    let client = Client::start(&net.client, &format!("10.0.0.10:{PORT}"), 5000);
    client.wait_for_answer_by("source", 0);
    let pulled = net.source_nic.pull();
    client.wait_for_answer_by("standby", pulled);
    net.source_nic.replug();
    net.target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });

    let begun = clock::now_ns();
    run(&net.target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&net.target, "web1", "healthy");

    let report = client.finish();
    assert_eq!(
        report.lost_between(begun, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn release_sets_forwarding_back_even_after_a_restart() {
    let mut net = net();
    let setting = |net: &Net, key: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/ens2/{key}");
        let read = || std::fs::read_to_string(&path).expect("a setting");
        net.target_host.run(read).trim().to_owned()
    };
    let while_running = (setting(&net, "forwarding"), setting(&net, "rp_filter"));

    net.target.kill9();
    net.target.restart();
    run(&net.target, &["stop", "--release"], 0);
    net.target.wait_for_end();

    assert_eq!(while_running, ("1".to_owned(), "2".to_owned()));
    assert_eq!(setting(&net, "forwarding"), "0");
}

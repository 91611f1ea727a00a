//! Held IPv6 addresses whose packets are sent on to a standby server behind another NIC.

use failover_tests::{
    frames6::solicited_node,
    lab::{Client, Daemon, Host, Lab, Nic, Service, clock},
};

use crate::{
    pair::{PATIENCE, PORT, REFLECTOR, run, source, wait_for_state},
    six::{host, wait_for_heartbeats},
};

const ADDRESS: &str = "fd00:0:0:1::10";

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
        ["client", "source", "target", "standby"].map(|name| host(&lab, name));
    lab.plug(&client, "ens1", &switch, "fd00:0:0:1::100/64");
    let source_nic = lab.plug(&source, "ens1", &switch, "fd00:0:0:1::10/64");
    let target_nic = lab.plug(&target, "ens1", &switch, "fd00:0:0:1::2/64");
    lab.connect(
        (&target, "ens2", "fd00:0:0:5::1/64"),
        (&standby, "ens1", "fd00:0:0:5::20/64"),
    );
    standby.add_loopback_address("fd00:0:0:1::10/128");
    standby.add_route("::/0", "fd00:0:0:5::1");
    target.sysctl("net/ipv6/conf/ens2/accept_ra", "1");
    let services = [&source, &standby].map(|host| Service::start(host, PORT, &[ADDRESS]));
    let reflector = Daemon::start(&lab, &source, REFLECTOR);
    let config = r#"
[[source]]
name = "web1"
interval = "1ms"
on_failure = "automatic"
[[source.path]]
monitor = "fd00:0:0:1::10"
target_nic = "ens1"
addresses = [{ ip = "fd00:0:0:1::10/64", deliver = { forward = "fd00:0:0:5::20" } }]
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

#[test]
fn packets_are_redirected_to_the_standby_server_and_given_back_without_a_loss() {
    let net = net();
    let client = Client::start(&net.client, &format!("[{ADDRESS}]:{PORT}"), 5000);
    client.wait_for_answer_by("source", 0);

    let pulled = net.source_nic.pull();
    client.wait_for_answer_by("standby", pulled);
    net.target
        .wait_for(PATIENCE, "redirected packets both ways", |status| {
            let count = |name: &str| status["counters"][name].as_u64().unwrap_or_default();
            count("forwarded") > 500 && count("returned") > 500
        });
    let kernel_has_it = net.target_nic.has_address(ADDRESS);
    let address = source(&net.target.status(), "web1")["paths"][0]["addresses"][0].clone();
    net.source_nic.replug();
    wait_for_heartbeats(&net.target);
    let begun = clock::now_ns();
    run(&net.target, &["failback", "web1", "--yes"], 0);
    client.wait_for_answer_by("source", begun);
    wait_for_state(&net.target, "web1", "healthy");

    assert!(
        !kernel_has_it,
        "the target's kernel must not have the address"
    );
    assert_eq!(
        (address["held"].as_bool(), address["deliver"].as_str()),
        (Some(true), Some("forward fd00:0:0:5::20"))
    );
    let report = client.finish();
    assert_eq!(
        report.lost_between(begun, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn the_chosen_nic_goes_on_listening_without_a_daemon_and_stops_after_a_release() {
    let mut net = net();
    let group = solicited_node(ADDRESS.parse().expect("an address"));
    let listens = |net: &Net| net.target_host.ipv6_groups("ens1").contains(&group);
    net.source_nic.pull();
    wait_for_state(&net.target, "web1", "taken-over");

    net.target.kill9();
    let without = listens(&net);
    // Nobody has to have heard of it before.
    net.client.flush_neighbours();
    let client = Client::start(&net.client, &format!("[{ADDRESS}]:{PORT}"), 100);
    client.wait_for_answer_by("standby", 0);
    net.target.restart();
    wait_for_state(&net.target, "web1", "taken-over");
    run(&net.target, &["stop", "--release"], 0);
    net.target.wait_for_end();

    assert!(without, "the group was left with the daemon");
    assert!(!listens(&net), "the group was not left at the release");
}

#[test]
fn release_sets_forwarding_back_even_after_a_restart() {
    let mut net = net();
    let settings = |net: &Net| {
        ["forwarding", "accept_ra"].map(|key| {
            let path = format!("/proc/sys/net/ipv6/conf/ens2/{key}");
            let read = || std::fs::read_to_string(&path).expect("a setting");
            net.target_host.run(read).trim().to_owned()
        })
    };
    let while_running = settings(&net);

    net.target.kill9();
    net.target.restart();
    run(&net.target, &["stop", "--release"], 0);
    net.target.wait_for_end();

    assert_eq!(while_running, ["1", "2"]);
    assert_eq!(settings(&net), ["0", "1"]);
}

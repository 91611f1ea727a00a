//! More than one source, more than one NIC, more than one role.

use failover_tests::lab::{Client, Daemon, Host, Lab, Nic, Service, Switch};

use crate::pair::{PATIENCE, PORT, REFLECTOR, source, state, wait_for_state};

struct Net {
    lab: Lab,
    switch: Switch,
    client: Host,
    services: Vec<Service>,
}

impl Net {
    fn new() -> Self {
        let lab = Lab::new();
        let switch = lab.switch("sw");
        let client = lab.host("client");
        lab.plug(&client, "ens1", &switch, "10.0.0.100/24");
        Self {
            lab,
            switch,
            client,
            services: Vec::new(),
        }
    }

    fn host(&mut self, name: &str, address: &str, serves: &[&str]) -> (Host, Nic) {
        let host = self.lab.host(name);
        let nic = self.lab.plug(&host, "ens1", &self.switch, address);
        self.services.push(Service::start(&host, PORT, serves));
        (host, nic)
    }

    fn client(&self, address: &str) -> Client {
        Client::start(&self.client, &format!("{address}:{PORT}"), 1000)
    }
}

fn watch(name: &str, address: &str) -> String {
    format!(
        r#"
[[source]]
name = "{name}"
interval = "1ms"
on_failure = "automatic"
[[source.path]]
monitor = "{address}"
target_nic = "ens1"
addresses = ["{address}/24"]
"#
    )
}

#[test]
fn two_sources_fail_over_independently() {
    let mut net = Net::new();
    let (first, first_nic) = net.host("first", "10.0.0.10/24", &["10.0.0.10"]);
    let (second, second_nic) = net.host("second", "10.0.0.20/24", &["10.0.0.20"]);
    let (target, nic) = net.host("target", "10.0.0.2/24", &["10.0.0.10", "10.0.0.20"]);
    let _sources = [&first, &second].map(|host| Daemon::start(&net.lab, host, REFLECTOR));
    let config = watch("web1", "10.0.0.10") + &watch("web2", "10.0.0.20");
    let daemon = Daemon::start(&net.lab, &target, &config);
    wait_for_state(&daemon, "web1", "healthy");
    wait_for_state(&daemon, "web2", "healthy");
    let clients = [net.client("10.0.0.10"), net.client("10.0.0.20")];

    let pulled = first_nic.pull();
    clients[0].wait_for_answer_by("target", pulled);
    wait_for_state(&daemon, "web1", "taken-over");
    let between = daemon.status();
    let untouched = !nic.has_address("10.0.0.20");
    let pulled = second_nic.pull();
    clients[1].wait_for_answer_by("target", pulled);

    assert_eq!(state(&between, "web2"), "healthy");
    assert!(untouched);
    wait_for_state(&daemon, "web2", "taken-over");
    wait_for_state(&daemon, "web1", "taken-over");
}

/// A source with two NICs and a target that watches both.
fn two_nics(trigger: &str) -> (Net, [Nic; 2], Nic, Daemon, Daemon) {
    let mut net = Net::new();
    let (source, first) = net.host("source", "10.0.0.10/24", &["10.0.0.10", "10.0.1.10"]);
    let other = net.lab.switch("other");
    let second = net.lab.plug(&source, "ens2", &other, "10.0.1.10/24");
    let (target, nic) = net.host("target", "10.0.0.2/24", &["10.0.0.10", "10.0.1.10"]);
    net.lab.plug(&target, "ens2", &other, "10.0.1.2/24");
    let reflector = Daemon::start(
        &net.lab,
        &source,
        "[reflector]\nnics = [\"ens1\", \"ens2\"]\n",
    );
    let config = format!(
        r#"
[[source]]
name = "web1"
interval = "1ms"
on_failure = "automatic"
# The source answers ARP for every address of its on every NIC, as Linux does.
l2_alive = "ignore"
trigger = "{trigger}"
[[source.path]]
monitor = "10.0.0.10"
target_nic = "ens1"
addresses = ["10.0.0.10/24"]
[[source.path]]
monitor = "10.0.1.10"
target_nic = "ens2"
addresses = ["10.0.1.10/24"]
"#
    );
    let daemon = Daemon::start(&net.lab, &target, &config);
    daemon.wait_for(PATIENCE, "both paths", |status| {
        let paths = source_paths(status);
        paths.iter().all(|heartbeat| heartbeat == "up")
    });
    (net, [first, second], nic, reflector, daemon)
}

fn source_paths(status: &serde_json::Value) -> Vec<String> {
    let paths = source(status, "web1")["paths"].as_array().expect("paths");
    let heartbeat =
        |path: &serde_json::Value| path["heartbeat"].as_str().unwrap_or_default().to_owned();
    paths.iter().map(heartbeat).collect()
}

#[test]
fn with_trigger_all_a_source_with_two_nics_fails_when_both_are_silent() {
    let (_net, nics, own, _reflector, daemon) = two_nics("all");

    nics[0].pull();
    daemon.wait_for(PATIENCE, "the first path to be down", |status| {
        source_paths(status)[0] == "down"
    });
    let one_down = daemon.status();
    let kept = !own.has_address("10.0.0.10");
    nics[1].pull();

    assert_eq!(state(&one_down, "web1"), "suspect");
    assert!(kept);
    wait_for_state(&daemon, "web1", "taken-over");
    assert!(own.has_address("10.0.0.10"));
}

#[test]
fn with_trigger_any_one_silent_nic_is_enough() {
    let (_net, nics, own, _reflector, daemon) = two_nics("any");

    nics[1].pull();

    wait_for_state(&daemon, "web1", "taken-over");
    assert!(own.has_address("10.0.0.10"));
}

#[test]
fn with_trigger_path_each_nic_fails_over_for_itself() {
    let (_net, nics, own, _reflector, daemon) = two_nics("path");

    nics[1].pull();
    daemon.wait_for(PATIENCE, "the second path", |status| {
        source(status, "web1")["paths"][1]["state"] == "taken-over"
    });

    let status = daemon.status();
    assert_eq!(source(&status, "web1")["paths"][0]["state"], "healthy");
    assert!(!own.has_address("10.0.0.10"));
}

#[test]
fn two_hosts_can_stand_in_for_each_other() {
    let mut net = Net::new();
    let both = ["10.0.0.10", "10.0.0.20"];
    let (first, first_nic) = net.host("first", "10.0.0.10/24", &both);
    let (second, second_nic) = net.host("second", "10.0.0.20/24", &both);
    let daemons = [
        Daemon::start(
            &net.lab,
            &first,
            &(REFLECTOR.to_owned() + &watch("peer", "10.0.0.20")),
        ),
        Daemon::start(
            &net.lab,
            &second,
            &(REFLECTOR.to_owned() + &watch("peer", "10.0.0.10")),
        ),
    ];
    for daemon in &daemons {
        wait_for_state(daemon, "peer", "healthy");
    }
    let client = net.client("10.0.0.20");
    client.wait_for_answer_by("second", 0);

    let pulled = second_nic.pull();
    client.wait_for_answer_by("first", pulled);

    wait_for_state(&daemons[0], "peer", "taken-over");
    // The one whose cable is pulled knows that it is the isolated one.
    wait_for_state(&daemons[1], "peer", "isolated");
    assert!(first_nic.has_address("10.0.0.20"));
    assert!(!second_nic.has_address("10.0.0.10"));
}

#[test]
fn a_source_without_our_software_is_watched_by_icmp() {
    let mut net = Net::new();
    let (_source, nic) = net.host("source", "10.0.0.10/24", &["10.0.0.10"]);
    let (target, _) = net.host("target", "10.0.0.2/24", &["10.0.0.10"]);
    let config = watch("web1", "10.0.0.10").replace("interval", "probe = \"icmp\"\ninterval");
    let daemon = Daemon::start(&net.lab, &target, &config);
    wait_for_state(&daemon, "web1", "healthy");
    let client = net.client("10.0.0.10");
    daemon.wait_for(PATIENCE, "measured echoes", |status| {
        status["counters"]["echo_measured"].as_u64() > Some(100)
    });

    let pulled = nic.pull();
    client.wait_for_answer_by("target", pulled);

    wait_for_state(&daemon, "web1", "taken-over");
    let status = daemon.status();
    let rtt = &source(&status, "web1")["paths"][0]["rtt_ns"];
    assert!(
        rtt["min"].as_u64() > Some(0) && rtt["max"].as_u64() >= rtt["min"].as_u64(),
        "{rtt}"
    );
}

#[test]
fn nics_with_jumbo_frames_carry_the_program_in_the_driver() {
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let [source, target] = ["source", "target"].map(|name| lab.host(name));
    lab.plug_with_mtu(&source, "ens1", &switch, "10.0.0.10/24", 9000);
    lab.plug_with_mtu(&target, "ens1", &switch, "10.0.0.2/24", 9000);

    let _source = Daemon::start(&lab, &source, REFLECTOR);
    let daemon = Daemon::start(&lab, &target, &watch("web1", "10.0.0.10"));

    wait_for_state(&daemon, "web1", "healthy");
    assert_eq!(daemon.status()["nics"][0]["xdp_mode"], "native");
}

//! The usual network of a scenario: a client, a source and a target with two NICs on one switch, with their daemons.

use std::time::Duration;

use failover_tests::lab::{Client, Daemon, Host, Lab, Nic, Service, Switch, clock};
use serde_json::Value;

/// Long enough for anything to happen on a busy machine. Nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Port of the services.
pub(crate) const PORT: u16 = 7000;

/// The network. The source has 10.0.0.10 and 10.0.0.11 on ens1; the target has 10.0.0.2 on ens1 and 10.0.0.3 on ens2.
pub(crate) struct Pair {
    pub(crate) lab: Lab,
    pub(crate) switch: Switch,
    pub(crate) client: Host,
    pub(crate) client_nic: Nic,
    pub(crate) source: Host,
    pub(crate) target: Host,
    pub(crate) source_nic: Nic,
    pub(crate) target_nics: [Nic; 2],
    _services: Vec<Service>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let lab = Lab::new();
        let switch = lab.switch("sw");
        let client = lab.host("client");
        let source = lab.host("source");
        let target = lab.host("target");
        let client_nic = lab.plug(&client, "ens1", &switch, "10.0.0.100/24");
        let source_nic = lab.plug(&source, "ens1", &switch, "10.0.0.10/24");
        source_nic.add_address("10.0.0.11/24");
        let target_nics = [
            lab.plug(&target, "ens1", &switch, "10.0.0.2/24"),
            lab.plug(&target, "ens2", &switch, "10.0.0.3/24"),
        ];
        let addresses = ["10.0.0.10", "10.0.0.11"];
        let services = [&source, &target].map(|host| Service::start(host, PORT, &addresses));
        Self {
            lab,
            switch,
            client,
            client_nic,
            source,
            target,
            source_nic,
            target_nics,
            _services: services.into(),
        }
    }

    /// Another NIC for the target.
    pub(crate) fn plug_target(&self, name: &str, address: &str) -> Nic {
        self.lab.plug(&self.target, name, &self.switch, address)
    }

    /// The NIC of a third host on the switch.
    pub(crate) fn plug_third(&self, address: &str) -> Nic {
        let third = self.lab.host("third");
        self.lab.plug(&third, "ens1", &self.switch, address)
    }

    /// The source's daemon.
    pub(crate) fn start_source(&self) -> Daemon {
        Daemon::start(&self.lab, &self.source, REFLECTOR)
    }

    /// The target's daemon, once the source is healthy.
    pub(crate) fn start_target(&self, config: &str) -> Daemon {
        let daemon = Daemon::start(&self.lab, &self.target, config);
        wait_for_state(&daemon, "web1", "healthy");
        daemon
    }

    /// Starts both daemons and waits until the source is healthy.
    pub(crate) fn start(&self, config: &str) -> (Daemon, Daemon) {
        let source = self.start_source();
        (source, self.start_target(config))
    }

    /// Puts the source's cable back, and waits until the target has its heartbeats again.
    pub(crate) fn replug(&self, target: &Daemon) {
        self.source_nic.replug();
        target.wait_for(PATIENCE, "heartbeats", |status| {
            source(status, "web1")["paths"][0]["heartbeat"] == "up"
        });
    }

    /// Requests to an address of the source.
    pub(crate) fn client(&self, address: &str, per_second: u64) -> Client {
        self.client_of(address, per_second, "source")
    }

    /// The same, answered by this host.
    pub(crate) fn client_of(&self, address: &str, per_second: u64, host: &str) -> Client {
        let client = Client::start(&self.client, &format!("{address}:{PORT}"), per_second);
        client.wait_for_answer_by(host, 0);
        client
    }
}

/// A reflector on ens1 that answers anybody.
pub(crate) const REFLECTOR: &str = r#"
[reflector]
nics = ["ens1"]
"#;

/// Both addresses are taken over at once: one on the NIC that heartbeats leave by, one on the other.
pub(crate) fn automatic(interval: &str, misses: u32) -> String {
    format!(
        r#"
[[source]]
name = "web1"
interval = "{interval}"
misses = {misses}
on_failure = "automatic"

[[source.path]]
monitor = "10.0.0.10"
nic = "ens1"
target_nic = "ens1"
addresses = ["10.0.0.10/24", {{ ip = "10.0.0.11/24", target_nic = "ens2" }}]
"#
    )
}

/// State of a source.
pub(crate) fn state<'a>(status: &'a Value, name: &str) -> &'a str {
    source(status, name)["state"].as_str().unwrap_or_default()
}

/// A source's part of the status.
pub(crate) fn source<'a>(status: &'a Value, name: &str) -> &'a Value {
    let sources = status["sources"].as_array().expect("sources");
    sources
        .iter()
        .find(|source| source["name"] == name)
        .unwrap_or_else(|| panic!("no source {name} in {status:#}"))
}

pub(crate) fn wait_for_state(daemon: &Daemon, name: &str, wanted: &str) {
    daemon.wait_for(PATIENCE, &format!("{name} to be {wanted}"), |status| {
        state(status, name) == wanted
    });
}

/// `failover ARGS` has to end with this code; what it printed.
#[track_caller]
pub(crate) fn run(daemon: &Daemon, arguments: &[&str], code: i32) -> String {
    let output = daemon.failover(arguments);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        output.status.code(),
        Some(code),
        "failover {arguments:?}: {text}"
    );
    text
}

/// The first event of a kind.
pub(crate) fn event(daemon: &Daemon, kind: &str) -> Value {
    events(daemon, kind)
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no event {kind}"))
}

/// All events of a kind, oldest first.
pub(crate) fn events(daemon: &Daemon, kind: &str) -> Vec<Value> {
    let events = run(daemon, &["events", "--json"], 0);
    events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|event| event["event"] == kind)
        .collect()
}

/// Waits for the first event of a kind.
pub(crate) fn wait_for_event(daemon: &Daemon, kind: &str) -> Value {
    let there = clock::wait_until(PATIENCE, || !events(daemon, kind).is_empty());
    assert!(there, "no event {kind}:\n{}", daemon.log());
    event(daemon, kind)
}

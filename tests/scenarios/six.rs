//! The usual network of a scenario in IPv6: a client, a source and a target with two NICs on one switch.

use failover_tests::lab::{Client, Daemon, Host, Lab, Nic, Service, Switch};

use crate::pair::{PATIENCE, PORT, REFLECTOR, source, wait_for_state};

/// The addresses that are taken over.
pub(crate) const ADDRESSES: [&str; 2] = ["fd00:0:0:1::10", "fd00:0:0:1::11"];

/// The network, with IPv6 alone. The source has the two addresses on ens1; the target has fd00:0:0:1::2 on ens1 and
/// fd00:0:0:1::3 on ens2, and checks every address before it uses it, as hosts do.
pub(crate) struct Six {
    pub(crate) lab: Lab,
    pub(crate) switch: Switch,
    pub(crate) client: Host,
    pub(crate) source: Host,
    pub(crate) target: Host,
    pub(crate) source_nic: Nic,
    pub(crate) target_nics: [Nic; 2],
    _services: Vec<Service>,
}

impl Six {
    pub(crate) fn new() -> Self {
        let lab = Lab::new();
        let switch = lab.switch("sw");
        let [client, source, target] = ["client", "source", "target"].map(|name| host(&lab, name));
        lab.plug(&client, "ens1", &switch, "fd00:0:0:1::100/64");
        let source_nic = lab.plug(&source, "ens1", &switch, "fd00:0:0:1::10/64");
        source_nic.add_address("fd00:0:0:1::11/64");
        let target_nics = [
            lab.plug(&target, "ens1", &switch, "fd00:0:0:1::2/64"),
            lab.plug(&target, "ens2", &switch, "fd00:0:0:1::3/64"),
        ];
        for nic in &target_nics {
            target.detect_duplicates(nic.name());
        }
        let services = [&source, &target].map(|host| Service::start(host, PORT, &ADDRESSES));
        Self {
            lab,
            switch,
            client,
            source,
            target,
            source_nic,
            target_nics,
            _services: services.into(),
        }
    }

    /// The NIC of a third host on the switch.
    pub(crate) fn plug_third(&self, address: &str) -> Nic {
        let third = host(&self.lab, "third");
        self.lab.plug(&third, "ens1", &self.switch, address)
    }

    /// The target's daemon, once the source is healthy.
    pub(crate) fn start_target(&self, config: &str) -> Daemon {
        let daemon = Daemon::start(&self.lab, &self.target, config);
        wait_for_state(&daemon, "web1", "healthy");
        daemon
    }

    /// Starts both daemons and waits until the source is healthy.
    pub(crate) fn start(&self, config: &str) -> (Daemon, Daemon) {
        let source = Daemon::start(&self.lab, &self.source, REFLECTOR);
        (source, self.start_target(config))
    }

    /// Puts the source's cable back, and waits until the target has its heartbeats again.
    pub(crate) fn replug(&self, target: &Daemon) {
        self.source_nic.replug();
        wait_for_heartbeats(target);
    }

    /// Requests to an address of the source.
    pub(crate) fn client(&self, address: &str, per_second: u64) -> Client {
        let client = Client::start(&self.client, &format!("[{address}]:{PORT}"), per_second);
        client.wait_for_answer_by("source", 0);
        client
    }
}

pub(crate) fn wait_for_heartbeats(target: &Daemon) {
    target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
}

/// A host that speaks IPv6.
pub(crate) fn host(lab: &Lab, name: &str) -> Host {
    let host = lab.host(name);
    host.ipv6();
    host
}

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
monitor = "fd00:0:0:1::10"
nic = "ens1"
target_nic = "ens1"
addresses = ["fd00:0:0:1::10/64", {{ ip = "fd00:0:0:1::11/64", target_nic = "ens2" }}]
"#
    )
}

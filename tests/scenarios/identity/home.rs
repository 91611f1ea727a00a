//! The network of these scenarios: a client, a source and a target with two NICs on one switch, in either version.

use std::{net::IpAddr, path::Path};

use failover_tests::lab::{
    Client, Daemon, Host, Lab, Nic, Report, Service, ServiceProcess, Switch,
};

use crate::pair::{PATIENCE, PORT, source, wait_for_state};

use super::wait_until_ours;

/// The program of [`ServiceProcess`].
const SERVICE: &str = env!("CARGO_BIN_EXE_failover-lab-service");

/// The versions of the source's two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versions {
    Four,
    Six,
    /// One of each.
    Both,
}

impl Versions {
    /// The source's addresses: the first one is the one that heartbeats go to.
    pub(crate) fn addresses(self) -> [&'static str; 2] {
        match self {
            Self::Four => ["10.0.0.10", "10.0.0.11"],
            Self::Six => ["fd00:0:0:1::10", "fd00:0:0:1::11"],
            Self::Both => ["10.0.0.10", "fd00:0:0:1::10"],
        }
    }

    /// The same with their prefix lengths.
    pub(crate) fn prefixed(self) -> [String; 2] {
        self.addresses().map(|address| {
            let length = if address.contains(':') { 64 } else { 24 };
            format!("{address}/{length}")
        })
    }

    /// An address of each version that is spoken, for the host with this number.
    pub(crate) fn of_host(self, number: u32) -> Vec<String> {
        let four = format!("10.0.0.{number}/24");
        let six = format!("fd00:0:0:1::{number}/64");
        match self {
            Self::Four => vec![four],
            Self::Six => vec![six],
            Self::Both => vec![four, six],
        }
    }
}

/// A source that keeps off its addresses when it has to.
pub(crate) fn careful(identity: &[String; 2], more: &str) -> String {
    format!(
        r#"
[reflector]
nics = ["ens1"]
dead_man = "300ms"
self_fence = true
identity = {identity:?}
{more}
"#
    )
}

/// The network.
pub(crate) struct Home {
    pub(crate) versions: Versions,
    pub(crate) lab: Lab,
    _switch: Switch,
    pub(crate) client: Host,
    pub(crate) client_nic: Nic,
    pub(crate) source: Host,
    pub(crate) source_nic: Nic,
    pub(crate) target_nics: [Nic; 2],
    target: Host,
    services: Vec<Service>,
}

impl Home {
    /// With a service on the target alone.
    pub(crate) fn without_service(versions: Versions) -> Self {
        let lab = Lab::new();
        let switch = lab.switch("sw");
        let [client, source, target] = ["client", "source", "target"].map(|name| {
            let host = lab.host(name);
            if versions != Versions::Four {
                host.ipv6();
            }
            host
        });
        let plug = |host: &Host, name: &str, addresses: &[String]| {
            let nic = lab.plug(host, name, &switch, &addresses[0]);
            for address in &addresses[1..] {
                nic.add_address(address);
            }
            nic
        };
        let client_nic = plug(&client, "ens1", &versions.of_host(100));
        let source_nic = plug(&source, "ens1", &versions.prefixed());
        let target_nics = [
            plug(&target, "ens1", &versions.of_host(2)),
            plug(&target, "ens2", &versions.of_host(3)),
        ];
        let service = Service::start(&target, PORT, &versions.addresses());
        Self {
            versions,
            lab,
            _switch: switch,
            client,
            client_nic,
            source,
            source_nic,
            target_nics,
            target,
            services: vec![service],
        }
    }

    /// With a service on both.
    pub(crate) fn new(versions: Versions) -> Self {
        let mut home = Self::without_service(versions);
        let service = Service::start(&home.source, PORT, &versions.addresses());
        home.services.push(service);
        home
    }

    /// A service on the source that is a process.
    pub(crate) fn service_process(&self) -> ServiceProcess {
        let addresses = self.versions.addresses();
        ServiceProcess::start(&self.source, Path::new(SERVICE), PORT, &addresses)
    }

    /// The source's daemon, which has found its addresses to be nobody else's, and the target's.
    pub(crate) fn start(&self, more: &str) -> (Daemon, Daemon) {
        let config = careful(&self.versions.prefixed(), more);
        let daemon = Daemon::start(&self.lab, &self.source, &config);
        wait_until_ours(&daemon);
        (daemon, self.start_target("sbfd"))
    }

    /// The target's, once the source is healthy.
    pub(crate) fn start_target(&self, probe: &str) -> Daemon {
        let [first, second] = self.versions.prefixed();
        let config = format!(
            r#"
[[source]]
name = "web1"
probe = "{probe}"
interval = "10ms"
misses = 3
on_failure = "automatic"

[[source.path]]
monitor = "{}"
nic = "ens1"
target_nic = "ens1"
addresses = ["{first}", {{ ip = "{second}", target_nic = "ens2" }}]
"#,
            self.versions.addresses()[0]
        );
        let daemon = Daemon::start(&self.lab, &self.target, &config);
        wait_for_state(&daemon, "web1", "healthy");
        daemon
    }

    /// Requests to each address of the source, answered by it.
    pub(crate) fn clients(&self) -> Clients {
        let clients = self.versions.addresses().map(|address| {
            let service = if address.contains(':') {
                format!("[{address}]:{PORT}")
            } else {
                format!("{address}:{PORT}")
            };
            Client::start(&self.client, &service, 1000)
        });
        let clients = Clients(clients);
        clients.wait_for_answers_by("source", 0);
        clients
    }

    /// The source's addresses.
    pub(crate) fn identity(&self) -> [IpAddr; 2] {
        self.versions
            .addresses()
            .map(|address| address.parse().expect("an address"))
    }
}

/// A client for each address.
pub(crate) struct Clients([Client; 2]);

impl Clients {
    /// Returns when the last of them had its first one after that time.
    pub(crate) fn wait_for_answers_by(&self, host: &str, after_ns: u64) -> u64 {
        let answered = self
            .0
            .each_ref()
            .map(|client| client.wait_for_answer_by(host, after_ns));
        answered[0].max(answered[1])
    }

    /// What they have seen so far.
    pub(crate) fn reports(&self) -> [Report; 2] {
        self.0.each_ref().map(Client::report)
    }

    /// The end: no request was lost that was sent from then on.
    pub(crate) fn assert_nothing_lost_since(self, since_ns: u64) {
        for client in self.0 {
            let report = client.finish();
            assert_eq!(
                report.lost_between(since_ns, u64::MAX),
                0,
                "{:?}",
                report.timeline()
            );
        }
    }
}

/// Waits until the target has the source's heartbeats.
pub(crate) fn wait_for_heartbeats(target: &Daemon) {
    target.wait_for(PATIENCE, "heartbeats", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "up"
    });
}

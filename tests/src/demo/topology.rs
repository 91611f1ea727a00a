//! The demonstration's network: who is there, with which addresses, and what is configured.
//!
//! ```text
//!   client ens1 ---.                    .--- ens1 target
//!   10.0.0.1        |                   |    10.0.0.2
//!                 switch 10.0.0.0/24 ---+--- ens2 target
//!   source ens1 ---'                         10.0.0.3
//!   10.0.0.10 .11 .12                        ens3 target --- ens1 standby
//!                                            10.0.5.1        10.0.5.20
//! ```

use std::{fs, path::Path, time::Duration};

use crate::lab::{Capture, Client, Daemon, Host, Lab, Nic, Service};

use super::files::Files;

/// The name that the target knows the source by.
pub const SOURCE: &str = "web1";

/// The service's UDP port on all hosts.
const PORT: u16 = 7000;

/// An address of the source.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The address.
    pub ip: &'static str,
    /// The host that answers while the source cannot.
    pub stand_in: &'static str,
    /// The target's NIC that takes it.
    pub nic: &'static str,
    /// What `addresses` says of it in the target's configuration.
    pub entry: &'static str,
}

/// The source's addresses. The first is also where heartbeats go.
pub const ADDRESSES: [Address; 3] = [
    Address {
        ip: "10.0.0.10",
        stand_in: "target",
        nic: "ens1",
        entry: r#""10.0.0.10/24""#,
    },
    Address {
        ip: "10.0.0.11",
        stand_in: "target",
        nic: "ens2",
        entry: r#"{ ip = "10.0.0.11/24", target_nic = "ens2" }"#,
    },
    Address {
        ip: "10.0.0.12",
        stand_in: "standby",
        nic: "ens1",
        entry: r#"{ ip = "10.0.0.12/24", deliver = { forward = "10.0.5.20" } }"#,
    },
];

impl Address {
    /// Who stands in for it where, in words.
    pub fn place(&self) -> String {
        if self.stand_in == "target" {
            format!("target {}", self.nic)
        } else {
            format!("{} (target {}, ens3)", self.stand_in, self.nic)
        }
    }

    /// What a client asks.
    pub fn service(&self) -> String {
        format!("{}:{PORT}", self.ip)
    }
}

/// The network, for the terminal.
pub const DIAGRAM: &str = "\
client 10.0.0.1 ──ens1──┐          ┌──ens1── target 10.0.0.2
                        ├─ switch ─┤
source          ──ens1──┘          └──ens2── target 10.0.0.3
10.0.0.10 .11 .12                            target ──ens3── standby 10.0.5.20";

/// The hosts, with real services on them. Everything is gone when this is dropped.
///
/// Fields are dropped in their order: processes and threads before the network that they use.
#[derive(Debug)]
pub struct Cast {
    /// The target's daemon.
    pub target_daemon: Daemon,
    /// The source's daemon.
    pub source_daemon: Daemon,
    files: Option<Files>,
    _services: Vec<Service>,
    /// Everything on the cable of the target's second NIC.
    pub second_wire: Capture,
    /// The source's only NIC.
    pub source_nic: Nic,
    client: Host,
    _lab: Lab,
}

impl Cast {
    /// Builds the network and starts services and daemons. The daemons' logs go to `files` in the end.
    #[track_caller]
    pub fn assemble(failover: &Path, files: &Files, interval: Duration, misses: u32) -> Self {
        let lab = Lab::new();
        let switch = lab.switch("switch");
        let [client, source, target, standby] =
            ["client", "source", "target", "standby"].map(|name| lab.host(name));

        lab.plug(&client, "ens1", &switch, "10.0.0.1/24");

        let source_nic = lab.plug(&source, "ens1", &switch, "10.0.0.10/24");

        for address in &ADDRESSES[1..] {
            source_nic.add_address(&format!("{}/24", address.ip));
        }

        // Two NICs in one subnet: each answers for its own address only, and traffic for the standby is routed.
        target.sysctl("net/ipv4/conf/all/arp_ignore", "1");
        target.sysctl("net/ipv4/conf/all/arp_announce", "2");
        target.sysctl("net/ipv4/ip_forward", "1");
        lab.plug(&target, "ens1", &switch, "10.0.0.2/24");

        let second = lab.plug(&target, "ens2", &switch, "10.0.0.3/24");

        lab.connect(
            (&target, "ens3", "10.0.5.1/24"),
            (&standby, "ens1", "10.0.5.20/24"),
        );
        standby.sysctl("net/ipv4/conf/all/arp_ignore", "1");
        standby.add_route("0.0.0.0/0", "10.0.5.1");

        let mut services = Vec::new();
        let all = ADDRESSES.map(|address| address.ip);

        services.push(Service::start(&source, PORT, &all));

        for host in [&target, &standby] {
            let taken: Vec<&str> = ADDRESSES
                .iter()
                .filter(|address| address.stand_in == host.name())
                .map(|address| address.ip)
                .collect();

            services.push(Service::start(host, PORT, &taken));
        }

        for address in ADDRESSES
            .iter()
            .filter(|address| address.stand_in == standby.name())
        {
            standby.add_loopback_address(address.ip);
        }

        let start = |host: &Host, config: &str| {
            Daemon::start_binary(failover.to_owned(), &lab, host, config)
        };
        let source_daemon = start(&source, &source_config());
        let target_daemon = start(&target, &target_config(interval, misses));

        Self {
            target_daemon,
            source_daemon,
            files: Some(files.clone()),
            _services: services,
            second_wire: Capture::on_wire(&second),
            source_nic,
            client,
            _lab: lab,
        }
    }

    /// Starts the load on each address: `per_second` on the first, a tenth of it on the others.
    #[track_caller]
    pub fn load(&self, per_second: u64) -> Vec<(Address, u64, Client)> {
        ADDRESSES
            .iter()
            .enumerate()
            .map(|(place, address)| {
                let rate = if place == 0 {
                    per_second
                } else {
                    (per_second / 10).max(1)
                };

                (
                    *address,
                    rate,
                    Client::start(&self.client, &address.service(), rate),
                )
            })
            .collect()
    }

    /// Both daemons, by the name of their host.
    pub fn daemons(&self) -> [(&'static str, &Daemon); 2] {
        [
            ("source", &self.source_daemon),
            ("target", &self.target_daemon),
        ]
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        let Some(files) = self.files.take() else {
            return;
        };

        for (host, daemon) in self.daemons() {
            let path = files.path(&format!("{host}.log"));

            if let Err(error) = fs::write(&path, daemon.log()) {
                eprintln!("the log of the {host} cannot be kept: {error}");
            }
        }
    }
}

fn source_config() -> String {
    r#"[reflector]
nics = ["ens1"]
initiators = ["10.0.0.2"]
"#
    .to_owned()
}

fn target_config(interval: Duration, misses: u32) -> String {
    let entries = ADDRESSES.map(|address| format!("    {},\n", address.entry));

    format!(
        r#"[[source]]
name = "{SOURCE}"
probe = "sbfd"
interval = "{}us"
misses = {misses}
on_failure = "automatic"
failback = "manual"

[[source.path]]
monitor = "{}"
nic = "ens1"
target_nic = "ens1"
addresses = [
{}]
"#,
        interval.as_micros(),
        ADDRESSES[0].ip,
        entries.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_configurations_are_valid_and_say_what_the_table_says() {
        let read = |text: &str| {
            failover_user::config::parse("demo.toml", text)
                .unwrap()
                .config
        };

        let target = read(&target_config(Duration::from_micros(1500), 4));
        let source = read(&source_config());

        let path = &target.sources[0].paths[0];
        assert_eq!(target.sources[0].interval, Duration::from_micros(1500));
        assert_eq!(path.monitor.to_string(), ADDRESSES[0].ip);
        for (address, configured) in ADDRESSES.iter().zip(&path.addresses) {
            assert_eq!(configured.ip.to_string(), address.ip);
            assert_eq!(configured.target_nic, address.nic);
        }
        assert!(source.reflector.is_some());
    }
}

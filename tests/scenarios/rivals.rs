//! Two targets of one source, in IPv4 and in IPv6: who takes over, and what ends it when both have.

use std::{net::IpAddr, time::Duration};

use failover_tests::lab::{Daemon, Lab, Nic, clock};

use crate::pair::{PATIENCE, REFLECTOR, events, state, wait_for_state};

/// How often two targets race for the same addresses.
const RACES: usize = 4;

/// How long both may hold them once nothing is between them any more: they ask each other every second, and the rest is an
/// exchange of a few packets, on a machine that has other things to do.
const BOTH: Duration = Duration::from_secs(3);

/// Addresses of the hosts in an IP version.
struct Net {
    source: &'static str,
    targets: [&'static str; 2],
    prefix: u8,
}

const NETS: [Net; 2] = [
    Net {
        source: "10.0.0.10",
        targets: ["10.0.0.2", "10.0.0.3"],
        prefix: 24,
    },
    Net {
        source: "fd00:0:0:1::10",
        targets: ["fd00:0:0:1::2", "fd00:0:0:1::3"],
        prefix: 64,
    },
];

/// A source and two targets on a switch, with their daemons: it is healthy to both.
struct Rivals {
    address: &'static str,
    cable: Nic,
    nics: [Nic; 2],
    targets: [Daemon; 2],
    _source: Daemon,
    _lab: Lab,
}

impl Rivals {
    /// With more keys for the `[[source]]`.
    fn new(net: &Net, more: &str) -> Self {
        let (address, prefix) = (net.source, net.prefix);
        let config = format!(
            r#"
[[source]]
name = "web1"
interval = "10ms"
on_failure = "automatic"
{more}
[[source.path]]
monitor = "{address}"
target_nic = "ens1"
addresses = ["{address}/{prefix}"]
"#
        );
        let lab = Lab::new();
        let switch = lab.switch("sw");
        let hosts = ["source", "first", "second"].map(|name| lab.host(name));
        if address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
            hosts.iter().for_each(|host| host.ipv6());
        }
        let plug = |host: usize, address| {
            lab.plug(
                &hosts[host],
                "ens1",
                &switch,
                &format!("{address}/{prefix}"),
            )
        };
        let cable = plug(0, address);
        let nics = [plug(1, net.targets[0]), plug(2, net.targets[1])];
        let source = Daemon::start(&lab, &hosts[0], REFLECTOR);
        let targets = [1, 2].map(|host: usize| Daemon::start(&lab, &hosts[host], &config));
        for target in &targets {
            wait_for_state(target, "web1", "healthy");
        }
        Self {
            address,
            cable,
            nics,
            targets,
            _source: source,
            _lab: lab,
        }
    }

    fn holders(&self) -> [bool; 2] {
        self.nics
            .each_ref()
            .map(|nic| nic.has_address(self.address))
    }

    fn states(&self) -> [String; 2] {
        self.targets
            .each_ref()
            .map(|target| state(&target.status(), "web1").to_owned())
    }
}

#[test]
fn of_two_targets_exactly_one_takes_over() {
    for net in &NETS {
        for race in 0..RACES {
            let rivals = Rivals::new(net, "");

            rivals.cable.pull();
            let settled = clock::wait_until(PATIENCE, || {
                let mut states = rivals.states();
                states.sort();
                states == ["held-elsewhere", "taken-over"]
            });

            let (address, states) = (rivals.address, rivals.states());
            assert!(settled, "{address}, race {race}: {states:?}");
            let holders = rivals.holders();
            assert!(
                holders[0] != holders[1],
                "{address}, race {race}: {holders:?}"
            );
        }
    }
}

#[test]
fn two_targets_that_both_hold_behind_a_partition_are_one_as_soon_as_it_ends() {
    for net in &NETS {
        let rivals = Rivals::new(net, "announce_every = \"1h\"");
        let address = rivals.address;
        rivals.nics[1].cut();
        wait_for_state(&rivals.targets[1], "web1", "taken-over");
        rivals.cable.pull();
        wait_for_state(&rivals.targets[0], "web1", "taken-over");
        // Nobody announces anything by himself for an hour.
        for target in &rivals.targets {
            let announced = || events(target, "announced").len();
            assert!(clock::wait_until(PATIENCE, || announced() == 3));
        }
        assert_eq!(rivals.holders(), [true, true], "{address}");

        let healed = rivals.nics[1].heal();
        let one = clock::wait_until(PATIENCE, || rivals.holders() != [true, true]);
        let took = Duration::from_nanos(clock::now_ns() - healed);

        eprintln!("{address}: one of two holders {took:?} after the end of the partition");
        let keeper = usize::from(rivals.nics[1].mac() < rivals.nics[0].mac());
        let states = rivals.states();
        assert!(one, "{address}: both still hold it: {states:?}");
        assert!(
            rivals.holders()[keeper],
            "{address}: the higher MAC keeps it"
        );
        assert!(took < BOTH, "{address}: {took:?}");
        wait_for_state(&rivals.targets[1 - keeper], "web1", "held-elsewhere");
    }
}

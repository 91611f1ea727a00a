//! Whether the addresses of a unit could be taken as things are. Pure.

use std::collections::BTreeMap;

use crate::{
    config::{Address, Config, Deliver},
    control::drill::DrillAddress,
    daemon::{layout, network::Network},
    policy::{UnitId, asked_by},
};

/// What is known of this host's NICs.
pub(super) struct Nics<'a> {
    pub(super) network: &'a Network,
    /// Those that are not managed, and why.
    pub(super) unmanageable: &'a BTreeMap<String, String>,
}

/// The addresses of a unit, each with what stands in its way.
pub(super) fn addresses(config: &Config, nics: &Nics<'_>, unit: UnitId) -> Vec<DrillAddress> {
    layout::addresses_of(config, unit)
        .map(|(_, address)| DrillAddress {
            ip: format!("{}/{}", address.ip, address.prefix),
            nic: address.target_nic.clone(),
            deliver: match address.deliver {
                Deliver::Local => "local".to_owned(),
                Deliver::Forward(to) => format!("forward {to}"),
            },
            problems: nics.problems(address),
        })
        .collect()
}

impl Nics<'_> {
    fn problems(&self, address: &Address) -> Vec<String> {
        let nic = &address.target_nic;
        let mut problems = match self.network.links.get(nic) {
            None => return vec![format!("NIC {nic} is not there")],
            Some(link) if !link.up => vec![format!("NIC {nic} is switched off")],
            Some(link) if !link.carrier => vec![format!("NIC {nic} has no link")],
            Some(_) => Vec::new(),
        };
        if let Some(why) = self.unmanageable.get(nic) {
            problems.push(format!("NIC {nic} is not managed: {why}"));
        }
        if let Deliver::Forward(standby) = address.deliver {
            match self.network.nic_towards(standby) {
                None => problems.push(format!("no NIC is on the network of {standby}")),
                Some(out) if !out.usable() => {
                    problems.push(format!("NIC {}, towards {standby}, has no link", out.name));
                }
                Some(out) if self.network.mac(&out.name, standby).is_none() => {
                    problems.push(format!(
                        "{standby} has not answered {} yet",
                        asked_by(standby)
                    ));
                }
                Some(_) => {}
            }
            problems.extend(self.network.no_way_out(nic, standby));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, net::links::Link};

    const TEXT: &str = r#"
        [[source]]
        name = "a"
        [[source.path]]
        monitor = "10.0.0.10"
        target_nic = "ens1"
        addresses = [
            "10.0.0.10/24",
            { ip = "10.0.0.11/24", target_nic = "ens2" },
            { ip = "10.0.0.12/24", deliver = { forward = "10.0.5.20" } },
            { ip = "10.0.0.13/24", deliver = { forward = "10.0.9.20" } },
        ]
    "#;

    fn link(index: u32, name: &str, address: [u8; 4]) -> (String, Link) {
        let link = Link {
            index,
            name: name.to_owned(),
            mac: [2, 0, 0, 0, 0, index as u8],
            mtu: 1500,
            up: true,
            carrier: true,
            loopback: false,
            addresses: vec![(address.into(), 24)],
        };
        (name.to_owned(), link)
    }

    fn problems(network: &Network, unmanageable: &BTreeMap<String, String>) -> Vec<String> {
        let config = config::parse("test.toml", TEXT)
            .expect("a good configuration")
            .config;
        let nics = Nics {
            network,
            unmanageable,
        };
        let unit = UnitId {
            source: 0,
            path: None,
        };
        addresses(&config, &nics, unit)
            .into_iter()
            .map(|address| address.problems.join("; "))
            .collect()
    }

    #[test]
    fn what_is_missing_is_named() {
        let network = Network {
            links: BTreeMap::from([
                link(1, "ens1", [10, 0, 0, 2]),
                link(3, "ens3", [10, 0, 5, 1]),
            ]),
            neighbours: BTreeMap::new(),
            sources: BTreeMap::new(),
            routers: Default::default(),
            kept_off: Default::default(),
            generic: Default::default(),
        };

        let problems = problems(&network, &BTreeMap::new());

        assert_eq!(
            problems,
            [
                "",
                "NIC ens2 is not there",
                "10.0.5.20 has not answered ARP yet",
                "no NIC is on the network of 10.0.9.20"
            ]
        );
    }

    #[test]
    fn a_dead_link_and_a_foreign_program_are_told() {
        let (name, mut ens1) = link(1, "ens1", [10, 0, 0, 2]);
        ens1.carrier = false;
        let network = Network {
            links: BTreeMap::from([(name, ens1), link(2, "ens2", [10, 0, 0, 3])]),
            neighbours: BTreeMap::new(),
            sources: BTreeMap::new(),
            routers: Default::default(),
            kept_off: Default::default(),
            generic: Default::default(),
        };
        let unmanageable = BTreeMap::from([("ens2".to_owned(), "another program".to_owned())]);

        let problems = problems(&network, &unmanageable);

        assert_eq!(problems[0], "NIC ens1 has no link");
        assert_eq!(problems[1], "NIC ens2 is not managed: another program");
    }
}

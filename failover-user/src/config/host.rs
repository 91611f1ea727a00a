//! What can only be said knowing the host: its NICs, their addresses, and its programs.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use failover_ebpf::abi;

use super::{
    address::{is_link_local, network, same_subnet, usual_prefix},
    inventory::{Inventory, Monitor, Named},
    key_file::{self, KeyFacts},
    problem::{Complaint, Found, enumerate},
    program::{self, ProgramFacts},
    types::default_discriminator,
    witness,
};

/// The host, as far as a configuration depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Every NIC.
    pub nics: Vec<NicFacts>,
    /// Addresses that this host has taken over. They are on its NICs and are not its own.
    pub held: Vec<IpAddr>,
    /// Programs that hooks may name. A path that is not here leads to nothing; `load` looks at those that a file
    /// names.
    pub programs: BTreeMap<PathBuf, ProgramFacts>,
    /// Key files, likewise.
    pub keys: BTreeMap<PathBuf, KeyFacts>,
}

/// A NIC of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicFacts {
    /// Its name.
    pub name: String,
    /// It is the loopback.
    pub loopback: bool,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
}

impl HostFacts {
    /// From one tuple a NIC: name, whether it is the loopback, addresses with their prefix lengths.
    pub fn from_links(
        links: impl IntoIterator<Item = (String, bool, Vec<(IpAddr, u8)>)>,
        held: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        Self {
            nics: links
                .into_iter()
                .map(|(name, loopback, addresses)| NicFacts {
                    name,
                    loopback,
                    addresses,
                })
                .collect(),
            held: held.into_iter().collect(),
            programs: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn nic(&self, name: &str) -> Option<&NicFacts> {
        self.nics.iter().find(|nic| nic.name == name)
    }

    /// A NIC's addresses without those that are only held.
    pub(super) fn own<'a>(&'a self, nic: &'a NicFacts) -> impl Iterator<Item = (IpAddr, u8)> + 'a {
        let own = |(ip, _): &(IpAddr, u8)| !self.held.contains(ip);
        nic.addresses.iter().copied().filter(own)
    }

    /// The NIC that `ip` is an own address of.
    pub(super) fn owner(&self, ip: IpAddr) -> Option<&NicFacts> {
        self.nics
            .iter()
            .find(|nic| self.own(nic).any(|(own, _)| own == ip))
    }

    /// NICs with a subnet that `ip` is in.
    pub(super) fn connected(&self, ip: IpAddr) -> impl Iterator<Item = &NicFacts> {
        self.nics
            .iter()
            .filter(move |nic| !nic.loopback && self.reaches(nic, ip))
    }

    fn reaches(&self, nic: &NicFacts, ip: IpAddr) -> bool {
        self.subnet(nic, ip).is_some()
    }

    /// Prefix length of the subnet of `nic` that `ip` is in.
    pub(super) fn subnet(&self, nic: &NicFacts, ip: IpAddr) -> Option<u8> {
        self.own(nic)
            .find(|(own, prefix)| same_subnet(*own, ip, *prefix))
            .map(|(_, prefix)| prefix)
    }

    /// `ens1 (10.0.0.2/24) and ens2 (no address)`, without the loopback.
    fn list(&self) -> String {
        let nics = self.nics.iter().filter(|nic| !nic.loopback);
        let nics: Vec<_> = nics.map(|nic| self.describe(nic)).collect();
        enumerate(&nics, "and")
    }

    pub(super) fn describe(&self, nic: &NicFacts) -> String {
        // Every NIC has a link-local address; it tells nobody which NIC is meant.
        let addresses = self.own(nic).filter(|(ip, _)| !is_link_local(*ip));
        let addresses: Vec<_> = addresses.map(|(ip, p)| format!("{ip}/{p}")).collect();
        if addresses.is_empty() {
            format!("{} (no address)", nic.name)
        } else {
            format!("{} ({})", nic.name, addresses.join(", "))
        }
    }
}

/// Compares what a file names with what the host has.
pub(super) fn compare(named: &Inventory, facts: &HostFacts) -> Vec<Found> {
    let nics = named.nics.iter().filter_map(|nic| unknown_nic(nic, facts));
    let monitors = named
        .monitors
        .iter()
        .filter_map(|monitor| unreachable_monitor(monitor, named, facts));
    let own = named.addresses.iter().filter_map(|listed| {
        let nic = facts.owner(listed.ip)?;
        let complaint = Complaint::new(format!(
            "{} is this host's own address, on {}",
            listed.ip, nic.name
        ));
        let help = "list addresses of the source that this host does not have";
        Some(complaint.help(help).at(&listed.at))
    });
    let forwards = named.forwards.iter().filter_map(|forward| {
        let complaint = unreachable_standby(forward.to, facts)?;
        Some(complaint.at(&forward.at))
    });
    let reflector = named.reflector_nics.iter().filter_map(|named| {
        let nic = facts.nic(&named.name).filter(|nic| !nic.loopback)?;
        let complaint = Complaint::new(format!("{} has no address", nic.name))
            .help("heartbeats are sent to an address; give it one, or name another NIC");
        facts
            .own(nic)
            .next()
            .is_none()
            .then(|| complaint.at(&named.at))
    });
    // A host with an identity may be started before its network is: what it keeps off has to be kept off from the first frame.
    let reflector = reflector.filter(|_| named.identity.is_empty());
    let mut found: Vec<_> = nics
        .chain(monitors)
        .chain(own)
        .chain(forwards)
        .chain(reflector)
        .collect();
    found.extend(too_many_discriminators(named, facts));
    found.extend(no_discriminator(named, facts));
    found.extend(unfenced(named, facts));
    found.extend(checks_elsewhere(named, facts));
    found.extend(witness::compare_host(named, facts));
    found.extend(program::compare(named, facts));
    found.extend(key_file::compare(named, facts));
    found
}

fn unknown_nic(named: &Named, facts: &HostFacts) -> Option<Found> {
    let name = &named.name;
    let complaint = match facts.nic(name) {
        Some(nic) if nic.loopback => Complaint::new(format!(
            "\"{name}\" is the loopback, which no other host can reach"
        )),
        Some(_) => return None,
        None => Complaint::new(format!("this host has no NIC \"{name}\"")),
    };
    let help = format!("its NICs are {}", facts.list());
    Some(complaint.help(help).at(&named.at))
}

/// Heartbeats are framed by hand and go to the source's MAC address: it must be on a network of the NIC itself.
fn unreachable_monitor(monitor: &Monitor, named: &Inventory, facts: &HostFacts) -> Option<Found> {
    let ip = monitor.ip;
    if let Some(nic) = facts.owner(ip) {
        let complaint = Complaint::new(format!("{ip} is this host's own address, on {}", nic.name));
        return Some(
            complaint
                .help("watch an address of the source")
                .at(&monitor.at),
        );
    }
    let nic = facts.nic(monitor.nic.as_deref()?)?;
    if nic.loopback || facts.reaches(nic, ip) {
        return None;
    }
    let complaint = Complaint::new(format!("{ip} is on no network of {}", facts.describe(nic)));
    let help = match facts.connected(ip).next() {
        Some(other) => format!(
            "heartbeats can leave by {}: write `nic = \"{}\"`",
            facts.describe(other),
            other.name
        ),
        None => {
            // The prefix that the file itself gives for the source's network, if it does.
            let listed = named.addresses.iter().find(|listed| {
                listed.source == monitor.source && same_subnet(listed.ip, ip, listed.prefix)
            });
            let prefix = listed.map_or(usual_prefix(ip), |listed| listed.prefix);
            let network = network(ip, prefix);
            format!(
                "give {} an address of the source's network, such as one in {network}/{prefix}",
                nic.name
            )
        }
    };
    Some(complaint.help(help).at(&monitor.at))
}

fn unreachable_standby(to: IpAddr, facts: &HostFacts) -> Option<Complaint> {
    if let Some(nic) = facts.owner(to) {
        let complaint = Complaint::new(format!("{to} is this host's own address, on {}", nic.name));
        return Some(complaint.help("to deliver here, write `deliver = \"local\"`"));
    }
    if facts.connected(to).next().is_some() {
        return None;
    }
    let complaint = Complaint::new(format!(
        "{to} is on no network that this host is connected to"
    ));
    Some(complaint.help(format!(
        "the standby server must be on a network of one of {}",
        facts.list()
    )))
}

/// A source that is watched at such an address has to say what its discriminator is, and so has its reflector.
fn no_discriminator(named: &Inventory, facts: &HostFacts) -> Vec<Found> {
    if !named.default_discriminators {
        return Vec::new();
    }
    let nics = named
        .reflector_nics
        .iter()
        .filter_map(|named| Some((facts.nic(&named.name)?, &named.at)));
    nics.filter_map(|(nic, at)| {
        let (ip, _) = facts
            .own(nic)
            .find(|(ip, _)| default_discriminator(*ip).is_none())?;
        let complaint = Complaint::new(format!(
            "the last 32 bits of {ip}, an address of {}, are 0, which is not a discriminator",
            nic.name
        ));
        let help = "write `discriminator = 1`, here and in the paths that watch this host";
        Some(complaint.help(help).at(at))
    })
    .collect()
}

/// The fence is on the reflector's NICs, and probes leave by them: an address that is on another one is neither kept off
/// nor asked for.
fn unfenced(named: &Inventory, facts: &HostFacts) -> Vec<Found> {
    let covered = |nic: &NicFacts| {
        let mut nics = named.reflector_nics.iter();
        nic.loopback || nics.any(|covered| covered.name == nic.name)
    };
    let Some(first) = named.reflector_nics.first() else {
        return Vec::new();
    };
    let identity = named.identity.iter();
    identity
        .filter_map(|(ip, at)| {
            let nic = facts.owner(*ip).filter(|nic| !covered(nic))?;
            let (name, first) = (&nic.name, &first.name);
            let complaint = Complaint::new(format!(
                "{ip} is on {name}, which is none of the reflector's NICs: it would not be kept off there"
            ));
            let help = format!("write `nics = [\"{first}\", \"{name}\"]`, or move the address");
            Some(complaint.help(help).at(at))
        })
        .collect()
}

/// With `self_fence` a check that has not succeeded yet fences the identity, and what it sends from an address of the
/// identity would be kept in by that very fence: it could never succeed. What is this host's own never leaves it.
fn checks_elsewhere(named: &Inventory, facts: &HostFacts) -> Vec<Found> {
    let here = |ip: IpAddr| {
        ip.is_loopback()
            || ip.is_unspecified()
            || facts.owner(ip).is_some()
            || named.identity.iter().any(|(own, _)| *own == ip)
    };
    let checks = named.checks.iter().filter(|_| named.self_fence);
    checks
        .filter(|(ip, _)| !here(*ip))
        .map(|(ip, at)| {
            let complaint = Complaint::new(format!(
                "{ip} is not on this host: with `self_fence`, the fence that a failed check puts up would keep the check \
                 itself in, and it could never succeed again"
            ));
            let help = "check the service at \"127.0.0.1\" or an address of this host; whether the network works is for \
                        the target's heartbeats; or run a `command` that sends from an address outside of `identity`";
            complaint.help(help).at(at)
        })
        .collect()
}

fn too_many_discriminators(named: &Inventory, facts: &HostFacts) -> Option<Found> {
    let limit = abi::MAX_DISCRIMINATORS as usize;
    let nics = named.reflector_nics.iter();
    let count: usize = nics
        .filter_map(|named| facts.nic(&named.name))
        .map(|nic| facts.own(nic).count())
        .sum();
    if !named.default_discriminators || count <= limit {
        return None;
    }
    let complaint = Complaint::new(format!(
        "these NICs have {count} addresses, and the reflector answers to at most {limit}"
    ));
    let first = &named.reflector_nics.first()?.at;
    Some(complaint.help("set `discriminator`").at(first))
}

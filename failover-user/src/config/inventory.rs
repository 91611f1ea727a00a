//! Everything that a file names, and the checks that compare one place of the file with another.

use std::{collections::BTreeMap, net::IpAddr};

use failover_ebpf::abi;

use super::{
    address::{family, is_link_local},
    problem::{Complaint, Found, Place},
    witness::Vouching,
};

/// What a file names, in the file's order, whether or not the rest of it can be used.
#[derive(Clone, Debug, Default)]
pub(super) struct Inventory {
    /// Names of sources.
    pub(super) names: Vec<Named>,
    /// Every path's header.
    pub(super) paths: Vec<Place>,
    /// For each path the NIC that heartbeats leave by, if it could be read.
    pub(super) path_nics: Vec<Option<String>>,
    /// Every witness's header.
    pub(super) witnesses: Vec<Place>,
    /// Witnesses whose address could be read.
    pub(super) vouching: Vec<Vouching>,
    /// The programs of hooks.
    pub(super) programs: Vec<Named>,
    /// The files of keys.
    pub(super) key_files: Vec<Named>,
    /// Every mention of a NIC.
    pub(super) nics: Vec<Named>,
    pub(super) monitors: Vec<Monitor>,
    pub(super) addresses: Vec<Listed>,
    pub(super) forwards: Vec<Forward>,
    pub(super) reflector_nics: Vec<Named>,
    /// Addresses of this host's identity.
    pub(super) identity: Vec<(IpAddr, Place)>,
    /// A host that is not healthy keeps off them.
    pub(super) self_fence: bool,
    /// Where health checks connect to.
    pub(super) checks: Vec<(IpAddr, Place)>,
    /// The reflector answers to each address of its NICs.
    pub(super) default_discriminators: bool,
}

/// A name and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) at: Place,
    pub(super) name: String,
}

/// A monitored address.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    /// Number of the source, counted from 1.
    pub(super) source: usize,
    pub(super) at: Place,
    pub(super) ip: IpAddr,
    /// The NIC that heartbeats leave by, if it could be read.
    pub(super) nic: Option<String>,
}

/// An address to take over.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Number of the source, counted from 1.
    pub(super) source: usize,
    pub(super) at: Place,
    pub(super) ip: IpAddr,
    pub(super) prefix: u8,
}

/// Where a held address is forwarded to.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    /// Number of the source, counted from 1.
    pub(super) source: usize,
    pub(super) at: Place,
    /// The address that is forwarded, if it could be read.
    pub(super) ip: Option<IpAddr>,
    pub(super) to: IpAddr,
}

impl Inventory {
    /// What can be said without knowing the host.
    pub(super) fn compare(&self) -> Vec<Found> {
        let mut found = self.duplicate_names();
        found.extend(self.duplicate_monitors());
        found.extend(self.duplicate_addresses());
        found.extend(self.borrowed_monitors());
        found.extend(self.useless_forwards());
        found.extend(self.limits());
        found
    }

    fn duplicate_names(&self) -> Vec<Found> {
        let sources = self.names.iter().map(|source| (&source.name, &source.at));
        duplicates(sources, |name, _| {
            Complaint::new(format!("\"{name}\" is the name of two sources"))
                .help("give each source its own name")
        })
    }

    fn duplicate_monitors(&self) -> Vec<Found> {
        // A link-local address is another host's on another link.
        let monitors = self.monitors.iter().map(|monitor| {
            let link = monitor.nic.as_deref().filter(|_| is_link_local(monitor.ip));
            ((monitor.ip, link), &monitor.at)
        });
        duplicates(monitors, |(ip, _), first| {
            Complaint::new(format!("{ip} is watched already, by {}", owner(first)))
                .help("each path watches an address of its own; put the addresses of one NIC into one path")
        })
    }

    fn duplicate_addresses(&self) -> Vec<Found> {
        let addresses = self.addresses.iter().map(|listed| (listed.ip, &listed.at));
        duplicates(addresses, |ip, first| {
            Complaint::new(format!("{ip} is listed already, in {}", owner(first)))
                .help("an address can be taken over once; remove one of the two")
        })
    }

    /// After a takeover of that other source this host would answer its own heartbeats.
    fn borrowed_monitors(&self) -> Vec<Found> {
        let monitors: BTreeMap<_, _> = self.monitors.iter().rev().map(|m| (m.ip, m)).collect();
        let borrowed = self.addresses.iter().filter_map(|listed| {
            let monitor = monitors.get(&listed.ip)?;
            (monitor.source != listed.source).then_some((listed, monitor))
        });
        borrowed
            .map(|(listed, monitor)| {
                let (ip, whose) = (listed.ip, owner(&monitor.at));
                Complaint::new(format!(
                    "{ip} is watched as an address of another source, {whose}"
                ))
                .help(
                    "an address belongs to one source; remove it here, or watch another one there",
                )
                .at(&listed.at)
                .after(&monitor.at)
            })
            .collect()
    }

    fn useless_forwards(&self) -> Vec<Found> {
        let mut own = BTreeMap::new();
        for (source, ip, at) in self
            .monitors
            .iter()
            .map(|m| (m.source, m.ip, &m.at))
            .chain(self.addresses.iter().map(|a| (a.source, a.ip, &a.at)))
        {
            own.entry((source, ip)).or_insert(at);
        }
        let help = "name a standby server that is not the source";
        self.forwards
            .iter()
            .filter_map(|forward| {
                let to = forward.to;
                if forward.ip == Some(to) {
                    let complaint = Complaint::new(format!("{to} would be forwarded to itself"));
                    return Some(complaint.help(help).at(&forward.at));
                }
                if let Some(ip) = forward.ip.filter(|ip| ip.is_ipv4() != to.is_ipv4()) {
                    let complaint = Complaint::new(format!(
                        "{ip} is an {} address and {to} an {} address",
                        family(ip),
                        family(to)
                    ));
                    let help = format!(
                        "packets are sent on as they are; write an {} address of the standby server",
                        family(ip)
                    );
                    return Some(complaint.help(help).at(&forward.at));
                }
                let first = own.get(&(forward.source, to))?;
                let complaint = Complaint::new(format!(
                    "{to} is an address of the source itself, which has failed when this is used"
                ));
                Some(complaint.help(help).at(&forward.at).after(first))
            })
            .collect()
    }

    fn limits(&self) -> Vec<Found> {
        let paths = abi::MAX_SESSIONS as usize - 1;
        let addresses = abi::MAX_ADDRESSES as usize;
        let nics = abi::MAX_NICS as usize;
        let mut distinct: Vec<&Named> = Vec::new();
        for nic in &self.nics {
            if distinct.len() <= nics && !distinct.iter().any(|known| known.name == nic.name) {
                distinct.push(nic);
            }
        }
        [
            (self.paths.get(paths), paths, "paths"),
            (
                self.addresses.get(addresses).map(|a| &a.at),
                addresses,
                "addresses",
            ),
            (distinct.get(nics).map(|nic| &nic.at), nics, "NICs"),
        ]
        .into_iter()
        .filter_map(|(over, limit, what)| {
            let complaint = Complaint::new(format!("this is one more than {limit} {what}"));
            let help = format!("one daemon manages at most {limit} {what}");
            Some(complaint.help(help).at(over?))
        })
        .collect()
    }
}

/// A problem for each value that has been there before.
pub(super) fn duplicates<'a, T: Ord + Copy>(
    values: impl Iterator<Item = (T, &'a Place)>,
    complain: impl Fn(T, &Place) -> Complaint,
) -> Vec<Found> {
    let mut seen = BTreeMap::new();
    values
        .filter_map(|(value, at)| {
            let Some(first) = seen.get(&value) else {
                seen.insert(value, at);
                return None;
            };
            Some(complain(value, first).at(at).after(first))
        })
        .collect()
}

/// The key path without its last key where that adds nothing: `source "web1", path 2, monitor` -> `source "web1",
/// path 2`.
pub(super) fn owner(place: &Place) -> &str {
    let key = place.key.as_str();
    key.strip_suffix(", monitor")
        .or_else(|| key.strip_suffix(".ip"))
        .unwrap_or(key)
}

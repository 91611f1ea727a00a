//! `[[witness]]`

use std::{collections::BTreeMap, net::IpAddr};

use failover_ebpf::abi;

use super::{
    address,
    host::HostFacts,
    inventory::{Inventory, Named, duplicates, owner},
    item::Item,
    keys::Kind,
    path::nic_name,
    problem::{Complaint, Found, Place, enumerate},
    reader::{Collector, Section},
    types::{Witness, WitnessProbe},
};
use crate::policy::asked_by;

/// As many as the kernel side listens for besides all addresses that can be held.
pub(super) const MAX_WITNESSES: usize = abi::MAX_WITNESSES as usize;

const PROBE: &[(&str, WitnessProbe)] = &[
    ("icmp", WitnessProbe::Icmp),
    ("arp", WitnessProbe::Arp),
    ("nd", WitnessProbe::Nd),
];

/// A witness that is named: its address, and what it vouches for.
#[derive(Clone, Debug)]
pub(super) struct Vouching {
    /// Where the address is.
    pub(super) at: Place,
    pub(super) ip: IpAddr,
    /// The NIC, if it could be read.
    pub(super) nic: Option<Named>,
    /// How it is asked, if that could be read.
    pub(super) probe: Option<WitnessProbe>,
}

/// Reads the `number`th witness, counted from 1; `None` if something in it is wrong.
pub(super) fn read(item: &Item<'_>, number: usize, out: &mut Collector) -> Option<Witness> {
    let entries = item.table("[witness]", out)?;
    let mut place = item.place.clone();
    place.key = format!("witness {number}");
    let section = Section::open(Kind::Witness, entries, place, out);
    out.inventory.witnesses.push(section.place.clone());

    let nic = section
        .require("nic", "nic = \"ens1\"", out)
        .and_then(|item| {
            let name = nic_name(&item, out)?;
            let at = item.place;
            Some(Named { at, name })
        });
    let probe = match section.get("probe") {
        Some(item) => item.choice(PROBE, out),
        None => Some(WitnessProbe::Icmp),
    };
    let probe_at = section.get("probe").map(|item| item.place);
    let address = section
        .require("address", "address = \"10.0.0.1\"", out)
        .and_then(|item| {
            let ip = item.parsed("an IP address", "10.0.0.1", address::parse_host, out)?;
            out.inventory.vouching.push(Vouching {
                at: item.place,
                ip,
                nic: nic.clone(),
                probe,
            });
            if let (Some(probe), Some(at)) = (probe, &probe_at)
                && let Some(complaint) = of_other_family(probe, ip)
            {
                out.complain(at, complaint);
            }
            Some(ip)
        });
    Some(Witness {
        nic: nic?.name,
        address: address?,
        probe: probe?,
    })
}

/// ARP is for IPv4, and neighbour discovery for IPv6.
fn of_other_family(probe: WitnessProbe, ip: IpAddr) -> Option<Complaint> {
    let (wrong, right) = match (probe, ip) {
        (WitnessProbe::Arp, IpAddr::V6(_)) => ("arp", "nd"),
        (WitnessProbe::Nd, IpAddr::V4(_)) => ("nd", "arp"),
        (WitnessProbe::Arp | WitnessProbe::Icmp, IpAddr::V4(_))
        | (WitnessProbe::Nd | WitnessProbe::Icmp, IpAddr::V6(_)) => return None,
    };
    let family = address::family(ip);
    let complaint = Complaint::new(format!(
        "{ip} is an {family} address, which \"{wrong}\" cannot ask"
    ));
    Some(complaint.help(format!("write \"{right}\" or \"icmp\"")))
}

/// What can be said without knowing the host. In a file that is `broken` a path may only have been lost.
pub(super) fn compare(named: &Inventory, broken: bool) -> Vec<Found> {
    let mut found = duplicate(named);
    found.extend(indistinct(named));
    found.extend(of_a_source(named));
    if !broken {
        found.extend(useless(named));
    }
    found.extend(too_many(named));
    found
}

fn duplicate(named: &Inventory) -> Vec<Found> {
    let witnesses = named.vouching.iter().filter_map(|witness| {
        let nic = witness.nic.as_ref()?;
        Some(((witness.ip, nic.name.as_str()), &witness.at))
    });
    duplicates(witnesses, |(ip, nic), _| {
        Complaint::new(format!("{ip} is a witness of {nic} already")).help("remove one of the two")
    })
}

/// An answer of ARP or neighbour discovery is known by its address alone, so one host that is a witness of two NICs would vouch for both by one of them.
fn indistinct(named: &Inventory) -> Vec<Found> {
    let mut found = Vec::new();
    for (number, witness) in named.vouching.iter().enumerate() {
        let Some(nic) = &witness.nic else {
            continue;
        };
        let first = named.vouching[..number].iter().find_map(|other| {
            let others = other
                .nic
                .as_ref()
                .filter(|others| others.name != nic.name)?;
            let mut probes = [witness.probe, other.probe].into_iter().flatten();
            let resolved = probes.any(|probe| match probe {
                WitnessProbe::Arp | WitnessProbe::Nd => true,
                WitnessProbe::Icmp => false,
            });
            (other.ip == witness.ip && resolved).then_some((other, others))
        });
        if let Some((other, others)) = first {
            let complaint = Complaint::new(format!(
                "{} is a witness of {} already, and by {} it would vouch for {} as well",
                witness.ip,
                others.name,
                asked_by(witness.ip),
                nic.name
            ));
            let help = "ask both with `probe = \"icmp\"`, or name another host here";
            found.push(complaint.help(help).at(&witness.at).after(&other.at));
        }
    }
    found
}

fn of_a_source(named: &Inventory) -> Vec<Found> {
    let mut sources = BTreeMap::new();
    let monitors = named.monitors.iter().map(|m| (m.ip, &m.at));
    for (ip, at) in monitors.chain(named.addresses.iter().map(|a| (a.ip, &a.at))) {
        sources.entry(ip).or_insert(at);
    }
    let witnesses = named.vouching.iter();
    witnesses
        .filter_map(|witness| {
            let first = sources.get(&witness.ip)?;
            let (ip, whose) = (witness.ip, owner(first));
            let complaint = Complaint::new(format!("{ip} is an address of {whose}"));
            let help = "a witness answers when the source has failed; \
                        name a host that is no source, such as a router";
            Some(complaint.help(help).at(&witness.at).after(first))
        })
        .collect()
}

/// Nothing asks for a witness of a NIC that no heartbeat leaves by. While a path's NIC is unknown, nobody can tell.
fn useless(named: &Inventory) -> Vec<Found> {
    let heartbeats: Option<Vec<&str>> = named.path_nics.iter().map(Option::as_deref).collect();
    let Some(mut heartbeats) = heartbeats else {
        return Vec::new();
    };
    if heartbeats.is_empty() && !named.names.is_empty() {
        return Vec::new();
    }
    heartbeats.sort_unstable();
    heartbeats.dedup();
    let known: Vec<_> = heartbeats.iter().map(|nic| (*nic).to_owned()).collect();
    let help = if known.is_empty() {
        "a witness is asked for the NICs that heartbeats leave by, and this file watches no source; \
         remove it"
            .to_owned()
    } else {
        format!(
            "a witness is asked for a NIC that heartbeats leave by, here {}",
            enumerate(&known, "or")
        )
    };
    let nics = named.vouching.iter().filter_map(|w| w.nic.as_ref());
    nics.filter(|nic| !heartbeats.contains(&nic.name.as_str()))
        .map(|nic| {
            let complaint = Complaint::new(format!("no heartbeats leave by {}", nic.name));
            complaint.help(&help).at(&nic.at)
        })
        .collect()
}

fn too_many(named: &Inventory) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some(over) = named.witnesses.get(MAX_WITNESSES) {
        let complaint = Complaint::new(format!("this is one more than {MAX_WITNESSES} witnesses"));
        let help = format!("one daemon asks at most {MAX_WITNESSES} witnesses");
        found.push(complaint.help(help).at(over));
    }
    let sessions = abi::MAX_SESSIONS as usize - 1;
    // Too many paths are a problem of their own.
    let free = sessions.checked_sub(named.paths.len());
    if let Some(over) = free.and_then(|free| named.witnesses.get(free)) {
        let complaint = Complaint::new(format!(
            "this is one more than {sessions} paths and witnesses together"
        ));
        let help = format!("one daemon asks at most {sessions} paths and witnesses");
        found.push(complaint.help(help).at(over));
    }
    found
}

/// What can only be said knowing the host.
pub(super) fn compare_host(named: &Inventory, facts: &HostFacts) -> Vec<Found> {
    let witnesses = named.vouching.iter();
    witnesses
        .filter_map(|witness| Some(unusable(witness, facts)?.at(&witness.at)))
        .collect()
}

fn unusable(witness: &Vouching, facts: &HostFacts) -> Option<Complaint> {
    let ip = witness.ip;
    if let Some(nic) = facts.owner(ip) {
        let complaint = Complaint::new(format!("{ip} is this host's own address, on {}", nic.name));
        return Some(complaint.help("name another host, such as a router"));
    }
    let nic = facts.nic(&witness.nic.as_ref()?.name)?;
    if nic.loopback {
        return None;
    }
    if let Some(prefix) = facts.subnet(nic, ip) {
        let what = address::reserved(ip, prefix)?;
        let complaint = Complaint::new(format!("{ip} is the {what} address of a /{prefix}"));
        return Some(complaint.help("write the address of a host"));
    }
    let complaint = Complaint::new(format!("{ip} is on no network of {}", facts.describe(nic)));
    Some(match facts.connected(ip).next() {
        Some(other) => complaint.help(format!(
            "it can vouch for {}: write `nic = \"{}\"`, or name a host on a network of {}",
            facts.describe(other),
            other.name,
            nic.name
        )),
        None if facts.own(nic).next().is_none() => complaint.help(format!(
            "give {} an address of the witness's network",
            nic.name
        )),
        None => complaint.help(format!("name a host on a network of {}", nic.name)),
    })
}

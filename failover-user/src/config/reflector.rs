//! `[reflector]`

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    hash::Hash,
    ops::RangeInclusive,
    time::Duration,
};

use failover_ebpf::abi;

use super::{
    address, check, discriminator,
    inventory::{Inventory, Named, duplicates, owner},
    item::Item,
    key,
    keys::Kind,
    path::nic_name,
    problem::{Complaint, Found, Place},
    reader::{Collector, Section},
    types::{Check, Identity, Reflector},
};

/// `min_rx` can be this. 0 would mean that no requests are wanted at all (RFC 5880 section 4.1).
const MIN_RX: RangeInclusive<Duration> = Duration::from_micros(1)..=Duration::from_secs(60);

/// `dead_man` can be this. What is shorter than a scheduler's hiccup would make healthy hosts silent.
const DEAD_MAN: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

/// Reads the reflector; `None` if something in it is wrong.
pub(super) fn read(item: &Item<'_>, out: &mut Collector) -> Option<Reflector> {
    let entries = item.table("reflector", out)?;
    let section = Section::open(Kind::Reflector, entries, item.place.clone(), out);

    let nics = section
        .require("nics", "nics = [\"ens1\"]", out)
        .and_then(|item| nics(&item, out));
    let initiators = match section.get("initiators") {
        Some(item) => initiators(&item, out),
        None => Some(Vec::new()),
    };
    let discriminator = section
        .get("discriminator")
        .and_then(|item| discriminator::read(&item, out));
    let keys = match section.get("key") {
        Some(item) => key::read(&item, abi::MAX_KEYS, out),
        None => Some(Vec::new()),
    };
    let min_rx = section
        .get("min_rx")
        .and_then(|item| item.duration(MIN_RX, out));

    let dead_man = match section.get("dead_man") {
        Some(item) => item.duration(DEAD_MAN, out),
        None => Some(Duration::from_millis(500)),
    };
    let identity = match section.get("identity") {
        Some(item) => identity(&item, out),
        None => Some(Vec::new()),
    };
    let self_fence = match section.get("self_fence") {
        Some(item) => self_fence(&item, identity.as_deref(), out),
        None => Some(false),
    };
    let checks = checks(&section, out);

    out.inventory.self_fence = self_fence == Some(true);
    let nics = nics?;
    // One that cannot be read is meant all the same: nothing is said of those that it replaces.
    out.inventory.default_discriminators = section.get("discriminator").is_none();
    Some(Reflector {
        nics,
        initiators: initiators?,
        discriminator,
        keys: keys?,
        min_rx: min_rx.unwrap_or(Duration::from_micros(50)),
        dead_man: dead_man?,
        self_fence: self_fence?,
        identity: identity?,
        checks: checks?,
    })
}

/// A fence needs something to be fenced.
fn self_fence(item: &Item<'_>, identity: Option<&[Identity]>, out: &mut Collector) -> Option<bool> {
    let wanted = item.truth(out)?;
    if wanted && identity.is_some_and(<[Identity]>::is_empty) {
        let complaint = Complaint::new("there is no identity to fence");
        let help = "add the addresses that the target takes over: `identity = [\"10.0.0.10/24\"]`";
        out.miss(&item.place, complaint.help(help));
        return None;
    }
    Some(wanted)
}

fn identity(item: &Item<'_>, out: &mut Collector) -> Option<Vec<Identity>> {
    let example = "identity = [\"10.0.0.10/24\"]";
    let members = item.list("a list of addresses", example, out)?;
    if members.is_empty() {
        let complaint = Complaint::new("the list is empty");
        let help = format!("write `{example}`, or remove the key");
        out.miss(&item.place, complaint.help(help));
        return None;
    }
    if members.len() > abi::MAX_IDENTITY as usize {
        let complaint = Complaint::new(format!("{} addresses are too many", members.len()));
        let help = format!("at most {} can be listed", abi::MAX_IDENTITY);
        out.complain(&item.place, complaint.help(help));
    }
    let expected = "an address with its prefix length";
    let read: Vec<_> = members
        .iter()
        .filter_map(|member| {
            let parse = address::parse_in_subnet;
            let (ip, prefix) = member.parsed(expected, "10.0.0.10/24", parse, out)?;
            out.inventory.identity.push((ip, member.place.clone()));
            Some(Identity { ip, prefix })
        })
        .collect();
    (read.len() == members.len()).then_some(read)
}

fn checks(section: &Section<'_>, out: &mut Collector) -> Option<Vec<Check>> {
    let Some(item) = section.get("check") else {
        return Some(Vec::new());
    };
    let tables = item.tables("reflector.check", out);
    let checks: Vec<_> = tables
        .iter()
        .enumerate()
        .filter_map(|(index, item)| check::read(item, index + 1, out))
        .collect();
    (checks.len() == tables.len()).then_some(checks)
}

/// What can be said of the identity without knowing the host.
pub(super) fn compare(named: &Inventory) -> Vec<Found> {
    let listed = named.identity.iter().map(|(ip, at)| (*ip, at));
    let mut found = duplicates(listed, |ip, _| {
        Complaint::new(format!("{ip} is listed twice")).help("remove one of the two")
    });
    let mut sources = BTreeMap::new();
    let monitors = named.monitors.iter().map(|m| (m.ip, &m.at));
    let addresses = named.addresses.iter().map(|a| (a.ip, &a.at));
    for (ip, at) in monitors.chain(addresses) {
        sources.entry(ip).or_insert(at);
    }
    for (ip, at) in &named.identity {
        if let Some(first) = sources.get(ip) {
            let whose = owner(first);
            let complaint = Complaint::new(format!("{ip} is an address of {whose}"));
            let help = "an address is this host's own or another's; remove it from one of the two";
            found.push(complaint.help(help).at(at).after(first));
        }
    }
    found
}

fn nics(item: &Item<'_>, out: &mut Collector) -> Option<Vec<String>> {
    let members = item.list("a list of NICs", "nics = [\"ens1\"]", out)?;
    if members.is_empty() {
        let complaint = Complaint::new("a reflector needs at least one NIC");
        out.miss(&item.place, complaint.help("write `nics = [\"ens1\"]`"));
        return None;
    }
    let names: Vec<_> = members
        .iter()
        .filter_map(|member| Some((nic_name(member, out)?, member.place.clone())))
        .collect();
    for (name, at) in &names {
        out.inventory.reflector_nics.push(Named {
            at: at.clone(),
            name: name.clone(),
        });
    }
    report_repeated(&names, out);
    Some(names.into_iter().map(|(name, _)| name).collect())
}

fn initiators(item: &Item<'_>, out: &mut Collector) -> Option<Vec<std::net::IpAddr>> {
    let example = "initiators = [\"10.0.0.2\"]";
    let members = item.list("a list of addresses", example, out)?;
    if members.is_empty() {
        // An empty list would read as "nobody" and mean "anybody".
        let complaint = Complaint::new("the list is empty");
        out.miss(
            &item.place,
            complaint.help(format!(
                "write `{example}`, or remove the key to answer any host"
            )),
        );
        return None;
    }
    if members.len() > abi::MAX_INITIATORS as usize {
        let complaint = Complaint::new(format!("{} initiators are too many", members.len()));
        let help = format!("at most {} can be listed", abi::MAX_INITIATORS);
        out.complain(&item.place, complaint.help(help));
    }
    let ips: Vec<_> = members
        .iter()
        .filter_map(|member| {
            let ip = member.parsed("an IP address", "10.0.0.2", address::parse_host, out)?;
            Some((ip, member.place.clone()))
        })
        .collect();
    report_repeated(&ips, out);
    Some(ips.into_iter().map(|(ip, _)| ip).collect())
}

fn report_repeated<T: Eq + Hash + Display>(values: &[(T, Place)], out: &mut Collector) {
    let mut seen = HashMap::new();
    for (value, at) in values {
        if let Some(first) = seen.get(value) {
            let complaint = Complaint::new(format!("{value} is listed twice"));
            let found = complaint.help("remove one of the two").at(at).after(first);
            out.found.push(found);
        } else {
            seen.insert(value, at.clone());
        }
    }
}

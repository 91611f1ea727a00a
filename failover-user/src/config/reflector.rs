//! `[reflector]`

use std::{collections::HashMap, fmt::Display, hash::Hash, ops::RangeInclusive, time::Duration};

use failover_ebpf::abi;

use super::{
    address, discriminator,
    inventory::Named,
    item::Item,
    key,
    keys::Kind,
    path::nic_name,
    problem::{Complaint, Place},
    reader::{Collector, Section},
    types::Reflector,
};

/// `min_rx` can be this. 0 would mean that no requests are wanted at all (RFC 5880 section 4.1).
const MIN_RX: RangeInclusive<Duration> = Duration::from_micros(1)..=Duration::from_secs(60);

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

    let nics = nics?;
    out.inventory.default_discriminators = discriminator.is_none();
    Some(Reflector {
        nics,
        initiators: initiators?,
        discriminator,
        keys: keys?,
        min_rx: min_rx.unwrap_or(Duration::from_micros(50)),
    })
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

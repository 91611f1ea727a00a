//! `[[source.path]]` and the addresses in it.

use std::net::IpAddr;

use toml::de::DeValue;

use super::{
    address, discriminator,
    inventory::{Forward, Listed, Monitor, Named},
    item::Item,
    keys::Kind,
    problem::{Complaint, Place},
    reader::{Collector, Section},
    types::{Address, Deliver, Path, Probe},
};

/// Reads a path of the `source`th source; `None` if something in it is wrong.
pub(super) fn read(
    item: &Item<'_>,
    key: String,
    source: usize,
    probe: Probe,
    out: &mut Collector,
) -> Option<Path> {
    let entries = item.table("[source.path]", out)?;
    let place = Place {
        key,
        span: item.place.span.clone(),
    };
    let section = Section::open(Kind::Path, entries, place, out);
    out.inventory.paths.push(section.place.clone());

    let monitor = section.require("monitor", "monitor = \"10.0.0.10\"", out);
    let monitor = monitor.and_then(|item| {
        let ip = item.parsed("an IP address", "10.0.0.10", address::parse_host, out)?;
        Some((ip, item.place))
    });
    let explicit = section.get("discriminator").and_then(|item| {
        if probe != Probe::Sbfd {
            let complaint = Complaint::new(format!(
                "a source with probe = \"{probe}\" has no discriminator"
            ));
            out.complain(&item.place, complaint.help("remove it"));
            return None;
        }
        discriminator::read(&item, out)
    });
    let target_nic = section.require("target_nic", "target_nic = \"ens2\"", out);
    let target_nic = target_nic.and_then(|item| nic_name(&item, out));
    let nic = match section.get("nic") {
        Some(item) => nic_name(&item, out),
        None => target_nic.clone(),
    };
    out.inventory.path_nics.push(nic.clone());
    if let Some((ip, at)) = &monitor {
        out.inventory.monitors.push(Monitor {
            source,
            at: at.clone(),
            ip: *ip,
            nic: nic.clone(),
        });
    }
    let addresses = section
        .require("addresses", "addresses = [\"10.0.0.10/24\"]", out)
        .and_then(|item| addresses(&item, source, target_nic.as_deref(), out));

    let (monitor, at) = monitor?;
    if probe == Probe::Arp && monitor.is_ipv6() {
        let complaint = Complaint::new(format!(
            "{monitor} is an IPv6 address, which \"arp\" cannot ask"
        ));
        out.complain(&at, complaint.help("write `probe = \"icmp\"`"));
        return None;
    }
    let discriminator = match explicit.or(discriminator::default_discriminator(monitor)) {
        None if probe == Probe::Sbfd && section.get("discriminator").is_none() => {
            let complaint = Complaint::new(format!(
                "the last 32 bits of {monitor} are 0, which is not a discriminator"
            ));
            out.complain(
                &at,
                complaint.help(
                    "write `discriminator = 1`, here and in the source's own [reflector], \
                     or watch another address",
                ),
            );
            return None;
        }
        number => number.unwrap_or_default(),
    };
    Some(Path {
        monitor,
        discriminator,
        nic: nic?,
        target_nic: target_nic?,
        addresses: addresses?,
    })
}

fn addresses(
    item: &Item<'_>,
    source: usize,
    target_nic: Option<&str>,
    out: &mut Collector,
) -> Option<Vec<Address>> {
    let example = "addresses = [\"10.0.0.10/24\"]";
    let members = item.list("a list of addresses", example, out)?;
    if members.is_empty() {
        let complaint = Complaint::new("a path needs at least one address");
        out.miss(&item.place, complaint.help(format!("write `{example}`")));
        return None;
    }
    let addresses: Vec<_> = members
        .iter()
        .filter_map(|member| entry(member, source, target_nic, out))
        .collect();
    (addresses.len() == members.len()).then_some(addresses)
}

/// `"10.0.0.10/24"` or `{ ip = "10.0.0.10/24", target_nic = "ens3", deliver = … }`.
fn entry(
    item: &Item<'_>,
    source: usize,
    target_nic: Option<&str>,
    out: &mut Collector,
) -> Option<Address> {
    let expected = "an address with its prefix length";
    let (subnet, own_nic, deliver) = match item.value {
        DeValue::String(_) => {
            let subnet = item.parsed(expected, "10.0.0.10/24", address::parse_in_subnet, out);
            let subnet = subnet.map(|subnet| (subnet, item.place.clone()));
            (subnet, None, Some(Deliver::Local))
        }
        DeValue::Table(entries) => {
            let section = Section::open(Kind::Address, entries, item.place.clone(), out);
            let ip = section.require("ip", "ip = \"10.0.0.10/24\"", out);
            let subnet = ip.and_then(|item| {
                let subnet =
                    item.parsed(expected, "10.0.0.10/24", address::parse_in_subnet, out)?;
                Some((subnet, item.place))
            });
            let own_nic = section.get("target_nic");
            let own_nic = own_nic.map(|item| nic_name(&item, out));
            let ip = subnet.as_ref().map(|((ip, _), _)| *ip);
            let deliver = match section.get("deliver") {
                Some(item) => deliver(&item, source, ip, out),
                None => Some(Deliver::Local),
            };
            (subnet, own_nic, deliver)
        }
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => {
            let complaint = item.wrong_type("an address").help(
                "write it like \"10.0.0.10/24\", or as { ip = \"10.0.0.10/24\", target_nic = \"ens3\" }",
            );
            out.complain(&item.place, complaint);
            return None;
        }
    };
    if let Some(((ip, prefix), at)) = &subnet {
        out.inventory.addresses.push(Listed {
            source,
            at: at.clone(),
            ip: *ip,
            prefix: *prefix,
        });
    }
    let ((ip, prefix), _) = subnet?;
    let target_nic = match own_nic {
        Some(own) => own?,
        None => target_nic?.to_owned(),
    };
    Some(Address {
        ip,
        prefix,
        target_nic,
        deliver: deliver?,
    })
}

fn deliver(
    item: &Item<'_>,
    source: usize,
    ip: Option<IpAddr>,
    out: &mut Collector,
) -> Option<Deliver> {
    let help = "write \"local\" or { forward = \"10.0.5.20\" }";
    let entries = match item.value {
        DeValue::String(text) if text == "local" => return Some(Deliver::Local),
        DeValue::String(text) => {
            let complaint = Complaint::new(format!("\"{}\" is not known", text.escape_debug()));
            out.complain(&item.place, complaint.help(help));
            return None;
        }
        DeValue::Table(entries) => entries,
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => {
            let complaint = item.wrong_type("\"local\" or a table");
            out.complain(&item.place, complaint.help(help));
            return None;
        }
    };
    let section = Section::open(Kind::Deliver, entries, item.place.clone(), out);
    let item = section.require("forward", "forward = \"10.0.5.20\"", out)?;
    let to = item.parsed("an IP address", "10.0.5.20", address::parse_anywhere, out)?;
    out.inventory.forwards.push(Forward {
        source,
        at: item.place,
        ip,
        to,
    });
    Some(Deliver::Forward(to))
}

/// A NIC's name, noted for the check against the host.
pub(super) fn nic_name(item: &Item<'_>, out: &mut Collector) -> Option<String> {
    let name = item.parsed("a NIC's name", "ens1", check_nic_name, out)?;
    out.inventory.nics.push(Named {
        at: item.place.clone(),
        name: name.clone(),
    });
    Some(name)
}

/// What the kernel accepts as a name (`dev_valid_name`), so that no other name can ever exist.
fn check_nic_name(name: &str) -> Result<String, Complaint> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':';
    if name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.contains(bad) {
        let shown = name.escape_debug();
        let complaint = Complaint::new(format!("\"{shown}\" cannot be the name of a NIC"));
        return Err(complaint.help("write a name that `ip link` shows, such as \"ens1\""));
    }
    Ok(name.to_owned())
}

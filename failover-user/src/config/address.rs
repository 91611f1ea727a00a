//! IP addresses as they are written in the file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::problem::Complaint;

/// A host's address without a prefix length, usable as a unicast address.
pub(super) fn parse_host(text: &str) -> Result<IpAddr, Complaint> {
    if let Some((ip, _)) = text.split_once('/')
        && ip.parse::<IpAddr>().is_ok()
    {
        let shown = text.escape_debug();
        return Err(Complaint::new(format!("\"{shown}\" has a prefix length"))
            .help(format!("write \"{ip}\" here")));
    }
    let ip = parse_ip(text)?;
    usable(ip)?;
    Ok(ip)
}

/// An address with the prefix length of its subnet (1 to 32, or 1 to 128), usable as a unicast address in that subnet
/// and beyond one link.
pub(super) fn parse_in_subnet(text: &str) -> Result<(IpAddr, u8), Complaint> {
    let shown = text.escape_debug();
    let Some((ip, prefix)) = text.split_once('/') else {
        let ip = parse_ip(text)?;
        return Err(
            Complaint::new(format!("\"{ip}\" has no prefix length")).help(format!(
                "write the prefix length of its subnet too, such as \"{ip}/{}\"",
                usual_prefix(ip)
            )),
        );
    };
    let ip = parse_ip(ip)?;
    let longest = longest_prefix(ip);
    let decimal = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let prefix = match prefix.parse::<u8>() {
        Ok(prefix) if decimal && (1..=longest).contains(&prefix) => prefix,
        Ok(_) | Err(_) => {
            return Err(Complaint::new(format!(
                "the prefix length of \"{shown}\" is not 1 to {longest}"
            ))
            .help(format!("write it like \"{ip}/{}\"", usual_prefix(ip))));
        }
    };
    usable(ip)?;
    if is_link_local(ip) {
        return Err(link_local(
            ip,
            "a client on another link could never reach it, and each host has one of its own; \
             list the source's other addresses",
        ));
    }
    if let Some(what) = reserved(ip, prefix) {
        return Err(
            Complaint::new(format!("{ip} is the {what} address of its own /{prefix}"))
                .help("write the address of a host"),
        );
    }
    Ok((ip, prefix))
}

/// An address that is found by itself, on whatever network of this host it is.
pub(super) fn parse_anywhere(text: &str) -> Result<IpAddr, Complaint> {
    let ip = parse_host(text)?;
    if is_link_local(ip) {
        return Err(link_local(
            ip,
            "it says nothing about the NIC that it is behind; write another address of that host",
        ));
    }
    Ok(ip)
}

/// What no host can have as its address in its subnet: `network`, `broadcast` or, in IPv6, `subnet-router anycast`
/// (RFC 4291 2.6.1).
pub(super) fn reserved(ip: IpAddr, prefix: u8) -> Option<&'static str> {
    // RFC 3021 and RFC 6164: the two addresses of a /31 or a /127 are both hosts.
    if prefix + 1 >= longest_prefix(ip) {
        return None;
    }
    let network = network(ip, prefix);
    match ip {
        IpAddr::V4(_) if ip == network => Some("network"),
        IpAddr::V4(ip) => {
            let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            (ip.to_bits() | host_bits == ip.to_bits()).then_some("broadcast")
        }
        IpAddr::V6(_) => (ip == network).then_some("subnet-router anycast"),
    }
}

/// IPv6 with link-local scope (RFC 4291 2.5.6): what it means depends on the NIC.
pub(super) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The prefix length of a single address.
pub(super) fn longest_prefix(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The prefix length that most subnets have, for examples.
pub(super) fn usual_prefix(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    }
}

/// `IPv4` or `IPv6`.
pub(super) fn family(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

fn link_local(ip: IpAddr, help: &str) -> Complaint {
    Complaint::new(format!("{ip} is a link-local address")).help(help)
}

fn parse_ip(text: &str) -> Result<IpAddr, Complaint> {
    text.parse::<IpAddr>().map_err(|_| {
        let shown = text.escape_debug();
        if let Some((ip, _)) = text.split_once('%')
            && ip.parse::<Ipv6Addr>().is_ok()
        {
            return Complaint::new(format!("\"{shown}\" names a NIC"))
                .help(format!("write \"{ip}\"; the NIC has a key of its own"));
        }
        Complaint::new(format!("\"{shown}\" is not an IP address")).help(
            "write an IPv4 address such as \"10.0.0.10\" or an IPv6 address such as \"fd00::10\"; \
             host names are not looked up",
        )
    })
}

/// Refuses what cannot be a host's address.
fn usable(ip: IpAddr) -> Result<(), Complaint> {
    let refused = match ip {
        IpAddr::V4(ip) => unusable_v4(ip),
        IpAddr::V6(ip) => unusable_v6(ip),
    };
    match refused {
        Some((what, help)) => Err(Complaint::new(format!("{ip} is {what}")).help(help)),
        None => Ok(()),
    }
}

const A_HOST: &str = "write the address of a host";

fn unusable_v4(ip: Ipv4Addr) -> Option<(&'static str, String)> {
    let [first, ..] = ip.octets();
    let what = match first {
        0 => "in 0.0.0.0/8, which means \"this network\"",
        127 => "a loopback address",
        224..=239 => "a multicast address",
        240..=255 if ip.is_broadcast() => "the broadcast address",
        240..=255 => "in 240.0.0.0/4, which is reserved",
        1..=126 | 128..=223 => return None,
    };
    Some((what, A_HOST.to_owned()))
}

fn unusable_v6(ip: Ipv6Addr) -> Option<(&'static str, String)> {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return Some(("an IPv4 address in IPv6 form", format!("write \"{ip}\"")));
    }
    let what = if ip.is_unspecified() {
        "the unspecified address"
    } else if ip.is_loopback() {
        "the loopback address"
    } else if ip.is_multicast() {
        "a multicast address"
    } else if ip.octets()[0] == 0 {
        // RFC 4291 2.4 and 2.5.5.1: none of these are a host's, IPv4-compatible addresses included.
        "in ::/8, which is reserved"
    } else {
        return None;
    };
    Some((what, A_HOST.to_owned()))
}

/// The first address of the subnet that `ip` is in.
pub(super) fn network(ip: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match ip {
        IpAddr::V4(ip) => {
            let host_bits = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & !host_bits).into()
        }
        IpAddr::V6(ip) => {
            let host_bits = u128::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & !host_bits).into()
        }
    }
}

/// Both are in one subnet of this prefix length, and of one family.
pub(super) fn same_subnet(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    network(a, prefix) == network(b, prefix)
}

#[cfg(test)]
mod tests;

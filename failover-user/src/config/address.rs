//! IPv4 addresses as they are written in the file.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::problem::Complaint;

/// A host's address without a prefix length, usable as a unicast address.
pub(super) fn parse_host(text: &str) -> Result<Ipv4Addr, Complaint> {
    if let Some((ip, _)) = text.split_once('/')
        && ip.parse::<Ipv4Addr>().is_ok()
    {
        let shown = text.escape_debug();
        return Err(Complaint::new(format!("\"{shown}\" has a prefix length"))
            .help(format!("write \"{ip}\" here")));
    }
    let ip = parse_ip(text)?;
    usable(ip)?;
    Ok(ip)
}

/// An address with the prefix length of its subnet (1 to 32), usable as a unicast address in that subnet.
pub(super) fn parse_in_subnet(text: &str) -> Result<(Ipv4Addr, u8), Complaint> {
    let shown = text.escape_debug();
    let Some((ip, prefix)) = text.split_once('/') else {
        let ip = parse_ip(text)?;
        return Err(
            Complaint::new(format!("\"{ip}\" has no prefix length")).help(format!(
                "write the prefix length of its subnet too, such as \"{ip}/24\""
            )),
        );
    };
    let ip = parse_ip(ip)?;
    let decimal = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let prefix = match prefix.parse::<u8>() {
        Ok(prefix @ 1..=32) if decimal => prefix,
        Ok(_) | Err(_) => {
            return Err(
                Complaint::new(format!("the prefix length of \"{shown}\" is not 1 to 32"))
                    .help(format!("write it like \"{ip}/24\"")),
            );
        }
    };
    usable(ip)?;
    if let Some(what) = reserved(ip, prefix) {
        return Err(
            Complaint::new(format!("{ip} is the {what} address of its own /{prefix}"))
                .help("write the address of a host"),
        );
    }
    Ok((ip, prefix))
}

/// `network` or `broadcast` for an address that no host can have in its subnet.
pub(super) fn reserved(ip: Ipv4Addr, prefix: u8) -> Option<&'static str> {
    // RFC 3021: the two addresses of a /31 are both hosts.
    if prefix > 30 {
        return None;
    }
    let network = network(ip, prefix);
    if ip == network {
        return Some("network");
    }
    let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    (ip.to_bits() == network.to_bits() | host_bits).then_some("broadcast")
}

fn parse_ip(text: &str) -> Result<Ipv4Addr, Complaint> {
    text.parse::<Ipv4Addr>().map_err(|_| {
        let shown = text.escape_debug();
        if text.parse::<Ipv6Addr>().is_ok() {
            return Complaint::new(format!(
                "\"{shown}\" is an IPv6 address, which is not supported by this version"
            ))
            .help("use an IPv4 address");
        }
        Complaint::new(format!("\"{shown}\" is not an IPv4 address")).help(
            "write four numbers from 0 to 255, such as \"10.0.0.10\"; host names are not looked up",
        )
    })
}

/// Refuses what cannot be a host's address.
fn usable(ip: Ipv4Addr) -> Result<(), Complaint> {
    let [first, ..] = ip.octets();
    let what = match first {
        0 => "in 0.0.0.0/8, which means \"this network\"",
        127 => "a loopback address",
        224..=239 => "a multicast address",
        240..=255 if ip.is_broadcast() => "the broadcast address",
        240..=255 => "in 240.0.0.0/4, which is reserved",
        1..=126 | 128..=223 => return Ok(()),
    };
    Err(Complaint::new(format!("{ip} is {what}")).help("write the address of a host"))
}

/// The first address of the subnet that `ip` is in.
pub(super) fn network(ip: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(ip.to_bits() & !host_bits)
}

/// Both are in one subnet of this prefix length.
pub(super) fn same_subnet(a: Ipv4Addr, b: Ipv4Addr, prefix: u8) -> bool {
    network(a, prefix) == network(b, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_subnets_are_accepted() {
        for (text, ip, prefix) in [
            ("10.0.0.10/24", [10, 0, 0, 10], 24),
            ("10.0.0.0/31", [10, 0, 0, 0], 31),
            ("10.0.0.1/31", [10, 0, 0, 1], 31),
            ("10.0.0.255/32", [10, 0, 0, 255], 32),
            ("11.0.0.0/7", [11, 0, 0, 0], 7),
        ] {
            assert_eq!(
                parse_in_subnet(text),
                Ok((Ipv4Addr::from(ip), prefix)),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        for (text, reason) in [
            ("10.0.0.10", "\"10.0.0.10\" has no prefix length"),
            (
                "10.0.0.10/0",
                "the prefix length of \"10.0.0.10/0\" is not 1 to 32",
            ),
            (
                "10.0.0.10/33",
                "the prefix length of \"10.0.0.10/33\" is not 1 to 32",
            ),
            (
                "10.0.0.10/+8",
                "the prefix length of \"10.0.0.10/+8\" is not 1 to 32",
            ),
            (
                "10.0.0.10/",
                "the prefix length of \"10.0.0.10/\" is not 1 to 32",
            ),
            (
                "10.0.0.10/24/1",
                "the prefix length of \"10.0.0.10/24/1\" is not 1 to 32",
            ),
            ("10.0.0.300/24", "\"10.0.0.300\" is not an IPv4 address"),
            ("010.0.0.1/24", "\"010.0.0.1\" is not an IPv4 address"),
            ("web1/24", "\"web1\" is not an IPv4 address"),
            (
                "fd00::1/64",
                "\"fd00::1\" is an IPv6 address, which is not supported by this version",
            ),
            (
                "10.0.0.0/24",
                "10.0.0.0 is the network address of its own /24",
            ),
            (
                "10.0.0.255/24",
                "10.0.0.255 is the broadcast address of its own /24",
            ),
            (
                "191.255.255.255/2",
                "191.255.255.255 is the broadcast address of its own /2",
            ),
            (
                "0.0.0.0/24",
                "0.0.0.0 is in 0.0.0.0/8, which means \"this network\"",
            ),
            ("127.0.0.1/8", "127.0.0.1 is a loopback address"),
            ("224.0.0.18/24", "224.0.0.18 is a multicast address"),
            (
                "255.255.255.255/32",
                "255.255.255.255 is the broadcast address",
            ),
            (
                "240.0.0.1/24",
                "240.0.0.1 is in 240.0.0.0/4, which is reserved",
            ),
        ] {
            let complaint = parse_in_subnet(text).expect_err(text);

            assert_eq!(complaint.message, reason);
        }
    }

    #[test]
    fn a_monitored_address_has_no_prefix_length() {
        let complaint = parse_host("10.0.0.10/24").expect_err("a prefix length");

        assert_eq!(complaint.help.as_deref(), Some("write \"10.0.0.10\" here"));
    }

    #[test]
    fn a_host_route_shares_its_subnet_with_nobody() {
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));

        assert!(same_subnet(a, b, 24));
        assert!(!same_subnet(a, b, 32));
        assert!(same_subnet(a, b, 0));
    }
}

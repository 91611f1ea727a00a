//! Subnets of both IP versions. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::AddressFamily;

/// Both families, in the order in which they are listed.
pub(super) const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// The family of an address.
pub(super) fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// The prefix length of a single address: 32 or 128.
pub const fn single(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first address of the subnet that an address is in.
pub fn network(ip: IpAddr, prefix: u8) -> IpAddr {
    let host_bits = u32::from(single(ip).saturating_sub(prefix));
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

/// Whether an address is on a subnet of `own`, which is more than that single address, and of its family.
pub fn is_neighbour(own: (IpAddr, u8), other: IpAddr) -> bool {
    let (ip, prefix) = own;
    prefix < single(ip) && network(ip, prefix) == network(other, prefix)
}

/// IPv6 with link-local scope (RFC 4291 2.5.6).
pub fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_no_host_bits() {
        for (address, prefix, first) in [
            ("10.0.5.20", 24, "10.0.5.0"),
            ("10.0.5.20", 0, "0.0.0.0"),
            ("10.0.5.20", 32, "10.0.5.20"),
            ("fd00:0:0:1::10", 64, "fd00:0:0:1::"),
            ("fd00:0:0:1::10", 0, "::"),
            ("fd00:0:0:1::10", 128, "fd00:0:0:1::10"),
        ] {
            assert_eq!(
                network(ip(address), prefix),
                ip(first),
                "{address}/{prefix}"
            );
        }
    }

    #[test]
    fn a_single_address_has_no_neighbours_and_neither_has_another_family() {
        assert!(is_neighbour((ip("fd00::1"), 64), ip("fd00::2")));
        assert!(!is_neighbour((ip("fd00::1"), 64), ip("fd00:0:0:1::2")));
        assert!(!is_neighbour((ip("fd00::1"), 128), ip("fd00::1")));
        assert!(!is_neighbour((ip("10.0.0.1"), 32), ip("10.0.0.1")));
        assert!(!is_neighbour((ip("fd00::1"), 1), ip("10.0.0.1")));
    }
}

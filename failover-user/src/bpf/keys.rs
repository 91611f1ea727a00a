//! IP addresses as keys of maps.

use std::net::{IpAddr, Ipv6Addr};

use failover_ebpf::abi::{Ip, ipv4_key};

/// The key of an address.
pub fn key(ip: IpAddr) -> Ip {
    match ip {
        IpAddr::V4(ip) => ipv4_key(ip.octets()),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The address of a key.
pub fn ip(key: &Ip) -> IpAddr {
    Ipv6Addr::from(*key).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_from_its_key() {
        for text in ["10.0.0.10", "0.0.0.0", "fd00::10", "fe80::1", "::1"] {
            let address: IpAddr = text.parse().unwrap();

            assert_eq!(ip(&key(address)), address);
        }
    }

    #[test]
    fn the_families_share_no_key() {
        let v4: IpAddr = "10.0.0.10".parse().unwrap();
        let compatible: IpAddr = "::10.0.0.10".parse().unwrap();

        assert_ne!(key(v4), key(compatible));
    }
}

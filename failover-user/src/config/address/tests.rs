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
            Ok((IpAddr::from(ip), prefix)),
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
        ("10.0.0.300/24", "\"10.0.0.300\" is not an IP address"),
        ("010.0.0.1/24", "\"010.0.0.1\" is not an IP address"),
        ("web1/24", "\"web1\" is not an IP address"),
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
    let [a, b, c, d] = ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"].map(|ip| ip.parse().unwrap());

    assert!(same_subnet(a, b, 24));
    assert!(!same_subnet(a, b, 32));
    assert!(same_subnet(a, b, 0));
    assert!(same_subnet(c, d, 64));
    assert!(!same_subnet(c, d, 128));
    assert!(same_subnet(c, d, 0));
    assert!(!same_subnet(a, c, 0), "two families");
}

#[test]
fn ipv6_hosts_in_subnets_are_accepted() {
    for (text, ip, prefix) in [
        ("fd00:0:0:1::10/64", "fd00:0:0:1::10", 64),
        ("2001:db8::/127", "2001:db8::", 127),
        ("2001:db8::1/127", "2001:db8::1", 127),
        ("2001:DB8::ffff/128", "2001:db8::ffff", 128),
        ("2001:db8::ffff/112", "2001:db8::ffff", 112),
    ] {
        assert_eq!(
            parse_in_subnet(text),
            Ok((ip.parse().unwrap(), prefix)),
            "{text}"
        );
    }
}

#[test]
fn every_other_ipv6_address_is_refused_with_a_reason() {
    for (text, reason) in [
        ("fd00::1", "\"fd00::1\" has no prefix length"),
        (
            "fd00::1/0",
            "the prefix length of \"fd00::1/0\" is not 1 to 128",
        ),
        (
            "fd00::1/129",
            "the prefix length of \"fd00::1/129\" is not 1 to 128",
        ),
        (
            "fd00::/64",
            "fd00:: is the subnet-router anycast address of its own /64",
        ),
        ("fe80::1/64", "fe80::1 is a link-local address"),
        ("fe80::1%ens1/64", "\"fe80::1%ens1\" names a NIC"),
        ("ff02::1/64", "ff02::1 is a multicast address"),
        ("::/64", ":: is the unspecified address"),
        ("::1/128", "::1 is the loopback address"),
        (
            "::ffff:10.0.0.10/120",
            "::ffff:10.0.0.10 is an IPv4 address in IPv6 form",
        ),
        ("::10.0.0.10/120", "::a00:a is in ::/8, which is reserved"),
        ("fd00::g/64", "\"fd00::g\" is not an IP address"),
    ] {
        let complaint = parse_in_subnet(text).expect_err(text);

        assert_eq!(complaint.message, reason);
    }
}

#[test]
fn a_link_local_address_needs_a_nic_beside_it() {
    assert!(parse_host("fe80::10").is_ok());

    let complaint = parse_anywhere("fe80::10").expect_err("no NIC");

    assert_eq!(complaint.message, "fe80::10 is a link-local address");
}

use failover_user::net::sysctl::{self, Changes, Version};

use crate::lab::in_namespace;

#[test]
fn forwarding_is_switched_on_for_a_nic_and_restored() {
    in_namespace(async |lab| {
        lab.nic("eth0.100").await;
        sysctl::write(Version::V4, "eth0.100", "rp_filter", "1").unwrap();
        let read = || {
            ["forwarding", "rp_filter"]
                .map(|key| sysctl::read(Version::V4, "eth0.100", key).unwrap())
        };
        let before = read();
        let mut changes = Changes::default();

        changes.forward("eth0.100", Version::V4).unwrap();
        let during = read();
        changes.restore().unwrap();

        assert_eq!(before, ["0", "1"]);
        assert_eq!(during, ["1", "2"]);
        assert_eq!(read(), before);
    });
}

#[test]
fn settings_of_a_nic_that_disappeared_need_no_restoring() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        let mut changes = Changes::default();
        for version in [Version::V4, Version::V6] {
            changes.forward("nic", version).unwrap();
        }

        lab.remove(nic).await;

        changes.restore().unwrap();
        assert!(sysctl::read(Version::V4, "nic", "forwarding").is_err());
    });
}

#[test]
fn a_nic_that_forwards_ipv6_still_takes_router_advertisements_and_so_do_the_others() {
    in_namespace(async |lab| {
        lab.nic("nic").await;
        lab.nic("other").await;
        let of = |nic: &str| {
            ["forwarding", "accept_ra"].map(|key| sysctl::read(Version::V6, nic, key).unwrap())
        };
        let before = of("nic");
        let mut changes = Changes::default();

        changes.forward("nic", Version::V6).unwrap();
        changes.forward("nic", Version::V6).unwrap();
        let during = of("nic");
        let other = of("other");
        changes.restore().unwrap();

        assert_eq!(before, ["0", "1"]);
        assert_eq!(during, ["1", "2"]);
        assert_eq!(other, ["0", "1"]);
        assert_eq!(of("nic"), before);
    });
}

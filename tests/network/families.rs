//! An IP version that the kernel does not have (`ipv6.disable=1`): asked for it, it lists every other one. No kernel has these
//! families any more, so that they stand for one here.

use std::net::{IpAddr, Ipv4Addr};

use failover_user::net::{cleanup, links, tables};
use netlink_packet_route::AddressFamily;

use crate::lab::in_namespace;

/// AF_DECnet, removed in Linux 6.1.
const MISSING: AddressFamily = AddressFamily::Decnet;

#[test]
fn what_is_listed_for_a_missing_version_is_not_taken_for_it() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10));
        lab.address(nic, ip, 24).await;
        lab.up("nic").await;

        let there = links::addresses_of(&lab.0, AddressFamily::Inet)
            .await
            .unwrap();
        let addresses = links::addresses_of(&lab.0, MISSING).await.unwrap();
        let routes = tables::routes(&lab.0, MISSING, None).await.unwrap();
        let rules = cleanup::rules_of(&lab.0, MISSING).await.unwrap();

        assert_eq!(there.len(), 1, "{there:?}");
        assert!(addresses.is_empty(), "{addresses:?}");
        assert!(routes.is_empty(), "{routes:?}");
        assert!(rules.is_empty(), "{rules:?}");
    });
}

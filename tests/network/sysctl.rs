use failover_user::net::sysctl::{self, Changes};

use crate::lab::in_namespace;

#[test]
fn forwarding_is_switched_on_for_a_nic_and_restored() {
    in_namespace(async |lab| {
        lab.nic("eth0.100").await;
        sysctl::write("eth0.100", "rp_filter", "1").unwrap();
        let read = || ["forwarding", "rp_filter"].map(|key| sysctl::read("eth0.100", key).unwrap());
        let before = read();
        let mut changes = Changes::default();

        changes.forward("eth0.100").unwrap();
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
        changes.forward("nic").unwrap();

        lab.remove(nic).await;

        changes.restore().unwrap();
        assert!(sysctl::read("nic", "forwarding").is_err());
    });
}

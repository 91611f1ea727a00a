//! Addresses that the kernel refuses: nobody may be told that they are here.

use failover_tests::lab::Daemon;
use serde_json::Value;

use crate::{
    pair::{events, run, source, wait_for_state},
    six::{ADDRESSES, Six, automatic},
};

/// A NIC on which the administrator has switched IPv6 off, which its own IPv6 address does not survive.
fn refuse(six: &Six) {
    six.target.sysctl("net/ipv6/conf/ens2/disable_ipv6", "1");
}

fn address(status: &Value, place: usize) -> &Value {
    &source(status, "web1")["paths"][0]["addresses"][place]
}

/// Announcements of an address that were sent by a takeover.
fn held(daemon: &Daemon) -> Vec<Value> {
    events(daemon, "takeover")
        .into_iter()
        .map(|event| event["addresses"].clone())
        .collect()
}

#[test]
fn an_address_that_the_kernel_refuses_is_not_held_and_the_others_are() {
    let six = Six::new();
    let (_source, target) = six.start(&automatic("10ms", 3));
    refuse(&six);

    let told = run(&target, &["takeover", "web1", "--yes"], 1);
    let status = target.status();

    assert!(
        told.contains("in part (1 addresses)") && told.contains(ADDRESSES[1]),
        "{told}"
    );
    let both = [0, 1].map(|place| address(&status, place)["held"] == true);
    assert_eq!(both, [true, false]);
    assert_eq!(held(&target), [serde_json::json!([ADDRESSES[0]])]);
    // Its true owner is found, and by its own MAC.
    let _client = six.client(ADDRESSES[1], 100);
    assert_eq!(
        six.client.neighbour(ADDRESSES[1]),
        Some(six.source_nic.mac())
    );
}

#[test]
fn a_takeover_that_is_refused_as_a_whole_leaves_nothing() {
    let six = Six::new();
    let config = automatic("10ms", 3).replace("\"fd00:0:0:1::10/64\", {", "{");
    let (_source, target) = six.start(&config);
    refuse(&six);

    let told = run(&target, &["takeover", "web1", "--yes"], 1);
    wait_for_state(&target, "web1", "healthy");

    assert!(told.contains("was not taken over"), "{told}");
    assert_eq!(address(&target.status(), 0)["held"], false);
    assert_eq!(held(&target), [serde_json::json!([])]);
}

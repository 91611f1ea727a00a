//! A standby server behind a NIC whose driver takes no redirected frames.

use std::net::Ipv4Addr;

use failover_tests::lab::{Daemon, Host, clock};
use failover_user::bpf::{addresses::Addresses, pins::Pins};
use rtnetlink::{LinkBridge, LinkUnspec};

use crate::pair::{PATIENCE, Pair, events, run, wait_for_state};

/// A bridge has no native XDP. Nobody has to be behind it.
fn add_bridge(host: &Host, name: &'static str, address: Ipv4Addr) {
    host.namespace()
        .netlink(async move |handle| {
            let links = handle.link();
            links.add(LinkBridge::new(name).build()).execute().await?;
            let index = host.run(|| rustix::net::netdevice::name_to_index(socket(), name))?;
            let up = LinkUnspec::new_with_index(index).up().build();
            handle.link().set(up).execute().await?;
            handle
                .address()
                .add(index, address.into(), 24)
                .execute()
                .await?;
            Ok(())
        })
        .expect("a bridge");
}

fn socket() -> std::net::UdpSocket {
    std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket")
}

fn config(xdp: &str) -> String {
    format!(
        r#"
[daemon]
xdp = "{xdp}"
[[source]]
name = "web1"
on_failure = "automatic"
[[source.path]]
monitor = "10.0.0.10"
target_nic = "ens1"
addresses = [{{ ip = "10.0.0.10/24", deliver = {{ forward = "10.0.5.20" }} }}]
"#
    )
}

fn held(daemon: &Daemon) -> usize {
    let addresses = Addresses::open(&Pins::new(daemon.pins())).expect("the takeover map");
    addresses.all().expect("its entries").len()
}

#[test]
fn what_would_be_lost_on_its_way_to_the_standby_server_is_not_taken_and_people_are_told() {
    let pair = Pair::new();
    add_bridge(&pair.target, "br0", Ipv4Addr::new(10, 0, 5, 1));
    let _source = pair.start_source();
    let mut target = pair.start_target(&config("auto"));

    let told = clock::wait_until(PATIENCE, || {
        events(&target, "error").iter().any(|event| {
            event["nic"] == "ens1"
                && event["error"]
                    .as_str()
                    .is_some_and(|error| error.contains("generic XDP"))
        })
    });
    let refused = run(&target, &["takeover", "web1", "--yes"], 1);
    let taken = held(&target);

    // Alike, one redirects onto the other.
    run(&target, &["stop", "--release"], 0);
    target.wait_for_end();
    target.write_config(&config("generic"));
    target.restart();
    wait_for_state(&target, "web1", "healthy");
    run(&target, &["takeover", "web1", "--yes"], 0);

    assert!(told, "{:?}", events(&target, "error"));
    assert!(refused.contains("generic XDP"), "{refused}");
    assert_eq!((taken, held(&target)), (0, 1));
}

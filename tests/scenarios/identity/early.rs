//! A source that comes back while its addresses are held, and whose daemon runs already when they appear: nobody sees its MAC for
//! them until they are given back.

use std::net::{IpAddr, UdpSocket};

use failover_ebpf::verdict::Verdict;
use failover_tests::lab::{Capture, Daemon, clock};
use failover_user::bpf::{maps::Maps, pins::Pins};

use super::{
    Home, Versions, handed_back::hand_back, home::wait_for_heartbeats, identity,
    speaking::speaks_for, wait_until_elsewhere,
};
use crate::pair::{PATIENCE, run, wait_for_state};

/// Times that the client forgets where everything is.
const COLD: usize = 5;

#[test]
fn a_source_that_comes_back_with_its_addresses_shows_its_mac_to_nobody_until_failback() {
    replugged(Versions::Four);
}

/// RFC 4862 5.4.5.
#[test]
fn nor_does_one_that_comes_back_with_ipv6_addresses() {
    replugged(Versions::Six);
}

/// The daemon is started with the addresses there and the cable out.
fn replugged(versions: Versions) {
    let home = Home::new(versions);
    let (mut daemon, target) = home.start("");
    let clients = home.clients();
    let pulled = home.source_nic.pull();
    clients.wait_for_answers_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");

    end(&mut daemon);
    daemon.restart();
    let wire = Capture::on_wire(&home.source_nic);
    let back = clock::now_ns();
    home.source_nic.replug();
    wait_until_elsewhere(&daemon);

    assert_stays_away(&home, &wire, &target, || {
        clients.wait_for_answers_by("target", clock::now_ns());
    });
    clients.wait_for_answers_by("target", back);
    hand_back(&daemon, &target, clients);
}

#[test]
fn a_daemon_that_is_started_before_the_network_keeps_off_addresses_that_appear_later() {
    before_the_network(Versions::Four);
}

#[test]
fn a_daemon_that_is_started_before_the_network_keeps_off_ipv6_addresses_that_appear_later() {
    before_the_network(Versions::Six);
}

/// The daemon is started while its NIC is down and has no address. The network is configured as of a host that boots, which
/// tells everybody of its addresses and uses them at once.
fn before_the_network(versions: Versions) {
    let home = Home::new(versions);
    let (mut daemon, target) = home.start("");
    let clients = home.clients();
    let cut = home.source_nic.cut();
    clients.wait_for_answers_by("target", cut);
    wait_for_state(&target, "web1", "taken-over");

    end(&mut daemon);
    home.source_nic.down();
    // The last one first: with the first one the kernel removes those of the same subnet.
    for (ip, _) in home.source_nic.addresses().into_iter().rev() {
        home.source_nic.remove_address(&ip.to_string());
    }
    tell_everybody_of_addresses(&home);
    home.source_nic.heal();
    let wire = Capture::on_wire(&home.source_nic);
    let back = clock::now_ns();
    daemon.restart();
    let waiting = identity(&daemon.status());
    home.source_nic.up();
    for address in versions.prefixed() {
        home.source_nic.add_address(&address);
    }
    use_at_once(&home);
    wait_until_elsewhere(&daemon);
    wait_until_usable(&home);
    use_at_once(&home);

    let asking = ("asking".to_owned(), true);
    assert_eq!(waiting, [asking.clone(), asking]);
    let refused = counter(&daemon, Verdict::FencedOut);
    assert!(refused > 0, "the kernel has not tried to use its addresses");
    assert_stays_away(&home, &wire, &target, || {
        clients.wait_for_answers_by("target", clock::now_ns());
    });
    let reports = clients.reports();
    assert!(
        reports
            .iter()
            .all(|report| report.first_answer_by("source", back).is_none())
    );
    hand_back(&daemon, &target, clients);
}

/// As after a boot: nothing of an earlier daemon is left.
fn end(daemon: &mut Daemon) {
    run(daemon, &["stop", "--release"], 0);
    daemon.wait_for_end();
    let pins = daemon.pins().display().to_string();
    run(daemon, &["unload", "--bpffs", &pins], 0);
}

/// The kernel announces what it is given, and checks IPv6 addresses first (RFC 4862), as hosts do.
fn tell_everybody_of_addresses(home: &Home) {
    home.source.sysctl("net/ipv4/conf/all/arp_notify", "1");
    if home.versions != Versions::Four {
        home.source.sysctl("net/ipv6/conf/ens1/ndisc_notify", "1");
        home.source.detect_duplicates("ens1");
    }
}

/// The host itself speaks from its addresses, which begins with a question to all.
fn use_at_once(home: &Home) {
    for ip in home.identity() {
        let client: IpAddr = match ip {
            IpAddr::V4(_) => [10, 0, 0, 100].into(),
            IpAddr::V6(_) => "fd00:0:0:1::100".parse().expect("an address"),
        };
        home.source.run(|| {
            // While an address is checked it cannot be bound to.
            if let Ok(socket) = UdpSocket::bind((ip, 0)) {
                let sent = socket.send_to(b"hello", (client, 9));
                eprintln!("{ip} to {client}: {sent:?}");
            }
        });
    }
}

/// The kernel has found nobody that has its addresses, as nobody's advertisement comes to it: it uses them when it may.
fn wait_until_usable(home: &Home) {
    if home.versions == Versions::Four {
        return;
    }
    let usable = clock::wait_until(PATIENCE, || {
        let addresses = home.source.ipv6_addresses("ens1");
        addresses.iter().all(|address| !address.tentative)
    });
    assert!(usable, "{:?}", home.source.ipv6_addresses("ens1"));
}

fn counter(daemon: &Daemon, wanted: Verdict) -> u64 {
    let maps = Maps::open(&Pins::new(daemon.pins())).expect("the maps");
    let counters = maps.counters().expect("the counters");
    let found = counters.iter().find(|(verdict, _)| *verdict == wanted);
    found.map_or(0, |(_, count)| *count)
}

/// Clients that know nothing find the target, and on the wire nothing speaks for the addresses.
fn assert_stays_away(home: &Home, wire: &Capture, target: &Daemon, answered: impl Fn()) {
    for _ in 0..COLD {
        home.client.flush_neighbours();
        answered();
    }
    wait_for_heartbeats(target);
    let ours = home.identity();
    let shown: Vec<_> = wire
        .frames()
        .into_iter()
        .filter(|frame| speaks_for(&ours, frame))
        .collect();
    assert!(shown.is_empty(), "{} frames, {:?}", shown.len(), shown[0]);
    for (address, nic) in home.versions.addresses().iter().zip(&home.target_nics) {
        assert_eq!(home.client.neighbour(address), Some(nic.mac()), "{address}");
    }
}

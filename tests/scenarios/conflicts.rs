//! Other hosts that have, claim or want the same addresses.

use std::net::Ipv4Addr;

use failover_tests::{
    frames,
    lab::{Capture, Daemon, Direction, Frame, Lab, Nic, clock},
};
use failover_user::net::packet::PacketSocket;

use crate::pair::{
    PATIENCE, Pair, REFLECTOR, automatic, events, run, source, state, wait_for_state,
};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

#[test]
fn what_another_host_has_is_taken_over_when_it_is_unplugged() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let third = pair.plug_third("10.0.0.9/24");
    third.add_address("10.0.0.10/32");

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "held-elsewhere");
    let refused = run(&target, &["takeover", "web1", "--yes"], 4);
    assert!(refused.contains("is in use by another host"), "{refused}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    third.pull();

    wait_for_state(&target, "web1", "taken-over");
}

/// A takeover, and another host on the switch, which announces 10.0.0.10 when told to.
struct Claimed {
    pair: Pair,
    _source: Daemon,
    target: Daemon,
    stranger: Nic,
}

impl Claimed {
    fn new(on_conflict: &str) -> Self {
        let pair = Pair::new();
        let stranger = pair.plug_third("10.0.0.9/24");
        let config = automatic("10ms", 3).replace(
            "on_failure",
            &format!("on_conflict = \"{on_conflict}\"\non_failure"),
        );
        let (source, target) = pair.start(&config);
        pair.source_nic.pull();
        wait_for_state(&target, "web1", "taken-over");
        Self {
            pair,
            _source: source,
            target,
            stranger,
        }
    }

    /// The stranger announces the address until the daemon has noticed so many times: claims that follow each other closely
    /// are told of once.
    fn announce(&self, claims: usize) {
        let announcement = frames::arp_announcement(self.stranger.mac(), ADDRESS);
        self.stranger.host().run(|| {
            let socket = PacketSocket::open(self.stranger.index(), 1).expect("a packet socket");
            let noticed = clock::wait_until(PATIENCE, || {
                socket.send(&announcement).expect("an announcement");
                events(&self.target, "claim").len() >= claims
            });
            assert!(noticed, "{:?}", events(&self.target, "claim"));
        });
    }

    fn held(&self) -> bool {
        self.pair.target_nics[0].has_address("10.0.0.10")
    }

    fn asks(&self) -> bool {
        source(&self.target.status(), "web1")["asks"] == true
    }
}

/// What goes with each defence, and with nothing else that a holder sends to everybody: a probe for the address. A claimant
/// that is not known is asked by one of its own who it is.
fn is_defence(frame: &Frame) -> bool {
    frame.direction == Direction::Out
        && frame.octets.starts_with(&frames::BROADCAST.0)
        && frame.arp().is_some_and(|arp| {
            arp.sender_ipv4_addr().is_unspecified() && arp.target_ipv4_addr() == ADDRESS
        })
}

#[test]
fn a_strangers_claim_is_a_conflict_and_is_defended_once() {
    let claimed = Claimed::new("defend");
    let wire = Capture::on_wire(&claimed.pair.target_nics[0]);

    let at = clock::now_ns();
    claimed.announce(1);
    wire.wait_for(PATIENCE, "the defence", is_defence);
    claimed.announce(2);
    let status = claimed.target.status();

    let mine = claimed.pair.target_nics[0].mac();
    let announced = wire.announcements_of(ADDRESS);
    assert!(
        announced
            .iter()
            .any(|(frame, arp)| arp.sender_mac == mine.0 && frame.at_ns > at),
        "no announcement"
    );
    assert_eq!(wire.count(|frame| is_defence(frame)), 1);
    assert_eq!(state(&status, "web1"), "conflict", "{status:#}");
    let cause = source(&status, "web1")["cause"].to_string();
    assert!(
        cause.contains(&claimed.stranger.mac().to_string()),
        "{cause}"
    );
    assert!(claimed.held());
}

/// RFC 5227 2.4 (a).
#[test]
fn with_release_the_addresses_are_given_up_to_whoever_claims_one() {
    let claimed = Claimed::new("release");
    let wire = Capture::on_wire(&claimed.pair.target_nics[0]);

    claimed.announce(1);
    let gone = clock::wait_until(PATIENCE, || !claimed.held());

    assert!(gone);
    assert_eq!(wire.count(|frame| is_defence(frame)), 0);
}

#[test]
fn the_administrator_who_is_asked_can_have_the_addresses_defended() {
    let claimed = Claimed::new("ask");
    let wire = Capture::on_wire(&claimed.pair.target_nics[0]);

    claimed.announce(1);
    wait_for_state(&claimed.target, "web1", "conflict");
    assert!(claimed.asks());
    assert_eq!(wire.count(|frame| is_defence(frame)), 0);
    let told = run(&claimed.target, &["approve", "web1"], 0);
    assert!(told.contains("are defended"), "{told}");

    wire.wait_for(PATIENCE, "the defence", is_defence);
    assert!(claimed.held() && !claimed.asks());
}

#[test]
fn the_administrator_who_is_asked_can_have_the_addresses_given_up() {
    let claimed = Claimed::new("ask");

    claimed.announce(1);
    wait_for_state(&claimed.target, "web1", "conflict");
    let told = run(&claimed.target, &["decline", "web1"], 0);
    assert!(told.contains("given up"), "{told}");

    assert!(clock::wait_until(PATIENCE, || !claimed.held()));
}

#[test]
fn whoever_stands_in_is_not_taken_for_the_source_that_it_stands_in_for() {
    const CONFIG: &str = r#"
[[source]]
name = "web1"
interval = "10ms"
on_failure = "automatic"
l2_alive = "ignore"
[[source.path]]
monitor = "10.0.0.10"
target_nic = "ens1"
addresses = ["10.0.0.10/24"]
"#;
    /// Rounds of probes in which the other host might be taken for somebody else.
    const ROUNDS: usize = 6;
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let hosts = ["source", "first", "second"].map(|name| lab.host(name));
    let plug = |host, address| lab.plug(host, "ens1", &switch, address);
    let cable = plug(&hosts[0], "10.0.0.10/24");
    let nics = [
        plug(&hosts[1], "10.0.0.2/24"),
        plug(&hosts[2], "10.0.0.3/24"),
    ];
    let _source = Daemon::start(&lab, &hosts[0], REFLECTOR);
    let targets = [1, 2].map(|host: usize| Daemon::start(&lab, &hosts[host], CONFIG));
    for target in &targets {
        wait_for_state(target, "web1", "healthy");
    }

    cable.pull();
    let holder = || nics.iter().position(|nic| nic.has_address("10.0.0.10"));
    assert!(clock::wait_until(PATIENCE, || holder().is_some()));
    let other = &targets[1 - holder().expect("a holder")];
    wait_for_state(other, "web1", "held-elsewhere");
    let wire = Capture::on_wire(&nics[1 - holder().expect("a holder")]);
    let asked_again = clock::wait_until(PATIENCE, || {
        wire.count(|frame| is_defence(frame)) >= ROUNDS
            || state(&other.status(), "web1") != "held-elsewhere"
    });

    let status = other.status();
    assert!(asked_again, "{status:#}");
    assert_eq!(state(&status, "web1"), "held-elsewhere", "{status:#}");
    let holders = nics.each_ref().map(|nic| nic.has_address("10.0.0.10"));
    assert!(holders[0] != holders[1], "{holders:?}");
}

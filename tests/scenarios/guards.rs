//! What is asked before a source counts as failed, and that a long takeover delays nobody's heartbeats.

use std::{collections::BTreeMap, net::Ipv4Addr};

use failover_tests::{
    frames::{self, Flow},
    lab::{Capture, Daemon, Direction, Frame, Lab, Mac, Nic, clock},
};
use failover_user::net::packet::PacketSocket;

use crate::pair::{
    PATIENCE, Pair, REFLECTOR, automatic, event, events, run, source, wait_for_event,
    wait_for_state,
};

/// Addresses that are taken over at once, half of them on each NIC.
const MANY: u32 = 1000;
/// Between heartbeats of the source that does not fail, nanoseconds.
const INTERVAL_NS: u64 = 10_000_000;

fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_4000 + n)
}

fn many() -> String {
    let listed = |range: std::ops::Range<u32>, nic: &str| -> Vec<String> {
        range
            .map(|n| format!("{{ ip = \"{}/16\", target_nic = \"{nic}\" }}", address(n)))
            .collect()
    };
    let addresses = [listed(0..MANY / 2, "ens1"), listed(MANY / 2..MANY, "ens2")].concat();
    format!(
        r#"
[[source]]
name = "web1"
interval = "10ms"
on_failure = "automatic"
[[source.path]]
monitor = "10.0.0.10"
target_nic = "ens1"
addresses = [{}]

[[source]]
name = "web2"
interval = "10ms"
on_failure = "ask"
[[source.path]]
monitor = "10.0.0.20"
target_nic = "ens1"
addresses = ["10.0.0.20/16"]
"#,
        addresses.join(", ")
    )
}

#[test]
fn a_takeover_of_a_thousand_addresses_delays_no_heartbeat_of_another_source() {
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let [client, first, second, target] =
        ["client", "first", "second", "target"].map(|name| lab.host(name));
    let client_nic = lab.plug(&client, "ens1", &switch, "10.0.0.100/16");
    let first_nic = lab.plug(&first, "ens1", &switch, "10.0.0.10/16");
    lab.plug(&second, "ens1", &switch, "10.0.0.20/16");
    let nics = [
        lab.plug(&target, "ens1", &switch, "10.0.0.2/16"),
        lab.plug(&target, "ens2", &switch, "10.0.0.3/16"),
    ];
    let _sources = [&first, &second].map(|host| Daemon::start(&lab, host, REFLECTOR));
    let daemon = Daemon::start(&lab, &target, &many());
    wait_for_state(&daemon, "web1", "healthy");
    wait_for_state(&daemon, "web2", "healthy");
    let wire = Capture::on_wire(&nics[0]);
    wire.wait_for(PATIENCE, "a heartbeat", is_heartbeat);

    let pulled = first_nic.pull();
    wait_for_state(&daemon, "web1", "taken-over");
    let taken = clock::now_ns();
    wire.wait_for(PATIENCE, "a heartbeat behind the takeover", |frame| {
        is_heartbeat(frame) && frame.at_ns > taken
    });
    let beats: Vec<u64> = wire
        .frames()
        .iter()
        .filter(|frame| is_heartbeat(frame))
        .map(|frame| frame.at_ns)
        .collect();
    let macs = answered_by_arp(&client_nic);
    let answered = answered_by_echo(&client_nic, &macs);

    let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max();
    let longest = longest.expect("heartbeats");
    let takeover = event(&daemon, "takeover");
    eprintln!(
        "{MANY} addresses in {} ms, {} ms after the cable was pulled; longest time between two heartbeats of the other \
         source {} us, interval {} us, {} heartbeats",
        takeover["takeover_ns"].as_u64().unwrap_or_default() / 1_000_000,
        (takeover["announced_ns"].as_u64().unwrap_or_default() - pulled) / 1_000_000,
        longest / 1000,
        INTERVAL_NS / 1000,
        beats.len(),
    );
    assert_eq!(takeover["held"], MANY, "{takeover}");
    for n in 0..MANY {
        let nic = &nics[usize::from(n >= MANY / 2)];
        assert_eq!(macs.get(&address(n)), Some(&nic.mac()), "{}", address(n));
    }
    assert_eq!(answered, MANY as usize);
    assert!(longest < 2 * INTERVAL_NS, "{longest} ns");
}

/// Whether it is a heartbeat to 10.0.0.20.
fn is_heartbeat(frame: &Frame) -> bool {
    let to_it = frame.octets.get(30..34) == Some(&[10, 0, 0, 20]);
    let sbfd = |(_, port, _): (u16, u16, Vec<u8>)| port == frames::SBFD_PORT;
    frame.direction == Direction::Out && to_it && frame.udp().is_some_and(sbfd)
}

/// Asks for all addresses by ARP until all have answered: who has which.
fn answered_by_arp(nic: &Nic) -> BTreeMap<Ipv4Addr, Mac> {
    let from = Ipv4Addr::new(10, 0, 0, 100);
    let request = |ip| frames::arp_request(nic.mac(), from, ip);
    let capture = Capture::in_host(nic);
    let mut macs = BTreeMap::new();
    ask_until_answered(nic, request, || {
        for (_, reply) in capture.arps() {
            let ip = reply.sender_ipv4_addr();
            macs.insert(ip, Mac(reply.sender_mac));
        }
        macs.keys().copied().collect()
    });
    macs
}

/// Sends an echo request to each address until all have answered: how many have.
fn answered_by_echo(nic: &Nic, macs: &BTreeMap<Ipv4Addr, Mac>) -> usize {
    let request = |ip| {
        let flow = Flow {
            from_mac: nic.mac(),
            to_mac: macs[&ip],
            from: Ipv4Addr::new(10, 0, 0, 100),
            to: ip,
            ttl: 64,
        };
        frames::echo_request(&flow, 7, 7, &[0; 16])
    };
    let capture = Capture::in_host(nic);
    let mut answered = Vec::new();
    ask_until_answered(nic, request, || {
        let frames = capture.frames();
        answered = frames.iter().filter_map(echo_reply_of).collect();
        answered.sort_unstable();
        answered.dedup();
        answered.clone()
    });
    answered.len()
}

/// Who sent this ICMP echo reply.
fn echo_reply_of(frame: &Frame) -> Option<Ipv4Addr> {
    let octets = &frame.octets;
    let reply = octets.get(12..14)? == [0x08, 0x00] && octets[23] == 1 && *octets.get(34)? == 0;
    let from: [u8; 4] = octets[26..30].try_into().ok()?;
    reply.then(|| from.into())
}

/// Sends requests to the addresses that have not answered, a few at a time, until all have.
fn ask_until_answered(
    nic: &Nic,
    request: impl Fn(Ipv4Addr) -> Vec<u8> + Sync,
    mut answered: impl FnMut() -> Vec<Ipv4Addr> + Send,
) {
    const AT_ONCE: usize = 50;
    nic.host().run(|| {
        let socket = PacketSocket::open(nic.index(), 1).expect("a packet socket");
        let all = clock::wait_until(PATIENCE, || {
            let answered = answered();
            let missing: Vec<Ipv4Addr> = (0..MANY)
                .map(address)
                .filter(|ip| answered.binary_search(ip).is_err())
                .collect();
            for ip in missing.iter().take(AT_ONCE) {
                socket.send(&request(*ip)).expect("a frame");
            }
            missing.is_empty()
        });
        assert!(all, "not all addresses answer");
    });
}

#[test]
fn when_the_cable_is_pulled_nobody_answers_the_probes() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let wires = [0, 1].map(|nic: usize| Capture::on_wire(&pair.target_nics[nic]));

    pair.source_nic.pull();
    let heard = wait_for_event(&target, "heard");

    assert_eq!(heard["finding"], "silent");
    for (wire, last) in wires.iter().zip([10, 11]) {
        let probe = |frame: &Frame| {
            frame.arp().is_some_and(|arp| {
                arp.sender_ipv4_addr().is_unspecified()
                    && arp.target_ipv4_addr() == Ipv4Addr::new(10, 0, 0, last)
            })
        };
        wire.wait_for(PATIENCE, "a probe", probe);
        assert_eq!(wire.count(|frame| probe(frame)), 1);
    }
}

#[test]
fn a_source_whose_reflector_has_ended_is_found_alive() {
    let pair = Pair::new();
    let config = automatic("10ms", 3).replace("\"automatic\"", "\"ask\"");
    let (source, target) = pair.start(&config);

    run(&source, &["stop", "--release"], 0);
    run(&source, &["unload"], 0);
    let heard = wait_for_event(&target, "heard");

    assert_eq!(heard["finding"], "source", "{heard}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn another_host_that_has_the_address_already_is_found() {
    let pair = Pair::new();
    let config = automatic("10ms", 3).replace("\"automatic\"", "\"ask\"");
    let (_source, target) = pair.start(&config);

    let third = pair.plug_third("10.0.0.9/24");
    third.add_address("10.0.0.10/32");
    pair.source_nic.cut();
    let heard = wait_for_event(&target, "heard");

    assert_eq!(heard["finding"], "other", "{heard}");
    assert_eq!(heard["mac"], third.mac().to_string());
}

/// The usual configuration with a witness on ens1, and a host that is one.
fn witnessed(probe: &str) -> (Pair, Daemon, Daemon, Nic) {
    let pair = Pair::new();
    let witness = pair.plug_third("10.0.0.1/24");
    let config = format!(
        "[[witness]]\nnic = \"ens1\"\naddress = \"10.0.0.1\"\nprobe = \"{probe}\"\n{}",
        automatic("10ms", 3)
    );
    let (source, target) = pair.start(&config);
    let answers = wait_for_event(&target, "witness");
    assert_eq!(answers["answers"], true);
    (pair, source, target, witness)
}

const PROBES: [&str; 2] = ["icmp", "arp"];

#[test]
fn a_source_that_fails_while_the_witness_answers_is_taken_over() {
    for probe in PROBES {
        let (pair, _source, target, _witness) = witnessed(probe);

        pair.source_nic.pull();

        wait_for_state(&target, "web1", "taken-over");
        let isolated = events(&target, "path");
        assert!(
            isolated.iter().all(|path| path["state"] != "isolated"),
            "{probe}: {isolated:?}"
        );
    }
}

#[test]
fn when_the_witness_falls_silent_too_we_are_the_isolated_one() {
    for probe in PROBES {
        let (pair, _source, target, _witness) = witnessed(probe);

        pair.target_nics[0].cut();
        wait_for_state(&target, "web1", "isolated");
        let silent = clock::wait_until(PATIENCE, || {
            let last = events(&target, "witness").pop();
            last.is_some_and(|event| event["answers"] == false)
        });
        let kept = !pair.target_nics[1].has_address("10.0.0.11");
        pair.target_nics[0].heal();

        wait_for_state(&target, "web1", "healthy");
        assert!(silent && kept, "{probe}");
        assert!(events(&target, "takeover").is_empty());
    }
}

#[test]
fn a_source_that_fails_while_we_are_isolated_is_taken_over_when_the_witness_is_back() {
    for probe in PROBES {
        let (pair, _source, target, _witness) = witnessed(probe);

        pair.target_nics[0].cut();
        wait_for_state(&target, "web1", "isolated");
        pair.source_nic.pull();
        pair.target_nics[0].heal();

        wait_for_state(&target, "web1", "taken-over");
        assert!(pair.target_nics[0].has_address("10.0.0.10"), "{probe}");
        assert_eq!(
            source(&target.status(), "web1")["paths"][0]["heartbeat"],
            "down"
        );
    }
}

//! What keeps a source off its addresses, and what must not.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use failover_ebpf::abi::health;
use failover_tests::{
    frames,
    lab::{Capture, Daemon, Direction, Frame, Mac, Nic, clock},
};
use failover_user::{
    bpf::{health::HealthBoard, pins::Pins},
    net::packet::PacketSocket,
};
use serde_json::Value;

use crate::{
    identity::{
        identity,
        speaking::{pester, raw, speaks_for},
        wait_until_elsewhere, wait_until_ours,
    },
    pair::{PATIENCE, Pair, REFLECTOR, automatic, events, run, source, wait_for_state},
    source_side::{careful, start},
};

/// The source's addresses.
const IDENTITY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 11)),
];

/// A source that asks who has its addresses, and does not fence itself when it is not well.
fn trusting() -> String {
    careful("").replace("self_fence = true\n", "")
}

/// A service on the source.
fn listen(pair: &Pair, at: &str) -> TcpListener {
    let at: SocketAddr = at.parse().expect("an address and a port");
    pair.source
        .run(|| TcpListener::bind(at))
        .expect("a listener")
}

/// Pulls the cable of a daemon's ens1 for as long as the daemon needs to notice, and plugs it in again.
fn lose_and_find(daemon: &Daemon, nic: &Nic) {
    let has_carrier = |status: &Value| {
        let nics = status["nics"].as_array().expect("NICs");
        let ens1 = nics.iter().find(|nic| nic["name"] == "ens1");
        ens1.expect("ens1")["carrier"] == true
    };
    nic.pull();
    daemon.wait_for(PATIENCE, "the loss of ens1", |status| !has_carrier(status));
    nic.replug();
    daemon.wait_for(PATIENCE, "ens1", has_carrier);
}

fn answers(daemon: &Daemon, wanted: &str) {
    daemon.wait_for(PATIENCE, &format!("heartbeats to be {wanted}"), |status| {
        status["reflector"]["answers"] == wanted
    });
}

#[test]
fn a_check_of_an_address_of_the_identity_gets_through_the_fence_that_it_puts_up() {
    let pair = Pair::new();
    let service = listen(&pair, "10.0.0.10:8080");
    let check = "[[reflector.check]]\ntcp = \"10.0.0.10:8080\"\ninterval = \"50ms\"\nfall = 2\n";

    // As after a boot: fenced until the first success.
    let daemon = Daemon::start(&pair.lab, &pair.source, &careful(check));
    wait_until_ours(&daemon);
    drop(service);
    answers(&daemon, "silent");
    let fenced = identity(&daemon.status());
    let _service = listen(&pair, "10.0.0.10:8080");
    wait_until_ours(&daemon);

    assert!(fenced.iter().all(|(_, fenced)| *fenced), "{fenced:?}");
    answers(&daemon, "up");
}

#[test]
fn with_self_fence_a_check_that_leaves_the_host_is_refused() {
    let pair = Pair::new();
    let daemon = Daemon::start(&pair.lab, &pair.source, REFLECTOR);

    daemon.write_config(&careful("[[reflector.check]]\ntcp = \"10.0.0.100:7000\"\n"));
    let refused = run(&daemon, &["reload"], 2);

    assert!(
        refused.contains("10.0.0.100 is not on this host"),
        "{refused}"
    );
    assert_eq!(daemon.status()["reflector"]["answers"], "up");
}

#[test]
fn a_source_that_is_killed_goes_on_keeping_off_what_another_host_has() {
    let pair = Pair::new();
    let (mut daemon, target) = start(&pair, &trusting());
    let client = pair.client("10.0.0.10", 1000);
    run(&target, &["takeover", "web1", "--yes"], 0);
    wait_until_elsewhere(&daemon);
    let taken = clock::now_ns();
    client.wait_for_answer_by("target", taken);
    let wire = Capture::on_wire(&pair.source_nic);

    daemon.kill9();
    // Nobody is taken for alive any more who was killed longer ago than dead_man.
    target.wait_for(PATIENCE, "silence", |status| {
        source(status, "web1")["paths"][0]["heartbeat"] == "down"
    });
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let socket = raw(&pair.client, &pair.client_nic);
            let macs = (pair.client_nic.mac(), pair.source_nic.mac());
            while !stop.load(Relaxed) {
                pester(&socket, macs, IDENTITY);
                clock::sleep_until(clock::now_ns() + 2_000_000);
            }
        });
        daemon.restart();
        wait_until_elsewhere(&daemon);
        stop.store(true, Relaxed);
    });

    let sent: Vec<Frame> = wire
        .frames()
        .into_iter()
        .filter(|frame| frame.at_ns > taken && speaks_for(&IDENTITY, frame))
        .collect();
    assert!(
        sent.is_empty(),
        "{} frames, the first {:?}",
        sent.len(),
        sent[0]
    );
    let report = client.finish();
    assert_eq!(
        report.lost_between(taken, u64::MAX),
        0,
        "{:?}",
        report.timeline()
    );
}

#[test]
fn another_nic_of_the_same_host_is_not_another_host() {
    let pair = Pair::new();
    // Linux answers there for the addresses of ens1 as well.
    let _other = pair
        .lab
        .plug(&pair.source, "ens2", &pair.switch, "10.0.0.12/24");

    let (daemon, _target) = start(&pair, &careful(""));

    let elsewhere: Vec<Value> = events(&daemon, "custody")
        .into_iter()
        .filter(|event| event["standing"] == "elsewhere")
        .collect();
    assert_eq!(elsewhere, Vec::<Value>::new());
}

#[test]
fn a_nic_that_comes_later_is_not_another_host_either() {
    let pair = Pair::new();
    let (daemon, _target) = start(&pair, &careful(""));
    let wire = Capture::on_wire(&pair.source_nic);

    let other = pair
        .lab
        .plug(&pair.source, "ens2", &pair.switch, "10.0.0.12/24");
    let another = Mac([0x02, 0xaa, 0, 0, 0, 1]);
    other.set_mac(another);
    // The daemon has to have heard of it: then it asks anew, and both NICs answer.
    lose_and_find(&daemon, &pair.source_nic);
    let answered = clock::wait_until(PATIENCE, || {
        wire.arps()
            .iter()
            .any(|(_, arp)| arp.sender_mac == another.0 && arp.sender_ipv4 == [10, 0, 0, 10])
    });
    assert!(
        answered,
        "Linux does not answer on the other NIC: {:?}",
        wire.arps()
    );
    wait_until_ours(&daemon);

    let elsewhere = events(&daemon, "custody")
        .into_iter()
        .filter(|event| event["standing"] == "elsewhere")
        .count();
    assert_eq!(elsewhere, 0);
}

#[test]
fn a_target_is_not_in_conflict_with_a_nic_of_its_own_that_it_does_not_manage() {
    let pair = Pair::new();
    let _source = pair.start_source();
    let config = automatic("10ms", 3).replace(
        "{ ip = \"10.0.0.11/24\", target_nic = \"ens2\" }",
        "\"10.0.0.11/24\"",
    );
    let target = pair.start_target(&config);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let wire = Capture::on_wire(&pair.target_nics[0]);
    let other = &pair.target_nics[1];

    // As Linux answers there whoever asks by broadcast who has a held address, ens1 included.
    let (index, mac) = (other.index(), other.mac());
    let address = Ipv4Addr::new(10, 0, 0, 10);
    pair.target.run(|| {
        let socket = PacketSocket::open(index, 1).expect("a packet socket");
        let said = frames::arp_announcement(mac, address);
        socket.send(&said).expect("a frame");
    });
    let heard = clock::wait_until(PATIENCE, || {
        wire.announcements_of(address)
            .iter()
            .any(|(frame, _)| frame.direction == Direction::In)
    });
    assert!(heard, "{:?}", wire.arps());
    // Strangers are looked at for a while.
    target.wait_for(PATIENCE, "the next announcement", |_| {
        events(&target, "announced").len() >= 2
    });

    assert_eq!(events(&target, "claim"), Vec::<Value>::new());
}

#[test]
fn a_host_that_keeps_off_its_address_watches_nobody_from_it() {
    let pair = Pair::new();
    let _third = pair.plug_third("10.0.0.30/24");
    let both = careful(
        r#"
[[source]]
name = "other"
probe = "icmp"
[[source.path]]
monitor = "10.0.0.30"
target_nic = "ens1"
addresses = ["10.0.0.30/24"]
"#,
    );
    let (daemon, target) = start(&pair, &both);
    wait_for_state(&daemon, "other", "healthy");
    run(&target, &["takeover", "web1", "--yes"], 0);
    wait_until_elsewhere(&daemon);
    wait_for_state(&daemon, "other", "isolated");
    let client = pair.client_of("10.0.0.10", 1000, "target");

    let wire = Capture::on_wire(&pair.source_nic);
    let from = client.report().answered();
    clock::wait_until(PATIENCE, || client.report().answered() > from + 1000);
    let sent = wire.count(|frame| speaks_for(&IDENTITY, frame));
    run(&target, &["failback", "web1", "--yes"], 0);
    wait_until_ours(&daemon);

    assert_eq!(sent, 0);
    wait_for_state(&daemon, "other", "healthy");
}

#[test]
fn whoever_finds_itself_unproven_asks_before_it_uses_its_addresses() {
    let pair = Pair::new();
    let (daemon, _target) = start(&pair, &careful(""));
    let asked = events(&daemon, "custody").len();

    // As the dead-man's thread does it; that it was late is another message, which may come later.
    HealthBoard::open(&Pins::new(daemon.pins()))
        .expect("the map")
        .set(health::UNPROVEN);
    let doubted = clock::wait_until(PATIENCE, || {
        let told = events(&daemon, "custody");
        let asking = told[asked..]
            .iter()
            .filter(|event| event["standing"] == "asking");
        asking.count() == 2
    });

    assert!(doubted, "{:?}", events(&daemon, "custody"));
    wait_until_ours(&daemon);
}

#[test]
fn a_reload_that_makes_a_host_a_source_costs_no_request() {
    let pair = Pair::new();
    // Watches somebody, so that the program is on its NIC already.
    let watching = automatic("10ms", 3).replace("10.0.0.1", "10.0.0.3");
    let watching = watching.replace("target_nic = \"ens2\"", "target_nic = \"ens1\"");
    let daemon = Daemon::start(&pair.lab, &pair.source, &watching);
    let check = "[[reflector.check]]\ncommand = [\"/bin/true\"]\ninterval = \"50ms\"\n";
    let client = pair.client("10.0.0.10", 2000);

    for _ in 0..3 {
        daemon.write_config(&format!("{watching}{}", careful(check)));
        run(&daemon, &["reload"], 0);
        wait_until_ours(&daemon);
        daemon.write_config(&watching);
        run(&daemon, &["reload"], 0);
    }

    let report = client.finish();
    assert_eq!(report.lost(), 0, "{:?}", report.timeline());
}

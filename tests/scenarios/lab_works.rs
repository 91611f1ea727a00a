//! The lab itself: what the other scenarios take for granted.

use std::{
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use etherparse::ArpOperation;
use failover_tests::lab::{
    Capture, Client, Direction, Host, Lab, Mac, Namespace, Nic, Service, Stream, Switch,
    clock::{now_ns, sleep_until, wait_until},
    xdp_pass::attach_mirror,
};

const RATE: u64 = 5_000;
const SECOND: Duration = Duration::from_secs(1);

/// A switch with a server (10.0.0.10) and a client (10.0.0.1).
struct Network {
    server: Host,
    client: Host,
    server_nic: Nic,
    client_nic: Nic,
    switch: Switch,
    lab: Lab,
}

fn network() -> Network {
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let server = lab.host("server");
    let client = lab.host("client");
    let server_nic = lab.plug(&server, "ens1", &switch, "10.0.0.10/24");
    let client_nic = lab.plug(&client, "ens1", &switch, "10.0.0.1/24");

    Network {
        server,
        client,
        server_nic,
        client_nic,
        switch,
        lab,
    }
}

/// Asks once and waits for the answer; `false` if there is none within a second.
fn answers(client: &Host, service: &str) -> bool {
    client.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");

        socket.set_read_timeout(Some(SECOND)).expect("a time-out");
        socket.send_to(&[0; 16], service).expect("sending");

        socket.recv_from(&mut [0; 64]).is_ok()
    })
}

fn run_for(duration: Duration) {
    sleep_until(now_ns() + u64::try_from(duration.as_nanos()).expect("a short time"));
}

#[test]
fn the_first_request_after_plugging_in_is_answered() {
    let net = network();
    let _service = Service::start(&net.server, 7000, &["10.0.0.10"]);

    let answered = answers(&net.client, "10.0.0.10:7000");

    assert!(answered);
    assert_eq!(
        net.client.neighbour("10.0.0.10"),
        Some(net.server_nic.mac())
    );
}

#[test]
fn a_pulled_cable_stops_every_frame_and_replugging_restores_them() {
    let net = network();
    let _service = Service::start(&net.server, 7000, &["10.0.0.10"]);
    let client = Client::start(&net.client, "10.0.0.10:7000", RATE);
    client.wait_for_answer_by("server", 0);

    let pulled_ns = net.server_nic.pull();
    let carrier = net.server_nic.has_carrier();
    run_for(Duration::from_millis(100));
    let replugged_ns = now_ns();
    net.server_nic.replug();
    client.wait_for_answer_by("server", replugged_ns);

    let report = client.finish();
    // An answer that was past the cable at the instant of the cut still arrives.
    let after_the_cut = report.requests.iter().filter(|request| {
        (pulled_ns..replugged_ns).contains(&request.sent_ns) && request.answer.is_some()
    });
    assert_eq!(after_the_cut.count(), 0, "requests answered while pulled");
    assert!(!carrier, "the NIC still has carrier");
    assert!(report.outage() >= Duration::from_millis(100), "{report:?}");
}

#[test]
fn a_cut_cable_loses_everything_and_keeps_its_carrier() {
    let net = network();
    let _service = Service::start(&net.server, 7000, &["10.0.0.10"]);
    let client = Client::start(&net.client, "10.0.0.10:7000", RATE);
    client.wait_for_answer_by("server", 0);

    let cut_ns = net.server_nic.cut();
    run_for(Duration::from_millis(50));
    let healed_ns = net.server_nic.heal();
    client.wait_for_answer_by("server", healed_ns);

    let report = client.finish();
    let asked = report
        .requests
        .iter()
        .filter(|request| (cut_ns..healed_ns).contains(&request.sent_ns))
        .count();
    // One request may have been sent just before the cable healed and reached it just after.
    assert!(asked.abs_diff(report.lost_between(cut_ns, healed_ns)) <= 1);
    assert!(asked > 200, "only {asked} requests in 50 ms");
    assert!(net.server_nic.has_carrier());
}

#[test]
fn a_cut_cable_carries_nothing_in_either_direction() {
    let net = network();
    let wire = Capture::on_wire(&net.server_nic);
    let inside = Capture::in_host(&net.server_nic);
    let send = |from: &Host, to: &str| {
        from.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");

            socket.send_to(&[0; 16], to).expect("sending")
        })
    };
    let (to_server, to_client) = ("10.0.0.10:9000", "10.0.0.1:9000");
    send(&net.client, to_server);
    let arrived = |capture: &Capture, direction| {
        capture.count(|frame| {
            frame.direction == direction && frame.udp().is_some_and(|(_, to, _)| to == 9000)
        })
    };
    assert!(wait_until(SECOND, || arrived(&inside, Direction::In) == 1));
    send(&net.server, to_client);
    assert!(wait_until(SECOND, || arrived(&wire, Direction::Out) == 1));

    net.server_nic.cut();
    send(&net.client, to_server);
    send(&net.server, to_client);
    // A dropped frame leaves no trace to wait for.
    run_for(Duration::from_millis(50));
    net.server_nic.heal();
    send(&net.client, to_server);
    send(&net.server, to_client);

    // The frames sent after the cut are there, so those sent during it would be.
    assert!(wait_until(SECOND, || arrived(&inside, Direction::In) >= 2));
    assert!(wait_until(SECOND, || arrived(&wire, Direction::Out) >= 2));
    assert_eq!(arrived(&inside, Direction::In), 2);
    assert_eq!(arrived(&wire, Direction::Out), 2);
}

#[test]
fn a_nic_taken_down_stops_traffic_until_it_is_up_again() {
    let net = network();
    let _service = Service::start(&net.server, 7000, &["10.0.0.10"]);
    assert!(answers(&net.client, "10.0.0.10:7000"));

    net.server_nic.down();
    let while_down = answers(&net.client, "10.0.0.10:7000");
    net.server_nic.up();
    let when_up = answers(&net.client, "10.0.0.10:7000");

    assert!(!while_down);
    assert!(when_up);
}

#[test]
fn a_removed_nic_is_gone_from_host_and_switch() {
    let net = network();
    let _service = Service::start(&net.server, 7000, &["10.0.0.10"]);
    assert!(answers(&net.client, "10.0.0.10:7000"));

    net.server_nic.remove();
    let answered = answers(&net.client, "10.0.0.10:7000");

    assert!(!answered);
    let left = net
        .server
        .run(|| std::fs::read_to_string("/proc/thread-self/net/dev").expect("the list of links"));
    assert!(!left.contains("ens1"), "{left}");
}

#[test]
fn an_undisturbed_client_loses_nothing_and_keeps_its_rate() {
    let net = network();
    let service = Service::start(&net.server, 7000, &["10.0.0.10"]);
    let client = Client::start(&net.client, "10.0.0.10:7000", RATE);

    run_for(SECOND);
    let report = client.finish();

    assert_eq!(report.lost(), 0, "{:?}", report.lost_sequences());
    assert_eq!(report.duplicates, 0);
    assert!(
        report.sent().abs_diff(5_000) < 250,
        "{} in a second",
        report.sent()
    );
    assert_eq!(report.timeline().len(), 1);
    assert_eq!(service.answered(), report.answered() as u64);
}

#[test]
fn the_client_knows_who_answers_when_an_address_moves() {
    let net = network();
    let standby = net.lab.host("standby");
    let standby_nic = net.lab.plug(&standby, "ens1", &net.switch, "10.0.0.3/24");
    let _first = Service::start(&net.server, 7000, &["10.0.0.10"]);
    let _second = Service::start(&standby, 7000, &["10.0.0.10"]);
    let client = Client::start(&net.client, "10.0.0.10:7000", RATE);
    client.wait_for_answer_by("server", 0);

    let pulled_ns = net.server_nic.pull();
    standby_nic.add_address("10.0.0.10/24");
    // A client that has forgotten the old MAC asks for the new one.
    net.client.flush_neighbours();
    client.wait_for_answer_by("standby", pulled_ns);

    let report = client.finish();
    let hosts: Vec<_> = report
        .timeline()
        .into_iter()
        .map(|span| span.by.to_string())
        .collect();
    assert_eq!(hosts, ["server", "standby"]);
    assert_eq!(net.client.neighbour("10.0.0.10"), Some(standby_nic.mac()));
}

#[test]
fn the_wire_shows_the_arp_of_a_first_request() {
    let net = network();
    let address = Ipv4Addr::new(10, 0, 0, 10);
    let _service = Service::start(&net.server, 7000, &["10.0.0.10"]);
    let wire = Capture::on_wire(&net.server_nic);
    let before_ns = now_ns();

    assert!(answers(&net.client, "10.0.0.10:7000"));

    let answer = wire.wait_for(SECOND, "the answer", |frame| {
        frame.udp().is_some_and(|(from, _, _)| from == 7000)
    });
    let replies = wire.arp_replies_of(address);
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].0.direction, Direction::Out);
    assert_eq!(replies[0].1.sender_mac, net.server_nic.mac().0);
    assert!((before_ns..answer.at_ns).contains(&replies[0].0.at_ns));
    let requests = wire.arps();
    let request = requests
        .iter()
        .find(|(_, arp)| arp.operation == ArpOperation::REQUEST)
        .expect("an ARP request");
    assert_eq!(request.0.direction, Direction::In);
    assert_eq!(request.1.sender_mac, net.client_nic.mac().0);
}

#[test]
fn frames_that_xdp_transmits_reach_the_wire() {
    let net = network();
    let index = net.server_nic.index();
    let _mirror = net
        .server
        .run(|| attach_mirror(index))
        .expect("the mirror on the server's NIC");
    let wire = Capture::on_wire(&net.server_nic);

    // Nobody answers: the client's ARP request comes back as it was.
    assert!(!answers(&net.client, "10.0.0.10:7000"));

    let mirrored = wire.wait_for(SECOND, "the mirrored request", |frame| {
        frame.direction == Direction::Out
    });
    let arp = mirrored.arp().expect("an ARP request");
    assert_eq!(arp.sender_mac, net.client_nic.mac().0);
    assert_eq!(arp.target_ipv4_addr(), Ipv4Addr::new(10, 0, 0, 10));
}

#[test]
fn a_cable_stays_good_when_nobody_keeps_its_nic() {
    let net = network();
    let mirror_host = net.lab.host("mirror");
    let (index, wire) = {
        let nic = net
            .lab
            .plug(&mirror_host, "ens1", &net.switch, "10.0.0.3/24");

        (nic.index(), Capture::on_wire(&nic))
    };
    let _mirror = mirror_host
        .run(|| attach_mirror(index))
        .expect("the mirror");

    assert!(!answers(&net.client, "10.0.0.3:7000"));

    // XDP can only transmit while the far end has its program.
    wire.wait_for(SECOND, "the mirrored request", |frame| {
        frame.direction == Direction::Out
    });
}

#[test]
fn a_jumbo_frame_crosses_in_one_piece() {
    let lab = Lab::new();
    let switch = lab.switch("sw");
    let server = lab.host("server");
    let client = lab.host("client");
    let nic = lab.plug_with_mtu(&server, "ens1", &switch, "10.0.0.10/24", 9000);
    lab.plug_with_mtu(&client, "ens1", &switch, "10.0.0.1/24", 9000);
    let wire = Capture::on_wire(&nic);

    client.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");

        socket
            .send_to(&[1; 8000], "10.0.0.10:7000")
            .expect("sending")
    });

    wire.wait_for(SECOND, "the whole datagram", |frame| {
        frame
            .udp()
            .is_some_and(|(_, _, payload)| payload.len() == 8000)
    });
}

#[test]
fn ipv6_is_there_when_asked_for() {
    let net = network();
    for host in [&net.server, &net.client] {
        host.namespace().ipv6(true);
    }
    net.server_nic.add_address("2001:db8::10/64");
    net.client_nic.add_address("2001:db8::1/64");
    let _service = Service::start(&net.server, 7000, &["2001:db8::10"]);
    let client = Client::start(&net.client, "[2001:db8::10]:7000", RATE);

    client.wait_for_answer_by("server", 0);

    assert_eq!(
        net.client.neighbour("2001:db8::10"),
        Some(net.server_nic.mac())
    );
}

#[test]
fn two_labs_with_the_same_names_and_addresses_do_not_meet() {
    let first = network();
    let second = network();
    let _service = Service::start(&first.server, 7000, &["10.0.0.10"]);

    let in_first = answers(&first.client, "10.0.0.10:7000");
    first.server_nic.pull();
    let second_has_carrier = second.server_nic.has_carrier();
    let in_second = answers(&second.client, "10.0.0.10:7000");

    assert!(in_first);
    assert!(!in_second, "the other lab's service answered");
    assert!(second_has_carrier);
    assert_ne!(first.lab.bpffs(), second.lab.bpffs());
}

#[test]
fn a_direct_cable_connects_two_hosts() {
    let net = network();
    let standby = net.lab.host("standby");
    net.lab.connect(
        (&net.server, "ens2", "10.0.5.1/24"),
        (&standby, "ens1", "10.0.5.20/24"),
    );
    let _service = Service::start(&standby, 7000, &["10.0.5.20"]);

    assert!(answers(&net.server, "10.0.5.20:7000"));
}

#[test]
fn an_undisturbed_tcp_stream_arrives_whole() {
    let net = network();
    let stream = Stream::start(&net.client, &net.server, "10.0.0.10:8000");

    assert!(wait_until(5 * SECOND, || stream.echoed() >= 200));
    let report = stream.finish();

    assert_eq!(report.broken, None);
    assert_eq!(report.retransmits, 0);
    assert!(report.longest_stall < SECOND, "{report:?}");
}

#[test]
fn a_tcp_stream_over_a_cut_cable_reports_the_stall() {
    let net = network();
    let stream = Stream::start(&net.client, &net.server, "10.0.0.10:8000");
    assert!(wait_until(5 * SECOND, || stream.echoed() >= 50));

    net.server_nic.cut();
    run_for(Duration::from_millis(300));
    net.server_nic.heal();
    let healed_at = stream.echoed();
    assert!(wait_until(5 * SECOND, || stream.echoed() > healed_at));
    let report = stream.finish();

    assert_eq!(report.broken, None);
    assert!(report.longest_stall >= Duration::from_millis(300));
    assert!(report.retransmits > 0);
}

#[test]
fn macs_are_fixed_and_readable() {
    let net = network();

    assert_eq!(net.server_nic.mac(), Mac([2, 0, 0, 0, 0x0a, 1]));
    assert_eq!(net.client_nic.mac().to_string(), "02:00:00:00:0b:01");
}

#[test]
fn a_process_runs_in_its_namespace() {
    let namespace = Namespace::new("alone");
    let inside = namespace.run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap());
    let mut command = Command::new("readlink");
    command.arg("/proc/self/ns/net").stdout(Stdio::piped());

    let output = namespace.command(command).wait_with_output().unwrap();

    let seen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(Path::new(seen.trim()), inside);
    assert_ne!(
        inside,
        std::fs::read_link("/proc/thread-self/ns/net").unwrap()
    );
}

#[test]
fn a_process_outlives_the_thread_that_asked_for_it() {
    let namespace = Namespace::new("alone");
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped());

    let mut child = std::thread::scope(|scope| {
        let starter = scope.spawn(|| namespace.command(command));

        starter.join().unwrap()
    });

    run_for(Duration::from_millis(20));
    assert!(
        child.try_wait().unwrap().is_none(),
        "killed with its thread"
    );
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_dropped_lab_leaves_no_files() {
    let lab = Lab::new();
    let (files, pins) = (lab.dir().to_owned(), lab.bpffs().to_owned());
    assert!(files.is_dir() && pins.is_dir());

    drop(lab);

    assert!(!files.exists() && !pins.exists());
}

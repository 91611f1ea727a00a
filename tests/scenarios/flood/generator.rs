//! The generator of floods by itself: whether it sends what it says that it sends.

use std::{net::Ipv4Addr, time::Duration};

use failover_tests::{
    frames::{Flow, udp},
    lab::{
        Capture, Direction, Flood, Lab, Mac, Nic,
        clock::wait_until,
        flood::{LONGEST, SHORTEST, Until},
    },
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of the headers of a UDP datagram.
const HEADERS: usize = 42;

const FLOW: Flow = Flow {
    from_mac: Mac([0x02, 0, 0, 0, 0xee, 1]),
    to_mac: Mac([0x02, 0, 0, 0, 0xee, 2]),
    from: Ipv4Addr::new(192, 0, 2, 1),
    to: Ipv4Addr::new(192, 0, 2, 2),
    ttl: 64,
};

/// Frames of all lengths that a flood can have.
fn frames() -> Vec<Vec<u8>> {
    let whole = |octets: usize| udp(&FLOW, 1, 2, &vec![0xa5; octets]);
    let mut header = whole(0);
    header.truncate(SHORTEST);
    vec![whole(LONGEST - HEADERS), header, whole(1), whole(100)]
}

/// The NIC of a host that sends everything back.
fn mirror(lab: &Lab) -> (Nic, std::os::fd::OwnedFd) {
    let switch = lab.switch("sw");
    let host = lab.host("mirror");
    let nic = lab.plug(&host, "ens1", &switch, "10.0.0.2/24");
    let index = nic.index();
    let mirror = host.run(|| failover_tests::lab::xdp_pass::attach_mirror(index));
    (nic, mirror.expect("the mirror"))
}

#[test]
fn a_flood_of_a_number_of_frames_sends_them_in_turn_and_as_they_are() {
    const FRAMES: usize = 402;
    let lab = Lab::new();
    let (nic, _mirror) = mirror(&lab);
    let wire = Capture::on_wire(&nic);
    let frames = frames();

    let sent = Flood::start(&nic, &frames, 10_000, Until::Sent(FRAMES as u64)).finish();

    let back = || {
        let seen = wire.frames().into_iter();
        let out = seen.filter(|frame| frame.direction == Direction::Out);
        out.map(|frame| frame.octets).collect::<Vec<_>>()
    };
    wait_until(PATIENCE, || back().len() >= FRAMES);
    let wanted: Vec<_> = frames.iter().cycle().take(FRAMES).cloned().collect();
    assert_eq!(back(), wanted);
    assert_eq!((sent.frames, sent.lost), (vec![101, 101, 100, 100], 0));
}

#[test]
fn a_flood_keeps_to_its_rate() {
    let lab = Lab::new();
    let (nic, _mirror) = mirror(&lab);

    let sent = Flood::start(
        &nic,
        &frames(),
        20_000,
        Until::Elapsed(Duration::from_secs(1)),
    )
    .finish();

    // It is never ahead of its time; how far it is behind is a matter of what else the machine does.
    assert!(
        sent.total() <= 20_000 + sent.elapsed.as_millis() as u64,
        "{sent:?}"
    );
    assert!(sent.total() > 2_000, "{sent:?}");
    assert_eq!(nic.wire_traffic().received, sent.total() - sent.lost);
}

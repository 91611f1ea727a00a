//! What counts as a failure, and what does not.

use failover_tests::{
    edits::at,
    frames::SBFD_PORT,
    lab::{Capture, Daemon, Direction, Frame, clock::wait_until},
};

use crate::pair::{PATIENCE, Pair, REFLECTOR, automatic, run, source, state, wait_for_state};

/// Requests until sequence numbers repeat.
const FULL_TURN: u64 = 1 << 16;

#[test]
fn a_dead_source_stays_dead_when_sequence_numbers_repeat() {
    let pair = Pair::new();
    let asking = automatic("100us", 3).replace("\"automatic\"", "\"ask\"");
    let (_source, target) = pair.start(&asking);

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");
    target.wait_for(
        3 * PATIENCE,
        "more than a full turn of sequences",
        |status| source(status, "web1")["paths"][0]["sent"].as_u64() > Some(FULL_TURN + 2000),
    );

    let events = run(&target, &["events", "--json"], 0);
    assert!(
        !events.contains("\"from\":\"awaiting-approval\""),
        "the prompt was withdrawn: {events}"
    );
}

/// RFC 7880 7.3.3, 7.2.3: Required Min RX is the least interval that the reflector can bear.
#[test]
fn a_slow_reflector_is_asked_as_slowly_as_it_says() {
    let pair = Pair::new();
    let slow = format!("{REFLECTOR}min_rx = \"20ms\"\n");
    let _source = Daemon::start(&pair.lab, &pair.source, &slow);
    let target = pair.start_target(&automatic("1ms", 3));

    target.wait_for(PATIENCE, "100 heartbeats", |status| {
        source(status, "web1")["paths"][0]["received"].as_u64() > Some(100)
    });

    let status = target.status();
    assert_eq!(state(&status, "web1"), "healthy", "{status:#}");
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    let events = run(&target, &["events", "--json"], 0);
    assert!(events.contains("\"pace_ns\":20000000"), "{events}");
    assert!(!events.contains("\"to\":\"failed\""), "{events}");
}

#[test]
fn the_prompt_comes_back_when_our_own_link_does() {
    let pair = Pair::new();
    let asking = automatic("1ms", 3).replace("\"automatic\"", "\"ask\"");
    let (_source, target) = pair.start(&asking);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");

    pair.target_nics[0].pull();
    wait_for_state(&target, "web1", "isolated");
    pair.target_nics[0].replug();

    wait_for_state(&target, "web1", "awaiting-approval");
}

#[test]
fn a_source_that_fell_silent_while_we_were_isolated_is_not_taken_over() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("1ms", 3));

    pair.target_nics[0].pull();
    wait_for_state(&target, "web1", "isolated");
    pair.source_nic.pull();
    pair.target_nics[0].replug();
    wait_for_state(&target, "web1", "unknown");

    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

/// UDP ports of a heartbeat on its way from or to the source.
fn ports(frame: &Frame) -> Option<(u16, u16)> {
    let (from, to, _) = frame.udp()?;
    [from, to].contains(&SBFD_PORT).then_some((from, to))
}

/// RFC 7881 2: requests go to port 7784, those of a session from one port, which is another. RFC 7881 5.1: with TTL 255.
#[test]
fn every_request_of_a_session_has_the_ports_and_the_ttl_that_it_should() {
    let pair = Pair::new();
    let wire = Capture::on_wire(&pair.source_nic);
    let (_source, mut target) = pair.start(&automatic("10ms", 3));

    let requests = || {
        let mut frames = wire.frames();
        frames.retain(|frame| frame.direction == Direction::In && ports(frame).is_some());
        frames
    };
    assert!(wait_until(PATIENCE, || requests().len() >= 50));
    target.kill9();

    let requests = requests();
    let first = ports(&requests[0]).expect("a heartbeat");
    for request in &requests {
        assert_eq!(ports(request), Some(first));
        assert_eq!(request.octets[at::IP_TTL], 255);
    }
    assert_eq!(first.1, SBFD_PORT);
    assert_ne!(first.0, SBFD_PORT);
}

/// RFC 7880 5: nothing on the expiry of a timer.
#[test]
fn a_reflector_that_nobody_asks_sends_nothing() {
    let pair = Pair::new();
    let wire = Capture::on_wire(&pair.source_nic);
    let (_source, mut target) = pair.start(&automatic("10ms", 3));
    let heartbeats =
        |direction| wire.count(|frame| frame.direction == direction && ports(frame).is_some());

    target.kill9();
    // For longer than any interval of the session.
    let client = pair.client("10.0.0.10", 1000);
    assert!(wait_until(PATIENCE, || client.report().answered() >= 1000));

    let asked = heartbeats(Direction::In);
    assert!(asked > 0);
    assert_eq!(heartbeats(Direction::Out), asked);
}

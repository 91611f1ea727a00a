//! The fence on the way out, frame by frame.

use std::net::Ipv4Addr;

use failover_ebpf::{
    abi::{health, identity, program},
    verdict::Verdict,
};
use failover_tests::{
    frames::{Flow, arp_announcement, arp_reply, arp_request, udp, with_vlans},
    frames6,
    lab::clock::now_ns,
};

use crate::{
    harness::{Bench, bench},
    scene::{CHOSEN_MAC, CLIENT, CLIENT_MAC, FROM_CLIENT, HOST, STRANGE},
    scene6,
};

/// How a frame that is kept in counts.
pub(crate) const REFUSED: Verdict = Verdict::FencedOut;

/// From this host to the client.
fn outgoing(from: Ipv4Addr) -> Flow {
    Flow {
        from,
        ..FROM_CLIENT.back()
    }
}

/// Frames that speak for [`HOST`].
fn speaking() -> Vec<(&'static str, Vec<u8>)> {
    let datagram = udp(&outgoing(HOST), 1000, 2000, b"hello");
    vec![
        (
            "an ARP reply",
            arp_reply(CHOSEN_MAC, HOST, CLIENT_MAC, CLIENT),
        ),
        ("an ARP request", arp_request(CHOSEN_MAC, HOST, CLIENT)),
        ("an announcement", arp_announcement(CHOSEN_MAC, HOST)),
        ("a packet behind one tag", with_vlans(&datagram, &[7])),
        ("a packet behind two tags", with_vlans(&datagram, &[7, 9])),
        ("a packet", datagram),
    ]
}

/// Frames that do not.
fn others() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "a probe",
            arp_request(CHOSEN_MAC, Ipv4Addr::UNSPECIFIED, HOST),
        ),
        (
            "another address's packet",
            udp(&outgoing(CLIENT), 1, 2, b"hello"),
        ),
        (
            "another address's ARP",
            arp_request(CHOSEN_MAC, CLIENT, HOST),
        ),
        (
            "an IPv6 packet",
            frames6::udp(&scene6::FROM_CLIENT.back(), 1, 2, b"hello"),
        ),
        ("a short frame", vec![0; 14]),
    ]
}

fn unwell(bench: &mut Bench) {
    bench.maps.set_identity(HOST.into(), 0).unwrap();
    bench.health.set_dead_man(1_000_000);
    bench.health.tick(now_ns() - 2_000_000);
    bench.health.set(health::SELF_FENCE);
}

#[test]
fn a_fenced_host_sends_nothing_that_speaks_for_its_identity() {
    bench(|bench| {
        unwell(bench);
        let before = bench.tally();

        let sent: Vec<_> = speaking()
            .into_iter()
            .filter(|(_, frame)| bench.send_out(frame))
            .collect();

        assert_eq!(sent, []);
        let counted = bench.tally().since(&before);
        assert_eq!(
            counted.verdicts,
            [(REFUSED.name(), speaking().len() as u64)]
        );
    });
}

#[test]
fn a_fenced_host_sends_everything_else() {
    bench(|bench| {
        unwell(bench);
        let before = bench.tally();

        let kept: Vec<_> = others()
            .into_iter()
            .filter(|(_, frame)| !bench.send_out(frame))
            .collect();

        assert_eq!(kept, []);
        assert_eq!(bench.tally().since(&before).verdicts, []);
    });
}

#[test]
fn a_healthy_host_sends_everything() {
    bench(|bench| {
        bench.maps.set_identity(HOST.into(), 0).unwrap();
        bench.health.set(health::SELF_FENCE);

        let frames = speaking().into_iter().chain(others());
        let kept: Vec<_> = frames.filter(|(_, frame)| !bench.send_out(frame)).collect();

        assert_eq!(kept, []);
    });
}

#[test]
fn only_the_address_that_is_elsewhere_is_withheld() {
    bench(|bench| {
        bench
            .maps
            .set_identity(HOST.into(), identity::HELD_ELSEWHERE)
            .unwrap();
        bench.maps.set_identity(STRANGE.into(), 0).unwrap();
        bench.health.set(health::WITHHELD);

        let withheld = bench.send_out(&udp(&outgoing(HOST), 1, 2, b"hello"));
        let used = bench.send_out(&udp(&outgoing(STRANGE), 1, 2, b"hello"));

        assert!(!withheld && used);
    });
}

#[test]
fn the_verifier_is_soon_done_with_it() {
    bench(|bench| {
        let info = bench.program.egress().unwrap().info().unwrap();

        let count = info
            .verified_instruction_count()
            .expect("a kernel that counts (5.16)");

        eprintln!("{}: {count} instructions verified", program::EGRESS);
        assert!(count <= 2_000, "{count} instructions verified");
    });
}

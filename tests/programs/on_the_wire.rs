//! What leaves, and by which NIC: the program's verdict carried out by the kernel, and the far ends of all cables watched.

use std::time::Duration;

use failover_tests::{
    frames::{Flow, sbfd_request, udp, with_vlans},
    lab::{Capture, Direction},
};

use crate::{
    discovery,
    harness::{Bench, bench},
    scene::{
        CHOSEN_MAC, CLIENT_MAC, DISCRIMINATOR, FROM_CLIENT, OUT_MAC, Port, SOURCE_MAC, STANDBY_MAC,
        TO_HELD, drain, forward, local,
    },
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Hands a frame to the program on `ingress`; it has to leave by `out` alone, to this MAC and from that one.
#[track_caller]
fn leaves(bench: &mut Bench, frame: &[u8], ingress: Port, out: Port, macs: [[u8; 6]; 2]) {
    leaves_as_long(bench, frame, ingress, out, macs, frame.len());
}

/// The same for a frame that has to be so long when it leaves.
#[track_caller]
fn leaves_as_long(
    bench: &mut Bench,
    frame: &[u8],
    ingress: Port,
    out: Port,
    macs: [[u8; 6]; 2],
    length: usize,
) {
    let wires = Port::ALL.map(|port| (port, Capture::on_wire(bench.nic(port))));
    let address = macs.concat();
    let sent = |frame: &failover_tests::lab::Frame| {
        frame.direction == Direction::Out && frame.octets[..12] == address
    };

    bench.run_live(ingress, frame);

    let (_, wire) = &wires[out as usize];
    let seen = wire.wait_for(TIMEOUT, "the frame on its wire", sent);
    assert_eq!(seen.octets.len(), length);
    for (port, wire) in &wires {
        let expected = usize::from(*port == out);
        assert_eq!(wire.count(|frame| sent(frame)), expected, "by {port:?}");
    }
}

#[test]
fn a_reply_leaves_by_the_nic_that_was_asked() {
    bench(|bench| {
        let by_out = Flow {
            to_mac: OUT_MAC,
            ..FROM_CLIENT
        };
        let frame = sbfd_request(&by_out, 1, DISCRIMINATOR);

        leaves(
            bench,
            &frame,
            Port::Out,
            Port::Out,
            [CLIENT_MAC.0, OUT_MAC.0],
        );
    });
}

#[test]
fn a_forwarded_packet_leaves_by_the_other_nic() {
    bench(|bench| {
        bench.hold(forward(bench.index(Port::Chosen), bench.index(Port::Out)));
        // As long as the MTU allows: the kernel drops redirected frames that do not fit.
        let frame = udp(&TO_HELD, 4000, 53, &[0x5a; 1472]);

        leaves(
            bench,
            &frame,
            Port::Chosen,
            Port::Out,
            [STANDBY_MAC.0, OUT_MAC.0],
        );
    });
}

#[test]
fn a_packet_for_a_returning_address_leaves_by_the_sources_nic() {
    bench(|bench| {
        bench.hold(drain(bench.index(Port::Chosen)));
        let by_out = Flow {
            to_mac: OUT_MAC,
            ..TO_HELD
        };
        let frame = udp(&by_out, 4000, 53, b"for whoever has it");

        leaves(
            bench,
            &frame,
            Port::Out,
            Port::Chosen,
            [SOURCE_MAC.0, CHOSEN_MAC.0],
        );
    });
}

#[test]
fn an_advertisement_leaves_though_it_is_longer_or_shorter_than_the_solicitation() {
    bench(|bench| {
        bench.hold6(local(bench.index(Port::Chosen)));

        for question in [discovery::short_question(), discovery::long_question()] {
            leaves_as_long(
                bench,
                &question,
                Port::Chosen,
                Port::Chosen,
                [CLIENT_MAC.0, CHOSEN_MAC.0],
                discovery::answer().len(),
            );
        }
    });
}

#[test]
fn a_forwarded_packet_leaves_without_its_tags() {
    bench(|bench| {
        bench.hold(forward(bench.index(Port::Chosen), bench.index(Port::Out)));
        bench.tag([5, 6]);
        let frame = udp(&TO_HELD, 4000, 53, &[0x5a; 1472]);

        leaves_as_long(
            bench,
            &with_vlans(&frame, &[5, 6]),
            Port::Chosen,
            Port::Out,
            [STANDBY_MAC.0, OUT_MAC.0],
            frame.len(),
        );
    });
}

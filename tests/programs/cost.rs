//! What a frame costs that has nothing to do with us: the path that a busy host pays for.

use aya::programs::{TestRun as _, TestRunOptions};
use failover_ebpf::abi::program;
use failover_tests::{
    frames::{arp_request, tcp, udp, with_vlans},
    frames6,
};

use crate::{
    harness::{Bench, bench},
    scene::{CLIENT, CLIENT_MAC, FROM_CLIENT, STRANGE},
    scene6,
};

/// Runs of one call. The kernel measures them together.
const RUNS: u32 = 1_000_000;
/// Calls, of which the fastest counts: whatever else the machine does only makes one slower.
const CALLS: usize = 5;
/// What a frame may cost. Far above what is measured on a machine that is busy with other things: it is the number in the
/// output that one compares, and this is for the mistake that makes the way ten times as long.
const ALLOWED_NS: u128 = 400;

/// Nanoseconds for one frame.
fn cost(bench: &mut Bench, name: &str, frame: &[u8]) -> u128 {
    let program = bench.program.xdp(name).unwrap();
    let runs = (0..CALLS).map(|_| {
        program
            .test_run(TestRunOptions {
                data_in: Some(frame),
                repeat: RUNS,
                ..TestRunOptions::new()
            })
            .expect("BPF_PROG_TEST_RUN")
            .duration
            .as_nanos()
    });

    runs.min().expect("some calls")
}

#[test]
fn what_is_not_ours_costs_little() {
    let frames = [
        ("IPv4, TCP", tcp(&FROM_CLIENT, 4000, 80, &[0; 64])),
        ("IPv4, UDP", udp(&FROM_CLIENT, 4000, 53, &[0; 64])),
        (
            "IPv6, TCP",
            frames6::tcp(&scene6::FROM_CLIENT, 4000, 80, &[0; 64]),
        ),
        (
            "IPv4, TCP, tagged",
            with_vlans(&tcp(&FROM_CLIENT, 4000, 80, &[0; 64]), &[5]),
        ),
        ("ARP", arp_request(CLIENT_MAC, CLIENT, STRANGE)),
    ];

    bench(|bench| {
        for (name, frame) in frames {
            let empty = cost(bench, program::PASS, &frame);
            let ours = cost(bench, program::FAILOVER, &frame);

            eprintln!("{name}: {ours} ns, {empty} ns in an empty program");
            assert!(ours <= ALLOWED_NS, "{name}: {ours} ns");
        }
    });
}

//! The rate that the reflector holds its initiators to.

use failover_ebpf::{abi::ipv4_key, reflect::BURST, verdict::Verdict};
use failover_tests::frames::{Flow, sbfd_request};
use failover_user::monitor::clock;

use crate::{
    harness::{Bench, bench},
    row::{Row, check},
    scene::{CLIENT, DISCRIMINATOR, FROM_CLIENT, HOST_OUT, Port, STRANGE},
};

/// So long that no test waits for it.
const MINUTE_US: u32 = 60_000_000;

fn request() -> Vec<u8> {
    sbfd_request(&FROM_CLIENT, 1, DISCRIMINATOR)
}

/// As many requests as may come at once, and no more.
fn exhaust(bench: &mut Bench) {
    exhaust_by(bench, &request());
}

/// The same with this request.
pub(crate) fn exhaust_by(bench: &mut Bench, request: &[u8]) {
    bench.settings(|own| own.min_rx_us = MINUTE_US);

    for _ in 0..=BURST {
        bench.run(Port::Chosen, request);
    }
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::drop(
            "one more than may come at once",
            request(),
            Verdict::RequestTooFast,
        )
        .given(exhaust),
    ]
}

#[test]
fn what_comes_too_fast_is_dropped() {
    check(&rows());
}

#[test]
fn a_burst_is_answered_and_what_exceeds_it_is_counted_for_its_watcher() {
    bench(|bench| {
        exhaust(bench);
        bench.run(Port::Chosen, &request());
        bench.run(Port::Chosen, &request());

        let watchers = bench.maps.watchers().unwrap();

        assert_eq!(watchers.len(), 1);
        assert_eq!(watchers[0].0.initiator, ipv4_key(CLIENT.octets()));
        assert_eq!(watchers[0].1.answered, BURST + 1);
        assert_eq!(watchers[0].1.refused, 2);
    });
}

#[test]
fn one_watcher_does_not_use_up_the_rate_of_another() {
    let others = [
        Flow {
            from: STRANGE,
            ..FROM_CLIENT
        },
        Flow {
            to: HOST_OUT,
            ..FROM_CLIENT
        },
    ];

    bench(|bench| {
        exhaust(bench);
        let before = bench.tally();

        for flow in &others {
            bench.run(Port::Chosen, &sbfd_request(flow, 1, DISCRIMINATOR));
        }

        let risen = bench.tally().since(&before).verdicts;
        assert_eq!(risen, [(Verdict::RequestAnswered.name(), 2)]);
    });
}

#[test]
fn requests_at_the_agreed_rate_are_all_answered() {
    const REQUESTS: u64 = 200;

    bench(|bench| {
        bench.settings(|own| own.min_rx_us = 1);
        let before = bench.tally();

        for _ in 0..REQUESTS {
            // The clock of a virtual machine may stand still for a while.
            let earlier = clock::now();
            while clock::now() < earlier + 2_000 {
                std::hint::spin_loop();
            }
            bench.run(Port::Chosen, &request());
        }

        let risen = bench.tally().since(&before).verdicts;
        assert_eq!(risen, [(Verdict::RequestAnswered.name(), REQUESTS)]);
    });
}

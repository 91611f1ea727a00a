//! What a hash costs, in the kernel and in user space.

use std::time::Instant;

use failover_user::{
    config::Secret,
    monitor::frames::{Endpoints, InitiatorState, SbfdRequest, SbfdSession, Signer},
};

use super::{Ip, NEW, OLD, SEQUENCE, UNKNOWN, bfd, reflector, request, session, signature};
use crate::{
    harness::Bench,
    scene::{DISCRIMINATOR, FROM_CLIENT, Port, SOURCE_PORT},
};

/// Nanoseconds for one frame, of which the kernel measures many together.
fn cost(bench: &mut Bench, frame: &[u8]) -> u128 {
    const RUNS: u32 = 20_000;
    const CALLS: usize = 5;

    let runs = (0..CALLS).map(|_| bench.duration(Port::Chosen, frame, RUNS).as_nanos());

    runs.min().expect("some calls")
}

/// Nanoseconds that the heartbeat thread needs to make a signed request ready.
fn signing() -> u128 {
    const TIMES: u32 = 100_000;

    let mut request = SbfdRequest::new(&SbfdSession {
        endpoints: Endpoints {
            source_mac: FROM_CLIENT.from_mac.0,
            destination_mac: FROM_CLIENT.to_mac.0,
            source: FROM_CLIENT.from.into(),
            destination: FROM_CLIENT.to.into(),
        },
        source_port: SOURCE_PORT,
        state: InitiatorState::Up,
        misses: 3,
        interval_us: 1000,
        remote_discriminator: DISCRIMINATOR,
        signer: Some(Signer {
            id: NEW.0,
            secret: Secret::from_file(NEW.1).unwrap(),
        }),
    });
    let begun = Instant::now();

    for sequence in 0..TIMES {
        request.patch(sequence);
        request.sign(sequence);
        std::hint::black_box(request.frame());
    }

    begun.elapsed().as_nanos() / u128::from(TIMES)
}

#[test]
fn a_hash_costs_less_than_two_microseconds() {
    crate::harness::bench(|bench| {
        let ip = Ip::V4;
        reflector(bench);
        session(bench);
        // Frames that are not changed, so that they can come again and again: refused, or the second of two.
        let requests = [(UNKNOWN, NEW.1), (NEW.0, OLD.1)]
            .map(|key| cost(bench, &ip.ask(&signature(key, 9).sign(request()))));
        let replies = [(UNKNOWN, NEW.1), NEW].map(|key| {
            cost(
                bench,
                &ip.reply(&signature(key, SEQUENCE).sign(bfd(ip, SEQUENCE))),
            )
        });

        eprintln!("signing a request in user space: {} ns", signing());
        for (what, [without, with]) in [("request", requests), ("reply", replies)] {
            let hash = with.saturating_sub(without);

            eprintln!("{what}: {without} ns before the hash, {with} ns with it: {hash} ns");
            assert!(hash < 2000, "{what}: {hash} ns");
        }
    });
}

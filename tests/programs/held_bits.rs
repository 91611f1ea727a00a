//! The bits that spare packets a lookup in the takeover map.

use std::{fs, net::Ipv4Addr};

use failover_ebpf::{
    abi::{ipv4_key, map},
    maybe_held::place,
    verdict::Verdict,
};
use failover_tests::frames::{Flow, udp};
use failover_user::bpf::{pins::Pins, program::Program};

use crate::{
    harness::{Bench, bench},
    scene::{HELD, Port, TO_HELD, forward},
};

fn hold(bench: &mut Bench) {
    let held = forward(bench.index(Port::Chosen), bench.index(Port::Out));

    bench.hold(held);
}

/// How often a verdict is given when a datagram comes in for `to`.
fn verdicts(bench: &mut Bench, to: Ipv4Addr, verdict: Verdict) -> u64 {
    let before = bench.tally();

    bench.run(Port::Chosen, &udp(&Flow { to, ..TO_HELD }, 4000, 53, b"x"));

    bench.tally().since(&before).count(verdict)
}

#[test]
fn an_address_that_shares_its_bit_with_a_held_one_is_not_held() {
    let shares = (0..=u32::MAX)
        .map(|step| Ipv4Addr::from(u32::from(HELD).wrapping_add(1 + step)))
        .find(|ip| place(&ipv4_key(ip.octets())) == place(&ipv4_key(HELD.octets())))
        .expect("an address that shares the bit");

    bench(|bench| {
        hold(bench);

        assert_eq!(verdicts(bench, shares, Verdict::PassUnrelated), 1);
        assert_eq!(verdicts(bench, HELD, Verdict::Forwarded), 1);
    });
}

#[test]
fn bits_that_were_lost_are_set_again_from_the_takeover_map_before_the_program_is_at_work() {
    bench(|bench| {
        hold(bench);
        let pins = Pins::new(bench.lab.bpffs());
        fs::remove_file(pins.map(map::MAYBE_HELD)).unwrap();

        bench.program = Program::load(&pins).expect("another start");

        assert_eq!(verdicts(bench, HELD, Verdict::Forwarded), 1);
    });
}

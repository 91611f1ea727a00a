//! What user space is told when another host claims a held address.

use std::net::Ipv4Addr;

use failover_ebpf::{
    abi::{CLAIM_INTERVAL_NS, CLAIMS_BYTES, Claim, ipv4_key},
    verdict::Verdict,
};
use failover_tests::{
    frames::{arp_announcement, gratuitous_arp_reply},
    lab::clock::now_ns,
};
use failover_user::bpf::{self, pins::Pins};

use crate::{
    harness::{Bench, bench},
    scene::{ALSO_HELD, CHOSEN_MAC, HELD, OTHER_MAC, OUT_MAC, Port, SOURCE_MAC, STRANGE, local},
};

/// Where [`HELD`] is noted.
const SLOT: u32 = 7;
const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
/// Octets of a claim in the ring buffer: there is a header before each.
const RECORD: usize = 8 + size_of::<Claim>();

fn held_and_listened(bench: &mut Bench) {
    bench.hold(local(bench.index(Port::Chosen)));
    bench.maps.listen(&[(HELD.into(), SLOT)]).unwrap();
}

fn conflict(bench: &mut Bench) {
    bench.run(Port::Chosen, &arp_announcement(OTHER_MAC, HELD));
}

/// A conflict of which user space is to be told, whenever it was told before.
fn due_conflict(bench: &mut Bench) {
    bench.set_told(SLOT, 0);
    conflict(bench);
}

/// A claim by [`OTHER_MAC`] as it lies in the ring buffer, without its time.
fn octets(ip: Ipv4Addr, nic: u32) -> Vec<u8> {
    let [a, b, c, d] = ip.octets();

    [
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d][..],
        &OTHER_MAC.0,
        &[0, 0],
        &nic.to_ne_bytes(),
        &[0, 0, 0, 0],
    ]
    .concat()
}

/// Times of claims.
fn times(claims: &[Vec<u8>]) -> Vec<u64> {
    claims
        .iter()
        .map(|claim| u64::from_ne_bytes(claim[..8].try_into().unwrap()))
        .collect()
}

/// Makes conflicts until there are so many claims, and checks that they are not told more often than they may be.
fn check_pace(bench: &mut Bench, wanted: usize, interval: u64) {
    const PATIENCE: u64 = 60 * SECOND;

    let begun = now_ns();
    let mut told = Vec::new();
    while told.len() < wanted {
        assert!(now_ns() < begun + PATIENCE, "only {told:?}");
        conflict(bench);
        told.extend(times(&bench.claims()));
    }

    for pair in told.windows(2) {
        assert!(pair[1] - pair[0] >= interval, "{told:?}");
    }
}

#[test]
fn a_claim_has_time_address_mac_and_nic() {
    bench(|bench| {
        for ingress in [Port::Chosen, Port::Out] {
            bench.reset();
            held_and_listened(bench);
            let begun = now_ns();

            bench.run(ingress, &gratuitous_arp_reply(OTHER_MAC, HELD));

            let claims = bench.claims();
            assert_eq!(claims.len(), 1);
            assert_eq!(claims[0][8..], octets(HELD, bench.index(ingress)));
            let at_ns = times(&claims)[0];
            assert!((begun..=now_ns()).contains(&at_ns));
            let heard = bench.heard.get(SLOT);
            assert_eq!(heard.told_ns, at_ns);
            assert_eq!(heard.claimed_by, OTHER_MAC.0);
            assert_eq!(bench.tally().verdicts.len(), 1, "{:?}", bench.tally());
        }
    });
}

#[test]
fn a_claim_is_told_again_after_the_interval_and_not_before() {
    bench(|bench| {
        held_and_listened(bench);
        conflict(bench);
        bench.claims();

        bench.set_told(SLOT, now_ns() + HOUR);
        conflict(bench);
        let early = bench.claims();
        bench.set_told(SLOT, now_ns() - CLAIM_INTERVAL_NS);
        conflict(bench);
        let due = bench.claims();

        assert_eq!((early.len(), due.len()), (0, 1));
    });
}

#[test]
fn a_flood_of_conflicts_is_one_claim_an_interval() {
    bench(|bench| {
        held_and_listened(bench);

        check_pace(bench, 5, CLAIM_INTERVAL_NS);
    });
}

#[test]
fn addresses_are_told_independently_of_each_other() {
    bench(|bench| {
        held_and_listened(bench);
        let held = local(bench.index(Port::Chosen));
        bench.maps.addresses.set(ALSO_HELD, held).unwrap();
        bench
            .maps
            .listen(&[(HELD.into(), SLOT), (ALSO_HELD.into(), SLOT + 1)])
            .unwrap();

        for ip in [HELD, ALSO_HELD] {
            bench.run(Port::Chosen, &arp_announcement(OTHER_MAC, ip));
        }

        let nic = bench.index(Port::Chosen);
        let told: Vec<_> = bench
            .claims()
            .iter()
            .map(|claim| claim[8..].to_vec())
            .collect();
        assert_eq!(told, [octets(HELD, nic), octets(ALSO_HELD, nic)]);
    });
}

#[test]
fn an_address_that_is_held_and_not_listened_for_is_told_as_rarely_as_it_is_logged() {
    bench(|bench| {
        bench.hold(local(bench.index(Port::Chosen)));

        check_pace(bench, 3, SECOND);
    });
}

#[test]
fn what_is_no_conflict_is_no_claim() {
    bench(|bench| {
        held_and_listened(bench);

        for frame in [
            arp_announcement(CHOSEN_MAC, HELD),
            arp_announcement(OUT_MAC, HELD),
            arp_announcement(OTHER_MAC, STRANGE),
        ] {
            bench.run(Port::Chosen, &frame);
        }

        assert_eq!(bench.claims(), Vec::<Vec<u8>>::new());
        assert_eq!(bench.heard.get(SLOT).told_ns, 0);
    });
}

#[test]
fn a_full_ring_takes_no_more_and_what_does_not_fit_is_told_when_there_is_room() {
    bench(|bench| {
        held_and_listened(bench);
        let room = CLAIMS_BYTES as usize / RECORD;
        let before = bench.tally();

        for _ in 0..room + 10 {
            due_conflict(bench);
        }
        let untold = bench.heard.get(SLOT).told_ns;
        let counted = bench.tally().since(&before).verdicts;
        let full = bench.claims().len();
        conflict(bench);

        assert_eq!(untold, 0);
        assert_eq!(counted, [(Verdict::PassConflict.name(), room as u64 + 10)]);
        assert!(full.abs_diff(room) <= 1, "{full} claims, room for {room}");
        assert_eq!(bench.claims().len(), 1);
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap()
}

#[test]
fn the_daemon_gets_what_was_told_before_it_listened_and_after() {
    bench(|bench| {
        held_and_listened(bench);
        due_conflict(bench);
        let first = bench.heard.get(SLOT).told_ns;

        let told = runtime().block_on(async {
            let mut claims = bpf::claims::forward(&Pins::new(bench.lab.bpffs())).unwrap();
            let before = claims.recv().await;
            bench.set_told(SLOT, 0);
            bench.run(Port::Out, &arp_announcement(SOURCE_MAC, HELD));

            [before, claims.recv().await]
        });

        let claim = |at_ns, mac: failover_tests::lab::Mac, port| {
            Some(Claim {
                at_ns,
                ip: ipv4_key(HELD.octets()),
                mac: mac.0,
                nic: bench.index(port),
                ..Claim::default()
            })
        };
        let second = bench.heard.get(SLOT).told_ns;
        let wanted = [
            claim(first, OTHER_MAC, Port::Chosen),
            claim(second, SOURCE_MAC, Port::Out),
        ];
        assert_eq!(told, wanted);
    });
}

#[test]
fn a_daemon_that_falls_behind_loses_claims_and_gets_later_ones() {
    const MORE_THAN_WAIT: usize = 1200;

    bench(|bench| {
        held_and_listened(bench);
        for _ in 0..MORE_THAN_WAIT {
            due_conflict(bench);
        }

        runtime().block_on(async {
            let mut claims = bpf::claims::forward(&Pins::new(bench.lab.bpffs())).unwrap();
            claims.recv().await.unwrap();
            let mut got = 1;
            while claims.try_recv().is_ok() {
                got += 1;
            }
            due_conflict(bench);
            let later = claims.recv().await.unwrap();

            assert!((2..MORE_THAN_WAIT).contains(&got), "{got} claims");
            assert_eq!(later.at_ns, bench.heard.get(SLOT).told_ns);
        });
    });
}

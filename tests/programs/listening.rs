//! What user space asks to be listened for.

use std::net::Ipv4Addr;

use failover_ebpf::abi::{Heard, MAX_LISTENED};
use failover_tests::frames::arp_announcement;

use crate::{
    harness::{Bench, bench},
    scene::{OTHER_MAC, Port},
};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 21);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 22);
const C: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 23);

/// Another host announces all three addresses.
fn announce(bench: &mut Bench) {
    for ip in [A, B, C] {
        bench.run(Port::Chosen, &arp_announcement(OTHER_MAC, ip));
    }
}

/// Slots in which something is noted.
fn noted(bench: &Bench) -> Vec<usize> {
    let all = bench.all_heard();

    (0..all.len())
        .filter(|slot| all[*slot] != Heard::default())
        .collect()
}

#[test]
fn what_is_listened_for_is_exactly_what_was_last_asked_for() {
    bench(|bench| {
        bench.maps.listen(&[(A.into(), 1), (B.into(), 2)]).unwrap();
        bench
            .maps
            .listen(&[(B.into(), 2), (C.into(), MAX_LISTENED - 1)])
            .unwrap();

        announce(bench);

        assert_eq!(noted(bench), [2, MAX_LISTENED as usize - 1]);
    });
}

#[test]
fn an_address_that_stays_keeps_what_was_heard_of_it() {
    bench(|bench| {
        bench.maps.listen(&[(A.into(), 1), (B.into(), 2)]).unwrap();
        announce(bench);
        let before = bench.heard.get(2);

        bench.maps.listen(&[(B.into(), 2), (C.into(), 3)]).unwrap();

        assert_eq!(bench.heard.get(2), before);
    });
}

#[test]
fn a_slot_that_another_address_gets_is_cleared() {
    bench(|bench| {
        bench
            .maps
            .listen(&[(A.into(), 1), (B.into(), 2), (C.into(), 3)])
            .unwrap();
        announce(bench);

        bench.maps.listen(&[(A.into(), 2), (B.into(), 1)]).unwrap();
        let cleared = [1, 2].map(|slot| bench.heard.get(slot));
        bench.run(Port::Chosen, &arp_announcement(OTHER_MAC, A));

        assert_eq!(cleared, [Heard::default(); 2]);
        assert_eq!(bench.heard.get(1), Heard::default());
        assert_eq!(bench.heard.get(2).claimed_by, OTHER_MAC.0);
    });
}

#[test]
fn an_address_that_comes_back_begins_with_nothing_heard() {
    bench(|bench| {
        bench.maps.listen(&[(A.into(), 1)]).unwrap();
        announce(bench);

        bench.maps.listen(&[]).unwrap();
        bench.maps.listen(&[(A.into(), 1)]).unwrap();

        assert_eq!(bench.heard.get(1), Heard::default());
    });
}

#[test]
fn slots_that_make_no_sense_are_refused_and_nothing_is_changed() {
    bench(|bench| {
        bench.maps.listen(&[(A.into(), 1)]).unwrap();

        for wrong in [
            &[(B.into(), 2), (C.into(), 2)][..],
            &[(B.into(), 2), (B.into(), 3)],
            &[(B.into(), MAX_LISTENED)],
        ] {
            bench.maps.listen(wrong).unwrap_err();
        }

        announce(bench);
        assert_eq!(noted(bench), [1]);
    });
}

#[test]
fn as_many_addresses_as_there_are_slots_are_listened_for() {
    bench(|bench| {
        let first = u32::from(Ipv4Addr::new(10, 1, 0, 0));
        let all: Vec<_> = (0..MAX_LISTENED)
            .map(|slot| (Ipv4Addr::from(first + slot), slot))
            .collect();
        let wanted: Vec<_> = all.iter().map(|(ip, slot)| ((*ip).into(), *slot)).collect();

        bench.maps.listen(&wanted).unwrap();

        let (last, slot) = all[all.len() - 1];
        bench.run(Port::Chosen, &arp_announcement(OTHER_MAC, last));
        assert_eq!(noted(bench), [slot as usize]);
    });
}

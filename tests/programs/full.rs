//! Maps that are full: what they hold can still change.

use std::{collections::BTreeSet, net::IpAddr};

use aya::maps::{HashMap, Map, MapData};
use failover_ebpf::abi::{MAX_DISCRIMINATORS, MAX_MACS, map};
use failover_user::bpf::pins::Pins;

use crate::harness::{Bench, bench};

fn keys<K: aya::Pod + Ord>(bench: &Bench, name: &str) -> BTreeSet<K> {
    let data = MapData::from_pin(Pins::new(bench.lab.bpffs()).map(name)).expect("the map");
    let map: HashMap<MapData, K, u32> = Map::from_map_data(data).unwrap().try_into().unwrap();
    map.keys().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_full_map_takes_other_keys_in_place_of_the_old_ones() {
    bench(|bench| {
        let first: Vec<u32> = (1..=MAX_DISCRIMINATORS).collect();
        let other: Vec<u32> = (101..=100 + MAX_DISCRIMINATORS).collect();
        bench.maps.set_reflector(&first, &[], &[]).unwrap();

        bench.maps.set_reflector(&other, &[], &[]).unwrap();

        let known = keys(bench, map::DISCRIMINATORS);
        assert_eq!(known, other.into_iter().collect());
    });
}

#[test]
fn what_is_too_much_for_one_map_is_told_and_the_others_are_written() {
    bench(|bench| {
        let many: Vec<u32> = (1..=MAX_DISCRIMINATORS + 1).collect();
        let own: IpAddr = "10.0.0.9".parse().unwrap();

        let told = bench.maps.set_reflector(&many, &[own], &[own]);

        let told = format!("{:#}", told.expect_err("too many"));
        assert_eq!(
            told,
            "writing discriminators: 65 are more than there is room for"
        );
        let known: BTreeSet<u32> = keys(bench, map::DISCRIMINATORS);
        assert_eq!(known.len(), MAX_DISCRIMINATORS as usize);
        for name in [map::OWN, map::INITIATORS] {
            assert_eq!(keys::<[u8; 16]>(bench, name).len(), 1, "{name}");
        }
    });
}

#[test]
fn a_host_has_as_many_nics_as_it_likes_and_they_come_and_go() {
    bench(|bench| {
        let macs = |from: u32| -> BTreeSet<[u8; 6]> {
            let macs = (from..from + MAX_MACS / 2).map(u32::to_be_bytes);
            macs.map(|[a, b, c, d]| [2, 0, a, b, c, d]).collect()
        };
        bench.maps.set_link_macs(macs(0)).unwrap();

        bench.maps.set_link_macs(macs(MAX_MACS)).unwrap();

        let known: BTreeSet<[u8; 6]> = keys(bench, map::MACS);
        assert!(known.is_superset(&macs(MAX_MACS)));
        assert!(known.is_disjoint(&macs(0)));
    });
}

//! Maps that are there already: used as they are, or refused.

use std::fs;

use failover_ebpf::abi::map;
use failover_tests::lab::Lab;
use failover_user::bpf::{maps::Maps, pins::Pins, program::Program, shared::Sessions};

use crate::{
    harness::bench,
    initiator::{SEQUENCE, bfd, reply},
    scene::{HELD, Port, SBFD, forward, own_settings, sbfd_session},
};

#[test]
fn a_second_start_finds_everything_as_it_was() {
    bench(|bench| {
        let held = forward(bench.index(Port::Chosen), bench.index(Port::Out));
        bench.hold(held);
        bench.sent(SBFD, SEQUENCE);
        bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE)));
        let measured = bench.measured(SBFD);
        let counted = bench.maps.counters().unwrap();
        let pins = Pins::new(bench.lab.bpffs());

        bench.program = Program::load(&pins).expect("the second start");

        let (maps, sessions) = (Maps::open(&pins).unwrap(), Sessions::open(&pins).unwrap());
        assert_eq!(maps.settings().unwrap(), own_settings());
        assert_eq!(maps.addresses.all().unwrap(), [(HELD.into(), held)]);
        assert_eq!(maps.session(SBFD).unwrap(), sbfd_session());
        assert_eq!(maps.counters().unwrap(), counted);
        assert_eq!(bench.measured(SBFD), measured);
        assert!(sessions.answered(SBFD, SEQUENCE));
    });
}

#[test]
fn the_program_of_a_second_start_works_on_the_same_maps() {
    bench(|bench| {
        bench.sent(SBFD, SEQUENCE);
        bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE)));

        bench.program = Program::load(&Pins::new(bench.lab.bpffs())).expect("the second start");
        bench.sent(SBFD, SEQUENCE + 1);
        bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE)));
        bench.run(Port::Chosen, &reply(bfd(SBFD, SEQUENCE + 1)));

        assert_eq!(bench.measured(SBFD).received, 2);
    });
}

#[test]
fn every_map_is_pinned_and_nothing_else() {
    let lab = Lab::new();
    let pins = Pins::new(lab.bpffs());

    let _program = Program::load(&pins).expect("the program");

    let mut pinned: Vec<_> = fs::read_dir(pins.maps())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut wanted = map::PINNED.map(str::to_owned);
    pinned.sort();
    wanted.sort();
    assert_eq!(pinned, wanted);
}

/// Puts one pinned map in another's place, and says what loading says to that.
fn load_with(name: &str, other: &str) -> String {
    let lab = Lab::new();
    let pins = Pins::new(lab.bpffs());
    drop(Program::load(&pins).expect("the first start"));
    fs::remove_file(pins.map(name)).unwrap();
    fs::rename(pins.map(other), pins.map(name)).unwrap();

    let Err(error) = Program::load(&pins) else {
        panic!("{other} was taken for {name}");
    };

    format!("{error:#}")
}

#[test]
fn a_map_of_another_shape_is_refused_with_what_to_run() {
    for (name, other, what) in [
        // Another type; another size of values; another size of keys; another number of entries.
        (map::SETTINGS, map::NICS, "another type"),
        (map::SESSION_RX, map::SESSION_TX, "other values"),
        (map::ADDRESSES, map::NICS, "other keys"),
        (map::RARE, map::SETTINGS, "other values, few entries"),
        (map::TRAFFIC, map::COUNTERS, "fewer entries"),
    ] {
        let error = load_with(name, other);

        assert!(error.contains("failover unload"), "{what}: {error}");
        assert!(error.contains(name), "{what}: {error}");
    }
}

#[test]
fn removing_the_pins_leaves_nothing() {
    let lab = Lab::new();
    let pins = Pins::new(&lab.bpffs().join("instance"));
    let program = Program::load(&pins).expect("the program");

    let removed = pins.remove().unwrap();

    assert_eq!(removed, map::PINNED.len());
    assert!(!pins.exist() && !lab.bpffs().join("instance").exists());
    drop(program);
    Program::load(&pins).expect("a first start again");
}

//! The dead-man's thread on a real map.

use std::time::Duration;

use failover_ebpf::health::expired;
use failover_tests::lab::clock::{now_ns, wait_until};
use failover_user::{bpf::pins::Pins, reflector::dead_man::DeadMan};

use crate::harness::{Bench, bench};

const PATIENCE: Duration = Duration::from_secs(10);

fn start(bench: &Bench, dead_man: Duration, patience: Duration) -> DeadMan {
    bench.health.set_dead_man(dead_man.as_nanos() as u64);
    // An hour ahead: what is younger is a tick of the thread.
    bench.health.tick(now_ns() + 3_600_000_000_000);
    DeadMan::start(&Pins::new(bench.lab.bpffs()), dead_man, patience).expect("the thread")
}

#[test]
fn when_the_thread_is_started_it_has_ticked() {
    bench(|bench| {
        for _ in 0..50 {
            let before = now_ns();

            let _dead_man = start(bench, Duration::from_millis(500), PATIENCE);

            let ticked = bench.health.get().tick_ns;
            assert!((before..=now_ns()).contains(&ticked), "{ticked}");
        }
    });
}

#[test]
fn a_loop_that_hangs_is_not_vouched_for_and_one_that_goes_on_is_known_to_have_hung() {
    bench(|bench| {
        let dead_man = start(
            bench,
            Duration::from_millis(100),
            Duration::from_millis(300),
        );
        let dead = || expired(&bench.health.get(), now_ns());

        // It has not begun to go round.
        let idle = wait_until(Duration::from_secs(1), dead);
        dead_man.beat();
        let hung = wait_until(PATIENCE, dead);
        let late_too_early = dead_man.was_late();
        dead_man.beat();
        let alive = wait_until(PATIENCE, || !dead());

        assert!(!idle && hung && !late_too_early && alive);
        assert!(dead_man.was_late());
    });
}

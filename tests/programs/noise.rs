//! Frames that make no sense: octets of valid ones, changed at random.

use failover_ebpf::verdict::{Action, Verdict};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{harness::bench, tables, tagged};

const FRAMES: usize = 5000;
/// Octets from the start of a frame that decide something.
const HEADERS: usize = 94;

#[test]
fn whatever_comes_ends_in_one_verdict_and_only_replies_and_steered_packets_are_changed() {
    let rows = [tables(), tagged::derived([5, 0]), tagged::derived([5, 6])].concat();
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);

    bench(|bench| {
        for n in 0..FRAMES {
            let row = &rows[random.random_range(0..rows.len())];
            let mut frame = row.frame.clone();
            for _ in 0..random.random_range(1..=3) {
                let at = random.random_range(0..frame.len().min(HEADERS));
                frame[at] = random.random();
            }
            row.prepare(bench);
            let before = bench.tally();

            let outcome = bench.run(row.ingress, &frame);

            let what = format!(
                "seed {seed}, frame {n}, from \"{}\": {frame:02x?}",
                row.name
            );
            let risen = bench.tally().since(&before).verdicts;
            let [(name, 1)] = risen[..] else {
                panic!("{what}: counted {risen:?}");
            };
            let verdict = Verdict::ALL.iter().find(|verdict| verdict.name() == name);
            assert_eq!(
                outcome.action,
                verdict.map(|verdict| verdict.action()),
                "{what}"
            );
            match outcome.action {
                Some(Action::Pass | Action::Drop) => assert_eq!(outcome.output, frame, "{what}"),
                // Neighbour discovery is answered at another length, what is forwarded goes without tags, and a reset is shorter
                // than what it answers.
                _ if matches!(name, "nd_answered" | "forwarded") => {}
                _ if name.starts_with("tcp_") => {
                    assert!(outcome.output.len() <= frame.len(), "{what}");
                }
                _ => assert_eq!(outcome.output.len(), frame.len(), "{what}"),
            }
        }
    });
}

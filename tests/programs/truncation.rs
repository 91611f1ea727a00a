//! Frames that end too early, wherever that is.
//!
//! `BPF_PROG_TEST_RUN` takes no frame without a whole Ethernet header, as no driver hands one over; shorter ones are in the
//! unit tests of `classify`.

use std::collections::BTreeSet;

use failover_ebpf::verdict::Action;
use failover_tests::edits::{L3, stated_length};

use crate::{
    harness::{Bench, bench},
    row::Row,
};

/// What is wrong with the program's treatment of every frame of which the end of this row's is missing.
fn complaint(bench: &mut Bench, row: &Row) -> Option<String> {
    let whole = stated_length(&row.frame).min(row.frame.len());

    for length in L3..whole {
        let frame = &row.frame[..length];

        row.prepare(bench);

        let before = bench.tally();
        let outcome = bench.run(row.ingress, frame);
        let risen = bench.tally().since(&before);
        let consumed = match outcome.action {
            Some(Action::Pass) => true,
            Some(Action::Drop) => row.action != Action::Pass,
            Some(Action::Transmit | Action::Redirect) | None => false,
        };

        if !consumed || outcome.output != frame {
            return Some(format!("{} at {length}: {outcome:?}", row.name));
        }
        if !matches!(risen.verdicts[..], [(_, 1)]) || risen.traffic != (0, 0) {
            return Some(format!("{} at {length}: counted {risen:?}", row.name));
        }
    }

    None
}

#[test]
fn a_frame_cut_short_anywhere_passes_unchanged_or_is_a_bad_heartbeat() {
    let mut rows = crate::tables();
    let mut seen = BTreeSet::new();
    rows.extend(
        crate::tagged::derived([5, 6])
            .into_iter()
            .filter(|row| seen.insert(row.verdict.name())),
    );

    let complaints: Vec<_> = bench(|bench| {
        rows.iter()
            .filter_map(|row| complaint(bench, row))
            .collect()
    });

    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

//! The program tier: the XDP program on single frames, through `BPF_PROG_TEST_RUN`. Needs root.
//!
//! Tables of [`row::Row`]s, one module for each stage of the program, say what comes in and what has to come out: the
//! action, every octet and every counter. The rest is about the program as a whole: how it is loaded, adopted and
//! attached, and what it does to frames that are cut short or make no sense.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that panics fails its test, as it should"
)]

mod adoption;
mod arp;
mod arp_replies;
mod attaching;
mod benchmark;
mod claims;
mod cost;
mod custody;
mod discovery;
mod drain;
mod egress;
mod full;
mod fuzzed;
mod harness;
mod heard;
mod heard6;
mod held_bits;
mod initiator;
mod initiator6;
mod listening;
mod measuring;
mod noise;
mod on_the_wire;
mod passing;
mod rate;
mod reflector;
mod reflector6;
mod refusals;
mod return_traffic;
mod rfc;
mod row;
mod scene;
mod scene6;
mod seeming;
mod signatures;
mod size;
mod steering;
mod steering6;
mod tagged;
mod tcp;
mod tcp6;
mod ticking;
mod truncation;

use std::collections::BTreeSet;

use failover_ebpf::verdict::Verdict;

/// All tables.
fn tables() -> Vec<row::Row> {
    [
        passing::rows(),
        reflector::rows(),
        reflector6::rows(),
        refusals::rows(),
        rate::rows(),
        initiator::rows(),
        initiator6::rows(),
        arp::rows(),
        arp_replies::rows(),
        tcp::rows(),
        tcp6::rows(),
        discovery::rows(),
        steering::rows(),
        seeming::rows(),
        return_traffic::rows(),
        drain::rows(),
        custody::rows(),
        steering6::rows(),
        steering6::returned(),
        tagged::rows(),
        signatures::rows(),
    ]
    .concat()
}

/// Rows that there are at least, those in VLANs not counted.
const LEAST: usize = 400;

#[test]
fn the_tables_are_as_long_as_they_should_be() {
    let (rows, in_vlans) = (tables().len(), tagged::derived([5, 0]).len());

    eprintln!("{rows} rows, and {in_vlans} of them with one tag and with two");
    assert!(rows >= LEAST, "{rows} rows");
}

#[test]
fn every_verdict_is_the_end_of_some_row() {
    let mut reached: BTreeSet<_> = tables().iter().map(|row| row.verdict.name()).collect();
    // Of the program on the way out, which has a table of its own.
    reached.insert(egress::REFUSED.name());
    let all: BTreeSet<_> = Verdict::ALL.iter().map(|verdict| verdict.name()).collect();

    assert_eq!(reached, all);
}

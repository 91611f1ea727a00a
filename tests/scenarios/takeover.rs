//! A source fails, the target stands in.

use crate::pair::{Pair, automatic, source, state, wait_for_state};

#[test]
fn a_pulled_cable_leads_to_a_takeover_of_each_address_on_its_nic() {
    let pair = Pair::new();
    let _source = pair.start_source();
    let target = pair.start_target(&automatic("10ms", 3));
    let first = pair.client("10.0.0.10", 5000);
    let second = pair.client("10.0.0.11", 1000);

    let pulled = pair.source_nic.pull();
    first.wait_for_answer_by("target", pulled);
    second.wait_for_answer_by("target", pulled);

    wait_for_state(&target, "web1", "taken-over");
    let status = target.status();
    eprintln!("{status:#}");
    assert_eq!(state(&status, "web1"), "taken-over");
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    assert!(pair.target_nics[1].has_address("10.0.0.11"));
    let macs = ["10.0.0.10", "10.0.0.11"].map(|address| pair.client.neighbour(address));
    assert_eq!(
        macs,
        [0, 1].map(|nic: usize| Some(pair.target_nics[nic].mac()))
    );
    let report = first.finish();
    eprintln!("outage {:?}, lost {}", report.outage(), report.lost());
    eprintln!("{}", source(&status, "web1")["last_takeover"]);
}

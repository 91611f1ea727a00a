//! The benchmark of outages measures what it says. How long anything takes is no matter of a test.

use clap::Parser as _;
use failover_tests::{
    bench::{self, Options},
    lab::daemon::binary,
};

#[test]
fn every_contender_of_the_benchmark_takes_over() {
    let out = tempfile::tempdir().expect("a directory");
    let options = Options::parse_from([
        "failover-bench".as_ref(),
        "outage".as_ref(),
        "--runs=1".as_ref(),
        "--failover".as_ref(),
        binary().as_os_str(),
        "--out".as_ref(),
        out.path().as_os_str(),
    ]);

    let report = bench::measure(&options).expect("figures");

    let [outage] = &report.sections[..] else {
        panic!("{report:?}");
    };
    assert_eq!(outage.rows.len(), 4);
    for row in &outage.rows {
        assert!(row.median().is_finite(), "{row:?}");
    }
}

//! The benchmark of the program measures what it says. How long anything takes is no matter of a test.

use clap::Parser as _;
use failover_tests::bench::{self, Options};

#[test]
fn every_frame_of_the_benchmark_ends_as_it_should() {
    let out = tempfile::tempdir().expect("a directory");
    let path = |name: &str| out.path().join(name).into_os_string();
    let options = Options::parse_from([
        "failover-bench".into(),
        "datapath".into(),
        "--runs=1".into(),
        "--failover=none".into(),
        "--out".into(),
        path("."),
        "--json".into(),
        path("figures.json"),
    ]);

    // A frame that ends in another way than its row says is an error.
    let report = bench::measure(&options).expect("figures");

    let written = std::fs::read_to_string(path("figures.json")).expect("JSON");
    let written: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    for section in &report.sections {
        let chart = path(&format!("{}.svg", section.name));

        assert!(section.rows.iter().all(|row| row.values.len() == 1));
        assert!(std::fs::metadata(chart).is_ok_and(|chart| chart.len() > 500));
    }
    let names = |key: &str| -> Vec<_> {
        let sections = written["sections"].as_array().expect("sections");
        sections
            .iter()
            .map(|section| section[key].clone())
            .collect()
    };
    assert_eq!(
        names("name"),
        [
            "datapath-unrelated",
            "datapath-redirected",
            "datapath-reflected",
            "datapath-held"
        ]
    );
}

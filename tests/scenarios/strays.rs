//! A daemon that is started with a configuration in which an address that is held is missing.

use crate::pair::{Pair, automatic, events, run, wait_for_state};

#[test]
fn an_address_that_the_configuration_has_lost_is_served_on_and_shown() {
    let pair = Pair::new();
    let config = automatic("10ms", 3);
    let (_source, mut target) = pair.start(&config);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let client = pair.client_of("10.0.0.11", 1000, "target");
    target.terminate();
    target.write_config(&config.replace(", { ip = \"10.0.0.11/24\", target_nic = \"ens2\" }", ""));

    target.restart();
    let status = target.status();
    let shown = run(&target, &["status"], 0);
    let told: Vec<_> = events(&target, "error");
    let restarted = failover_tests::lab::clock::now_ns();
    pair.client.flush_neighbours();
    client.wait_for_answer_by("target", restarted);
    let report = client.finish();

    let nics: Vec<_> = status["nics"].as_array().expect("NICs").iter().collect();
    assert_eq!(nics.len(), 2, "{status:#}");
    assert_ne!(nics[1]["xdp_mode"], "none", "{status:#}");
    let stray = serde_json::json!([{ "ip": "10.0.0.11", "nic": "ens2" }]);
    assert_eq!(status["strays"], stray);
    assert!(shown.contains("10.0.0.11 on ens2"), "{shown}");
    assert!(
        told.iter()
            .any(|event| event["what"] == "stray" && event["nic"] == "ens2"),
        "{told:#?}"
    );
    assert_eq!(report.lost_between(0, restarted), 0);
}

#[test]
fn an_address_that_the_configuration_has_lost_is_given_back_with_everything_else() {
    let pair = Pair::new();
    let config = automatic("10ms", 3);
    let (_source, mut target) = pair.start(&config);
    run(&target, &["takeover", "web1", "--yes"], 0);
    target.terminate();
    target.write_config(&config.replace(", { ip = \"10.0.0.11/24\", target_nic = \"ens2\" }", ""));
    target.restart();

    run(&target, &["stop", "--release"], 0);
    target.wait_for_end();

    for (nic, address) in pair.target_nics.iter().zip(["10.0.0.10", "10.0.0.11"]) {
        assert!(!nic.has_address(address), "{address}");
    }
}

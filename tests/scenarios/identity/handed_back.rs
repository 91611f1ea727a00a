//! A careful source that has lost its addresses gets them back without a lost request, whatever it lost them by.

use failover_tests::lab::{Daemon, clock};

use super::{
    Home, Versions,
    home::{Clients, wait_for_heartbeats},
    wait_until_elsewhere, wait_until_ours,
};
use crate::pair::{events, run, wait_for_state};

#[test]
fn an_ill_source_is_taken_over_and_takes_its_addresses_back_without_a_lost_request() {
    ill(Versions::Four);
}

#[test]
fn so_does_one_whose_identity_is_ipv6() {
    ill(Versions::Six);
}

#[test]
fn so_does_one_with_an_address_of_each_version() {
    ill(Versions::Both);
}

fn ill(versions: Versions) {
    let home = Home::new(versions);
    let well = home.lab.dir().join("healthy");
    std::fs::write(&well, "").expect("a file");
    let check = format!(
        "[[reflector.check]]\ncommand = [\"/usr/bin/test\", \"-e\", \"{}\"]\ninterval = \"50ms\"\nfall = 2\nrise = 2\n",
        well.display()
    );
    let (daemon, target) = home.start(&check);
    let clients = home.clients();

    let ill = clock::now_ns();
    std::fs::remove_file(&well).expect("the file");
    clients.wait_for_answers_by("target", ill);
    wait_for_state(&target, "web1", "taken-over");
    let told = run(&daemon, &["status"], 0);
    std::fs::write(&well, "").expect("a file");
    wait_until_elsewhere(&daemon);

    assert!(
        told.contains("SILENT") && told.contains("NOT USED"),
        "{told}"
    );
    hand_back(&daemon, &target, clients);
    let steps: Vec<_> = events(&target, "failback")
        .iter()
        .filter_map(|event| event["step"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(steps, ["yield", "drain", "addresses-removed", "done"]);
}

#[test]
fn a_source_whose_daemon_is_killed_falls_silent_and_keeps_off_its_addresses() {
    killed(Versions::Four);
}

#[test]
fn so_does_one_whose_identity_is_ipv6_and_whose_daemon_is_killed() {
    killed(Versions::Six);
}

fn killed(versions: Versions) {
    let home = Home::new(versions);
    let (mut daemon, target) = home.start("");
    let clients = home.clients();

    let killed = clock::now_ns();
    daemon.kill9();
    clients.wait_for_answers_by("target", killed);
    wait_for_state(&target, "web1", "taken-over");
    daemon.restart();
    wait_until_elsewhere(&daemon);

    hand_back(&daemon, &target, clients);
}

#[test]
fn a_planned_switchover_moves_a_careful_source_aside_and_back() {
    switched_over(Versions::Four);
}

#[test]
fn a_planned_switchover_moves_a_source_with_both_versions_aside_and_back() {
    switched_over(Versions::Both);
}

fn switched_over(versions: Versions) {
    let home = Home::new(versions);
    let (daemon, target) = home.start("");
    let clients = home.clients();

    let begun = clock::now_ns();
    run(&target, &["takeover", "web1", "--yes"], 0);
    clients.wait_for_answers_by("target", begun);
    wait_until_elsewhere(&daemon);

    let back = clock::now_ns();
    run(&target, &["failback", "web1", "--yes"], 0);
    clients.wait_for_answers_by("source", back);
    wait_for_state(&target, "web1", "healthy");
    clients.assert_nothing_lost_since(begun);
}

/// The source, which answers heartbeats again, gets its addresses, and nobody notices.
pub(super) fn hand_back(daemon: &Daemon, target: &Daemon, clients: Clients) {
    wait_for_heartbeats(target);
    let begun = clock::now_ns();
    run(target, &["failback", "web1", "--yes"], 0);
    clients.wait_for_answers_by("source", begun);
    wait_for_state(target, "web1", "healthy");
    wait_until_ours(daemon);
    assert!(!events(daemon, "own-announced").is_empty());
    clients.assert_nothing_lost_since(begun);
}

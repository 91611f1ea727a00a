//! The administrator's programs, run by the daemon.

use std::{fs, path::PathBuf};

use failover_tests::lab::{Daemon, clock};
use serde_json::Value;

use crate::pair::{
    PATIENCE, Pair, REFLECTOR, automatic, events, run, source, state, wait_for_state,
};

/// What a failed hook may have printed, of what is kept in an event, octets.
const PRINTED_MOST: usize = 64 * 1024;

/// The usual configuration with hooks, each a shell script, and more keys.
fn hooked(hooks: &[(&str, &str)], keys: &str) -> String {
    let hooks: String = hooks
        .iter()
        .map(|(hook, script)| format!("{hook} = [\"/bin/sh\", \"-c\", '''{script}''']\n"))
        .collect();
    format!("{}\n[source.hooks]\n{hooks}{keys}\n", automatic("10ms", 3))
}

/// A file for hooks to write to.
fn file(pair: &Pair, name: &str) -> PathBuf {
    pair.lab.dir().join(name)
}

/// Ends of a hook.
fn ends(daemon: &Daemon, hook: &str) -> Vec<Value> {
    events(daemon, "hook")
        .into_iter()
        .filter(|event| event["hook"] == hook && event["took_ns"].is_u64())
        .collect()
}

fn wait_for_end(daemon: &Daemon, hook: &str) -> Value {
    let ended = clock::wait_until(PATIENCE, || !ends(daemon, hook).is_empty());
    assert!(ended, "{hook} has not ended:\n{}", daemon.log());
    ends(daemon, hook).remove(0)
}

/// Its addresses and those it routes to.
const ADDRESSES: &str = "/proc/thread-self/net/fib_trie";

fn has(table: &str, address: &str) -> bool {
    table
        .lines()
        .any(|line| line.trim() == format!("|-- {address}"))
}

#[test]
fn before_takeover_runs_before_any_address_is_taken_and_is_told_why() {
    let pair = Pair::new();
    let [routes, environment, input] =
        ["routes", "environment", "input"].map(|name| file(&pair, name));
    let script = format!(
        "cat {ADDRESSES} > {}; env > {}; cat > {}",
        routes.display(),
        environment.display(),
        input.display()
    );
    let (_source, target) = pair.start(&hooked(&[("before_takeover", &script)], ""));

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    let before = fs::read_to_string(routes).expect("what the hook saw");
    let after = pair
        .target
        .run(|| fs::read_to_string(ADDRESSES))
        .expect("addresses");
    for address in ["10.0.0.10", "10.0.0.11"] {
        assert!(!has(&before, address), "{before}");
        assert!(has(&after, address), "{after}");
    }
    assert!(has(&before, "10.0.0.2"), "{before}");
    let environment = fs::read_to_string(environment).expect("its environment");
    for line in [
        "FAILOVER_HOOK=before_takeover",
        "FAILOVER_SOURCE=web1",
        "FAILOVER_MONITOR=10.0.0.10",
        "FAILOVER_ADDRESSES=10.0.0.10/24 10.0.0.11/24",
        "FAILOVER_NICS=ens1 ens2",
        "FAILOVER_STATE=taking-over",
        "FAILOVER_DRY_RUN=0",
    ] {
        assert!(
            environment.lines().any(|told| told == line),
            "{line}: {environment}"
        );
    }
    let input = fs::read_to_string(input).expect("its input");
    let input: Value = serde_json::from_str(&input).expect("JSON");
    assert_eq!(input["source"], "web1", "{input}");
    assert_eq!(input["addresses"][1], "10.0.0.11/24", "{input}");
}

#[test]
fn a_fencing_hook_that_fails_prevents_the_takeover_and_says_so() {
    let pair = Pair::new();
    let script = "echo the power switch does not answer >&2; exit 1";
    let config = hooked(&[("before_takeover", script)], "on_error = \"abort\"");
    let (_source, target) = pair.start(&config);

    pair.source_nic.pull();
    let end = wait_for_end(&target, "before_takeover");
    wait_for_state(&target, "web1", "failed");

    assert_eq!(
        end["error"],
        "exit code 1: the power switch does not answer"
    );
    let status = target.status();
    let cause = source(&status, "web1")["cause"]
        .as_str()
        .unwrap_or_default();
    assert!(
        cause.contains("before_takeover failed: exit code 1: the power switch"),
        "{cause}"
    );
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
    assert!(events(&target, "takeover").is_empty());
    assert!(run(&target, &["status"], 0).contains("before_takeover failed"));
}

#[test]
fn whoever_waits_for_a_takeover_that_a_hook_prevents_is_told_the_reason() {
    let pair = Pair::new();
    let config = hooked(&[("before_takeover", "exit 7")], "on_error = \"abort\"");
    let (_source, target) = pair.start(&config);

    let told = run(&target, &["takeover", "web1", "--yes"], 1);

    assert!(
        told.contains("before_takeover failed: exit code 7"),
        "{told}"
    );
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

#[test]
fn a_hook_that_fails_with_continue_is_noted_and_the_takeover_goes_on() {
    let pair = Pair::new();
    let config = hooked(&[("before_takeover", "exit 7")], "on_error = \"continue\"");
    let (_source, target) = pair.start(&config);

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    assert_eq!(
        wait_for_end(&target, "before_takeover")["error"],
        "exit code 7"
    );
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    let status = target.status();
    let cause = source(&status, "web1")["cause"]
        .as_str()
        .unwrap_or_default();
    assert!(cause.contains("exit code 7"), "{cause}");
}

#[test]
fn a_hook_that_hangs_and_ignores_sigterm_is_killed_and_delays_no_heartbeat() {
    let pair = Pair::new();
    let other = pair.plug_third("10.0.0.20/24");
    let _other = Daemon::start(&pair.lab, other.host(), REFLECTOR);
    let hang = "trap '' TERM; while :; do sleep 0.1; done";
    let config = format!(
        r#"{}
[[source]]
name = "web2"
interval = "100ms"
on_failure = "ask"
[[source.path]]
monitor = "10.0.0.20"
target_nic = "ens1"
addresses = ["10.0.0.20/24"]
"#,
        hooked(
            &[("before_takeover", hang)],
            "timeout = \"1s\"\non_error = \"continue\""
        )
    );
    let (_source, target) = pair.start(&config);
    wait_for_state(&target, "web2", "healthy");
    let path = |status: &Value| source(status, "web2")["paths"][0].clone();

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taking-over");
    let begun = path(&target.status());
    let during = target.wait_for(PATIENCE, "heartbeats while the hook hangs", |status| {
        let more = path(status)["received"].as_u64() > begun["received"].as_u64().map(|n| n + 3);
        more && state(status, "web1") == "taking-over"
    });
    let end = wait_for_end(&target, "before_takeover");
    wait_for_state(&target, "web1", "taken-over");

    assert_eq!(path(&during)["missed"], begun["missed"]);
    assert_eq!(end["error"], "no answer within 1s: ignored SIGTERM, killed");
}

#[test]
fn a_hook_that_prints_a_megabyte_harms_nobody() {
    let pair = Pair::new();
    let script = "head -c 1000000 /dev/zero | tr '\\0' x";
    let (_source, target) = pair.start(&hooked(&[("before_takeover", script)], ""));

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    let end = wait_for_end(&target, "before_takeover");
    assert_eq!(end["error"], Value::Null);
    let printed = end["output"].as_str().expect("output").len();
    assert!((1..PRINTED_MOST).contains(&printed), "{printed}");
}

#[test]
fn a_person_is_notified_of_the_prompt() {
    let pair = Pair::new();
    let told = file(&pair, "told");
    let script = format!(
        "echo \"$FAILOVER_STATE: $FAILOVER_CAUSE\" >> {}",
        told.display()
    );
    let config = hooked(&[("notify", &script)], "").replace("\"automatic\"", "\"ask\"");
    let (_source, target) = pair.start(&config);

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "awaiting-approval");

    let prompt = "awaiting-approval: 3 of 3 heartbeats missed";
    let read = || fs::read_to_string(&told).unwrap_or_default();
    let notified = clock::wait_until(PATIENCE, || read().contains(prompt));
    assert!(notified, "{}", read());
}

#[test]
fn the_hooks_of_a_takeover_and_its_failback_run_in_order() {
    let pair = Pair::new();
    let told = file(&pair, "told");
    let script = format!("echo $FAILOVER_HOOK >> {}", told.display());
    let order = [
        "before_takeover",
        "after_takeover",
        "before_failback",
        "after_failback",
    ];
    let (_source, target) = pair.start(&hooked(&order.map(|hook| (hook, script.as_str())), ""));

    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    wait_for_end(&target, "after_takeover");
    run(&target, &["failback", "web1", "--yes"], 0);
    wait_for_end(&target, "after_failback");

    let told = fs::read_to_string(told).expect("what the hooks wrote");
    assert_eq!(told.lines().collect::<Vec<_>>(), order);
}

#[test]
fn a_source_that_is_not_monitored_behind_its_failback_is_drained_to_all_the_same() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&hooked(&[("before_failback", "exit 0")], ""));
    run(&target, &["takeover", "web1", "--yes"], 0);

    run(
        &target,
        &["failback", "web1", "--yes", "--stop-monitoring"],
        0,
    );
    wait_for_state(&target, "web1", "unknown");

    let steps: Vec<Value> = events(&target, "failback")
        .iter()
        .map(|event| event["step"].clone())
        .collect();
    assert_eq!(steps, ["drain", "addresses-removed", "done"]);
    assert_eq!(source(&target.status(), "web1")["monitored"], false);
}

#[test]
fn a_failback_that_is_prevented_does_not_end_the_monitoring() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&hooked(
        &[("before_failback", "exit 1")],
        "on_error = \"abort\"",
    ));
    run(&target, &["takeover", "web1", "--yes"], 0);

    run(
        &target,
        &["failback", "web1", "--yes", "--stop-monitoring"],
        1,
    );

    target.wait_for(PATIENCE, "monitoring", |status| {
        source(status, "web1")["monitored"] == true
    });
    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn a_before_failback_that_fails_keeps_the_addresses_here() {
    let pair = Pair::new();
    let ready = file(&pair, "ready");
    let script = format!(
        "test -e {} || {{ echo not yet >&2; exit 1; }}",
        ready.display()
    );
    let config = hooked(&[("before_failback", &script)], "on_error = \"abort\"");
    let (_source, target) = pair.start(&config);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    let told = run(&target, &["failback", "web1", "--yes"], 1);

    assert!(
        told.contains("before_failback failed: exit code 1: not yet"),
        "{told}"
    );
    assert_eq!(state(&target.status(), "web1"), "taken-over");
    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    fs::write(ready, "").expect("a file");
    run(&target, &["failback", "web1", "--yes"], 0);
    assert!(!pair.target_nics[0].has_address("10.0.0.10"));
}

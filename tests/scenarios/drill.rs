//! A drill tells what would happen, and nothing happens.

use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt as _, path::PathBuf};

use failover_tests::lab::{Capture, Direction, clock};
use serde_json::Value;

use crate::pair::{PATIENCE, Pair, automatic, run, source, state, wait_for_state};

/// A program that notes what it was told, and where.
struct Hook {
    program: PathBuf,
    notes: PathBuf,
}

impl Hook {
    /// `body` is what it does behind that.
    fn new(pair: &Pair, name: &str, body: &str) -> Self {
        let [program, notes] =
            [name.to_owned(), format!("{name}.notes")].map(|file| pair.lab.dir().join(file));
        let note = "$FAILOVER_HOOK $FAILOVER_DRY_RUN $FAILOVER_STATE";
        let text = format!(
            "#!/bin/sh\necho \"{note}\" >> {}\n{body}\n",
            notes.display()
        );
        fs::write(&program, text).expect("a hook");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
        Self { program, notes }
    }

    fn notes(&self) -> String {
        fs::read_to_string(&self.notes).unwrap_or_default()
    }
}

/// Both addresses, with these hooks.
fn with_hooks(hooks: &[(&str, &Hook)]) -> String {
    let mut text = String::from("[source.hooks]\n");
    for (name, hook) in hooks {
        text += &format!("{name} = [{:?}]\n", hook.program.display().to_string());
    }
    automatic("10ms", 3).replace("[[source.path]]", &format!("{text}\n[[source.path]]"))
}

fn report(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_drill_moves_nothing() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));
    let client = pair.client("10.0.0.10", 1000);
    let wires = [0, 1].map(|nic: usize| Capture::on_wire(&pair.target_nics[nic]));
    let before = target.status();

    let drill = report(&run(&target, &["drill", "web1", "--json"], 0));

    let from = client.report().answered();
    clock::wait_until(PATIENCE, || client.report().answered() > from + 200);
    let after = target.status();
    assert_eq!(drill["units"][0]["result"], "taken-over", "{drill:#}");
    assert_eq!(
        (state(&after, "web1"), &source(&after, "web1")["since"]),
        ("healthy", &source(&before, "web1")["since"])
    );
    assert_eq!(source(&after, "web1")["last_takeover"], Value::Null);
    for (nic, address) in ["10.0.0.10", "10.0.0.11"].into_iter().enumerate() {
        let ip: Ipv4Addr = address.parse().expect("an address");
        let in_map = &source(&after, "web1")["paths"][0]["addresses"][nic]["held"];
        assert_eq!(in_map, false, "{address}");
        for (nic, wire) in pair.target_nics.iter().zip(&wires) {
            assert!(!nic.has_address(address), "{address}");
            let claims = wire.arps().into_iter().filter(|(frame, arp)| {
                frame.direction == Direction::Out && arp.sender_ipv4_addr() == ip
            });
            assert_eq!(claims.collect::<Vec<_>>(), [], "{address}");
        }
    }
    let report = client.finish();
    assert_eq!(
        (report.answered_by("target"), report.lost()),
        (0, 0),
        "{:?}",
        report.timeline()
    );
}

#[test]
fn hooks_are_run_dry_and_the_foretold_times_are_those_of_a_takeover() {
    let pair = Pair::new();
    let hooks = ["before_takeover", "after_takeover", "notify"]
        .map(|name| (name, Hook::new(&pair, name, "")));
    let named: Vec<_> = hooks.iter().map(|(name, hook)| (*name, hook)).collect();
    let (_source, target) = pair.start(&with_hooks(&named));

    let text = run(&target, &["drill", "web1"], 0);
    let drill = report(&run(&target, &["drill", "web1", "--json"], 0));
    for (name, hook) in &named {
        let state = if *name == "before_takeover" {
            "taking-over"
        } else {
            "taken-over"
        };
        assert_eq!(hook.notes(), format!("{name} 1 {state}\n").repeat(2));
    }
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    let status = target.status();
    let real = &source(&status, "web1")["last_takeover"];
    let unit = &drill["units"][0];
    eprintln!(
        "{text}\ndrill: {}, {}, in all {} ns; takeover: {real}",
        unit["detection"], unit["takeover"], unit["total_ns"]
    );
    assert!(
        text.contains("web1  would be TAKEN OVER within ") && text.contains("Nothing was moved."),
        "{text}"
    );
    // The verdict takes at least as long as is foretold, on a machine that is not late as on one that is.
    assert!(real["detect_ns"].as_u64() >= unit["detection"]["detect_ns"].as_u64());
    assert!(unit["takeover"]["rehearsed"]["takeover_ns"].as_u64() > Some(0));
    assert!(unit["total_ns"].as_u64() > unit["detection"]["detect_max_ns"].as_u64());
}

#[test]
fn a_fencing_hook_that_fails_would_prevent_the_takeover() {
    let pair = Pair::new();
    let fence = Hook::new(
        &pair,
        "fence",
        "echo 'the power switch does not answer' >&2; exit 3",
    );
    let after = Hook::new(&pair, "after", "");
    let hooks = [("before_takeover", &fence), ("after_takeover", &after)];
    let (_source, target) = pair.start(&with_hooks(&hooks));

    let text = run(&target, &["drill", "web1"], 1);

    assert!(
        text.contains("WOULD BE ABORTED") && text.contains("the power switch does not answer"),
        "{text}"
    );
    assert_eq!(after.notes(), "");
    assert_eq!(state(&target.status(), "web1"), "healthy");
}

#[test]
fn a_verdict_does_not_wait_for_a_drill() {
    let pair = Pair::new();
    let go = pair.lab.dir().join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.02; done", go.display());
    let notify = Hook::new(&pair, "notify", &wait);
    let (_source, target) = pair.start(&with_hooks(&[("notify", &notify)]));
    let client = pair.client("10.0.0.10", 1000);

    let drill = target.start_failover(&["drill", "web1"]);
    clock::wait_until(PATIENCE, || notify.notes().contains("notify 1"));
    let second = run(&target, &["drill", "web1"], 4);
    let pulled = pair.source_nic.pull();
    client.wait_for_answer_by("target", pulled);
    wait_for_state(&target, "web1", "taken-over");
    fs::write(&go, "").expect("a file");
    let drill = drill.wait_with_output().expect("the drill's end");

    assert!(second.contains("a drill of web1 is under way"), "{second}");
    assert_eq!(drill.status.code(), Some(0), "{drill:?}");
}

#[test]
fn what_cannot_be_drilled_is_refused_and_what_would_not_be_taken_is_told() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));

    let unknown = run(&target, &["drill", "web2"], 2);
    pair.target_nics[0].pull();
    wait_for_state(&target, "web1", "isolated");
    let isolated = run(&target, &["drill", "web1"], 0);
    pair.target_nics[0].replug();
    wait_for_state(&target, "web1", "healthy");
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    let held = run(&target, &["drill", "web1"], 4);

    assert!(unknown.contains("no source `web2`"), "{unknown}");
    assert!(
        isolated.contains("would NOT be taken over: own link down: ens1")
            && isolated.contains("NIC ens1 has no link"),
        "{isolated}"
    );
    assert!(held.contains("failover failback web1"), "{held}");
}

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _};

use super::*;

#[test]
fn every_fact_is_in_the_table_with_its_name_in_json() {
    let facts = serde_json::to_value(facts()).unwrap();

    let told: std::collections::BTreeSet<&str> = facts
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let table = Facts::TABLE.iter().map(|[_, json, _]| *json).collect();
    assert_eq!(told, table);
    for [variable, json, _] in Facts::TABLE {
        assert_eq!(variable, format!("FAILOVER_{}", json.to_uppercase()));
    }
}

#[tokio::test]
async fn success_comes_with_what_was_printed() {
    let place = Place::new();
    let program = place.script("echo one; echo two >&2");

    let outcome = run(&program, HOUR, &facts()).await;

    assert_eq!(outcome.error, None);
    let mut lines: Vec<&str> = outcome.output.split(r"\n").collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"]);
    assert!(!outcome.took.is_zero());
}

#[tokio::test]
async fn arguments_are_passed_as_they_are() {
    let place = Place::new();
    let mut program = place.script(r#"shift; printf '<%s>' "$@""#);
    program.extend(["a b", "", "$HOME"].map(str::to_owned));

    let outcome = run(&program, HOUR, &facts()).await;

    assert_eq!(outcome.output, "<a b><><$HOME>");
}

#[tokio::test]
async fn facts_come_as_environment_variables() {
    let place = Place::new();
    let program = place.script(r#"env | grep ^FAILOVER_ > "$1/env""#);

    assert_eq!(run(&program, HOUR, &facts()).await.error, None);

    let text = place.read("env");
    let variables: BTreeMap<&str, &str> = text
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .filter(|(name, _)| Facts::names().any(|known| known == *name))
        .collect();
    let expected = BTreeMap::from([
        ("FAILOVER_HOOK", "before_takeover"),
        ("FAILOVER_SOURCE", "web1"),
        ("FAILOVER_PATH", "2"),
        ("FAILOVER_MONITOR", "10.0.0.10 10.0.1.10"),
        ("FAILOVER_ADDRESSES", "10.0.0.10/24 10.0.0.11/24"),
        ("FAILOVER_NICS", "ens2 ens3"),
        ("FAILOVER_STATE", "failed"),
        ("FAILOVER_CAUSE", "3 heartbeats missed"),
        ("FAILOVER_DRY_RUN", "0"),
        ("FAILOVER_HOST", "standby"),
        ("FAILOVER_AT", "2026-05-01T03:12:45.123000000Z"),
    ]);
    assert_eq!(variables, expected);
}

#[tokio::test]
async fn facts_come_as_a_line_of_json() {
    let place = Place::new();
    let program = place.script(r#"cat > "$1/stdin""#);

    assert_eq!(run(&program, HOUR, &facts()).await.error, None);

    let text = place.read("stdin");
    assert_eq!(text.find('\n'), Some(text.len() - 1));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        serde_json::json!({
            "hook": "before_takeover",
            "source": "web1",
            "path": 2,
            "monitor": ["10.0.0.10", "10.0.1.10"],
            "addresses": ["10.0.0.10/24", "10.0.0.11/24"],
            "nics": ["ens2", "ens3"],
            "state": "failed",
            "cause": "3 heartbeats missed",
            "dry_run": false,
            "host": "standby",
            "at": "2026-05-01T03:12:45.123000000Z",
        })
    );
}

#[tokio::test]
async fn what_does_not_apply_is_absent() {
    let place = Place::new();
    let program = place.script(&format!(
        "env | grep -E '^({})=' | sort; cat",
        Facts::names().collect::<Vec<_>>().join("|")
    ));
    let facts = Facts {
        hook: policy::Hook::Notify,
        path: None,
        monitor: vec![],
        addresses: vec![],
        nics: vec![],
        state: String::new(),
        cause: "a NUL\0here".to_owned(),
        dry_run: true,
        host: String::new(),
        ..facts()
    };

    let outcome = run(&program, HOUR, &facts).await;

    let expected = [
        "FAILOVER_AT=2026-05-01T03:12:45.123000000Z",
        "FAILOVER_CAUSE=a NUL\u{fffd}here",
        "FAILOVER_DRY_RUN=1",
        "FAILOVER_HOOK=notify",
        "FAILOVER_SOURCE=web1",
        r#"{"hook":"notify","source":"web1","cause":"a NUL\u0000here","dry_run":true,"at":"2026-05-01T03:12:45.123000000Z"}"#,
    ];
    assert_eq!(outcome.output, expected.join(r"\n"));
    assert_eq!(outcome.error, None);
}

#[test]
fn variables_that_the_daemon_was_given_itself_are_not_handed_down() {
    let facts = Facts {
        path: None,
        ..facts()
    };

    let command = process::command(&["/bin/true".to_owned()], facts.variables()).unwrap();

    let changes: BTreeMap<_, _> = command.as_std().get_envs().collect();
    for name in ["FAILOVER_PATH", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        assert_eq!(
            changes.get(std::ffi::OsStr::new(name)),
            Some(&None),
            "{name}"
        );
    }
}

/// More than a pipe holds, and more than a variable may be long.
fn many_addresses() -> Facts {
    let addresses = (0..20_000_u32).map(|n| format!("{}/32", std::net::Ipv4Addr::from(n)));
    Facts {
        addresses: addresses.collect(),
        ..facts()
    }
}

#[tokio::test]
async fn twenty_thousand_addresses_come_by_standard_input() {
    let place = Place::new();
    let program = place.script(r#"cat > "$1/stdin"; echo "${FAILOVER_ADDRESSES-absent}""#);

    let outcome = run(&program, HOUR, &many_addresses()).await;

    assert_eq!((outcome.error, outcome.output.as_str()), (None, "absent"));
    assert_eq!(place.read("stdin").as_bytes(), many_addresses().line());
}

#[tokio::test]
async fn standard_input_need_not_be_read() {
    let place = Place::new();

    for text in ["exit 0", "exec <&-; sleep 0.05", "head -c 10 >/dev/null"] {
        let outcome = run(&place.script(text), HOUR, &many_addresses()).await;

        assert_eq!(outcome.error, None, "{text}");
    }
}

#[tokio::test]
async fn failure_is_the_exit_code_and_the_last_line_on_standard_error() {
    let place = Place::new();

    for (text, error) in [
        ("exit 7", "exit code 7"),
        ("echo why; exit 7", "exit code 7"),
        (
            "echo first >&2; echo 'no \tpower' >&2; echo >&2; echo out; exit 3",
            r"exit code 3: no \tpower",
        ),
        ("kill -SEGV $$", "ended by signal 11 (SIGSEGV)"),
        (
            "echo why >&2; kill -TERM $$",
            "ended by signal 15 (SIGTERM): why",
        ),
    ] {
        let outcome = run(&place.script(text), HOUR, &facts()).await;

        assert_eq!(outcome.error.as_deref(), Some(error), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_run_is_a_failure() {
    let place = Place::new();
    let file = |name: &str, text: &str, mode: u32| {
        fs::write(place.path(name), text).unwrap();
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
        place.path(name).to_str().unwrap().to_owned()
    };
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let lost = file("lost", "#!/no/such/shell\n", 0o755);

    for (program, error) in [
        (
            vec!["/no/such/program".to_owned()],
            "No such file or directory",
        ),
        (vec![plain], "Permission denied"),
        (vec!["/".to_owned()], "Permission denied"),
        (
            vec![lost],
            "the interpreter that its first line names does not exist",
        ),
        (vec![], "no program is given"),
    ] {
        let outcome = run(&program, HOUR, &facts()).await;

        let expected = format!("cannot be run: {error}");
        assert_eq!(outcome.error, Some(expected), "{program:?}");
        assert_eq!(outcome.output, "");
    }
}

#[tokio::test]
async fn a_megabyte_is_read_and_its_end_kept() {
    let place = Place::new();
    let program = place.script("head -c 1048576 /dev/zero | tr '\\0' x; echo; echo the end");

    let outcome = run(&program, HOUR, &facts()).await;

    assert_eq!(outcome.error, None);
    let end = r"\nthe end";
    let kept = "x".repeat(OUTPUT_KEPT - "\nthe end\n".len());
    assert_eq!(outcome.output, format!("…{kept}{end}"));
}

#[tokio::test]
async fn who_prints_endlessly_ends_at_the_timeout() {
    let place = Place::new();

    let outcome = run_into_timeout(&place, r#"touch "$1/ready"; yes >&2"#).await;

    let error = outcome.error.unwrap();
    assert_eq!(error, "no answer within LIMIT: ended by SIGTERM");
    assert!(
        outcome.output.len() <= 2 * OUTPUT_KEPT,
        "{}",
        outcome.output.len()
    );
}

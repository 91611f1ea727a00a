use super::*;
use crate::{config, daemon::reload::words};

fn source(name: &str, keys: &str, last: u8) -> String {
    format!(
        r#"
        [[source]]
        name = "{name}"
        {keys}
        [[source.path]]
        monitor = "10.0.0.{last}"
        target_nic = "ens1"
        addresses = ["10.0.0.{last}/24"]
        "#
    )
}

#[track_caller]
fn parsed(text: &str) -> Config {
    config::parse("test.toml", text)
        .expect("a good configuration")
        .config
}

fn of(old: &str, new: &str) -> Diff {
    diff(&parsed(old), &parsed(new))
}

fn how<'a>(diff: &'a Diff, name: &str) -> &'a How {
    let mut sources = diff.sources.iter();
    &sources.find(|change| change.name == name).expect(name).how
}

#[test]
fn the_same_file_changes_nothing() {
    let text = source("web1", "", 10) + "[reflector]\nnics = [\"ens1\"]\n";

    let diff = of(&text, &text);

    assert_eq!(
        how(&diff, "web1"),
        &How::Keep {
            old: 0,
            keys: vec![]
        }
    );
    assert_eq!(words::summary(&diff), "nothing is changed");
    assert_eq!(diff.touched().count(), 0);
}

#[test]
fn rules_and_pace_are_changed_in_place() {
    let keys = r#"
        interval = "1ms"
        misses = 7
        on_failure = "automatic"
        failback = "automatic"
        failback_after = "5s"
        announce_every = "5s"
    "#;

    let diff = of(&source("web1", "", 10), &source("web1", keys, 10));

    assert_eq!(
        words::summary(&diff),
        "web1 changed: interval, misses, on_failure, failback, failback_after, announce_every; nothing else"
    );
    assert_eq!(diff.touched().count(), 0);
    assert_eq!(diff.check(|_| true), Ok(()));
}

#[test]
fn another_key_and_another_secret_in_the_same_file_are_changed_in_place() {
    let key = |id: u8| format!("key = {{ file = \"/etc/failover/web1.key\", id = {id} }}");
    let old = source("web1", &key(1), 10);
    let rekeyed = of(&old, &source("web1", &key(2), 10));
    let mut resealed = parsed(&old);
    resealed.sources[0].keys[0].secret = config::Secret::from_file(b"new").expect("a secret");

    let resealed = diff(&parsed(&old), &resealed);

    for diff in [rekeyed, resealed] {
        assert_eq!(words::summary(&diff), "web1 changed: key; nothing else");
        assert_eq!(diff.touched().count(), 0);
        assert_eq!(diff.check(|_| true), Ok(()));
    }
}

#[test]
fn sources_are_matched_by_name_and_not_by_place() {
    let old = source("web1", "", 10) + &source("web2", "", 20);
    let new = source("web3", "", 30) + &source("web2", "", 20) + &source("web4", "", 40);

    let diff = of(&old, &new);

    assert_eq!(
        how(&diff, "web2"),
        &How::Keep {
            old: 1,
            keys: vec![]
        }
    );
    assert_eq!(
        words::summary(&diff),
        "2 sources added (web3, web4), 1 removed (web1); nothing else"
    );
}

#[test]
fn sources_that_were_removed_before_are_not_there() {
    let old = source("web1", "", 10) + &source("web2", "", 20);
    let mut old = parsed(&old);
    layout::entomb(&mut old, 0);

    let diff = diff(&old, &parsed(&source("web1", "", 10)));

    assert_eq!(how(&diff, "web1"), &How::Add);
    assert_eq!(
        diff.removed,
        [Removed {
            old: 1,
            name: "web2".to_owned()
        }]
    );
}

#[test]
fn other_addresses_on_the_same_paths_leave_the_heartbeats_alone() {
    let new = source("web1", "", 10).replace("[\"", "[\"10.0.0.11/24\", \"");

    let diff = of(&source("web1", "", 10), &new);

    assert_eq!(
        how(&diff, "web1"),
        &How::Readdress {
            old: 0,
            keys: vec!["addresses"]
        }
    );
}

#[test]
fn what_is_watched_in_another_way_is_replaced() {
    let old = source("web1", "", 10);
    for (new, key) in [
        (source("web1", "probe = \"icmp\"", 10), "probe"),
        (source("web1", "trigger = \"path\"", 10), "trigger"),
        (
            old.replace("monitor = \"10.0.0.10\"", "monitor = \"10.0.0.11\""),
            "paths",
        ),
        (
            old.replace("target_nic", "discriminator = 7\ntarget_nic"),
            "paths",
        ),
        (
            old.replace("target_nic", "nic = \"ens2\"\ntarget_nic"),
            "paths",
        ),
    ] {
        let diff = of(&old, &new);

        assert_eq!(
            how(&diff, "web1"),
            &How::Replace {
                old: 0,
                keys: vec![key]
            },
            "{new}"
        );
    }
}

#[test]
fn a_held_source_is_neither_removed_nor_given_other_addresses() {
    let old = source("web1", "", 10) + &source("web2", "", 20);
    let new = source("web2", "interval = \"1ms\"", 20)
        .replace("addresses = [", "addresses = [\"10.0.0.21/24\", ");

    let diff = of(&old, &new);
    let refusal = diff.check(|_| true).expect_err("a refusal").to_string();

    assert_eq!(
        refusal,
        "web1 holds addresses, or is about to: give them back first (failover failback web1), or leave it in the file; \
         web2 holds addresses, or is about to: give them back first (failover failback web2), or leave its addresses \
         as before"
    );
    assert_eq!(diff.check(|_| false), Ok(()));
    assert_eq!(diff.touched().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn what_needs_a_restart_is_said_beside_what_is_done() {
    let old = source("web1", "", 10);
    let new = "[daemon]\nsocket = \"/run/other.sock\"\nxdp = \"generic\"\n".to_owned()
        + &source("web1", "misses = 5", 10)
        + "[reflector]\nnics = [\"ens1\"]\n";

    let diff = of(&old, &new);

    assert_eq!(
        words::summary(&diff),
        "web1 changed: misses, reflector changed; nothing else. Not applied, as it needs a restart (failover stop, then \
         failover run; nothing is lost meanwhile): daemon.socket, daemon.xdp"
    );
}

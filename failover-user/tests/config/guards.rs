//! Witnesses, hooks, and what a source asks for when something is odd.

use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt as _, time::Duration};

use failover_user::config::{
    self, Hooks, L2Alive, OnConflict, OnError, Problems, Witness, WitnessProbe,
};

use super::{directory, host};

#[test]
fn hooks_of_a_source_are_merged_over_the_defaults_key_by_key() {
    let text = fs::read_to_string(directory("valid/every-key.toml")).unwrap();

    let config = config::check("t.toml", &text, &host()).expect("valid");

    let [web, db] = &config.sources[..] else {
        panic!("{} sources", config.sources.len())
    };
    let command = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let fence = |name| command(&["/usr/local/bin/fence", name]);
    let page = || command(&["/usr/local/bin/page-me"]);
    assert_eq!(
        web.hooks,
        Hooks {
            before_takeover: fence("web1"),
            after_takeover: page(),
            before_failback: fence(""),
            after_failback: page(),
            notify: page(),
            timeout: Duration::from_millis(100),
            on_error: OnError::Continue,
        }
    );
    assert_eq!(
        db.hooks,
        Hooks {
            notify: page(),
            timeout: Duration::from_secs(3600),
            ..Hooks::default()
        }
    );
    assert_eq!(
        (web.l2_alive, db.l2_alive),
        (L2Alive::Ignore, L2Alive::Refuse)
    );
    assert_eq!(
        (web.on_conflict, db.on_conflict),
        (OnConflict::Release, OnConflict::Ask)
    );
}

#[test]
fn witnesses_are_read_in_the_files_order() {
    let text = fs::read_to_string(directory("valid/every-key.toml")).unwrap();

    let config = config::check("t.toml", &text, &host()).expect("valid");

    let witness = |nic: &str, address: [u8; 4], probe| Witness {
        nic: nic.to_owned(),
        address: address.into(),
        probe,
    };
    assert_eq!(
        config.witnesses,
        [
            witness("ens1", [10, 0, 0, 1], WitnessProbe::Icmp),
            witness("ens1", [10, 0, 0, 254], WitnessProbe::Arp),
            witness("ens2", [10, 0, 5, 1], WitnessProbe::Icmp),
        ]
    );
}

#[test]
fn a_hook_is_looked_at_when_a_file_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let (file, hook) = (
        directory.path().join("t.toml"),
        directory.path().join("hook"),
    );
    let text = format!("{MINIMAL}[source.hooks]\nnotify = [{hook:?}]\n");
    fs::write(&file, text).unwrap();
    let problem = || config::load(&file, &host()).map_err(|error| error.to_string());

    let absent = problem();
    fs::write(&hook, "").unwrap();
    let text = problem();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let program = problem();

    let absent = absent.expect_err("absent");
    let text = text.expect_err("no program");
    assert!(
        absent.contains("hooks.notify[1]: there is no file "),
        "{absent}"
    );
    assert!(text.contains("\" is not executable"), "{text}");
    let page = program.expect("good").sources[0].hooks.notify.clone();
    assert_eq!(page, Some(vec![hook.display().to_string()]));
}

const MINIMAL: &str = "[[source]]\nname = \"a\"\n[[source.path]]\nmonitor = \"10.0.0.10\"\n\
    target_nic = \"ens1\"\naddresses = [\"10.0.0.10/24\"]\n";

/// As many witnesses of `ens1`, no two alike.
fn witnesses(count: u32) -> String {
    let first = u32::from(Ipv4Addr::new(172, 16, 0, 1));
    (0..count)
        .map(|i| {
            let ip = Ipv4Addr::from(first + i);
            format!("[[witness]]\nnic = \"ens1\"\naddress = \"{ip}\"\n")
        })
        .collect()
}

fn messages(outcome: Result<config::Parsed, Problems>) -> Vec<String> {
    let problems = outcome.expect_err("problems");
    problems.iter().map(|p| p.message.clone()).collect()
}

#[test]
fn more_witnesses_than_the_kernel_side_can_listen_for_are_refused() {
    let good = config::parse("t.toml", &format!("{}{MINIMAL}", witnesses(64)));
    let bad = config::parse("t.toml", &format!("{}{MINIMAL}", witnesses(65)));

    assert_eq!(good.expect("64").config.witnesses.len(), 64);
    assert_eq!(messages(bad), ["this is one more than 64 witnesses"]);
}

#[test]
fn paths_and_witnesses_share_the_sessions() {
    let mut text = String::from("[[source]]\nname = \"a\"\n");
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 10));
    for path in 0..4_090 {
        let ip = Ipv4Addr::from(first + path);
        text += &format!("[[source.path]]\nmonitor = \"{ip}\"\ntarget_nic = \"ens1\"\n");
        text += &format!("addresses = [\"{ip}/32\"]\n");
    }

    let good = config::parse("t.toml", &format!("{}{text}", witnesses(5)));
    let bad = config::parse("t.toml", &format!("{}{text}", witnesses(6)));

    assert_eq!(good.expect("4,095").config.witnesses.len(), 5);
    assert_eq!(
        messages(bad),
        ["this is one more than 4095 paths and witnesses together"]
    );
}

#[test]
fn a_witness_of_a_nic_is_not_judged_while_the_nic_of_a_path_is_unknown() {
    let witness = witnesses(1);
    for path in [
        "",
        "[[source.path]]\nmonitor = \"10.0.0.10\"\naddresses = [\"10.0.0.10/24\"]\n",
        "[[source.path]]\nmonitor = \"10.0.0.10\"\ntarget_nic = ens1\naddresses = [\"10.0.0.10/24\"]\n",
    ] {
        let text = format!("{witness}[[source]]\nname = \"a\"\n{path}");

        let found = messages(config::parse("t.toml", &text));

        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!found[0].contains("no heartbeats"), "{found:?}");
    }
}

//! Heartbeats that are signed: a pair with a key, one whose keys differ, keys that are rotated, and what another tool makes of
//! the packets.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use failover_tests::{
    frames::SBFD_PORT,
    lab::{Capture, Daemon, Frame},
    pcap,
    signatures::SECTION,
};
use serde_json::Value;

use crate::{
    pair::{PATIENCE, Pair, REFLECTOR, automatic, run, source, state, wait_for_state},
    six::{self, Six},
};

/// Key files of one host.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a key file as an administrator should.
    fn write(&self, name: &str, secret: &str) {
        let path = self.path(name);
        fs::write(&path, secret).expect("a key file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
    }

    /// `key = [...]` of these files, each with its id.
    fn line(&self, keys: &[(&str, u8)]) -> String {
        let table =
            |(name, id): &(&str, u8)| format!("{{ file = {:?}, id = {id} }}", self.path(name));
        let tables: Vec<_> = keys.iter().map(table).collect();
        format!("key = [{}]\n", tables.join(", "))
    }

    fn reflector(&self, keys: &[(&str, u8)]) -> String {
        format!("{REFLECTOR}{}", self.line(keys))
    }

    fn source(&self, interval: &str, keys: &[(&str, u8)]) -> String {
        self.signed(&automatic(interval, 3), keys)
    }

    /// A configuration of one source with these keys.
    fn signed(&self, config: &str, keys: &[(&str, u8)]) -> String {
        config.replace("misses", &format!("{}misses", self.line(keys)))
    }
}

fn path(daemon: &Daemon) -> Value {
    source(&daemon.status(), "web1")["paths"][0].clone()
}

fn counter(daemon: &Daemon, name: &str) -> u64 {
    daemon.status()["counters"][name].as_u64().unwrap_or(0)
}

/// Waits for more replies than there were.
fn more_replies(target: &Daemon, more: u64) {
    let before = path(target)["received"].as_u64().expect("a count");
    target.wait_for(PATIENCE, "more replies", |status| {
        source(status, "web1")["paths"][0]["received"].as_u64() > Some(before + more)
    });
}

/// The BFD packet of a heartbeat.
fn packet(frame: &Frame) -> Option<Vec<u8>> {
    let (from, to, payload) = frame.udp()?;
    (from == SBFD_PORT || to == SBFD_PORT).then_some(payload)
}

/// Key id and sequence of a signed request.
fn signature(frame: &Frame) -> Option<(u8, u32)> {
    let (_, to, payload) = frame.udp()?;
    let section = payload
        .get(SECTION..SECTION + 8)
        .filter(|_| to == SBFD_PORT)?;
    let sequence = section[4..].try_into().expect("four octets");
    Some((section[2], u32::from_be_bytes(sequence)))
}

#[test]
fn a_signed_pair_detects_a_failure_and_takes_over() {
    let (pair, keys) = (Pair::new(), Keys::new());
    keys.write("web1.key", "correct horse\n");
    let reflector = keys.reflector(&[("web1.key", 1)]);
    let source_daemon = Daemon::start(&pair.lab, &pair.source, &reflector);
    let target = pair.start_target(&keys.source("5ms", &[("web1.key", 1)]));
    more_replies(&target, 100);

    assert_eq!(path(&target)["key_id"], 1);
    assert_eq!(
        source_daemon.status()["reflector"]["key_ids"],
        serde_json::json!([1])
    );
    assert_eq!(counter(&source_daemon, "request_unauthenticated"), 0);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");

    assert!(pair.target_nics[0].has_address("10.0.0.10"));
    pair.replug(&target);
    for daemon in [&source_daemon, &target] {
        let told = format!("{}{}", daemon.log(), run(daemon, &["status"], 0));
        assert!(!told.contains("correct horse"), "{told}");
    }
}

#[test]
fn a_signed_pair_over_ipv6_does_the_same() {
    let (six, keys) = (Six::new(), Keys::new());
    keys.write("web1.key", "correct horse");
    let reflector = keys.reflector(&[("web1.key", 0)]);
    let source_daemon = Daemon::start(&six.lab, &six.source, &reflector);
    let target = six.start_target(&keys.signed(&six::automatic("5ms", 3), &[("web1.key", 0)]));
    more_replies(&target, 50);

    assert_eq!(path(&target)["key_id"], 0);
    assert_eq!(counter(&source_daemon, "request_unauthenticated"), 0);
    six.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
}

#[test]
fn sequences_increase_over_a_restart_of_the_daemon_and_without_its_memory() {
    let (pair, keys) = (Pair::new(), Keys::new());
    keys.write("web1.key", "hex:00ff");
    let reflector = keys.reflector(&[("web1.key", 200)]);
    let _source = Daemon::start(&pair.lab, &pair.source, &reflector);
    let capture = Capture::on_wire(&pair.target_nics[0]);
    let mut target = pair.start_target(&keys.source("5ms", &[("web1.key", 200)]));
    more_replies(&target, 20);

    target.kill9();
    target.restart();
    more_replies(&target, 20);
    run(&target, &["stop", "--release"], 0);
    target.wait_for_end();
    target.restart();
    wait_for_state(&target, "web1", "healthy");
    more_replies(&target, 20);

    let sequences: Vec<_> = capture.frames().iter().filter_map(signature).collect();
    assert!(sequences.len() > 60, "{}", sequences.len());
    for pair in sequences.windows(2) {
        let ahead = pair[1].1.wrapping_sub(pair[0].1);
        assert!((1..1 << 31).contains(&ahead), "{pair:?}");
    }
    assert!(sequences.iter().all(|(id, _)| *id == 200));
}

#[test]
fn another_secret_on_one_side_is_no_answer_and_both_sides_say_why() {
    let (pair, keys) = (Pair::new(), Keys::new());
    keys.write("source.key", "correct horse");
    keys.write("target.key", "battery staple");
    let reflector = keys.reflector(&[("source.key", 1)]);
    let source_daemon = Daemon::start(&pair.lab, &pair.source, &reflector);
    let config = keys.source("5ms", &[("target.key", 1)]);
    let target = Daemon::start(&pair.lab, &pair.target, &config);

    target.wait_for(PATIENCE, "misses", |status| {
        source(status, "web1")["paths"][0]["missed"].as_u64() > Some(10)
    });
    assert_eq!(state(&target.status(), "web1"), "unknown");
    assert!(counter(&source_daemon, "request_bad_digest") > 10);
    assert_eq!(counter(&source_daemon, "request_answered"), 0);
    let told = run(&source_daemon, &["status"], 0);
    let told: Vec<_> = told.split_whitespace().collect();
    let told = told.join(" ");
    assert!(
        told.contains(
            "signed with another secret than ours (request_bad_digest): compare the key files"
        ),
        "{told}"
    );
    source_daemon.wait_for(PATIENCE, "a line in the log", |_| {
        let log = source_daemon.log();
        log.contains("10.0.0.2 asks, and its requests are not signed as they have to be")
    });

    keys.write("target.key", "correct horse");
    let reloaded = run(&target, &["reload"], 0);
    wait_for_state(&target, "web1", "healthy");

    assert_eq!(reloaded, "web1 changed: key; nothing else\n");
}

#[test]
fn a_key_on_one_side_only_is_no_answer_and_is_counted() {
    let (pair, keys) = (Pair::new(), Keys::new());
    keys.write("web1.key", "correct horse");
    let source_daemon = Daemon::start(&pair.lab, &pair.source, REFLECTOR);
    let signed = keys.source("5ms", &[("web1.key", 1)]);
    let target = Daemon::start(&pair.lab, &pair.target, &signed);
    let counted = |name: &str| {
        source_daemon.wait_for(PATIENCE, name, |status| {
            status["counters"][name].as_u64() > Some(10)
        });
        assert_eq!(path(&target)["received"], 0);
    };

    counted("request_authentication");
    source_daemon.write_config(&keys.reflector(&[("web1.key", 1)]));
    target.write_config(&automatic("5ms", 3));
    run(&target, &["reload"], 0);
    run(&source_daemon, &["reload"], 0);

    source_daemon.wait_for(PATIENCE, "unsigned requests to be refused", |status| {
        status["counters"]["request_unauthenticated"].as_u64() > Some(10)
    });
    assert_ne!(state(&target.status(), "web1"), "taken-over");
}

#[test]
fn keys_are_rotated_under_heartbeats_without_a_miss() {
    let (pair, keys) = (Pair::new(), Keys::new());
    keys.write("old.key", "correct horse");
    keys.write("new.key", "hex:0102030405060708090a0b0c0d0e0f1011121314");
    let (old, new) = (("old.key", 1), ("new.key", 2));
    let source_daemon = Daemon::start(&pair.lab, &pair.source, &keys.reflector(&[old]));
    let target = pair.start_target(&keys.source("10ms", &[old]));
    let capture = Capture::on_wire(&pair.target_nics[0]);
    let missed = path(&target)["missed"].clone();
    let reload = |daemon: &Daemon, config: String| {
        daemon.write_config(&config);
        run(daemon, &["reload"], 0);
        more_replies(&target, 30);
    };

    reload(&source_daemon, keys.reflector(&[old, new]));
    reload(&target, keys.source("10ms", &[new, old]));
    assert_eq!(path(&target)["key_id"], 2);
    reload(&source_daemon, keys.reflector(&[new]));
    reload(&target, keys.source("10ms", &[new]));

    // Two rounds of housekeeping later the old key is gone from the kernel, too.
    more_replies(&target, 300);
    assert_eq!(path(&target)["missed"], missed, "{}", target.log());
    assert_eq!(state(&target.status(), "web1"), "healthy");
    let ids: Vec<_> = capture.frames().iter().filter_map(signature).collect();
    let turned = ids
        .iter()
        .position(|(id, _)| *id == 2)
        .expect("the new key");
    assert!(turned > 0 && ids[..turned].iter().all(|(id, _)| *id == 1));
    assert!(ids[turned..].iter().all(|(id, _)| *id == 2));
    for daemon in [&source_daemon, &target] {
        let counters = daemon.status()["counters"].clone();
        for name in [
            "request_unknown_key",
            "request_bad_digest",
            "reply_unknown_key",
        ] {
            assert_eq!(counters[name], Value::Null, "{counters}");
        }
    }
}

#[test]
fn another_tool_decodes_a_signed_exchange_without_complaint() {
    let (pair, keys) = (Pair::new(), Keys::new());
    keys.write("web1.key", "correct horse");
    let reflector = keys.reflector(&[("web1.key", 7)]);
    let _source = Daemon::start(&pair.lab, &pair.source, &reflector);
    let capture = Capture::on_wire(&pair.target_nics[0]);
    let target = pair.start_target(&keys.source("5ms", &[("web1.key", 7)]));
    more_replies(&target, 20);
    let mut heartbeats = capture.frames();
    heartbeats.retain(|frame| packet(frame).is_some());
    let file = keys.path("signed.pcap");
    pcap::write(&file, &heartbeats).expect("a file");

    let Some(decoded) = tshark(&file) else { return };

    assert_eq!(decoded.len(), heartbeats.len());
    for (line, frame) in decoded.iter().zip(&heartbeats) {
        let packet = packet(frame).expect("a heartbeat");
        let (_, to, _) = frame.udp().expect("a datagram");
        let word = |at: usize| {
            let octets = packet[at..at + 4].try_into().expect("four octets");
            format!("{:#010x}", u32::from_be_bytes(octets))
        };
        let demand = u8::from(to == SBFD_PORT);
        let expected = [
            "1".to_owned(),
            "0x03".to_owned(),
            demand.to_string(),
            "1".to_owned(),
            "52".to_owned(),
            word(4),
            word(8),
            "5".to_owned(),
            "28".to_owned(),
            "7".to_owned(),
            word(28),
            // The IP header's and the datagram's checksum are good.
            "1".to_owned(),
            "1".to_owned(),
            // No expert complains, and nothing is malformed.
            String::new(),
            String::new(),
        ];
        assert_eq!(*line, expected, "{:02x?}", frame.octets);
    }
}

/// What tshark says of every frame, field by field; `None`: it is not installed. Where `CI` is set it has to be.
fn tshark(file: &Path) -> Option<Vec<Vec<String>>> {
    const FIELDS: [&str; 15] = [
        "bfd.version",
        "bfd.sta",
        "bfd.flags.d",
        "bfd.flags.a",
        "bfd.message_length",
        "bfd.my_discriminator",
        "bfd.your_discriminator",
        "bfd.auth.type",
        "bfd.auth.len",
        "bfd.auth.key",
        "bfd.auth.seq_num",
        "ip.checksum.status",
        "udp.checksum.status",
        "_ws.expert.message",
        "_ws.malformed",
    ];
    let mut command = Command::new("tshark");
    command
        .args(["-r", &file.display().to_string(), "-T", "fields"])
        .args(["-E", "separator=|", "-E", "occurrence=a"])
        .args([
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: tshark cannot be run ({error}); Debian's package `tshark` has it");
            return None;
        }
        Err(error) => panic!("tshark: {error}"),
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let fields = |line: &str| line.split('|').map(str::to_owned).collect();
    Some(text.lines().map(fields).collect())
}

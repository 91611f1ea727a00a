//! Keys and their files.

use std::{fs, os::unix::fs::PermissionsExt as _};

use failover_user::config::{self, Key, Secret};

use super::{directory, host};

fn key(id: u8, file: &str, content: &[u8]) -> Key {
    Key {
        id,
        file: file.into(),
        secret: Secret::from_file(content).expect("a secret"),
    }
}

#[test]
fn each_list_of_keys_keeps_its_order_and_gets_its_secrets() {
    let text = fs::read_to_string(directory("valid/every-key.toml")).unwrap();

    let config = config::check("t.toml", &text, &host()).expect("valid");

    let next: Vec<u8> = (1..=20).collect();
    let next = [b"hex:".to_vec(), hex(&next)].concat();
    let (file, next_file) = ("/etc/failover/web1.key", "/etc/failover/web1-next.key");
    assert_eq!(
        config.sources[0].keys,
        [key(2, next_file, &next), key(1, file, b"correct horse")]
    );
    assert_eq!(
        config.reflector.expect("a reflector").keys,
        [key(0, file, b"correct horse"), key(255, next_file, &next)]
    );
}

#[test]
fn a_default_key_is_for_the_sources_that_can_have_one() {
    let source = |name: &str, probe: &str, last: u8| {
        format!(
            "[[source]]\nname = \"{name}\"\nprobe = \"{probe}\"\n[[source.path]]\nmonitor = \"10.0.0.{last}\"\n\
             target_nic = \"ens1\"\naddresses = [\"10.0.0.{last}/24\"]\n"
        )
    };
    let text = "[defaults]\nkey = { file = \"/etc/failover/web1.key\", id = 9 }\n".to_owned()
        + &source("web1", "sbfd", 10)
        + &source("web2", "icmp", 20);

    let config = config::check("t.toml", &text, &host()).expect("valid");

    let ids = |source: usize| -> Vec<u8> {
        config.sources[source]
            .keys
            .iter()
            .map(|key| key.id)
            .collect()
    };
    assert_eq!((ids(0), ids(1)), (vec![9], vec![]));
}

#[test]
fn a_key_file_is_read_when_a_file_is_loaded_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (file, key_file) = (
        directory.path().join("t.toml"),
        directory.path().join("web1.key"),
    );
    let text = format!("[reflector]\nnics = [\"ens1\"]\nkey = {{ file = {key_file:?}, id = 1 }}\n");
    fs::write(&file, text).unwrap();
    let load = || config::load(&file, &host()).map_err(|error| error.to_string());

    let absent = load();
    fs::write(&key_file, "xyzzy\n").unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = load();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let good = load();

    let absent = absent.expect_err("absent");
    let open = open.expect_err("open to others");
    assert!(
        absent.contains("reflector.key.file: there is no file "),
        "{absent}"
    );
    assert!(
        open.contains("t.toml:3:16: ") && open.contains("run `chmod 600 "),
        "{open}"
    );
    let config = good.expect("good");
    let shown = format!("{config:?} {open}");
    assert!(
        !shown.contains("xyzzy") && !shown.contains("120, 121"),
        "{shown}"
    );
    let keys = config.reflector.expect("a reflector").keys;
    assert_eq!(keys[0].secret, Secret::from_file(b"xyzzy").unwrap());
}

fn hex(octets: &[u8]) -> Vec<u8> {
    let digits = octets.iter().map(|octet| format!("{octet:02x}"));
    digits.collect::<String>().into_bytes()
}

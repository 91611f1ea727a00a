//! Configuration files in `config/valid` and `config/invalid`.
//!
//! Beside each file stands what `failover check` says to it: `NAME.summary` or `NAME.report`. With `UPDATE_EXPECTED=1`
//! in the environment those files are written instead of compared; read the difference before committing it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use failover_user::{
    cmd,
    config::{
        self, Hooks, HostFacts, KeyFacts, KeyFault, L2Alive, NoSecret, OnConflict, Problems,
        ProgramFacts, Secret, Style,
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};

#[path = "config/guards.rs"]
mod guards;
#[path = "config/keys.rs"]
mod keys;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(name)
}

/// The `.toml` files of a directory, in the order of their names.
fn fixtures(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory(name)).expect("fixtures");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a fixture").path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    assert!(!files.is_empty(), "no fixtures in {name}");
    files
}

/// The host that all fixtures are checked for.
fn host() -> HostFacts {
    let nic = |name: &str, addresses: &[(&str, u8)]| {
        let addresses = addresses
            .iter()
            .map(|(ip, prefix)| (ip.parse().expect("an address"), *prefix));
        (name.to_owned(), name == "lo", addresses.collect())
    };
    let mut facts = HostFacts::from_links(
        [
            nic("lo", &[("127.0.0.1", 8), ("::1", 128)]),
            nic(
                "ens1",
                &[("10.0.0.2", 24), ("fd00:0:0:1::2", 64), ("fe80::2", 64)],
            ),
            nic("ens2", &[("10.0.5.2", 24), ("fd00:0:0:5::2", 64)]),
            nic("ens3", &[]),
        ],
        [],
    );
    facts.programs = [
        ("/usr/local/bin/fence", ProgramFacts::Executable),
        ("/usr/local/bin/page-me", ProgramFacts::Executable),
        ("/usr/local/bin/absent", ProgramFacts::Absent),
        ("/usr/local/bin/fence web1", ProgramFacts::Absent),
        ("/usr/local/bin", ProgramFacts::NotAFile),
        ("/etc/failover.toml", ProgramFacts::NotExecutable),
        (
            "/home/secret",
            ProgramFacts::Unknown("Permission denied (os error 13)".to_owned()),
        ),
    ]
    .map(|(path, program)| (PathBuf::from(path), program))
    .into();
    facts.keys = [
        ("web1", key(b"correct horse")),
        (
            "web1-next",
            key(b"hex:0102030405060708090a0b0c0d0e0f1011121314"),
        ),
        ("absent", faulty(&[KeyFault::Absent])),
        ("directory", faulty(&[KeyFault::NotAFile])),
        (
            "open",
            faulty(&[
                KeyFault::OpenToOthers(0o644),
                KeyFault::Owner(1000),
                KeyFault::Content(NoSecret::TooLong),
            ]),
        ),
        ("empty", faulty(&[KeyFault::Content(NoSecret::Empty)])),
        ("no-hex", faulty(&[KeyFault::Content(NoSecret::NotHex)])),
        (
            "hidden",
            faulty(&[KeyFault::Unknown(
                "Permission denied (os error 13)".to_owned(),
            )]),
        ),
    ]
    .map(|(name, facts)| (PathBuf::from(format!("/etc/failover/{name}.key")), facts))
    .into();
    facts
}

fn key(content: &[u8]) -> KeyFacts {
    KeyFacts {
        secret: Secret::from_file(content).ok(),
        faults: vec![],
    }
}

fn faulty(faults: &[KeyFault]) -> KeyFacts {
    KeyFacts {
        secret: None,
        faults: faults.to_vec(),
    }
}

fn assert_says(file: &Path, extension: &str, said: &str) {
    let said = said.replace(&file.display().to_string(), &name_of(file));
    let expected = file.with_extension(extension);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &said).expect("written");
    }
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    assert!(said == wanted, "{} says:\n{said}", file.display());
}

fn name_of(file: &Path) -> String {
    file.file_name()
        .expect("a file")
        .to_string_lossy()
        .into_owned()
}

fn problems(text: &str) -> Problems {
    config::check("t.toml", text, &host()).expect_err("problems")
}

#[test]
fn valid_files_are_accepted_and_summarized() {
    for file in fixtures("valid") {
        let outcome = cmd::check::check(&file, &host(), Style::Plain);

        assert_eq!((outcome.report.as_str(), outcome.code), ("", 0));
        assert_says(&file, "summary", &outcome.summary);
    }
}

#[test]
fn invalid_files_are_refused_with_every_problem() {
    for file in fixtures("invalid") {
        let outcome = cmd::check::check(&file, &host(), Style::Plain);

        assert_eq!((outcome.summary.as_str(), outcome.code), ("", 2));
        assert_says(&file, "report", &outcome.report);
    }
}

#[test]
fn every_file_that_is_refused_for_its_text_is_refused_without_a_host() {
    for file in fixtures("invalid") {
        let text = fs::read_to_string(&file).unwrap();

        let parsed = config::parse(&name_of(&file), &text);

        assert_eq!(
            parsed.is_ok(),
            name_of(&file).starts_with("host"),
            "{file:?}"
        );
    }
}

#[test]
fn many_different_mistakes_are_reported_at_once() {
    let text = fs::read_to_string(directory("invalid/fifteen-mistakes.toml")).unwrap();

    let problems = problems(&text);

    let mut kinds: Vec<_> = problems.iter().map(|problem| &problem.message).collect();
    kinds.sort();
    kinds.dedup();
    assert!(kinds.len() >= 15, "only {}", kinds.len());
}

#[test]
fn a_problem_is_one_line_for_logs() {
    let problems = problems("[reflector]\nnics = [\"ens1\"]\nmin_rx = 50\n");

    assert_eq!(
        problems.to_string(),
        "t.toml:3:10: reflector.min_rx: 50 has no unit \
         (write it in quotes with a unit, such as \"50ms\" or \"50s\"; it can be 1us to 60s)"
    );
}

#[test]
fn colours_are_used_only_when_asked_for() {
    let problems = problems("");

    assert!(!problems.report(Style::Plain).contains('\x1b'));
    assert!(problems.report(Style::Coloured).contains('\x1b'));
}

#[test]
fn escape_sequences_in_a_file_do_not_reach_the_terminal() {
    for text in [
        "\"\\u001b[31mred\" = 1\n",
        "# \x1b[31mraw\n[reflector]\nnics = [\"\x1b[2J\"]\n",
        "[reflector]\nnics = [\"\\u001b[2J\"]\n",
        "[[source]]\nname = \"\\u001b\"\nprobe = \"\\u001b\"\ninterval = \"\\u001b\"\n",
    ] {
        let problems = problems(text);

        let report = problems.report(Style::Plain);
        assert!(!report.contains('\x1b'), "{report:?}");
        assert!(!problems.to_string().contains('\x1b'), "{problems}");
    }
}

#[test]
fn defaults_apply_where_a_source_says_nothing() {
    let text = fs::read_to_string(directory("valid/every-key.toml")).unwrap();

    let config = config::check("t.toml", &text, &host()).expect("valid");

    let [web, db] = &config.sources[..] else {
        panic!("{} sources", config.sources.len())
    };
    assert_eq!((web.interval.as_micros(), web.misses), (1_000, 3));
    assert_eq!((db.interval.as_micros(), db.misses), (5_000, 4));
    assert_eq!(web.failback, config::Failback::Manual);
    assert_eq!(db.failback, config::Failback::Automatic);
    assert_eq!(db.failback_after.as_secs(), 120);
    assert_eq!(db.on_failure, config::OnFailure::Ask);
}

#[test]
fn documented_defaults_hold_for_the_shortest_file() {
    let text = fs::read_to_string(directory("valid/minimal.toml")).unwrap();

    let config = config::check("t.toml", &text, &host()).expect("valid");

    let source = &config.sources[0];
    let path = &source.paths[0];
    assert_eq!(config.daemon.socket, Path::new(config::DEFAULT_SOCKET));
    assert_eq!(config.daemon.xdp, config::XdpMode::Auto);
    assert_eq!(source.probe, config::Probe::Sbfd);
    assert_eq!((source.interval.as_millis(), source.misses), (10, 3));
    assert_eq!(source.trigger, config::Trigger::All);
    assert_eq!(source.announce_every.as_secs(), 60);
    assert_eq!(source.l2_alive, L2Alive::Ask);
    assert_eq!(source.on_conflict, OnConflict::Defend);
    assert_eq!(source.hooks, Hooks::default());
    assert!(config.witnesses.is_empty());
    assert_eq!(path.discriminator, 0x0a00_000a);
    assert_eq!(
        (path.nic.as_str(), path.target_nic.as_str()),
        ("ens1", "ens1")
    );
    assert_eq!(path.addresses[0].deliver, config::Deliver::Local);
}

#[test]
fn addresses_that_are_held_are_not_the_hosts_own() {
    let text = fs::read_to_string(directory("valid/minimal.toml")).unwrap();
    let held = IpAddr::from([10, 0, 0, 10]);
    let mut facts = host();
    facts.nics[1].addresses.push((held, 32));

    let before = config::check("t.toml", &text, &facts);
    facts.held.push(held);
    let after = config::check("t.toml", &text, &facts);

    // Watched, and listed.
    assert_eq!(before.expect_err("its own").len(), 2);
    assert!(after.is_ok());
}

#[test]
fn a_held_address_is_no_network_of_its_nic() {
    let text = "[reflector]\nnics = [\"ens3\"]\n";
    let held = IpAddr::from([10, 0, 0, 10]);
    let mut facts = host();
    facts.nics[3].addresses.push((held, 32));
    facts.held.push(held);

    let problems = config::check("t.toml", text, &facts).expect_err("no address");

    let problem = problems.iter().next().expect("one");
    assert_eq!(problem.message, "ens3 has no address");
}

#[test]
fn a_nic_of_a_host_with_an_identity_may_get_its_address_later() {
    let text = "[reflector]\nnics = [\"ens3\"]\nidentity = [\"10.0.0.10/24\"]\n";

    let config = config::check("t.toml", text, &host()).expect("good");

    let reflector = config.reflector.expect("a reflector");
    assert_eq!(reflector.nics, ["ens3"]);
}

#[test]
fn more_than_the_kernel_side_can_hold_is_refused() {
    let mut text = String::from("[[source]]\nname = \"a\"\n");
    let mut ip = u32::from(Ipv4Addr::new(10, 0, 0, 10));
    let mut next = || {
        ip += 1;
        Ipv4Addr::from(ip)
    };
    for path in 0..4096 {
        let (monitor, nic) = (next(), path % 65);
        let addresses: Vec<_> = (0..5).map(|_| format!("\"{}/32\"", next())).collect();
        let addresses = addresses.join(", ");
        text += &format!("[[source.path]]\nmonitor = \"{monitor}\"\ntarget_nic = \"n{nic}\"\n");
        text += &format!("addresses = [{addresses}]\n");
    }

    let problems = config::parse("t.toml", &text).expect_err("too many");

    let mut messages: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
    messages.sort();
    assert_eq!(
        messages,
        [
            "this is one more than 16384 addresses",
            "this is one more than 4095 paths",
            "this is one more than 64 NICs",
        ]
    );
}

#[test]
fn a_reflector_with_more_addresses_than_discriminators_needs_its_own() {
    let mut facts = host();
    let more = (0..64).map(|i| (IpAddr::from([10, 0, 1, i + 1]), 24));
    facts.nics[1].addresses.extend(more);

    let by_address = config::check("t.toml", "[reflector]\nnics = [\"ens1\"]\n", &facts);
    let one = "[reflector]\nnics = [\"ens1\"]\ndiscriminator = 7\n";
    let by_number = config::check("t.toml", one, &facts);

    let problems = by_address.expect_err("too many");
    assert_eq!(
        problems.to_string(),
        "t.toml:2:9: reflector.nics[1]: these NICs have 67 addresses, \
         and the reflector answers to at most 64 (set `discriminator`)"
    );
    assert!(by_number.is_ok());
    // It means to have its own, so nothing is said of what it would be without.
    let misspelt = one.replace('7', "\"seven\"");
    let problems = config::check("t.toml", &misspelt, &facts).expect_err("no discriminator");
    let keys: Vec<&str> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["reflector.discriminator"], "{problems}");
}

/// What a slip of the hand, a bad merge or a broken disk makes of a file.
fn mutate(octets: &mut Vec<u8>, rng: &mut StdRng) {
    const TOKENS: &[&str] = &[
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "\"",
        "'",
        "=",
        ",",
        ".",
        "\n",
        "\r",
        "#",
        "-",
        "0",
        "\\u",
        "é",
        "\"\"\"",
        "\0",
        "\u{1b}",
        "[source]\n",
        "[[source.path]]\n",
        "ip = ",
    ];
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=octets.len());
        let end = rng.random_range(at..=octets.len().min(at + 20));
        match rng.random_range(0..4) {
            0 => drop(octets.drain(at..end)),
            1 => drop(octets.splice(at..at, TOKENS[rng.random_range(0..TOKENS.len())].bytes())),
            2 => drop(octets.splice(at..end, octets[at..end].to_vec().repeat(2))),
            _ => {
                if let Some(octet) = octets.get_mut(at) {
                    *octet = rng.random();
                }
            }
        }
    }
}

#[test]
fn no_damaged_file_panics_and_every_problem_lies_in_the_file() {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut files = fixtures("valid");
    files.extend(fixtures("invalid"));
    let originals: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut refused = 0;
    for _ in 0..3_000 {
        let mut octets = originals[rng.random_range(0..originals.len())].clone();
        mutate(&mut octets, &mut rng);
        let text = String::from_utf8_lossy(&octets);

        let Err(problems) = config::check("t.toml", &text, &host()) else {
            continue;
        };

        refused += 1;
        let report = problems.report(Style::Plain);
        assert!(!report.contains('\x1b'), "{text}");
        assert!(!problems.is_empty(), "{text}");
        for problem in problems.iter() {
            assert!(
                text.get(problem.span.clone()).is_some(),
                "{problem:?}\n{text}"
            );
            let line = text.split('\n').nth(problem.line - 1).expect("the line");
            assert!(
                problem.column <= line.chars().count() + 1,
                "{problem:?}\n{text}"
            );
            assert!(!problem.message.is_empty());
        }
    }
    assert!(refused > 1_000, "only {refused} were refused");
}

#[test]
fn hostile_nesting_is_refused_and_does_not_exhaust_the_stack() {
    for open in ["[", "{a=", "{a=[", "a.", "[a."] {
        let text = format!("a = {}", open.repeat(100_000));

        let problems = problems(&text);

        assert!(!problems.is_empty(), "{open}");
    }
}

use std::{
    io::{BufWriter, PipeReader, Read as _, pipe},
    net::IpAddr,
    sync::Mutex,
};

use super::*;
use crate::policy::Taken;

fn memories(hold: bool) -> Memories {
    let unit = Memory {
        hold,
        asked: Some("fails".to_owned()),
        left_alone: None,
        taken: Some(Taken {
            cause: "approved".to_owned(),
            failed: true,
        }),
        seen: vec![IpAddr::from([10, 0, 0, 10])],
    };
    let web1 = SourceMemory {
        unmonitored: true,
        units: BTreeMap::from([
            (String::new(), unit.clone()),
            ("10.0.0.10".to_owned(), unit),
        ]),
    };
    Memories {
        own_hold: false,
        sources: BTreeMap::from([("web1".to_owned(), web1)]),
    }
}

fn numbered(number: usize) -> Memories {
    let source = SourceMemory {
        unmonitored: true,
        ..SourceMemory::default()
    };
    Memories {
        own_hold: false,
        sources: BTreeMap::from([(format!("web{number}"), source)]),
    }
}

fn settled(store: &Store) -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(store.settled())
}

/// What is logged on this thread while `work` runs.
fn logged(work: impl FnOnce()) -> String {
    let (mut log, writer): (PipeReader, _) = pipe().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Mutex::new(BufWriter::new(writer)))
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_next_daemon_knows_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let (store, nothing) = Store::open(dir.path());
    store.save(memories(true));
    let written = settled(&store);
    drop(store);

    let (_store, known) = Store::open(dir.path());

    assert_eq!(written, Ok(()));
    assert_eq!(nothing, Memories::default());
    assert_eq!(known, memories(true));
}

#[test]
fn what_was_saved_last_is_what_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path());

    for number in 0..1000 {
        store.save(numbered(number));
    }
    let written = settled(&store);

    assert_eq!(written, Ok(()));
    assert_eq!(Store::open(dir.path()).1, numbered(999));
}

#[test]
fn a_store_that_goes_away_still_writes_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path());
    store.save(memories(true));
    let settled = store.settled();

    drop(store);
    let written = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(settled);

    assert_eq!(written, Ok(()));
    assert_eq!(Store::open(dir.path()).1, memories(true));
}

#[test]
fn nothing_is_written_that_is_on_the_disk_already() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let (store, _) = Store::open(dir.path());
    store.save(Memories::default());
    let empty = settled(&store);
    let made = path.exists();
    store.save(memories(true));
    settled(&store).unwrap();
    let first = fs::read(&path).unwrap();

    store.save(memories(true));
    settled(&store).unwrap();
    drop(store);
    let (store, _) = Store::open(dir.path());
    store.save(memories(true));
    settled(&store).unwrap();

    assert_eq!((empty, made), (Ok(()), false));
    // The time of the writing would be another.
    assert_eq!(fs::read(&path).unwrap(), first);
}

#[test]
fn a_file_that_was_removed_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    let (store, _) = Store::open(&state_dir);
    store.save(memories(true));
    settled(&store).unwrap();
    fs::remove_dir_all(&state_dir).unwrap();

    store.save(memories(true));
    settled(&store).unwrap();

    assert_eq!(Store::open(&state_dir).1, memories(true));
}

#[test]
fn a_damaged_file_is_put_aside_with_a_warning() {
    let whole = {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join(FILE_NAME), &memories(true)).unwrap();
        fs::read(dir.path().join(FILE_NAME)).unwrap()
    };
    let torn = &whole[..whole.len() / 2];
    let wrong = br#"{"version": 1, "sources": {"web1": {"unmonitored": "perhaps"}}}"#;

    for damaged in [b"".as_slice(), torn, b"\xff\0\0", b"[]", wrong] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, damaged).unwrap();
        let mut known = None;

        let log = logged(|| known = Some(Store::open(dir.path()).1));

        let kept = fs::read(dir.path().join("memory.json.bad")).unwrap();
        assert_eq!(kept, damaged);
        assert!(!path.exists());
        assert_eq!(known, Some(Memories::default()));
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(
            log.contains("WARN") && log.contains("memory.json.bad"),
            "{log}"
        );
    }
}

#[test]
fn a_file_of_another_version_is_kept_for_the_daemon_that_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"{"version": 2, "sources": ["all", "different"]}"#;
    fs::write(dir.path().join(FILE_NAME), text).unwrap();
    let mut known = None;

    let log = logged(|| known = Some(Store::open(dir.path()).1));

    let kept = fs::read_to_string(dir.path().join("memory.json.v2")).unwrap();
    assert_eq!(kept, text);
    assert_eq!(known, Some(Memories::default()));
    assert!(log.contains("WARN") && log.contains("version 2"), "{log}");
}

#[test]
fn fields_of_a_newer_daemon_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"{"version": 1, "saved_at": "2030-01-01T00:00:00Z", "weather": "fine", "sources":
        {"web1": {"unmonitored": true, "mood": 3, "units": {"": {"hold": true, "reason": "lunch"}}}}}"#;
    fs::write(dir.path().join(FILE_NAME), text).unwrap();

    let (_store, known) = Store::open(dir.path());

    let web1 = &known.sources["web1"];
    assert!(web1.unmonitored && web1.units[""].hold);
}

#[test]
fn a_directory_that_cannot_be_written_is_trouble_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    fs::write(&state_dir, "in the way").unwrap();
    let (store, _) = Store::open(&state_dir);
    let before = store.trouble();
    store.save(memories(true));
    let refused = settled(&store);
    let told = store.trouble();

    fs::remove_file(&state_dir).unwrap();
    store.save(memories(true));
    let written = settled(&store);

    assert_eq!(before, None);
    assert!(
        refused
            .as_ref()
            .is_err_and(|error| error.contains("memory.json")),
        "{refused:?}"
    );
    assert_eq!(told, refused.err());
    assert_eq!((written, store.trouble()), (Ok(()), None));
    assert_eq!(Store::open(&state_dir).1, memories(true));
}

#[test]
fn each_kind_of_trouble_is_one_warning_and_its_end_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path());

    let log = logged(|| {
        for trouble in ["full", "full", "full", "gone", "gone"] {
            store.shared.tell(0, Some(trouble.to_owned()));
        }
        store.shared.tell(0, None);
        store.shared.tell(0, None);
    });

    let levels: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(levels, ["WARN", "WARN", "INFO"], "{log}");
}

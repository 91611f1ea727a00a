use std::fs;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn fields(number: u64) -> Map<String, Value> {
    Map::from_iter([("number".to_owned(), Value::from(number))])
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events
        .iter()
        .map(|event| event.fields["number"].as_u64().unwrap())
        .collect()
}

fn limits(keep: usize, rotate_at: u64) -> Limits {
    Limits {
        keep,
        rotate_at,
        ..Limits::default()
    }
}

#[test]
fn events_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = EventLog::open(Some(dir.path()));
    log.record(Some("web1"), EventKind::Verdict, fields(1));
    log.record(None, EventKind::Stopping, fields(2));
    let before = log.kept();
    assert!(log.flush(PATIENCE));
    drop(log);

    let log = EventLog::open(Some(dir.path()));

    assert_eq!(log.kept(), before);
    assert_eq!(before[0].source.as_deref(), Some("web1"));
    assert!(
        before[0].at.parse::<Timestamp>().is_ok(),
        "{}",
        before[0].at
    );
    assert!(
        before[0].at.ends_with('Z') && before[0].at.len() == "2026-05-01T03:12:45.123456789Z".len()
    );
}

#[test]
fn numbers_rise_by_one_and_do_not_go_back_with_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = EventLog::open(Some(dir.path()));
    let first = log.last_seq();
    for number in 0..3 {
        log.record(None, EventKind::Announced, fields(number));
    }
    assert!(log.flush(PATIENCE));
    let before: Vec<u64> = log.kept().iter().map(|event| event.seq).collect();
    // One that followers were told, and the file was not.
    let lost = log.last_seq() + 1;
    drop(log);

    let log = EventLog::open(Some(dir.path()));
    log.record(None, EventKind::Started, fields(3));

    assert_eq!(before, [first + 1, first + 2, first + 3]);
    assert!(log.kept()[3].seq > lost, "{:?}", log.kept());
    assert_eq!(log.last_seq(), log.kept()[3].seq);
}

#[test]
fn numbers_do_not_go_back_with_a_restart_after_the_disk_was_full() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing can be written to it, as if there were no room.
    fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
    let log = EventLog::open(Some(dir.path()));
    for number in 0..10 {
        log.record(None, EventKind::Announced, fields(number));
    }
    let told = log.last_seq();
    drop(log);

    let log = EventLog::open(Some(dir.path()));
    log.record(None, EventKind::Started, fields(0));

    assert!(log.last_seq() > told, "{} after {told}", log.last_seq());
}

#[test]
fn events_of_a_file_without_numbers_are_numbered() {
    let dir = tempfile::tempdir().unwrap();
    let line = r#"{"at":"2026-05-01T03:12:45Z","source":null,"event":"started","number":1}"#;
    fs::write(dir.path().join(FILE_NAME), format!("{line}\n{line}\n")).unwrap();

    let kept = EventLog::open(Some(dir.path())).kept();

    assert_eq!(
        kept.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn the_state_directory_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("a/b");

    let log = EventLog::open(Some(&state_dir));
    log.record(None, EventKind::Started, fields(1));
    assert!(log.flush(PATIENCE));

    assert_eq!(
        fs::read_to_string(state_dir.join(FILE_NAME))
            .unwrap()
            .lines()
            .count(),
        1
    );
}

#[test]
fn the_file_is_rotated_and_both_halves_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = EventLog::with_limits(Some(dir.path()), limits(15, 1000));
    for number in 0..20 {
        log.record(None, EventKind::Announced, fields(number));
    }
    assert!(log.flush(PATIENCE));
    drop(log);

    let current = fs::metadata(dir.path().join(FILE_NAME)).unwrap().len();
    let earlier = fs::metadata(dir.path().join("events.jsonl.1"))
        .unwrap()
        .len();
    let kept = EventLog::with_limits(Some(dir.path()), limits(15, 1000)).kept();

    assert!(
        current > 0 && current <= 1000 && earlier > 900 && earlier <= 1000,
        "{current} {earlier}"
    );
    assert!(kept.len() > 10 && kept.len() <= 15, "{}", kept.len());
    assert_eq!(
        numbers(&kept),
        (20 - kept.len() as u64..20).collect::<Vec<_>>()
    );
}

#[test]
fn lines_that_are_no_events_are_passed_over_and_half_a_line_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let good = r#"{"at":"2026-05-01T03:12:45Z","source":null,"event":"started","number":1}"#;
    fs::write(
        dir.path().join(FILE_NAME),
        [
            good.as_bytes(),
            b"\n\xff\xfe\n{}\n",
            good.as_bytes(),
            b"\n{\"at\":",
        ]
        .concat(),
    )
    .unwrap();

    let log = EventLog::open(Some(dir.path()));
    log.record(None, EventKind::Started, fields(2));
    assert!(log.flush(PATIENCE));
    drop(log);

    assert_eq!(numbers(&EventLog::open(Some(dir.path())).kept()), [1, 1, 2]);
}

#[test]
fn a_state_directory_that_cannot_be_written_leaves_the_log_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let no_dir = dir.path().join("file");
    fs::write(&no_dir, "").unwrap();

    let log = EventLog::open(Some(&no_dir));
    log.record(None, EventKind::Started, fields(1));
    log.record(None, EventKind::Started, fields(2));

    assert!(log.flush(PATIENCE));
    assert_eq!(numbers(&log.kept()), [1, 2]);
}

#[test]
fn writing_goes_on_once_the_state_directory_works_again() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    fs::write(&state_dir, "in the way").unwrap();
    let log = EventLog::open(Some(&state_dir));
    log.record(None, EventKind::Announced, fields(1));
    assert!(log.flush(PATIENCE));
    fs::remove_file(&state_dir).unwrap();

    log.record(None, EventKind::Announced, fields(2));
    assert!(log.flush(PATIENCE));

    assert_eq!(numbers(&EventLog::open(Some(&state_dir)).kept()), [2]);
}

#[test]
fn a_state_directory_that_was_removed_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    let log = EventLog::open(Some(&state_dir));
    log.record(None, EventKind::Announced, fields(1));
    assert!(log.flush(PATIENCE));
    fs::remove_dir_all(&state_dir).unwrap();

    log.record(None, EventKind::Announced, fields(2));
    assert!(log.flush(PATIENCE));

    assert_eq!(numbers(&EventLog::open(Some(&state_dir)).kept()), [2]);
}

#[test]
fn memory_is_bounded() {
    let log = EventLog::with_limits(None, limits(3, 1000));

    for number in 0..10 {
        log.record(None, EventKind::Announced, fields(number));
    }

    assert_eq!(numbers(&log.kept()), [7, 8, 9]);
}

#[test]
fn an_event_cannot_overwrite_its_own_stamp() {
    let log = EventLog::open(None);
    let mut fields = fields(1);
    fields.insert("at".to_owned(), Value::from("yesterday"));
    fields.insert("source".to_owned(), Value::from("web2"));

    log.record(Some("web1"), EventKind::Announced, fields);

    let line = serde_json::to_string(&log.kept()[0]).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), log.kept()[0]);
    assert_eq!(log.kept()[0].source.as_deref(), Some("web1"));
}

#[tokio::test]
async fn a_follower_goes_on_where_the_kept_events_end() {
    let log = EventLog::open(None);
    log.record(None, EventKind::Announced, fields(1));

    let (kept, mut follower) = log.follow();
    log.record(None, EventKind::Announced, fields(2));

    assert_eq!(numbers(&kept), [1]);
    assert_eq!(follower.next().await.unwrap().fields["number"], 2);
    assert_eq!(follower.try_next(), None);
}

#[tokio::test]
async fn a_follower_that_lags_is_told_how_many_it_missed() {
    let log = EventLog::with_limits(
        None,
        Limits {
            follower_queue: 4,
            ..Limits::default()
        },
    );
    let (_, mut follower) = log.follow();

    for number in 0..10 {
        log.record(None, EventKind::Announced, fields(number));
    }

    let told = follower.next().await.unwrap();
    assert_eq!(
        (told.event.as_str(), &told.fields["events"]),
        (EventKind::Skipped.name(), &Value::from(6))
    );
    assert_eq!(told.seq, 6);
    let next = follower.next().await.unwrap();
    assert_eq!((next.seq, &next.fields["number"]), (7, &Value::from(6)));
}

//! The event stream of a real daemon: the state first, and then everything that happens, once.

use std::collections::BTreeSet;

use failover_tests::lab::Daemon;
use failover_user::control::{
    client::{Beginning, Client, Next, QUESTION},
    event_kind::EventKind,
    protocol::{Event, Message, Reply, Request, Status},
};

use crate::pair::{PATIENCE, Pair, automatic, event, events, run, state, wait_for_state};

fn follow(daemon: &Daemon) -> (Client, Beginning) {
    let mut client = Client::connect(&daemon.socket()).expect("the daemon");
    let beginning = client
        .follow(QUESTION)
        .expect("an answer")
        .expect("a stream");
    (client, beginning)
}

/// What comes until a state is given, which is asked for when `wanted` has come.
fn until_state(client: &mut Client, wanted: impl Fn(&Event) -> bool) -> (Vec<Event>, Status) {
    let mut events = Vec::new();
    loop {
        match client.next_within(PATIENCE).expect("the stream") {
            Next::Message(message) => match *message {
                Message::Event(event) => {
                    let ask = wanted(&event);
                    events.push(event);
                    if ask {
                        let request = Request::Status { source: None };
                        client.send(&request, PATIENCE).expect("the question");
                    }
                }
                Message::Reply(Reply::Status(status)) => return (events, *status),
                Message::Reply(other) => panic!("{other:?}"),
            },
            Next::Nothing | Next::Closed => panic!("the stream ended: {events:#?}"),
        }
    }
}

#[test]
fn state_and_events_agree_and_numbers_survive_a_restart() {
    let pair = Pair::new();
    let (_source, mut target) = pair.start(&automatic("10ms", 3));
    let (mut client, Beginning { status, past }) = follow(&target);
    assert_eq!(past.last().map(|event| event.seq), Some(status.seq));

    pair.source_nic.pull();
    let (events, after) = until_state(&mut client, |event| event.event == "takeover");

    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    let expected: Vec<u64> = (status.seq + 1..=after.seq).collect();
    assert_eq!(numbers, expected, "every event up to the state, once");
    assert_eq!(after.sources[0].paths[0].state, after.sources[0].state);
    wait_for_state(&target, "web1", "taken-over");

    target.kill9();
    target.restart();
    let (_, Beginning { status, past }) = follow(&target);
    let mut before = 0;
    for event in &past {
        assert!(event.seq > before, "{past:#?}");
        before = event.seq;
    }
    assert!(status.seq > after.seq);
}

/// Whatever happened in a life with everything in it has the fields that the table has for it.
#[test]
fn events_have_the_fields_that_are_documented() {
    let pair = Pair::new();
    let hooks = "[source.hooks]\nbefore_takeover = [\"/bin/true\"]\nnotify = [\"/bin/false\"]\n\n[[source.path]]";
    let config = automatic("10ms", 3).replace("[[source.path]]", hooks);
    let (_source, target) = pair.start(&config);
    run(&target, &["drill", "web1"], 0);
    pair.source_nic.pull();
    wait_for_state(&target, "web1", "taken-over");
    pair.replug(&target);
    run(&target, &["failback", "web1", "--yes"], 0);
    wait_for_state(&target, "web1", "healthy");
    run(&target, &["reload"], 0);

    let mut seen = BTreeSet::new();
    for line in run(&target, &["events", "--json"], 0).lines() {
        let event: Event = serde_json::from_str(line).expect("JSON");
        let kind = EventKind::ALL
            .iter()
            .find(|kind| kind.name() == event.event);
        let kind = kind.unwrap_or_else(|| panic!("unknown: {line}"));
        for field in event.fields.keys() {
            assert!(kind.fields().contains(&field.as_str()), "{field} in {line}");
        }
        seen.insert(*kind);
    }

    assert!(seen.len() >= 11, "{seen:?}");
    assert_eq!(event(&target, "hook")["hook"], "before_takeover");
    assert!(!events(&target, "failback").is_empty());
    assert_eq!(state(&target.status(), "web1"), "healthy");
}

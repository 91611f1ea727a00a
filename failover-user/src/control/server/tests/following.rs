//! The state, and events behind it: none is lost, none comes twice.

use super::*;

fn record(events: &EventLog, kind: EventKind) {
    events.record(Some("web1"), kind, serde_json::Map::new());
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

#[tokio::test]
async fn what_happens_while_the_state_is_made_is_told_once() {
    let lab = Lab::with_state(Limits::default(), |events| {
        record(events, EventKind::Verdict);
        let seq = events.last_seq();
        record(events, EventKind::Takeover);
        seq
    });
    record(&lab.events, EventKind::Started);
    let mut follower = lab.client().await;

    let (seq, past) = follower.follow().await;
    record(&lab.events, EventKind::Announced);
    let behind = [follower.event().await, follower.event().await];

    assert_eq!((seq, numbers(&past)), (2, vec![1, 2]));
    assert_eq!(numbers(&behind), [3, 4]);
    assert_eq!(behind[0].event, "takeover");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_subscribes_in_a_burst_gets_every_event_once_and_in_order() {
    // As many as may wait for a follower, however slowly it gets to read.
    let count = crate::events::Limits::default().follower_queue as u64;
    let lab = Lab::start(Limits::default());
    let events = lab.events.clone();
    let burst = tokio::spawn(async move {
        for _ in 0..count {
            record(&events, EventKind::Announced);
            tokio::task::yield_now().await;
        }
    });

    let mut all = Vec::new();
    for _ in 0..8 {
        let mut follower = lab.client().await;
        let (seq, past) = follower.follow().await;
        let mut got = numbers(&past);
        assert_eq!(got.last().copied().unwrap_or(0), seq);
        while got.last().copied().unwrap_or(0) < count {
            let event = follower.event().await;
            assert_eq!(
                event.event, "announced",
                "a follower that reads was too slow"
            );
            assert!(event.seq > seq, "{} is in the state already", event.seq);
            got.push(event.seq);
        }
        all.push(got);
    }

    burst.await.unwrap();
    for got in all {
        assert_eq!(got, (1..=count).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_state_that_is_asked_for_comes_behind_the_events_in_it() {
    let lab = Lab::with_state(Limits::default(), |events| {
        record(events, EventKind::Verdict);
        let seq = events.last_seq();
        record(events, EventKind::Takeover);
        seq
    });
    let mut follower = lab.client().await;
    follower.follow().await;

    // In pieces, with an event in between.
    follower.send(b"{\"request\":").await;
    let before = follower.event().await;
    follower.send(b"\"status\"}\n").await;

    let verdict = follower.event().await;
    let Reply::Status(status) = follower.reply().await else {
        panic!("no state")
    };
    let takeover = follower.event().await;
    assert_eq!(numbers(&[before, verdict.clone(), takeover]), [2, 3, 4]);
    assert_eq!(status.seq, verdict.seq);
}

#[tokio::test]
async fn a_follower_can_ask_nothing_else_and_goes_on() {
    let lab = Lab::start(Limits::default());
    let mut follower = lab.client().await;
    follower.follow().await;

    for request in [
        &b"{\"request\":\"approve\",\"source\":\"web1\"}\n"[..],
        b"{\"request\":\"events\",\"follow\":true}\n",
        b"nonsense\n",
    ] {
        follower.send(request).await;
        follower.problem().await;
    }

    record(&lab.events, EventKind::Verdict);
    assert_eq!(follower.event().await.event, "verdict");
}

#[tokio::test]
async fn a_daemon_without_a_state_says_why_and_the_connection_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let server = Server::bind(&path).unwrap();
    let (calls, asked) = mpsc::channel(1);
    drop(asked);
    tokio::spawn(server.serve(calls, EventLog::open(None), CancellationToken::new()));
    let mut client = Peer(BufReader::new(UnixStream::connect(&path).await.unwrap()));

    client
        .send(b"{\"request\":\"events\",\"follow\":true}\n{\"request\":\"events\"}\n")
        .await;

    let said = client.reply().await;
    assert!(
        matches!(said, Reply::Error(Failure { ref message, .. }) if message.contains("ending")),
        "{said:?}"
    );
    assert_eq!(client.reply().await, Reply::Events(vec![]));
}

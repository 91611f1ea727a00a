mod following;
mod place;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::{
    control::{
        protocol::{Event, Failure, FailureKind, MAX_REQUEST},
        render,
    },
    events::EventKind,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server whose daemon says `NAME` to `approve NAME`, and has a state without a source.
struct Lab {
    dir: tempfile::TempDir,
    events: EventLog,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Lab {
    fn start(limits: Limits) -> Self {
        Self::with_state(limits, |events| events.last_seq())
    }

    /// `state` is called for every status: it says which event is the last in it, and may record some.
    fn with_state(limits: Limits, state: impl Fn(&EventLog) -> u64 + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::bind_with(&dir.path().join("run/control.sock"), limits).unwrap();
        let events = EventLog::open(None);
        let stop = CancellationToken::new();
        let (calls, mut asked) = mpsc::channel::<Call>(4);
        let serving = tokio::spawn(server.serve(calls, events.clone(), stop.clone()));
        let log = events.clone();
        tokio::spawn(async move {
            while let Some(call) = asked.recv().await {
                let reply = if let Request::Status { .. } = call.request {
                    let mut status = render::tests::host(vec![]);
                    status.seq = state(&log);
                    Reply::Status(Box::new(status))
                } else {
                    let Request::Approve { source: said } = call.request else {
                        panic!("{call:?}")
                    };
                    Reply::Done(said)
                };
                let _ = call.reply.send(reply);
            }
        });
        Self {
            dir,
            events,
            stop,
            serving,
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("run/control.sock")
    }

    async fn client(&self) -> Peer {
        Peer(BufReader::new(
            UnixStream::connect(self.socket()).await.unwrap(),
        ))
    }

    /// The daemon is well: somebody new is answered.
    async fn still_answers(&self) {
        let mut client = self.client().await;
        client
            .send(b"{\"request\":\"approve\",\"source\":\"web1\"}\n")
            .await;
        assert_eq!(client.reply().await, Reply::Done("web1".to_owned()));
    }
}

struct Peer(BufReader<UnixStream>);

impl Peer {
    async fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line))
            .await
            .unwrap()
            .unwrap();
        line
    }

    async fn reply(&mut self) -> Reply {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Follows events: number of the state, and the events in it.
    async fn follow(&mut self) -> (u64, Vec<Event>) {
        self.send(b"{\"request\":\"events\",\"follow\":true}\n")
            .await;
        let Reply::Status(status) = self.reply().await else {
            panic!("no state")
        };
        let Reply::Events(past) = self.reply().await else {
            panic!("no events")
        };
        (status.seq, past)
    }

    async fn event(&mut self) -> Event {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    async fn problem(&mut self) -> String {
        let reply = self.reply().await;
        let Reply::Error(Failure {
            kind: FailureKind::BadRequest,
            message,
        }) = reply
        else {
            panic!("{reply:?}")
        };
        message
    }

    /// Whether this client has found a seat. One that has none may be closed before it has said a word.
    async fn is_served(&mut self) -> bool {
        let request = b"{\"request\":\"approve\",\"source\":\"web1\"}\n";
        let _ = self.0.write_all(request).await;
        self.reply().await == Reply::Done("web1".to_owned())
    }

    /// Waits until the server has closed: reads whatever there is to the end.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn bad_requests_are_answered_and_the_connection_goes_on() {
    let lab = Lab::start(Limits::default());
    let mut client = lab.client().await;
    let deep = [
        &b"{\"request\":\"approve\",\"source\":"[..],
        &[b'['; 60_000],
    ]
    .concat();

    for (request, problem) in [
        (&b"{\"request\":"[..], "cannot be understood"),
        (b"", "empty"),
        (b"null", "cannot be understood"),
        (b"[\"stop\"]", "no JSON object"),
        (b"{\"request\":\"explode\"}", "unknown variant `explode`"),
        (b"{\"request\":\"approve\"}", "missing field `source`"),
        (b"{\"request\":\"approve\",\"source\":1}", "invalid type"),
        (
            b"{\"request\":\"approve\",\"source\":\"a\",\"force\":true}",
            "unknown field `force`",
        ),
        (
            b"{\"request\":\"approve\",\"source\":\"\xff\xfe\"}",
            "not UTF-8",
        ),
        (&deep, "recursion limit"),
        (&[b'x'; MAX_REQUEST + 1], "longer than 65536"),
        (&vec![b'x'; 1 << 20], "longer than 65536"),
    ] {
        client.send(&[request, b"\n"].concat()).await;

        let said = client.problem().await;

        assert!(said.contains(problem), "{said}");
    }
    client
        .send(b"{\"request\":\"approve\",\"source\":\"web1\"}\r\n")
        .await;
    assert_eq!(client.reply().await, Reply::Done("web1".to_owned()));
    lab.still_answers().await;
}

#[tokio::test]
async fn the_longest_request_is_served() {
    let lab = Lab::start(Limits::default());
    let mut client = lab.client().await;
    let frame = br#"{"request":"approve","source":""}"#.len();
    let name = "x".repeat(MAX_REQUEST - frame);

    client
        .send(format!("{{\"request\":\"approve\",\"source\":\"{name}\"}}\n").as_bytes())
        .await;

    assert_eq!(client.reply().await, Reply::Done(name));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let lab = Lab::start(Limits::default());
    let client = lab.client().await;
    let (mut reader, mut writer) = client.0.into_inner().into_split();
    let sending = tokio::spawn(async move {
        for number in 0..5000 {
            let line = format!("{{\"request\":\"approve\",\"source\":\"{number}\"}}\n");
            writer.write_all(line.as_bytes()).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    });

    let mut text = String::new();
    timeout(PATIENCE, reader.read_to_string(&mut text))
        .await
        .unwrap()
        .unwrap();

    sending.await.unwrap();
    let expected: String = (0..5000)
        .map(|number| format!("{{\"done\":\"{number}\"}}\n"))
        .collect();
    assert_eq!(text, expected);
}

#[tokio::test]
async fn half_a_line_and_then_the_end_disturbs_nobody() {
    let lab = Lab::start(Limits::default());
    let mut half = lab.client().await;
    half.send(b"{\"request\":\"appro").await;
    let gone = lab.client().await;

    half.0.get_mut().shutdown().await.unwrap();
    drop(gone);

    assert!(half.problem().await.contains("cannot be understood"));
    assert_eq!(half.line().await, "");
    lab.still_answers().await;
}

#[tokio::test]
async fn a_client_that_is_silent_gives_its_seat_back() {
    let lab = Lab::start(Limits {
        idle: Duration::from_millis(50),
        clients: 1,
        ..Limits::default()
    });
    let mut silent = lab.client().await;
    silent.send(b"{\"request\":").await;

    silent.closed().await;

    timeout(PATIENCE, async {
        loop {
            let mut client = lab.client().await;
            if client.is_served().await {
                break;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn clients_beyond_the_bound_are_told_so_and_closed() {
    let lab = Lab::start(Limits {
        clients: 2,
        ..Limits::default()
    });
    let mut seated = Vec::new();
    for _ in 0..2 {
        let mut client = lab.client().await;
        client
            .send(b"{\"request\":\"approve\",\"source\":\"web1\"}\n")
            .await;
        client.reply().await;
        seated.push(client);
    }

    let mut third = lab.client().await;
    let said = third.reply().await;

    assert!(
        matches!(said, Reply::Error(Failure { kind: FailureKind::Failed, ref message }) if message.contains("2 clients")),
        "{said:?}"
    );
    assert_eq!(third.line().await, "");
    seated[0]
        .send(b"{\"request\":\"approve\",\"source\":\"web2\"}\n")
        .await;
    assert_eq!(seated[0].reply().await, Reply::Done("web2".to_owned()));
}

#[tokio::test]
async fn a_follower_gets_the_past_and_then_what_happens() {
    let lab = Lab::start(Limits::default());
    lab.events
        .record(Some("web1"), EventKind::Verdict, serde_json::Map::new());
    let mut follower = lab.client().await;

    let (_, past) = follower.follow().await;
    lab.events
        .record(Some("web1"), EventKind::Takeover, serde_json::Map::new());
    let event: Event = serde_json::from_str(&follower.line().await).unwrap();

    assert_eq!(
        past.iter()
            .map(|event| event.event.as_str())
            .collect::<Vec<_>>(),
        ["verdict"]
    );
    assert_eq!(event.event, "takeover");
}

#[tokio::test]
async fn a_follower_that_does_not_read_is_dropped() {
    let lab = Lab::start(Limits {
        write: Duration::from_millis(100),
        clients: 1,
        ..Limits::default()
    });
    let mut stuck = lab.client().await;
    stuck.follow().await;

    let padding = serde_json::Map::from_iter([("padding".to_owned(), "x".repeat(1000).into())]);
    for _ in 0..3000 {
        lab.events
            .record(None, EventKind::Announced, padding.clone());
    }

    // Its seat is free again: nobody else takes part, so only the drop can have freed it.
    let seat = async {
        loop {
            let mut client = lab.client().await;
            if client.is_served().await {
                break;
            }
        }
    };
    timeout(PATIENCE, seat).await.unwrap();
    stuck.closed().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody() {
    let lab = Lab::start(Limits::default());
    let mut stuck = lab.client().await;
    stuck.follow().await;
    let padding = serde_json::Map::from_iter([("padding".to_owned(), "x".repeat(1000).into())]);
    for _ in 0..3000 {
        lab.events
            .record(None, EventKind::Announced, padding.clone());
    }

    lab.still_answers().await;

    assert_eq!(lab.events.kept().len(), 3000);
}

#[tokio::test]
async fn a_follower_gets_the_last_events_of_a_daemon_that_ends() {
    let lab = Lab::start(Limits::default());
    let mut follower = lab.client().await;
    follower.follow().await;

    lab.events
        .record(None, EventKind::Stopping, serde_json::Map::new());
    lab.stop.cancel();

    assert!(follower.line().await.contains("\"stopping\""));
    assert_eq!(follower.line().await, "");
}

#[tokio::test]
async fn a_daemon_that_ends_is_no_reason_to_hang() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let server = Server::bind(&path).unwrap();
    let (calls, asked) = mpsc::channel(1);
    drop(asked);
    tokio::spawn(server.serve(calls, EventLog::open(None), CancellationToken::new()));
    let mut client = Peer(BufReader::new(UnixStream::connect(&path).await.unwrap()));

    client.send(b"{\"request\":\"status\"}\n").await;

    let said = client.reply().await;
    assert!(
        matches!(said, Reply::Error(Failure { ref message, .. }) if message.contains("ending")),
        "{said:?}"
    );
}

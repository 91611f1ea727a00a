//! A daemon that says what the test wants, and the binary run against it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use failover_user::{
    control::{
        protocol::{
            Failure, FailureKind, PathStatus, Reply, Request, RttStatus, SourceStatus, Status,
            VERSION,
        },
        server::{Call, Server},
    },
    events::EventLog,
    policy::{PathState, State},
};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// A real server, and behind it a daemon with one source, `web1`.
pub(crate) struct Daemon {
    _runtime: Runtime,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) events: EventLog,
    pub(crate) stop: CancellationToken,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Daemon {
    pub(crate) fn start(state: State, answer: Reply) -> Self {
        let runtime = Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let events = EventLog::open(None);
        let stop = CancellationToken::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (calls, mut requests) = mpsc::channel::<Call>(4);
        {
            let _in_runtime = runtime.enter();
            let server = Server::bind(&dir.path().join("control.sock")).unwrap();
            runtime.spawn(server.serve(calls, events.clone(), stop.clone()));
        }
        let (seen, end) = (Arc::clone(&asked), stop.clone());
        runtime.spawn(async move {
            while let Some(call) = requests.recv().await {
                let reply = if matches!(call.request, Request::Status { .. }) {
                    Reply::Status(Box::new(status(state)))
                } else {
                    answer.clone()
                };
                let ends = matches!(call.request, Request::Stop { .. });
                seen.lock().unwrap().push(call.request);
                let _ = call.reply.send(reply);
                if ends {
                    end.cancel();
                }
            }
        });
        Self {
            _runtime: runtime,
            dir,
            events,
            stop,
            asked,
        }
    }

    pub(crate) fn says(sentence: &str) -> Self {
        Self::start(State::Healthy, Reply::Done(sentence.to_owned()))
    }

    pub(crate) fn fails(kind: FailureKind, message: &str) -> Self {
        Self::start(
            State::Healthy,
            Reply::Error(Failure {
                kind,
                message: message.to_owned(),
            }),
        )
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        failover(&self.socket(), arguments)
    }

    /// What was asked of the daemon besides its status.
    pub(crate) fn commands(&self) -> Vec<Request> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|request| !matches!(request, Request::Status { .. }))
            .cloned()
            .collect()
    }
}

fn status(state: State) -> Status {
    let path = |number: u8| PathStatus {
        monitor: format!("10.0.{number}.10"),
        nic: "ens1".to_owned(),
        target_nic: "ens1".to_owned(),
        state,
        heartbeat: PathState::Up,
        mac: None,
        key_id: None,
        sent: 1,
        received: 1,
        late: 0,
        refused: 0,
        missed: 0,
        consecutive_missed: 0,
        rtt_ns: RttStatus::default(),
        rtt_histogram: vec![],
        max_gap_ns: 0,
        near_misses: 0,
        addresses: vec![],
    };
    let source = SourceStatus {
        name: "web1".to_owned(),
        state,
        since: "2026-05-01T03:10:40Z".to_owned(),
        cause: "it is so".to_owned(),
        monitored: true,
        hold: false,
        asks: false,
        on_failure: "ask".to_owned(),
        probe: "sbfd".to_owned(),
        interval_ns: 10_000_000,
        misses: 3,
        paths: vec![path(1), path(2)],
        last_takeover: None,
    };
    Status {
        version: VERSION,
        seq: 0,
        daemon: "0.1.0".to_owned(),
        pid: 1,
        started: "2026-05-01T03:10:40Z".to_owned(),
        scheduling: "deadline".to_owned(),
        nics: vec![],
        sources: vec![source],
        reflector: None,
        strays: Vec::new(),
        counters: [("pass".to_owned(), 7)].into(),
    }
}

pub(crate) fn command(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_failover"));
    command
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null());
    command.env_remove("CLICOLOR_FORCE").env("TZ", "UTC");
    command
}

pub(crate) fn failover(socket: &Path, arguments: &[&str]) -> Output {
    command(socket, arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

/// The exit code, and the one line on stderr.
pub(crate) fn failed(output: &Output) -> (i32, &str) {
    let line = str::from_utf8(&output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "not one line: {line:?}");
    assert!(output.stdout.is_empty(), "{}", stdout(output));
    (output.status.code().unwrap(), line.trim_end())
}

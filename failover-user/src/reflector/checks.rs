//! Health checks: each in a task of its own, beside the loop. Their results come out of a channel.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    http::{self, Answer},
    trend::Trend,
};
use crate::{
    config::{Check, CheckKind},
    hooks::{self, Presence},
};

/// A check has ended.
#[derive(Debug)]
pub struct Checked {
    /// Which run of the checks it belongs to; see [`Checks::begin`].
    run: u64,
    /// Index into the configured checks.
    index: usize,
    /// Why it failed, if it did.
    result: Result<(), String>,
}

/// What a check has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// How the check is called.
    pub name: String,
    /// Whether it is good now.
    pub good: bool,
    /// Why it is not.
    pub error: Option<String>,
}

/// How a check stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How it is called.
    pub name: String,
    /// `None`: no result yet.
    pub good: Option<bool>,
    /// Results in a row that contradict that.
    pub against: u32,
    /// Why the latest one failed.
    pub error: Option<String>,
}

/// The running checks.
#[derive(Debug)]
pub struct Checks {
    results: mpsc::UnboundedSender<Checked>,
    run: u64,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    check: Check,
    trend: Trend,
    error: Option<String>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    /// None yet; results will come out of the receiver.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Checked>) {
        let (results, receiver) = mpsc::unbounded_channel();
        let checks = Self {
            results,
            run: 0,
            running: Vec::new(),
        };
        (checks, receiver)
    }

    /// Begins these checks in place of those that were running. One that was running goes on with what is known of it; of
    /// the others it is `assumed`. To be called within a tokio runtime.
    pub fn begin(&mut self, checks: &[Check], assumed: Option<bool>) {
        self.run += 1;
        let mut before = std::mem::take(&mut self.running);
        for (index, check) in checks.iter().enumerate() {
            let known = before
                .iter()
                .position(|running| running.check.what == check.what)
                .map(|place| before.remove(place));
            let (trend, error) = match known {
                Some(running) => {
                    let mut trend = running.trend.clone();
                    trend.set(check.fall, check.rise);
                    (trend, running.error.clone())
                }
                None => (Trend::new(check.fall, check.rise, assumed), None),
            };
            let task = tokio::spawn(repeat(check.clone(), self.run, index, self.results.clone()));
            self.running.push(Running {
                check: check.clone(),
                trend,
                error,
                task,
            });
        }
    }

    /// Takes note of a result, and says whether it has changed anything.
    pub fn note(&mut self, checked: Checked) -> Option<Turn> {
        if checked.run != self.run {
            return None;
        }
        let running = self.running.get_mut(checked.index)?;
        let good = checked.result.is_ok();
        running.error = checked.result.err();
        running.trend.note(good).then(|| Turn {
            name: running.check.what.to_string(),
            good,
            error: running.error.clone(),
        })
    }

    /// Whether a check stands in the way of health: it is bad, or nothing is known of it.
    pub fn failing(&self) -> bool {
        self.running
            .iter()
            .any(|running| running.trend.good() != Some(true))
    }

    /// How each check stands.
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |running: &Running| Standing {
            name: running.check.what.to_string(),
            good: running.trend.good(),
            against: running.trend.against(),
            error: running.error.clone(),
        };
        self.running.iter().map(standing).collect()
    }
}

/// Checks again and again; a check that takes longer than the interval is followed by the next one at once.
async fn repeat(check: Check, run: u64, index: usize, results: mpsc::UnboundedSender<Checked>) {
    let Check {
        what,
        interval,
        timeout,
        ..
    } = check;
    let tell = move |result| results.send(Checked { run, index, result }).is_ok();
    let checking = || {
        let what = what.clone();
        async move { once(&what, timeout).await }
    };
    repeat_each(interval, checking, tell).await;
}

/// Calls `once` at every interval, and tells what came of it, until nobody wants to know. What one call has left behind is
/// waited for: a disk that hangs must not fill the host with programs that wait for it.
async fn repeat_each<F: Future<Output = Ended>>(
    interval: Duration,
    mut once: impl FnMut() -> F,
    tell: impl Fn(Result<(), String>) -> bool,
) {
    let mut left: Option<Presence> = None;
    loop {
        let begun = Instant::now();
        let result = if left.as_mut().is_some_and(Presence::is_there) {
            Err("the one before is still running: it has been killed, and cannot end".to_owned())
        } else {
            let ended = once().await;
            left = ended.left;
            ended.result
        };
        if !tell(result) {
            return;
        }
        sleep_until(begun + interval).await;
    }
}

/// How a check has ended.
struct Ended {
    /// Why it failed, in words for a person.
    result: Result<(), String>,
    /// What may be there of it.
    left: Option<Presence>,
}

/// One check.
async fn once(what: &CheckKind, patience: Duration) -> Ended {
    let result = match what {
        CheckKind::Tcp(to) => timeout(patience, connect(*to)).await.map(|r| r.map(drop)),
        CheckKind::Http { to, path } => timeout(patience, get(*to, path)).await,
        CheckKind::Command(program) => {
            let (outcome, presence) = hooks::run_check(program, patience).await;
            return Ended {
                result: outcome.error.map_or(Ok(()), Err),
                left: Some(presence),
            };
        }
    };
    let result = result.unwrap_or_else(|_| {
        let patience = humantime::format_duration(patience);
        Err(format!("no answer within {patience}"))
    });
    Ended { result, left: None }
}

async fn connect(to: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(to)
        .await
        .map_err(|error| format!("no connection: {}", hooks::plain(&error)))
}

async fn get(to: SocketAddr, path: &str) -> Result<(), String> {
    let mut stream = connect(to).await?;
    let broken = |error: &std::io::Error| format!("the connection broke: {}", hooks::plain(error));
    stream
        .write_all(http::request(to, path).as_bytes())
        .await
        .map_err(|error| broken(&error))?;
    let mut received = Vec::new();
    loop {
        match http::answer(&received) {
            Answer::Status(200..=399) => return Ok(()),
            Answer::Status(status) => return Err(format!("answered with status {status}")),
            Answer::Nonsense => return Err("the answer is no HTTP".to_owned()),
            Answer::Unfinished => {}
        }
        let mut part = [0; 1024];
        let length = stream
            .read(&mut part)
            .await
            .map_err(|error| broken(&error))?;
        if length == 0 {
            return Err("the connection was closed without an answer".to_owned());
        }
        received.extend_from_slice(&part[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn check(what: CheckKind) -> Check {
        Check {
            what,
            interval: Duration::from_millis(10),
            timeout: PATIENCE,
            fall: 2,
            rise: 1,
        }
    }

    /// A server that answers one connection with this and closes it.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        });
        address
    }

    /// A port that nobody listens at.
    async fn closed() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    #[tokio::test]
    async fn a_port_that_accepts_is_good_and_a_closed_one_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();

        let good = once(&CheckKind::Tcp(open), PATIENCE).await.result;
        let bad = once(&CheckKind::Tcp(closed().await), PATIENCE).await.result;

        assert_eq!(good, Ok(()));
        assert_eq!(bad, Err("no connection: Connection refused".to_owned()));
    }

    #[tokio::test]
    async fn the_status_of_an_http_answer_decides() {
        for (answer, wanted) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], Ok(())),
            (b"HTTP/1.1 301 Moved\r\n\r\n", Ok(())),
            (
                b"HTTP/1.1 503 Busy\r\n\r\n",
                Err("answered with status 503".to_owned()),
            ),
            (b"hello\r\n", Err("the answer is no HTTP".to_owned())),
            (
                b"",
                Err("the connection was closed without an answer".to_owned()),
            ),
        ] {
            let to = server(answer).await;
            let path = "/".to_owned();

            let found = once(&CheckKind::Http { to, path }, PATIENCE).await.result;

            assert_eq!(found, wanted);
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up_at_the_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let path = "/".to_owned();

        let found = once(&CheckKind::Http { to, path }, Duration::from_millis(20))
            .await
            .result;

        assert_eq!(found, Err("no answer within 20ms".to_owned()));
    }

    #[tokio::test]
    async fn a_command_is_judged_by_its_exit_code() {
        let run = |script: &str| {
            CheckKind::Command(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
        };

        let good = once(&run("exit 0"), PATIENCE).await.result;
        let bad = once(&run("echo out of discs >&2; exit 3"), PATIENCE)
            .await
            .result;

        assert_eq!(good, Ok(()));
        assert_eq!(bad, Err("exit code 3: out of discs".to_owned()));
    }

    #[tokio::test]
    async fn a_check_that_fails_stands_in_the_way_and_is_told_once() {
        let (mut checks, mut results) = Checks::new();
        checks.begin(&[check(CheckKind::Tcp(closed().await))], Some(true));
        let before = checks.failing();

        let mut turns = Vec::new();
        for _ in 0..4 {
            let checked = results.recv().await.unwrap();
            turns.extend(checks.note(checked));
        }

        assert!(!before && checks.failing());
        assert_eq!(turns.len(), 1, "{turns:?}");
        assert!(!turns[0].good);
    }

    #[tokio::test]
    async fn without_a_result_a_check_stands_in_the_way() {
        let (mut checks, _results) = Checks::new();

        checks.begin(&[check(CheckKind::Tcp(closed().await))], None);

        assert!(checks.failing());
        assert_eq!(checks.standings()[0].good, None);
    }

    #[tokio::test]
    async fn a_check_that_stays_keeps_what_is_known_of_it() {
        let (mut checks, mut results) = Checks::new();
        let stays = check(CheckKind::Tcp(closed().await));
        checks.begin(std::slice::from_ref(&stays), None);
        let old = results.recv().await.unwrap();
        let also_old = results.recv().await.unwrap();
        checks.note(old);

        let added = check(CheckKind::Tcp("127.0.0.1:1".parse().unwrap()));
        checks.begin(&[added, stays], None);

        let known: Vec<_> = checks.standings().iter().map(|one| one.good).collect();
        assert_eq!(known, [None, Some(false)]);
        assert_eq!(checks.note(also_old), None, "of an earlier run");
    }

    #[tokio::test]
    async fn a_check_whose_program_cannot_be_killed_is_not_run_again_until_it_is_gone() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let (there, presence) = Presence::new();
        let mut first = Some(presence);
        let checking = tokio::spawn(repeat_each(
            Duration::from_millis(5),
            move || {
                std::future::ready(Ended {
                    result: Err("no answer within 1s: ignored SIGTERM, killed".to_owned()),
                    left: first.take(),
                })
            },
            move |result| tell.send(result).is_ok(),
        ));

        let mut results = Vec::new();
        for _ in 0..4 {
            results.push(told.recv().await.unwrap().unwrap_err());
        }
        drop(there);
        while told
            .recv()
            .await
            .unwrap()
            .unwrap_err()
            .contains("still running")
        {}
        checking.abort();

        assert!(results[0].contains("killed"), "{results:?}");
        for later in &results[1..] {
            assert!(
                later.starts_with("the one before is still running"),
                "{later}"
            );
        }
    }

    #[tokio::test]
    async fn a_program_that_has_ended_is_not_there_and_one_that_was_told_to_end_is_not_waited_for()
    {
        let run = |script: &str, patience| {
            let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
            async move {
                once(&CheckKind::Command(command), patience)
                    .await
                    .left
                    .unwrap()
            }
        };

        let mut ended = run("exit 3", PATIENCE).await;
        // It is a zombie for a while, as its group is looked after for longer.
        let mut obeyed = run("exec sleep 3600", Duration::from_millis(200)).await;

        assert!(!ended.is_there() && !obeyed.is_there());
    }
}

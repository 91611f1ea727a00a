//! One client of the control socket: requests in, replies out, one after the other.

use std::{io, pin::pin, time::Duration};

use serde::Serialize;
use tokio::{
    io::{AsyncWriteExt as _, BufReader, Interest},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    lines::{Line, next_line},
    protocol::{Event, Failure, FailureKind, MAX_REQUEST, Reply, Request},
    server::{Call, Limits},
};
use crate::events::{EventLog, Follower};

/// How often it is looked whether a client that waits for an answer is still there.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// What every connection has in common.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) events: EventLog,
    pub(super) stop: CancellationToken,
    pub(super) limits: Limits,
}

/// Why a connection was ended by this side.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("it did not read what it asked for")]
    Stuck,
    #[error("no whole request for too long")]
    Idle,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves a client until it closes, until it is stuck, or until the daemon ends.
pub(super) async fn serve(stream: UnixStream, shared: Shared) -> Result<(), Ended> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let line = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return Ok(()),
            line = timeout(shared.limits.idle, next_line(&mut reader, MAX_REQUEST)) => line.map_err(|_| Ended::Idle)??,
        };
        if line == Line::End {
            return Ok(());
        }
        let request = read(&line);
        let patience = shared.limits.write;
        match request {
            Ok(Request::Events { follow: true }) => match follow(&shared).await {
                Ok((state, past, follower)) => {
                    write(&mut writer, &state, patience).await?;
                    write(&mut writer, &Reply::Events(past), patience).await?;
                    return pass_on(reader, writer, follower, &shared).await;
                }
                Err(reply) => write(&mut writer, &reply, patience).await?,
            },
            Ok(Request::Events { follow: false }) => {
                write(&mut writer, &Reply::Events(shared.events.kept()), patience).await?;
            }
            Ok(
                request @ (Request::Status { .. }
                | Request::Takeover { .. }
                | Request::Failback { .. }
                | Request::Approve { .. }
                | Request::Decline { .. }
                | Request::Hold { .. }
                | Request::Resume { .. }
                | Request::HoldSelf
                | Request::ResumeSelf
                | Request::Reload
                | Request::Drill { .. }
                | Request::Stop { .. }),
            ) => {
                let Some(reply) = unless_gone(&writer, ask(&shared.calls, request)).await else {
                    return Ok(());
                };
                write(&mut writer, &reply, patience).await?;
            }
            Err(problem) => {
                write(
                    &mut writer,
                    &failure(FailureKind::BadRequest, problem),
                    patience,
                )
                .await?
            }
        }
    }
}

/// The line for a client that finds no seat.
pub(super) fn no_seat(clients: usize) -> String {
    let message = format!("{clients} clients are connected already; end one and try again");
    let line = serde_json::to_string(&failure(FailureKind::Failed, message)).unwrap_or_default();
    line + "\n"
}

fn read(line: &Line) -> Result<Request, String> {
    match line {
        Line::Complete(line) => parse(line),
        Line::TooLong => Err(format!("the request is longer than {MAX_REQUEST} octets")),
        Line::End => Err("the request is empty".to_owned()),
    }
}

fn parse(line: &[u8]) -> Result<Request, String> {
    let text =
        str::from_utf8(line).map_err(|error| format!("the request is not UTF-8: {error}"))?;
    if text.trim().is_empty() {
        return Err("the request is empty".to_owned());
    }
    // The decoder would take a list for an object, and `["stop"]` for a request.
    if !text.trim_start().starts_with('{') {
        return Err("the request cannot be understood: it is no JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| format!("the request cannot be understood: {error}"))
}

async fn ask(calls: &mpsc::Sender<Call>, request: Request) -> Reply {
    let (reply, answer) = oneshot::channel();
    let ending = || {
        failure(
            FailureKind::Failed,
            "the daemon is ending; ask again once it runs".to_owned(),
        )
    };
    if calls.send(Call { request, reply }).await.is_err() {
        return ending();
    }
    answer.await.unwrap_or_else(|_| ending())
}

/// What `work` comes to; `None`: the client has closed the connection before that. One that only says that it will ask no more
/// (`shutdown`, SHUT_WR) waits for the answer like any other.
async fn unless_gone<T>(writer: &OwnedWriteHalf, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            _ = looks.tick() => {
                // The socket is writable, so this does not wait.
                let ready = writer.ready(Interest::WRITABLE).await;
                if ready.is_ok_and(|ready| ready.is_write_closed()) {
                    return None;
                }
            }
        }
    }
}

/// The state, the events that it includes, and a follower that goes on behind it; otherwise why there is no state.
///
/// The follower comes first, so that whatever happens while the daemon makes the state is told before or after it.
async fn follow(shared: &Shared) -> Result<(Reply, Vec<Event>, Follower), Reply> {
    let (mut past, mut follower) = shared.events.follow();
    match ask(&shared.calls, Request::Status { source: None }).await {
        Reply::Status(status) => {
            while let Some(event) = follower.next_until(status.seq) {
                past.push(Event::clone(&event));
            }
            Ok((Reply::Status(status), past, follower))
        }
        reply @ (Reply::Events(_) | Reply::Drill(_) | Reply::Done(_) | Reply::Error(_)) => {
            Err(reply)
        }
    }
}

/// Passes events on, and answers what the client asks meanwhile. Its end is the end of the connection.
async fn pass_on(
    mut reader: BufReader<OwnedReadHalf>,
    mut writer: OwnedWriteHalf,
    mut follower: Follower,
    shared: &Shared,
) -> Result<(), Ended> {
    let (lines, mut asked) = mpsc::channel(1);
    // Half a line must not be lost because something else happens.
    let mut reading = pin!(async move {
        loop {
            match next_line(&mut reader, MAX_REQUEST).await? {
                Line::End => return Ok(()),
                line @ (Line::Complete(_) | Line::TooLong) => {
                    if lines.send(line).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    });
    loop {
        tokio::select! {
            event = follower.next() => match event {
                Some(event) => write(&mut writer, &*event, shared.limits.write).await?,
                None => return Ok(()),
            },
            Some(line) = asked.recv() => {
                let reply = answer_follower(&line, shared).await;
                if let Reply::Status(status) = &reply {
                    while let Some(event) = follower.next_until(status.seq) {
                        write(&mut writer, &*event, shared.limits.write).await?;
                    }
                }
                write(&mut writer, &reply, shared.limits.write).await?;
            }
            closed = &mut reading => return closed.map_err(Ended::Io),
            () = shared.stop.cancelled() => {
                while let Some(event) = follower.try_next() {
                    write(&mut writer, &*event, shared.limits.write).await?;
                }
                return Ok(());
            }
        }
    }
}

/// Only what the daemon answers at once: a command would hold up the events.
async fn answer_follower(line: &Line, shared: &Shared) -> Reply {
    match read(line) {
        Ok(request @ Request::Status { .. }) => ask(&shared.calls, request).await,
        Ok(
            Request::Events { .. }
            | Request::Takeover { .. }
            | Request::Failback { .. }
            | Request::Approve { .. }
            | Request::Decline { .. }
            | Request::Hold { .. }
            | Request::Resume { .. }
            | Request::HoldSelf
            | Request::ResumeSelf
            | Request::Reload
            | Request::Drill { .. }
            | Request::Stop { .. },
        ) => failure(
            FailureKind::BadRequest,
            "this connection follows events, and only `status` can be asked on it: use another one"
                .to_owned(),
        ),
        Err(problem) => failure(FailureKind::BadRequest, problem),
    }
}

async fn write(
    writer: &mut OwnedWriteHalf,
    message: &impl Serialize,
    patience: Duration,
) -> Result<(), Ended> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::from)?;
    line.push(b'\n');
    timeout(patience, writer.write_all(&line))
        .await
        .map_err(|_| Ended::Stuck)?
        .map_err(Ended::Io)
}

fn failure(kind: FailureKind, message: String) -> Reply {
    Reply::Error(Failure { kind, message })
}

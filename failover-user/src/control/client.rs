//! The command line's end of the control socket: blocking, one request at a time.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::protocol::{Event, Message, Reply, Request, Status};
use crate::config::LONGEST_HOOK;

/// How long a question may take: its answer needs no work.
pub const QUESTION: Duration = Duration::from_secs(10);

/// How long a command may take that waits for no hook.
const COMMAND: Duration = Duration::from_secs(300);

/// How long a command may take that waits for a hook, and for a drain.
const HOOK: Duration = LONGEST_HOOK.saturating_add(COMMAND);

/// How long a drill may take: three hooks.
const DRILL: Duration = LONGEST_HOOK.saturating_mul(3).saturating_add(COMMAND);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no daemon at {}; start one with `failover run -c FILE`, or name its socket with --socket", .0.display())]
    NoDaemon(PathBuf),
    /// The socket is there, and closed to this user.
    #[error("permission denied at {}; run as root, or as a member of the socket's group", .0.display())]
    PermissionDenied(PathBuf),
    /// The daemon went away.
    #[error("the daemon at {} closed the connection; see its log, and `failover status`", .0.display())]
    Closed(PathBuf),
    /// The daemon is there and says nothing.
    #[error("the daemon at {} did not answer within {} s; it may be overloaded or stopped: see its log", .0.display(), .1.as_secs())]
    Silent(PathBuf, Duration),
    /// The daemon said something else than the protocol foresees.
    #[error("the daemon at {} gave an answer that this version does not understand ({what}); use the daemon's own version of failover", socket.display())]
    Strange {
        /// Which socket.
        socket: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system refused.
    #[error("cannot talk to the daemon at {}", socket.display())]
    Io {
        /// Which socket.
        socket: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
    /// What has come of a line that is not whole yet.
    partial: Vec<u8>,
}

/// How a stream of events begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Beginning {
    /// The state.
    pub status: Box<Status>,
    /// The events that are in it, oldest first.
    pub past: Vec<Event>,
}

/// What came on a connection that follows events, in the time that was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// A whole line.
    Message(Box<Message>),
    /// None yet.
    Nothing,
    /// The daemon has closed the connection.
    Closed,
}

impl Client {
    /// Connects to the daemon at `socket`.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|source| {
            use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};
            let socket = socket.to_owned();
            let kind = source.kind();
            if [NotFound, ConnectionRefused, NotADirectory].contains(&kind) {
                ClientError::NoDaemon(socket)
            } else if kind == PermissionDenied {
                ClientError::PermissionDenied(socket)
            } else {
                ClientError::Io { socket, source }
            }
        })?;
        Ok(Self {
            stream: BufReader::new(stream),
            socket: socket.to_owned(),
            partial: Vec::new(),
        })
    }

    /// Sends a request and waits for its reply.
    pub fn request(&mut self, request: &Request) -> Result<Reply, ClientError> {
        self.request_within(request, patience(request))
    }

    /// As [`Client::request`], with a limit of one's own.
    pub fn request_within(
        &mut self,
        request: &Request,
        patience: Duration,
    ) -> Result<Reply, ClientError> {
        let written = self.send(request, patience);
        self.read_within(Some(patience))?;
        // A daemon that turns us away has written why, and closed.
        match (self.line(Some(patience)), written) {
            (Ok(Some(reply)), _) => Ok(reply),
            (Ok(None), _) => Err(ClientError::Closed(self.socket.clone())),
            (Err(ClientError::Io { .. }), Err(error)) => Err(error),
            (Err(error), _) => Err(error),
        }
    }

    /// Follows events from now on. The daemon may answer something else instead, as an error.
    pub fn follow(&mut self, patience: Duration) -> Result<Result<Beginning, Reply>, ClientError> {
        let status = match self.request_within(&Request::Events { follow: true }, patience)? {
            Reply::Status(status) => status,
            // Version 1 began with them.
            Reply::Events(_) => {
                return Err(self.strange("it is older, and sends no state before its events"));
            }
            reply @ (Reply::Drill(_) | Reply::Done(_) | Reply::Error(_)) => return Ok(Err(reply)),
        };
        match self.line(Some(patience))? {
            Some(Reply::Events(past)) => Ok(Ok(Beginning { status, past })),
            Some(Reply::Status(_) | Reply::Drill(_) | Reply::Done(_) | Reply::Error(_)) => {
                Err(self.strange("no events came behind the state"))
            }
            None => Err(ClientError::Closed(self.socket.clone())),
        }
    }

    /// The next event after [`Client::follow`]; waits as long as it takes. `None` once the daemon closes.
    pub fn next_event(&mut self) -> Result<Option<Event>, ClientError> {
        self.read_within(None)?;
        loop {
            match self.line(None)? {
                Some(Message::Event(event)) => return Ok(Some(event)),
                Some(Message::Reply(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Asks something of a daemon whose events are followed: the answer comes among them.
    pub fn send(&mut self, request: &Request, patience: Duration) -> Result<(), ClientError> {
        let line = serde_json::to_string(request).map_err(|error| self.io(error.into()))? + "\n";
        self.stream
            .get_ref()
            .set_write_timeout(Some(patience))
            .and_then(|()| self.stream.get_mut().write_all(line.as_bytes()))
            .map_err(|error| self.io(error))
    }

    /// What comes within `patience`, after [`Client::follow`].
    pub fn next_within(&mut self, patience: Duration) -> Result<Next, ClientError> {
        // Zero would mean for ever.
        let patience = patience.max(Duration::from_millis(1));
        self.read_within(Some(patience))?;
        match self.line(Some(patience)) {
            Ok(Some(message)) => Ok(Next::Message(Box::new(message))),
            Ok(None) => Ok(Next::Closed),
            Err(ClientError::Silent(..)) => Ok(Next::Nothing),
            Err(error) => Err(error),
        }
    }

    fn read_within(&self, patience: Option<Duration>) -> Result<(), ClientError> {
        self.stream
            .get_ref()
            .set_read_timeout(patience)
            .map_err(|error| self.io(error))
    }

    /// Waits until the daemon closes the connection, as it does when it ends. Returns whether it did in time.
    pub fn wait_closed(mut self, patience: Duration) -> bool {
        let waiting = self.stream.get_ref().set_read_timeout(Some(patience));
        waiting.is_ok() && matches!(self.stream.fill_buf(), Ok([]))
    }

    fn line<T: DeserializeOwned>(
        &mut self,
        patience: Option<Duration>,
    ) -> Result<Option<T>, ClientError> {
        // What has come stays there if the rest of the line is late.
        let read = self.stream.read_until(b'\n', &mut self.partial);
        read.map_err(|source| match (source.kind(), patience) {
            (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, Some(patience)) => {
                ClientError::Silent(self.socket.clone(), patience)
            }
            (io::ErrorKind::ConnectionReset, _) => ClientError::Closed(self.socket.clone()),
            _ => ClientError::Io {
                socket: self.socket.clone(),
                source,
            },
        })?;
        let line = std::mem::take(&mut self.partial);
        if line.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| self.strange(&error.to_string()))
    }

    fn strange(&self, what: &str) -> ClientError {
        ClientError::Strange {
            socket: self.socket.clone(),
            what: what.to_owned(),
        }
    }

    fn io(&self, source: io::Error) -> ClientError {
        ClientError::Io {
            socket: self.socket.clone(),
            source,
        }
    }
}

/// How long an answer may take.
fn patience(request: &Request) -> Duration {
    match request {
        Request::Status { .. } | Request::Events { .. } => QUESTION,
        Request::Hold { .. }
        | Request::Resume { .. }
        | Request::HoldSelf
        | Request::ResumeSelf
        | Request::Reload => COMMAND,
        Request::Takeover { .. }
        | Request::Failback { .. }
        | Request::Approve { .. }
        | Request::Decline { .. }
        | Request::Stop { .. } => HOOK,
        Request::Drill { .. } => DRILL,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn client() -> (tempfile::TempDir, UnixListener, Client) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let client = Client::connect(&socket).unwrap();
        (dir, listener, client)
    }

    #[test]
    fn a_daemon_that_is_stopped_is_not_waited_for_for_ever() {
        let (_dir, _listener, mut client) = client();
        let request = Request::Status { source: None };

        let error = client.request_within(&request, Duration::from_millis(20));

        assert!(matches!(error, Err(ClientError::Silent(..))), "{error:?}");
    }

    #[test]
    fn a_command_that_waits_for_a_hook_is_waited_for_as_long_as_the_hook_may_take() {
        let source = || "web1".to_owned();
        for request in [
            Request::Takeover {
                source: source(),
                path: None,
                even_if_healthy: true,
            },
            Request::Failback {
                source: source(),
                stop_monitoring: false,
            },
            Request::Approve { source: source() },
            Request::Stop { release: true },
        ] {
            assert!(
                patience(&request) > Duration::from_secs(3600),
                "{request:?}"
            );
        }
        let drill = Request::Drill { source: source() };
        assert!(patience(&drill) > Duration::from_secs(3 * 3600));
    }

    #[test]
    fn a_daemon_that_goes_away_is_told_apart_from_none() {
        let (_dir, listener, mut client) = client();
        drop(listener.accept().unwrap());

        let error = client.request(&Request::Status { source: None });

        assert!(matches!(error, Err(ClientError::Closed(_))), "{error:?}");
    }

    #[test]
    fn the_reason_for_being_turned_away_is_read_although_writing_fails() {
        let (_dir, listener, mut client) = client();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"{\"done\":\"not now\"}\n").unwrap();
        drop(stream);

        let reply = client.request(&Request::Status { source: None });

        assert!(
            matches!(reply, Ok(Reply::Done(ref text)) if text == "not now"),
            "{reply:?}"
        );
    }
}

//! The command line's end of the control socket: blocking, one request at a time.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::protocol::{Event, Reply, Request};

/// How long a question may take: its answer needs no work.
const QUESTION: Duration = Duration::from_secs(10);

/// How long a command may take: there may be hooks to wait for, and a drain.
const COMMAND: Duration = Duration::from_secs(300);

/// How long a drill may take: three hooks, each of which may be given an hour.
const DRILL: Duration = Duration::from_secs(3 * 3600 + 300);

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
        })
    }

    /// Sends a request and waits for its reply.
    pub fn request(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let patience = match request {
            Request::Status { .. } | Request::Events { .. } => QUESTION,
            Request::Takeover { .. }
            | Request::Failback { .. }
            | Request::Approve { .. }
            | Request::Decline { .. }
            | Request::Hold { .. }
            | Request::Resume { .. }
            | Request::HoldSelf
            | Request::ResumeSelf
            | Request::Reload
            | Request::Stop { .. } => COMMAND,
            Request::Drill { .. } => DRILL,
        };
        self.request_within(request, patience)
    }

    /// As [`Client::request`], with a limit of one's own.
    pub fn request_within(
        &mut self,
        request: &Request,
        patience: Duration,
    ) -> Result<Reply, ClientError> {
        let line = serde_json::to_string(request).map_err(|error| self.io(error.into()))? + "\n";
        let stream = self.stream.get_ref();
        stream
            .set_read_timeout(Some(patience))
            .map_err(|error| self.io(error))?;
        stream
            .set_write_timeout(Some(patience))
            .map_err(|error| self.io(error))?;
        let written = self.stream.get_mut().write_all(line.as_bytes());
        // A daemon that turns us away has written why, and closed.
        match (self.line(Some(patience)), written) {
            (Ok(Some(reply)), _) => Ok(reply),
            (Ok(None), _) => Err(ClientError::Closed(self.socket.clone())),
            (Err(ClientError::Io { .. }), Err(error)) => Err(self.io(error)),
            (Err(error), _) => Err(error),
        }
    }

    /// The next event after `Events` with `follow`; waits as long as it takes. `None` once the daemon closes.
    pub fn next_event(&mut self) -> Result<Option<Event>, ClientError> {
        self.stream
            .get_ref()
            .set_read_timeout(None)
            .map_err(|error| self.io(error))?;
        self.line(None)
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
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).map_err(|source| {
            match (source.kind(), patience) {
                (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, Some(patience)) => {
                    ClientError::Silent(self.socket.clone(), patience)
                }
                (io::ErrorKind::ConnectionReset, _) => ClientError::Closed(self.socket.clone()),
                _ => ClientError::Io {
                    socket: self.socket.clone(),
                    source,
                },
            }
        })?;
        if line.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| ClientError::Strange {
                socket: self.socket.clone(),
                what: error.to_string(),
            })
    }

    fn io(&self, source: io::Error) -> ClientError {
        ClientError::Io {
            socket: self.socket.clone(),
            source,
        }
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

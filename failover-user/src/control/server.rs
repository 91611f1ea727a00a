//! The daemon's end of the control socket.
//!
//! The server knows nothing of the daemon: it hands each request over as a [`Call`] and writes back what comes out of
//! it. Events it answers itself, from the [`EventLog`], with a state of the daemon's in front of those that are followed. Clients are served in tasks of their own, so that none of them,
//! slow, stuck or hostile, holds up the daemon or another client.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    os::{fd::OwnedFd, unix::net},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{self, Ended, Shared},
    protocol::{Reply, Request},
};
use crate::events::EventLog;

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 128;

/// How long connections have, once the daemon ends, to write the replies that they are about.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait when a client cannot be accepted, for want of file descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A request on its way to the daemon. Never [`Request::Events`].
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. Dropped unanswered: the client is told that the daemon is ending.
    pub reply: oneshot::Sender<Reply>,
}

/// What clients are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients at once.
    pub clients: usize,
    /// How long one line may take to be read by the client.
    pub write: Duration,
    /// How long a client that follows no events may take for a request.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 64,
            write: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        }
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens at the socket.
    #[error(
        "another failover daemon answers at {}; end it with `failover --socket {} stop`, or use another --socket",
        .0.display(), .0.display()
    )]
    Answers(PathBuf),
    /// Another process is at this very place of its start.
    #[error("another failover daemon is just starting at {}; try again", .0.display())]
    Starting(PathBuf),
    /// Something else has the name.
    #[error("{} exists and is no socket; remove it, or use another --socket", .0.display())]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// The listening socket.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: a file that has taken our place is not ours to remove.
    identity: (u64, u64),
    limits: Limits,
}

impl Server {
    /// Listens at `path`, mode 0660, in a directory that is created if need be. What a dead daemon has left there is
    /// removed. To be called within a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        Self::bind_with(path, Limits::default())
    }

    /// As [`Server::bind`], with other limits.
    pub fn bind_with(path: &Path, limits: Limits) -> Result<Self, BindError> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| BindError::Io { what, path, source }
        };
        let dir = match path.parent() {
            Some(dir) if dir != Path::new("") => dir,
            Some(_) | None => Path::new("."),
        };
        fs::create_dir_all(dir).map_err(failed("create the directory", dir))?;
        // Two daemons that start together must not each remove the other's socket as stale.
        let lock = fs::File::open(dir).map_err(failed("open the directory", dir))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(BindError::Starting(path.to_owned())),
            Err(error) => return Err(failed("lock the directory", dir)(error.into())),
        }
        remove_stale(path)?;
        let socket = listen_at(path).map_err(failed("listen at", path))?;
        let listener = UnixListener::from_std(net::UnixListener::from(socket))
            .map_err(failed("listen at", path))?;
        let metadata = fs::symlink_metadata(path).map_err(failed("look at", path))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
            limits,
        })
    }

    /// Serves clients until `stop` is cancelled; then removes the socket file, and gives connections a moment to write
    /// the replies that they are about. Meanwhile the daemon has to answer calls still, or drop their receiver.
    pub async fn serve(self, calls: mpsc::Sender<Call>, events: EventLog, stop: CancellationToken) {
        // Connections close only when the socket's file is gone: a client that sees the end may start the next daemon.
        let closing = CancellationToken::new();
        let close_connections = closing.clone().drop_guard();
        let shared = Shared {
            calls,
            events,
            stop: closing.clone(),
            limits: self.limits,
        };
        let seats = Arc::new(Semaphore::new(self.limits.clients));
        let connections = TaskTracker::new();
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a control client cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            match Arc::clone(&seats).try_acquire_owned() {
                Ok(seat) => {
                    let shared = shared.clone();
                    connections.spawn(async move {
                        report(connection::serve(stream, shared).await);
                        drop(seat);
                    });
                }
                Err(_) => turn_away(stream, self.limits),
            }
        }
        drop(shared);
        self.close();
        drop(close_connections);
        connections.close();
        if tokio::time::timeout(GRACE, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                clients = connections.len(),
                "control clients were cut off at the end of the daemon"
            );
        }
    }

    fn close(self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the control socket cannot be removed");
        }
    }
}

/// One line fits into the socket's buffer, so this takes no task that a flood of clients could multiply.
fn turn_away(stream: UnixStream, limits: Limits) {
    let line = connection::no_seat(limits.clients);
    if stream.try_write(line.as_bytes()).is_err() {
        tracing::debug!("a control client was gone before it could be turned away");
    }
    tracing::warn!(
        clients = limits.clients,
        "a control client was turned away: too many clients"
    );
}

fn report(ended: Result<(), Ended>) {
    match ended {
        Ok(()) => {}
        Err(Ended::Idle) => tracing::debug!("a control client was silent for too long"),
        Err(error @ Ended::Stuck) => tracing::warn!(%error, "a control client was dropped"),
        Err(Ended::Io(error)) => tracing::debug!(%error, "a control client went away"),
    }
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |what| {
        move |source| BindError::Io {
            what,
            path: path.to_owned(),
            source,
        }
    };
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return Err(BindError::NotASocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at")(error)),
    }
    let address =
        SocketAddrUnix::new(path).map_err(|error| failed("use the path")(error.into()))?;
    let socket = stream_socket().map_err(failed("make a socket for"))?;
    match rustix::net::connect(&socket, &address) {
        Err(rustix::io::Errno::CONNREFUSED) => {
            tracing::info!(path = %path.display(), "the control socket of a dead daemon is removed");
            fs::remove_file(path).map_err(failed("remove"))
        }
        // EAGAIN: its backlog is full, so somebody listens who has more clients than it can accept.
        Ok(()) | Err(rustix::io::Errno::AGAIN) => Err(BindError::Answers(path.to_owned())),
        Err(error) => Err(failed("ask who listens at")(error.into())),
    }
}

/// The mode is set before anybody is let in.
fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    let socket = stream_socket()?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn stream_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

#[cfg(test)]
mod tests;

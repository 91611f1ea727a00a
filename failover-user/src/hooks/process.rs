//! A hook's processes: start, signals, end.

use std::{
    convert::Infallible,
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    process::Stdio,
    thread,
};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    waitid,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::{Child, Command},
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{
    Facts,
    ordinary::{become_ordinary, unspare},
};

/// Variables that a service manager means for the daemon alone.
const MANAGER: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

/// What is run for `program`, with these variables on top of the daemon's. No `pre_exec` here, nor anything else that makes the standard library `fork` where it can
/// `posix_spawn`; see [`super::ordinary`].
pub(super) fn command(
    program: &[String],
    variables: Vec<(&'static str, String)>,
) -> Result<Command, String> {
    let [path, arguments @ ..] = program else {
        return Err("cannot be run: no program is given".to_owned());
    };
    let mut command = Command::new(path);
    command
        .args(arguments)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in Facts::names().chain(MANAGER) {
        command.env_remove(name);
    }
    command.envs(variables);
    Ok(command)
}

/// A hook that was started. Until [`Running::reap`] its process id, which is its group's, belongs to nobody else.
///
/// Dropped before that, its group gets SIGTERM, and the runtime reaps it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    exit: AsyncFd<OwnedFd>,
    group: Pid,
    reaped: bool,
}

impl Running {
    /// Starts it, on a thread of its own: a program on a file system that hangs holds up whoever starts it. `there` is kept
    /// until it is started, or cannot be.
    ///
    /// # Errors
    /// In words for a person.
    pub(super) async fn start(
        mut command: Command,
        there: mpsc::Sender<Infallible>,
    ) -> Result<Self, String> {
        let (sender, started) = oneshot::channel();
        let runtime = Handle::current();
        let begin = move || {
            let _runtime = runtime.enter();
            become_ordinary();
            // Nobody waits any more: it is dropped, and so ended, here.
            drop(sender.send(Self::spawn(&mut command)));
            drop(there);
        };
        let thread = thread::Builder::new().name("hook".to_owned());
        thread
            .spawn(begin)
            .map_err(|error| format!("cannot be run: {}", plain(&error)))?;
        started
            .await
            .unwrap_or_else(|_| Err("cannot be run: the thread that starts it ended".to_owned()))
    }

    fn spawn(command: &mut Command) -> Result<Self, String> {
        let mut child = command.spawn().map_err(|error| {
            let program = Path::new(command.as_std().get_program());
            if error.kind() == io::ErrorKind::NotFound && program.exists() {
                "cannot be run: the interpreter that its first line names does not exist".to_owned()
            } else {
                format!("cannot be run: {}", plain(&error))
            }
        })?;
        match watch(&child) {
            Ok((exit, group)) => Ok(Self {
                child,
                exit,
                group,
                reaped: false,
            }),
            Err(error) => {
                let killed = child.start_kill().err();
                let killed = killed.map_or_else(String::new, |e| format!(", nor killed: {e}"));
                Err(format!("cannot be watched: {}{killed}", plain(&error)))
            }
        }
    }

    /// Waits until it has ended; it stays a zombie. Its children may live on.
    pub(super) async fn exited(&self) -> Result<WaitIdStatus, String> {
        let unknown = |error: &io::Error| format!("how it ended is unknown: {}", plain(error));
        loop {
            let mut ready = self.exit.readable().await.map_err(|e| unknown(&e))?;
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            match waitid(WaitId::PidFd(self.exit.as_fd()), options) {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => ready.clear_ready(),
                Err(error) => return Err(unknown(&error.into())),
            }
        }
    }

    /// Signals every process of the group that is still there.
    pub(super) fn signal(&self, signal: Signal) {
        // The zombie is one of them, so that the group exists. EPERM: those that are left have changed their user.
        if let Err(error) = kill_process_group(self.group, signal) {
            tracing::warn!(%error, group = self.group.as_raw_nonzero(), "a hook's processes cannot be signalled");
        }
    }

    /// Waits until it has ended, and gives its process id back.
    pub(super) async fn reap(mut self) {
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "a hook cannot be waited for");
        }
        self.reaped = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::TERM);
        }
    }
}

fn watch(child: &Child) -> io::Result<(AsyncFd<OwnedFd>, Pid)> {
    let id = child
        .id()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    unspare(id);
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let descriptor = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    // SAFETY: the descriptor is open, and the AsyncFd owns it.
    let exit = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?;
    Ok((exit, pid))
}

/// Without the number of the error.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

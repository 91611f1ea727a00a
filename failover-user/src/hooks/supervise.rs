//! One hook from its start to its end.

use std::{
    convert::Infallible, os::unix::process::ExitStatusExt as _, pin::pin, process::ExitStatus,
    time::Duration,
};

use rustix::process::{Signal, WaitIdStatus};
use tokio::{
    process::Command,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    GRACE,
    pipes::{Pipes, Printed},
    process::Running,
};

/// A hook that is to be run.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) command: Command,
    pub(super) input: Vec<u8>,
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
    /// Nobody wants to know any more.
    pub(super) abandoned: CancellationToken,
    /// Dropped when it has no process any more.
    pub(super) there: mpsc::Sender<Infallible>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) error: Option<String>,
    pub(super) output: String,
}

impl Ended {
    /// It did not run.
    pub(super) fn unused(error: String) -> Self {
        Self {
            error: Some(error),
            output: String::new(),
        }
    }

    fn new(error: Option<String>, printed: &Printed) -> Self {
        Self {
            error,
            output: printed.output.text(),
        }
    }
}

/// Why waiting is over.
enum Over {
    Exited(Result<WaitIdStatus, String>),
    Late,
    Abandoned,
}

impl Hook {
    /// Runs it and tells how it ended, as soon as that is known; goes on until nothing has to be cleared away.
    pub(super) async fn supervise(self, teller: oneshot::Sender<Ended>) {
        let patience = humantime::format_duration(self.timeout);
        let mut starting = pin!(Running::start(self.command, self.there.clone()));
        let started = tokio::select! {
            started = &mut starting => started,
            () = sleep_until(self.deadline) => {
                let error = format!("could not be started within {patience}");
                tell(teller, Ended::unused(error));
                return end_when_started(starting.await, self.there).await;
            }
            () = self.abandoned.cancelled() => return end_when_started(starting.await, self.there).await,
        };
        let mut running = match started {
            Ok(running) => running,
            Err(error) => return tell(teller, Ended::unused(error)),
        };
        let mut pipes = Pipes::new(&mut running.child, self.input);

        // Biased: an end in time counts as one, and somebody who prints endlessly cannot outrun the deadline.
        let over = tokio::select! {
            biased;
            status = running.exited() => Over::Exited(status),
            () = sleep_until(self.deadline) => Over::Late,
            () = self.abandoned.cancelled() => Over::Abandoned,
            never = pipes.pump() => match never {},
        };
        match over {
            Over::Exited(status) => {
                drop(self.there);
                let printed = pipes.finish();
                let error = judge(status, &printed);
                if error.is_some() {
                    running.signal(Signal::TERM);
                }
                tell(teller, Ended::new(error, &printed));
                running.reap().await;
            }
            Over::Late | Over::Abandoned => {
                end(running, pipes, teller, &patience.to_string(), self.there).await;
            }
        }
    }
}

/// Nobody waits for it any more, and it may be there: what was about to be started cannot be held back.
async fn end_when_started(started: Result<Running, String>, there: mpsc::Sender<Infallible>) {
    if let Ok(mut running) = started {
        let pipes = Pipes::new(&mut running.child, Vec::new());
        let (teller, _) = oneshot::channel();
        end(running, pipes, teller, "the start", there).await;
    }
}

/// SIGTERM, and SIGKILL to whatever of the group is left after [`GRACE`].
async fn end(
    running: Running,
    mut pipes: Pipes,
    teller: oneshot::Sender<Ended>,
    patience: &str,
    there: mpsc::Sender<Infallible>,
) {
    running.signal(Signal::TERM);
    let grace = Instant::now() + GRACE;
    let obeyed = tokio::select! {
        biased;
        _ = running.exited() => true,
        () = sleep_until(grace) => false,
        never = pipes.pump() => match never {},
    };
    if obeyed {
        drop(there);
        let printed = pipes.finish();
        let error = format!("no answer within {patience}: ended by SIGTERM");
        tell(teller, Ended::new(Some(error), &printed));
        // Its children may have ignored it. The group keeps its number for as long as the hook is not reaped.
        sleep_until(grace).await;
        running.signal(Signal::KILL);
    } else {
        running.signal(Signal::KILL);
        let printed = pipes.finish();
        let error = format!("no answer within {patience}: ignored SIGTERM, killed");
        tell(teller, Ended::new(Some(error), &printed));
        // What waits for a disk is killed when that has answered.
        if let Err(error) = running.exited().await {
            tracing::warn!(
                error,
                "it is not known whether a killed program is still there"
            );
        }
        drop(there);
    }
    running.reap().await;
}

fn judge(status: Result<WaitIdStatus, String>, printed: &Printed) -> Option<String> {
    let what = match status {
        Ok(status) => match (status.exit_status(), status.terminating_signal()) {
            (Some(0), _) => return None,
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by {}", name(signal)),
            (None, None) => "how it ended is unknown".to_owned(),
        },
        Err(error) => error,
    };
    Some(match printed.errors.last_line() {
        Some(line) => format!("{what}: {line}"),
        None => what,
    })
}

/// As `signal 15 (SIGTERM)`.
fn name(signal: i32) -> String {
    let name = ExitStatus::from_raw(signal).to_string();
    name.replacen("signal: ", "signal ", 1)
}

fn tell(teller: oneshot::Sender<Ended>, ended: Ended) {
    // An error means that nobody waits for it.
    drop(teller.send(ended));
}

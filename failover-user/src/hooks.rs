//! The administrator's programs (`[source.hooks]`).
//!
//! # What a hook can rely on
//!
//! Facts come as environment variables, and the same facts as one JSON object (one line) on standard input. What does not
//! apply is absent from both. [`Facts::TABLE`] has them all, and the README the whole contract.
//!
//! Lists are separated by spaces in variables, and are arrays in JSON. A variable that would be longer than Linux hands to
//! a program (128 KiB, some thousand addresses) is absent; standard input always has everything. A hook need not read it.
//! The rest of the environment is the daemon's.
//!
//! A hook runs in `/`, in a process group of its own, with ordinary scheduling and signals, and with no other descriptor
//! than its standard input, output and error. Exit code 0 is success; anything else, and an end by a signal, is failure,
//! and what is left of its group then gets SIGTERM. At `timeout` the group gets SIGTERM, and SIGKILL two seconds later.
//!
//! Of what it prints the last 4 KiB are kept, and the last line on standard error is the reason that people are shown. Both
//! pipes are closed as soon as the hook itself has ended: what it leaves running in the background goes on, and has to
//! send its output somewhere else.
//!
//! When the daemon ends, a hook that still runs gets SIGTERM, its whole group. A daemon that is killed leaves its hooks
//! to themselves.

mod facts;
mod notifier;
mod ordinary;
mod output;
mod pipes;
mod process;
mod supervise;

use std::{convert::Infallible, time::Duration};

use tokio::{
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::process::plain;
pub use self::{
    facts::Facts,
    notifier::{Notified, Notifier, QUEUE},
};

/// Octets that are kept of what a hook prints, before control characters are escaped.
pub const OUTPUT_KEPT: usize = 4096;
/// Between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it failed, in one line; `None`: it succeeded.
    pub error: Option<String>,
    /// From the call to the answer.
    pub took: Duration,
    /// What it printed on both outputs, the last [`OUTPUT_KEPT`] octets, as one line: control characters are escaped.
    pub output: String,
}

/// Runs `program`, a path and its arguments, for at most `timeout` and [`GRACE`]. What cannot be done is in the outcome.
///
/// Dropping the future ends the hook as the timeout does, behind the caller's back; see the module for the daemon's end.
pub async fn run(program: &[String], timeout: Duration, facts: &Facts) -> Outcome {
    let (outcome, _) = run_with(program, timeout, facts.variables(), facts.line()).await;
    outcome
}

/// Runs a health check's program in the same way, with no facts and nothing on its standard input. It may be there when
/// its outcome is known: SIGKILL does not end what waits for a disk.
pub async fn run_check(program: &[String], timeout: Duration) -> (Outcome, Presence) {
    run_with(program, timeout, Vec::new(), Vec::new()).await
}

/// Whether a program is still there.
#[derive(Debug)]
pub struct Presence(mpsc::Receiver<Infallible>);

impl Presence {
    /// It has a process, or one is being made of it.
    pub fn is_there(&mut self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Empty))
    }

    /// One that lasts as long as what is returned with it.
    pub fn new() -> (mpsc::Sender<Infallible>, Self) {
        let (there, presence) = mpsc::channel(1);
        (there, Self(presence))
    }
}

async fn run_with(
    program: &[String],
    timeout: Duration,
    variables: Vec<(&'static str, String)>,
    input: Vec<u8>,
) -> (Outcome, Presence) {
    let began = Instant::now();
    let abandoned = CancellationToken::new();
    let _abandon = abandoned.clone().drop_guard();
    let (teller, told) = oneshot::channel();
    let (there, presence) = Presence::new();
    match process::command(program, variables) {
        Ok(command) => {
            let hook = supervise::Hook {
                command,
                input,
                timeout,
                deadline: began + timeout,
                abandoned,
                there,
            };
            tokio::spawn(hook.supervise(teller));
        }
        Err(error) => drop(teller.send(supervise::Ended::unused(error))),
    }
    let ended = told
        .await
        .unwrap_or_else(|_| supervise::Ended::unused("lost sight of it".to_owned()));
    let outcome = Outcome {
        error: ended.error,
        took: began.elapsed(),
        output: ended.output,
    };
    (outcome, presence)
}

#[cfg(test)]
mod tests;

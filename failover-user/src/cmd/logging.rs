//! The daemon's own log. It is written by a thread of its own behind a bounded queue: whoever reads it, a pipe or a terminal that
//! is stopped, holds up neither the loop nor the heartbeats.

use std::{
    env::{self, VarError},
    io::{IsTerminal as _, stderr},
};

use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::exit::Exit;

/// Environment variable with the filter.
const VARIABLE: &str = "FAILOVER_LOG";

/// Lines that may wait for the reader. Those beyond are left out, and counted.
const QUEUE: usize = 8192;

/// How often it is looked whether lines were left out.
const LOOK: Duration = Duration::from_secs(1);

/// The log. What is still in its queue is written when it is dropped, if it is read.
pub(crate) struct Log {
    _writer: WorkerGuard,
    left_out: ErrorCounter,
}

impl Log {
    /// Says in the log how many lines are missing from it, as soon as there is room to say so.
    pub(crate) fn tell_of_what_is_left_out(&self) -> impl Future<Output = ()> + use<> {
        let left_out = self.left_out.clone();
        async move {
            let mut told = 0;
            loop {
                tokio::time::sleep(LOOK).await;
                let lines = left_out.dropped_lines();
                if lines > told {
                    tracing::warn!(
                        lines = lines - told,
                        "lines are missing here: the log was not read fast enough"
                    );
                    // Unless that was left out as well.
                    if left_out.dropped_lines() == lines {
                        told = lines;
                    }
                }
            }
        }
    }
}

/// Logs to stderr from now on, what `FAILOVER_LOG` asks for, by default `info`.
pub(crate) fn start() -> anyhow::Result<Log> {
    let filter = match env::var(VARIABLE) {
        Ok(filter) => filter,
        Err(VarError::NotPresent) => "info".to_owned(),
        Err(error @ VarError::NotUnicode(_)) => {
            return Err(Exit::usage(format!("{VARIABLE}: {error}")).into());
        }
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Exit::usage(format!(
            "{VARIABLE}={filter} is no filter ({error}); try `info` or `debug`"
        ))
    })?;
    let colours =
        stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE)
        .thread_name("log")
        .finish(stderr());
    let log = Log {
        left_out: writer.error_counter(),
        _writer: guard,
    };
    tracing_subscriber::fmt()
        .with_writer(writer)
        .with_env_filter(filter)
        .with_ansi(colours)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))?;
    Ok(log)
}

//! Exit codes, and the one place that prints an error.

use std::{io, process::ExitCode};

use crate::control::{
    client::ClientError,
    protocol::{Failure, FailureKind},
};

/// Exit codes other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// It was tried and failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Nobody answers at the socket.
    NoDaemon = 3,
    /// The state does not allow it, or nobody confirmed it.
    Refused = 4,
}

/// An error that knows its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Exit {
    code: Code,
    message: String,
}

impl Exit {
    /// The command line or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: Code::Usage,
            message: message.into(),
        }
    }

    /// The state does not allow it.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self {
            code: Code::Refused,
            message: message.into(),
        }
    }
}

impl From<Failure> for Exit {
    fn from(failure: Failure) -> Self {
        let code = match failure.kind {
            FailureKind::BadRequest | FailureKind::BadConfiguration => Code::Usage,
            FailureKind::Refused => Code::Refused,
            FailureKind::Failed => Code::Failed,
        };
        Self {
            code,
            message: failure.message,
        }
    }
}

/// Prints the error with its causes in one line, and gives the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let line = format!("{error:#}")
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ");
    anstream::eprintln!("{}{line}", prefix());
    ExitCode::from(code(error) as u8)
}

/// `failover events | head`: whoever reads has seen enough.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let pipe = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(pipe)
}

fn prefix() -> impl std::fmt::Display {
    use owo_colors::OwoColorize as _;
    "error: ".red().bold().to_string()
}

fn code(error: &anyhow::Error) -> Code {
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.code;
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NoDaemon(_)) => Code::NoDaemon,
        Some(
            ClientError::PermissionDenied(_)
            | ClientError::Closed(_)
            | ClientError::Silent(..)
            | ClientError::Strange { .. }
            | ClientError::Io { .. },
        )
        | None => Code::Failed,
    }
}

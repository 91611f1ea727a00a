//! `failover reload`

use std::{io::Write as _, path::Path, process::ExitCode};

use crate::control::{
    client::Client,
    protocol::{FailureKind, Reply, Request},
};

use super::{answer, exit::Code};

/// Has the daemon read its configuration file anew, and prints what that changed, or everything that is wrong with the file.
pub(crate) fn run(socket: &Path) -> anyhow::Result<ExitCode> {
    match Client::connect(socket)?.request(&Request::Reload)? {
        Reply::Done(changed) => {
            writeln!(anstream::stdout(), "{changed}")?;
            Ok(ExitCode::SUCCESS)
        }
        // The report is the same as that of `failover check`.
        Reply::Error(failure) if failure.kind == FailureKind::BadConfiguration => {
            writeln!(anstream::stderr(), "{}", failure.message)?;
            Ok(ExitCode::from(Code::Usage as u8))
        }
        reply @ (Reply::Status(_) | Reply::Events(_) | Reply::Drill(_) | Reply::Error(_)) => {
            Err(answer::unexpected(reply))
        }
    }
}

//! `failover drill`

use std::{io::Write as _, path::Path, process::ExitCode};

use crate::control::{
    client::Client,
    protocol::{Reply, Request},
    render::{self, Clock},
};

use super::{answer, exit, output};

/// Prints what would happen if a source failed now. Fails if a hook would prevent the takeover.
pub(crate) fn run(socket: &Path, source: String, json: bool) -> anyhow::Result<ExitCode> {
    let report = match Client::connect(socket)?.request(&Request::Drill { source })? {
        Reply::Drill(report) => report,
        reply @ (Reply::Status(_) | Reply::Events(_) | Reply::Done(_) | Reply::Error(_)) => {
            return Err(answer::unexpected(reply));
        }
    };
    // Whoever reads only the beginning wants to know as well.
    let code = if report.is_aborted() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    };
    let printed = if json {
        output::json(&report)
    } else {
        let text = render::drill(&report, &Clock::system());
        write!(anstream::stdout(), "{text}").map_err(Into::into)
    };
    match printed {
        Err(error) if !exit::is_closed_pipe(&error) => Err(error),
        Ok(()) | Err(_) => Ok(code),
    }
}

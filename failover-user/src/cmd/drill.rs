//! `failover drill`

use std::{io::Write as _, path::Path, process::ExitCode};

use crate::control::{
    client::Client,
    protocol::{Reply, Request},
    render::{self, Clock},
};

use super::{answer, output};

/// Prints what would happen if a source failed now. Fails if a hook would prevent the takeover.
pub(crate) fn run(socket: &Path, source: String, json: bool) -> anyhow::Result<ExitCode> {
    let report = match Client::connect(socket)?.request(&Request::Drill { source })? {
        Reply::Drill(report) => report,
        reply @ (Reply::Status(_) | Reply::Events(_) | Reply::Done(_) | Reply::Error(_)) => {
            return Err(answer::unexpected(reply));
        }
    };
    if json {
        output::json(&report)?;
    } else {
        write!(
            anstream::stdout(),
            "{}",
            render::drill(&report, &Clock::system())
        )?;
    }
    Ok(if report.is_aborted() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

//! `failover run`

use std::{path::PathBuf, process::ExitCode};

use super::logging;
use crate::cli;

/// Runs the daemon until it is stopped. `socket` overrides the configuration's.
pub(crate) fn run(options: cli::Run, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    logging::start()?;
    tracing::debug!(?options, ?socket, "options");
    anyhow::bail!("the daemon is not part of this build");
}

//! `failover run`

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use super::{check, logging};
use crate::{
    cli,
    config::{self, LoadError, Style},
    daemon::{self, Options},
};

/// Runs the daemon until it is stopped. `socket` overrides the configuration's.
pub(crate) fn run(options: cli::Run, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let log = logging::start()?;
    let config = match config::load(&options.config, &check::facts()?) {
        Ok(config) => config,
        Err(error) => return report(&error),
    };
    let options = Options {
        bpffs: options.bpffs,
        state_dir: options.state_dir,
        config: std::path::absolute(&options.config)?,
        socket: socket.unwrap_or_else(|| config.daemon.socket.clone()),
    };
    // One worker beside the loop: the heartbeats have a thread of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.spawn(log.tell_of_what_is_left_out());
    let result = runtime.block_on(daemon::run(config, &options));
    // A file that is still being read for a reload keeps nobody waiting.
    runtime.shutdown_background();
    result?;
    Ok(ExitCode::SUCCESS)
}

fn report(error: &LoadError) -> anyhow::Result<ExitCode> {
    anstream::stderr().write_all(check::report(error, Style::Coloured).as_bytes())?;
    Ok(ExitCode::from(2))
}

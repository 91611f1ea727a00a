//! The daemon's own log.

use std::{
    env::{self, VarError},
    io::{IsTerminal as _, stderr},
};

use tracing_subscriber::EnvFilter;

use super::exit::Exit;

/// Environment variable with the filter.
const VARIABLE: &str = "FAILOVER_LOG";

/// Logs to stderr from now on, what `FAILOVER_LOG` asks for, by default `info`.
pub(crate) fn start() -> anyhow::Result<()> {
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
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_env_filter(filter)
        .with_ansi(colours)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

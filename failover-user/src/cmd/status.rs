//! `failover status`

use std::{io::Write as _, path::Path};

use crate::control::{
    client::Client,
    protocol::Status,
    render::{self, Clock},
};

use super::{answer, exit::Exit, output};

/// Prints the status, of all sources or of one.
pub(crate) fn run(socket: &Path, source: Option<&str>, json: bool) -> anyhow::Result<()> {
    let mut status = answer::status(&mut Client::connect(socket)?)?;
    if let Some(source) = source {
        known(&status, source)?;
        status.sources.retain(|one| one.name == source);
    }
    if json {
        output::json(&status)
    } else {
        Ok(write!(
            anstream::stdout(),
            "{}",
            render::status(&status, &Clock::system())
        )?)
    }
}

/// Refuses a name that no source has.
pub(crate) fn known(status: &Status, source: &str) -> Result<(), Exit> {
    let names: Vec<_> = status
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    if names.contains(&source) {
        return Ok(());
    }
    let known = if names.is_empty() {
        "no source is configured".to_owned()
    } else {
        format!("known: {}", names.join(", "))
    };
    Err(Exit::usage(format!(
        "no source is called {source:?}; {known}"
    )))
}

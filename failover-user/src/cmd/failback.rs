//! `failover failback`

use std::path::Path;

use crate::control::{client::Client, protocol::Request};

use super::{answer, ask, status};

/// Gives a source its addresses back, if a person, or `yes`, says so.
pub(crate) fn run(
    socket: &Path,
    source: String,
    yes: bool,
    stop_monitoring: bool,
) -> anyhow::Result<()> {
    let mut client = Client::connect(socket)?;
    if !yes {
        status::known(&answer::status(&mut client)?, &source)?;
        let reason = format!("this host will no longer answer for {source}");
        ask::confirm(&reason, &format!("Give {source} its addresses back?"))?;
    }
    answer::done(
        &mut client,
        &Request::Failback {
            source,
            stop_monitoring,
        },
    )
}

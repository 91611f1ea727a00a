//! `failover stop`

use std::{path::Path, time::Duration};

use crate::control::{client::Client, protocol::Request};

use super::answer;

/// How long the daemon has to end once it has said that it will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the daemon, and comes back when its socket is free for the next one.
pub(crate) fn run(socket: &Path, release: bool) -> anyhow::Result<()> {
    let mut client = Client::connect(socket)?;
    answer::done(&mut client, &Request::Stop { release })?;
    if !client.wait_closed(PATIENCE) {
        anyhow::bail!(
            "the daemon has not ended {} s after it agreed to; see its log",
            PATIENCE.as_secs()
        );
    }
    Ok(())
}

//! `failover unload`

use std::{io::Write as _, path::Path};

use tokio::runtime::Builder;

use super::logging;
use crate::unload::{Unloaded, unload};

/// Removes what a daemon has left on this host.
pub(crate) fn run(bpffs: &Path) -> anyhow::Result<()> {
    // What cannot be read, or is left, is said in the log.
    logging::start()?;
    let Unloaded { network, pins } = Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(unload(bpffs))?;
    writeln!(
        anstream::stdout(),
        "removed: {} held addresses, {} rules, {} routes, {pins} pinned maps and links",
        network.addresses,
        network.rules,
        network.routes,
    )?;
    Ok(())
}

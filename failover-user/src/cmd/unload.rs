//! `failover unload`
#![expect(clippy::print_stdout, reason = "the answer to a command")]

use std::path::Path;

use tokio::runtime::Builder;

use crate::unload::{Unloaded, unload};

/// Removes what a daemon has left on this host.
pub(crate) fn run(bpffs: &Path) -> anyhow::Result<()> {
    let Unloaded { network, pins } = Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(unload(bpffs))?;
    println!(
        "removed: {} held addresses, {} rules, {} routes, {pins} pinned maps and links",
        network.addresses, network.rules, network.routes,
    );
    Ok(())
}

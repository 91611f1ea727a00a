//! `failover unload`

use std::path::Path;

/// Removes what a daemon has left on this host.
pub(crate) fn run(bpffs: &Path) -> anyhow::Result<()> {
    anyhow::bail!("unloading {} is not part of this build", bpffs.display());
}

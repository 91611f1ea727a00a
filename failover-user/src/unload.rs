//! `failover unload`: removes what a daemon has left on this host, without a daemon.

use std::path::Path;

use anyhow::Context as _;

use crate::{
    bpf::{maps::Addresses, pins::Pins},
    net::{
        self,
        batch::{Batch, BatchSocket},
        cleanup::{self, Removed},
        only_one::OnlyOne,
    },
};

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unloaded {
    /// Addresses, rules and routes.
    pub network: Removed,
    /// Pinned maps and links.
    pub pins: usize,
}

/// Removes held addresses, rules, routes, programs and maps. Packets for held addresses find nobody from then on.
///
/// # Errors
///
/// A daemon is running in this network namespace or on these pins, or the kernel refuses.
pub async fn unload(bpffs: &Path) -> anyhow::Result<Unloaded> {
    let _only_one_here = OnlyOne::claim()?.context(
        "a failover daemon runs in this network namespace: end it with `failover stop` first",
    )?;
    let pins = Pins::new(bpffs);
    let netlink = net::connect()?;
    let _only_one = if pins.exist() {
        Some(pins.lock()?)
    } else {
        None
    };
    let network = cleanup::remove_everything(&netlink).await?;
    if pins.exist() {
        remove_held(&pins)?;
    }
    let removed = pins.remove().context("removing the data plane")?;
    Ok(Unloaded {
        network,
        pins: removed,
    })
}

/// What the takeover map still names is removed by name: kernels before 5.18 do not mark addresses.
fn remove_held(pins: &Pins) -> anyhow::Result<()> {
    let mut batch = Batch::builder();
    let held = match Addresses::open(pins).and_then(|addresses| addresses.all()) {
        Ok(held) => held,
        // Of another version, or damaged: it goes all the same, and what is marked as ours has gone already.
        Err(error) => {
            tracing::warn!(error = %format!("{error:#}"), "the takeover map cannot be read");
            return Ok(());
        }
    };
    for (ip, entry) in held {
        batch = batch.remove_held(entry.nic, ip);
    }
    let batch = batch.build();
    if batch.requests().is_empty() {
        return Ok(());
    }
    BatchSocket::open()?
        .execute(&batch)
        .context("removing the held addresses")
}

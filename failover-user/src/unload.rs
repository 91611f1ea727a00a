//! `failover unload`: removes what a daemon has left on this host, without a daemon.

use std::path::Path;

use anyhow::Context as _;
use failover_ebpf::abi::held;

use crate::{
    bpf::{maps::Addresses, pins::Pins},
    net::{
        self, RULE_PRIORITY,
        batch::{Batch, BatchSocket},
        cleanup::{self, Removed},
        table_of,
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
/// A daemon is running on these pins, or the kernel refuses.
pub async fn unload(bpffs: &Path) -> anyhow::Result<Unloaded> {
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
    for (ip, entry) in Addresses::open(pins)?.all()? {
        if entry.mode != held::FORWARD {
            batch = batch.remove_address(entry.nic, ip);
        }
        batch = batch.remove_rule(ip, table_of(entry.nic), RULE_PRIORITY);
    }
    let batch = batch.build();
    if batch.requests().is_empty() {
        return Ok(());
    }
    BatchSocket::open()?
        .execute(&batch)
        .context("removing the held addresses")
}

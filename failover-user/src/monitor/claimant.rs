//! Who claims an address that this host holds. Pure.

use std::time::Duration;

use failover_ebpf::abi::{Heard, Held};

use crate::policy::{Claimant, DEFEND_INTERVAL};

/// A claim that is older was made while no daemon ran, or is too old to answer.
pub const RECENT: Duration = Duration::from_secs(5);

/// A failover host that has probed for an address in this time is one that takes or defends it.
pub const PROBED_LATELY: Duration = DEFEND_INTERVAL.saturating_add(RECENT);

/// A claim by a host that is neither the source nor known as another failover host is looked at again after so long: this host
/// makes itself known to it, and another failover host answers that with a probe.
pub const PEER_WAIT: Duration = Duration::from_millis(200);

/// Who a MAC belongs to that claims an address, which is held like this (`None`: not at all). `of_source` says whether it is
/// known to be the source's; `heard` is what was heard of the address.
///
/// A failover host probes for what it holds when another one claims it, which nobody else does for an address that he has.
pub fn claimant(
    mac: [u8; 6],
    held: Option<&Held>,
    of_source: bool,
    heard: &Heard,
    now: u64,
) -> Claimant {
    if of_source || held.is_some_and(|held| held.source_mac == mac) {
        return Claimant::Source;
    }
    let lately = PROBED_LATELY.as_nanos() as u64;
    let probed = heard.probed_by == mac && now.saturating_sub(heard.probed_ns) < lately;
    match held {
        Some(held) if probed => Claimant::Peer {
            keeps: mac < held.nic_mac,
        },
        Some(_) | None => Claimant::Stranger,
    }
}

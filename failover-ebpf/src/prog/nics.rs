//! This host's NICs.

use failover_ebpf::{abi::Nic, verdict::Verdict, wire::eth::Mac};

use super::{maps, packet::Packet};

/// The NIC that a packet came in by, if it is managed.
#[inline(always)]
pub(super) fn managed(ingress: u32) -> Option<&'static Nic> {
    // SAFETY: user space replaces entries as a whole.
    unsafe { maps::NICS.get(ingress) }
}

/// Whether a MAC is that of a NIC of this host, managed or not.
#[inline(always)]
pub(super) fn is_ours(mac: Mac) -> bool {
    maps::MACS.get_ptr(mac).is_some()
}

/// Whether a heartbeat is sent to the NIC that it came in by: a switch floods what it does not know, and a NIC in a bridge
/// sees what is sent to the virtual machines behind it.
#[inline(always)]
pub(super) fn addressed(packet: &mut Packet<'_>) -> Result<(), Verdict> {
    let ingress = packet.ingress();
    let eth = packet.eth().ok_or(Verdict::PassTruncated)?;
    match managed(ingress) {
        Some(nic) if nic.mac == eth.dst() => Ok(()),
        _ => Err(Verdict::PassOtherHost),
    }
}

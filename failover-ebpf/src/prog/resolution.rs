//! ARP about held addresses.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::warn;
use failover_ebpf::{
    abi::{Held, Rare, ipv4_key},
    arp::{self, ArpFrame},
    verdict::Verdict,
    wire::eth::Mac,
};

use super::{maps, nics, packet::Packet, rare, settle};

/// Answers for held addresses; everything else passes.
#[inline(never)]
pub(super) fn answer(ctx: &XdpContext) -> Verdict {
    settle(try_answer(&mut Packet::new(ctx)))
}

#[inline(always)]
fn try_answer(packet: &mut Packet<'_>) -> Result<Verdict, Verdict> {
    let (ctx, ingress) = (packet.ctx(), packet.ingress());
    let frame: &mut ArpFrame = packet.headers().ok_or(Verdict::PassTruncated)?;
    if !frame.arp.is_ipv4_over_ethernet() {
        return Err(Verdict::PassNotIp);
    }
    // One question after the other: the verifier does not let two pointers be asked at once whether they are there.
    if let Some(sender) = held(frame.arp.spa())
        && own_mac(ingress).is_ok()
        && arp::is_conflict(&frame.arp, sender, nics::is_ours)
    {
        if rare::due(Rare::Conflict) {
            warn!(
                ctx,
                "{:mac} claims {:i}, which is held here",
                frame.arp.sha(),
                frame.arp.spa()
            );
        }
        return Err(Verdict::PassConflict);
    }
    let target = held(frame.arp.tpa()).ok_or(Verdict::PassUnrelated)?;
    arp::answer(frame, target, ingress, own_mac(ingress)?)
}

/// MAC of the NIC that a packet came in by. A NIC that is not managed answers for nothing.
#[inline(always)]
fn own_mac(ingress: u32) -> Result<Mac, Verdict> {
    nics::managed(ingress)
        .map(|nic| nic.mac)
        .ok_or(Verdict::PassUnrelated)
}

#[inline(always)]
fn held(ip: [u8; 4]) -> Option<&'static Held> {
    // SAFETY: user space replaces entries as a whole.
    unsafe { maps::ADDRESSES.get(ipv4_key(ip)) }
}

//! ARP about held addresses.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::warn;
use failover_ebpf::{
    abi::{Held, Rare, ipv4_key},
    arp::{self, ArpFrame},
    verdict::Verdict,
};

use super::{maps, packet::Packet, rare, settle};

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
    let sender = held(frame.arp.spa());
    let target = held(frame.arp.tpa());
    if sender.is_none() && target.is_none() {
        return Err(Verdict::PassUnrelated);
    }
    // SAFETY: user space replaces entries as a whole.
    let nic = unsafe { maps::NICS.get(ingress) }.ok_or(Verdict::PassUnrelated)?;
    if let Some(sender) = sender
        && arp::is_conflict(&frame.arp, sender, nic.mac)
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
    arp::answer(
        frame,
        target.ok_or(Verdict::PassUnrelated)?,
        ingress,
        nic.mac,
    )
}

#[inline(always)]
fn held(ip: [u8; 4]) -> Option<&'static Held> {
    // SAFETY: user space replaces entries as a whole.
    unsafe { maps::ADDRESSES.get(ipv4_key(ip)) }
}

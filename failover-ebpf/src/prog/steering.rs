//! Packets for, and return traffic of, held addresses.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::warn;
use failover_ebpf::{
    abi::{Held, Rare, Settings, ipv4_key, settings},
    steer::{self, Hop, Routed},
    verdict::{Action, Verdict},
    wire::eth::Mac,
};

use super::{fib, maps, nics, packet::Packet, rare, settle};

/// One lookup for everything that is not ours; a second one only while addresses are forwarded.
#[inline(always)]
pub(super) fn steer(ctx: &XdpContext, own: &Settings, src: [u8; 4], dst: [u8; 4]) -> Verdict {
    if let Some(target) = held(dst) {
        inbound(ctx, target)
    } else if own.flags & settings::FORWARDING != 0
        && let Some(source) = held(src)
    {
        outbound(ctx, source)
    } else {
        Verdict::PassUnrelated
    }
}

/// A packet for a held address.
#[inline(never)]
fn inbound(ctx: &XdpContext, target: &Held) -> Verdict {
    settle(try_inbound(&mut Packet::new(ctx), target))
}

/// A packet from an address that is forwarded.
#[inline(never)]
fn outbound(ctx: &XdpContext, source: &Held) -> Verdict {
    settle(try_outbound(&mut Packet::new(ctx), source))
}

#[inline(always)]
fn try_inbound(packet: &mut Packet<'_>, target: &Held) -> Result<Verdict, Verdict> {
    let (ctx, ingress, length) = (packet.ctx(), packet.ingress(), packet.len());
    let headers = complete(packet, length)?;
    let hop = steer::next_hop(headers, target, ingress, own_mac(ingress)?);
    if hop != Err(Verdict::PassOtherHost) {
        account(target, length);
    }
    let hop = hop?;
    leave(headers, &hop).inspect_err(|_| {
        if rare::due(Rare::RedirectFailed) {
            warn!(
                ctx,
                "no managed NIC has index {}: packet for {:i} dropped",
                hop.out,
                headers.ip.dst()
            );
        }
    })
}

#[inline(always)]
fn try_outbound(packet: &mut Packet<'_>, source: &Held) -> Result<Verdict, Verdict> {
    let (ctx, ingress, length) = (packet.ctx(), packet.ingress(), packet.len());
    let headers = complete(packet, length)?;
    if !steer::is_return(headers, source, ingress, own_mac(ingress)?) {
        return Err(Verdict::PassUnrelated);
    }
    let hop = fib::route(ctx, headers, ingress)?;
    // The kernel has a route, so where we may not send the packet ourselves it does.
    leave(headers, &hop).map_err(|_| Verdict::PassReturn)
}

/// The headers of a packet of which nothing is missing.
#[inline(always)]
fn complete<'p>(packet: &'p mut Packet<'_>, length: u64) -> Result<&'p mut Routed, Verdict> {
    let headers: &mut Routed = packet.headers().ok_or(Verdict::PassTruncated)?;
    if headers.complete(length) {
        Ok(headers)
    } else {
        Err(Verdict::PassTruncated)
    }
}

#[inline(always)]
fn held(ip: [u8; 4]) -> Option<&'static Held> {
    // SAFETY: user space replaces entries as a whole.
    unsafe { maps::ADDRESSES.get(ipv4_key(ip)) }
}

/// MAC of the NIC that a packet came in by. On a NIC that is not managed nothing is steered.
#[inline(always)]
fn own_mac(ingress: u32) -> Result<Mac, Verdict> {
    nics::managed(ingress)
        .map(|nic| nic.mac)
        .ok_or(Verdict::PassOtherHost)
}

/// Rewrites a packet and sends it out, or leaves it alone where the way out is no managed NIC.
#[inline(always)]
fn leave(headers: &mut Routed, hop: &Hop) -> Result<Verdict, Verdict> {
    // The redirect is asked for first: a packet that cannot leave must not be rewritten and passed.
    if hop.verdict.action() == Action::Redirect && maps::REDIRECT.redirect(hop.out, 0).is_err() {
        return Err(Verdict::DropNoNic);
    }
    headers.rewrite(hop);
    Ok(hop.verdict)
}

#[inline(always)]
fn account(target: &Held, length: u64) {
    if let Some(traffic) = maps::TRAFFIC.get_ptr_mut(target.slot) {
        // SAFETY: the pointer is to this CPU's element, which nobody else writes.
        unsafe {
            (*traffic).packets += 1;
            (*traffic).bytes += length;
        }
    }
}

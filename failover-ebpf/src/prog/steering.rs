//! Packets for, and return traffic of, held addresses.

use core::borrow::Borrow as _;

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_xdp_adjust_head, programs::XdpContext};
use failover_ebpf::{
    abi::{Held, Rare, Settings, settings},
    link::Link,
    steer::{self, Hop},
    verdict::{Action, Verdict},
    wire::{
        eth::{Eth, Mac},
        ip::IpHeader,
    },
};

use super::{custody, fib, fib::Destined, held, maps, nics, packet::Packet, rare, say, settle};

/// Nothing for an identity that is fenced. One lookup for everything that is not ours; a second one only while addresses are forwarded.
#[inline(always)]
pub(super) fn steer<I: Destined>(ctx: &XdpContext, own: &Settings, link: Link, ip: &I) -> Verdict {
    if custody::is_fenced(own, ip.destination().borrow()) {
        return Verdict::Fenced;
    }
    match held::find(ip.destination().borrow(), link.tags) {
        Ok(target) => inbound::<I>(ctx, link, target),
        Err(Verdict::PassUnrelated) if own.flags & settings::FORWARDING != 0 => {
            // What comes from the standby server has no tags, in whatever VLAN its address is held.
            match held::any(ip.source().borrow()) {
                Some(source) => outbound::<I>(ctx, link, source),
                None => Verdict::PassUnrelated,
            }
        }
        Err(verdict) => verdict,
    }
}

/// A packet for a held address.
#[inline(never)]
fn inbound<I: Destined>(ctx: &XdpContext, link: Link, target: &Held) -> Verdict {
    settle(try_inbound::<I>(&mut Packet::of(ctx, link), target))
}

/// A packet from an address that is forwarded.
#[inline(never)]
fn outbound<I: Destined>(ctx: &XdpContext, link: Link, source: &Held) -> Verdict {
    settle(try_outbound::<I>(&mut Packet::of(ctx, link), link, source))
}

#[inline(always)]
fn try_inbound<I: Destined>(packet: &mut Packet<'_>, target: &Held) -> Result<Verdict, Verdict> {
    let (ctx, ingress, length) = (packet.ctx(), packet.ingress(), packet.len());
    let (eth, ip) = complete::<I>(packet, length)?;
    let hop = steer::next_hop(eth, ip, target, ingress, own_mac(ingress)?);
    if hop != Err(Verdict::PassOtherHost) {
        account(target, length);
    }
    let hop = hop?;
    leave::<I>(packet, &hop).inspect_err(|_| {
        if rare::due(Rare::RedirectFailed) {
            say::no_way_out(ctx, hop.out);
        }
    })
}

#[inline(always)]
fn try_outbound<I: Destined>(
    packet: &mut Packet<'_>,
    link: Link,
    source: &Held,
) -> Result<Verdict, Verdict> {
    let (ctx, ingress, length) = (packet.ctx(), packet.ingress(), packet.len());
    let (eth, ip) = complete::<I>(packet, length)?;
    if !steer::is_return(eth, &link, source, ingress, own_mac(ingress)?) {
        return Err(Verdict::PassUnrelated);
    }
    let hop = fib::route(ctx, ip, ingress)?;
    // The kernel has a route, so where we may not send the packet ourselves it does.
    leave::<I>(packet, &hop).map_err(|_| Verdict::PassReturn)
}

/// The headers of a packet of which nothing is missing.
#[inline(always)]
fn complete<'p, I: IpHeader>(
    packet: &'p mut Packet<'_>,
    length: u64,
) -> Result<(&'p mut Eth, &'p mut I), Verdict> {
    let l3 = packet.l3();
    let (eth, ip) = packet.headers::<I>().ok_or(Verdict::PassTruncated)?;
    if steer::complete(ip, l3, length) {
        Ok((eth, ip))
    } else {
        Err(Verdict::PassTruncated)
    }
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
fn leave<I: IpHeader>(packet: &mut Packet<'_>, hop: &Hop) -> Result<Verdict, Verdict> {
    // The redirect is asked for first: a packet that cannot leave must not be rewritten and passed.
    if hop.verdict.action() == Action::Redirect && maps::REDIRECT.redirect(hop.out, 0).is_err() {
        return Err(Verdict::DropNoNic);
    }
    if hop.routed {
        let (_, ip) = packet.headers::<I>().ok_or(Verdict::PassTruncated)?;
        ip.set_hops(ip.hops().wrapping_sub(1));
        untag(packet)?;
    }
    let eth = packet.eth().ok_or(Verdict::PassTruncated)?;
    eth.readdress(hop.dst, hop.src);
    Ok(hop.verdict)
}

/// Takes the VLAN tags out of a frame: where it goes is a network of its own. The MACs are yet to be written.
#[inline(always)]
fn untag(packet: &mut Packet<'_>) -> Result<(), Verdict> {
    let tags = packet.l3() as i32 - Eth::LEN as i32;
    // SAFETY: the context is the one that the kernel gave to the program, and no reference into the frame is left.
    if tags > 0 && unsafe { bpf_xdp_adjust_head(packet.ctx().as_ptr().cast(), tags) } != 0 {
        return Err(Verdict::DropNoNic);
    }
    Ok(())
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

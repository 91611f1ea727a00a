//! ARP about held addresses, and about those that are listened for.

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::{Settings, ipv4_key},
    arp,
    link::Link,
    resolve::Said,
    verdict::Verdict,
    wire::arp::Arp,
};

use super::{custody, hearing, held, initiator, nics, packet::Packet, settle};

/// Answers for held addresses; everything else passes.
///
/// The steps are functions of their own, so that their stacks are not needed at the same time.
#[inline(always)]
pub(super) fn arp(ctx: &XdpContext, own: &Settings, link: Link) -> Verdict {
    match hear(ctx, link) {
        Ok(unrelated) => answer(ctx, own, link, unrelated),
        Err(verdict) => verdict,
    }
}

/// Notes what the packet says, unless it answers or contradicts us. What it counts as if it is nothing else.
#[inline(never)]
fn hear(ctx: &XdpContext, link: Link) -> Result<Verdict, Verdict> {
    let mut packet = Packet::of(ctx, link);
    let ingress = packet.ingress();
    let (_, arp) = packet.headers::<Arp>().ok_or(Verdict::PassTruncated)?;
    if !arp.is_ipv4_over_ethernet() {
        return Err(Verdict::PassNotIp);
    }
    // Before anything is made of it: see `arp_reply`.
    let unrelated = match initiator::measure_arp(arp, link.tags) {
        Ok(measured) => return Err(measured),
        Err(unrelated) => unrelated,
    };
    if let Some(said) = arp::said(arp) {
        hearing::listen(&said, link.tags, arp.sha());
        if let Said::Has(claimed) = &said
            && hearing::is_conflict(
                ctx,
                claimed,
                link.tags,
                arp.sha(),
                arp::answers(arp),
                ingress,
            )
        {
            return Err(Verdict::PassConflict);
        }
    }
    Ok(unrelated)
}

/// Behind the listening: what others say of an address is what ends its fence. `unrelated`: what the packet counts as if it is
/// nothing else.
#[inline(never)]
fn answer(ctx: &XdpContext, own: &Settings, link: Link, unrelated: Verdict) -> Verdict {
    settle(try_answer(ctx, own, link, unrelated))
}

#[inline(always)]
fn try_answer(
    ctx: &XdpContext,
    own: &Settings,
    link: Link,
    unrelated: Verdict,
) -> Result<Verdict, Verdict> {
    let mut packet = Packet::of(ctx, link);
    let ingress = packet.ingress();
    let (eth, arp) = packet.headers::<Arp>().ok_or(Verdict::PassTruncated)?;
    let asked = ipv4_key(arp.tpa());
    if custody::is_fenced(own, &asked) {
        return Err(Verdict::Fenced);
    }
    let target = held::find(&asked, link.tags).map_err(|verdict| {
        if verdict == Verdict::PassUnrelated {
            unrelated
        } else {
            verdict
        }
    })?;
    // A NIC that is not managed answers for nothing.
    let nic = nics::managed(ingress).ok_or(Verdict::PassUnrelated)?;
    arp::answer(eth, arp, target, ingress, nic.mac)
}

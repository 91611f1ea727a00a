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

use super::{custody, hearing, held, nics, packet::Packet, settle};

/// Answers for held addresses; everything else passes.
///
/// The steps are functions of their own, so that their stacks are not needed at the same time.
#[inline(always)]
pub(super) fn arp(ctx: &XdpContext, own: &Settings, link: Link) -> Verdict {
    match hear(ctx, link) {
        Ok(()) => answer(ctx, own, link),
        Err(verdict) => verdict,
    }
}

/// Notes what the packet says, unless it contradicts us.
#[inline(never)]
fn hear(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let mut packet = Packet::of(ctx, link);
    let ingress = packet.ingress();
    let (_, arp) = packet.headers::<Arp>().ok_or(Verdict::PassTruncated)?;
    if !arp.is_ipv4_over_ethernet() {
        return Err(Verdict::PassNotIp);
    }
    if let Some(said) = arp::said(arp) {
        hearing::listen(&said, link.tags, arp.sha());
        if let Said::Has(claimed) = &said
            && hearing::is_conflict(ctx, claimed, link.tags, arp.sha(), ingress)
        {
            return Err(Verdict::PassConflict);
        }
    }
    Ok(())
}

/// Behind the listening: what others say of an address is what ends its fence.
#[inline(never)]
fn answer(ctx: &XdpContext, own: &Settings, link: Link) -> Verdict {
    settle(try_answer(ctx, own, link))
}

#[inline(always)]
fn try_answer(ctx: &XdpContext, own: &Settings, link: Link) -> Result<Verdict, Verdict> {
    let mut packet = Packet::of(ctx, link);
    let ingress = packet.ingress();
    let (eth, arp) = packet.headers::<Arp>().ok_or(Verdict::PassTruncated)?;
    let asked = ipv4_key(arp.tpa());
    if custody::is_fenced(own, &asked) {
        return Err(Verdict::Fenced);
    }
    let target = held::find(&asked, link.tags)?;
    // A NIC that is not managed answers for nothing.
    let nic = nics::managed(ingress).ok_or(Verdict::PassUnrelated)?;
    arp::answer(eth, arp, target, ingress, nic.mac)
}

//! ARP about held addresses, and about those that are listened for.

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::ipv4_key, arp, link::Link, resolve::Said, verdict::Verdict, wire::arp::Arp,
};

use super::{hearing, held, initiator, nics, packet::Packet, settle};

/// Answers for held addresses; everything else passes.
#[inline(never)]
pub(super) fn arp(ctx: &XdpContext, link: Link) -> Verdict {
    settle(try_arp(&mut Packet::of(ctx, link), link))
}

#[inline(always)]
fn try_arp(packet: &mut Packet<'_>, link: Link) -> Result<Verdict, Verdict> {
    let (ctx, ingress) = (packet.ctx(), packet.ingress());
    let (eth, arp) = packet.headers::<Arp>().ok_or(Verdict::PassTruncated)?;
    if !arp.is_ipv4_over_ethernet() {
        return Err(Verdict::PassNotIp);
    }
    // Before anything is made of it: see `arp_reply`.
    let unrelated = match initiator::measure_arp(arp, link.tags) {
        Ok(measured) => return Ok(measured),
        Err(unrelated) => unrelated,
    };
    if let Some(said) = arp::said(arp) {
        hearing::listen(&said, link.tags, arp.sha());
        if let Said::Has(claimed) = &said
            && hearing::is_conflict(ctx, claimed, link.tags, arp.sha(), ingress)
        {
            return Err(Verdict::PassConflict);
        }
    }
    let target = held::find(&ipv4_key(arp.tpa()), link.tags).map_err(|verdict| {
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

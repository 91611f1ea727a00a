//! ARP about held addresses, and what is heard of those that are listened for.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::XdpContext};
use aya_log_ebpf::warn;
use failover_ebpf::{
    abi::{Claim, Heard, Held, Rare, ipv4_key},
    arp::{self, ArpFrame, Said},
    verdict::Verdict,
    wire::{arp::Arp, eth::Mac},
};

use super::{initiator, maps, nics, packet::Packet, rare, settle};

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
    let unrelated = match initiator::measure_arp(&frame.arp) {
        Ok(measured) => return Ok(measured),
        Err(unrelated) => unrelated,
    };
    listen(&frame.arp);
    // One question after the other: the verifier does not let two pointers be asked at once whether they are there.
    if let Some(sender) = held(frame.arp.spa())
        && own_mac(ingress).is_ok()
        && arp::is_conflict(&frame.arp, sender, nics::is_ours)
    {
        tell(ctx, &frame.arp, ingress);
        return Err(Verdict::PassConflict);
    }
    let target = held(frame.arp.tpa()).ok_or(unrelated)?;
    arp::answer(frame, target, ingress, own_mac(ingress)?)
}

/// Notes what another host says of an address that is listened for.
#[inline(always)]
fn listen(arp: &Arp) {
    if let Some(said) = Said::of(arp)
        && let Some(heard) = heard(said.address())
        && !nics::is_ours(arp.sha())
    {
        // SAFETY: the helper has no preconditions.
        said.note(heard, arp.sha(), unsafe { bpf_ktime_get_ns() });
    }
}

/// What was heard of an address, if it is listened for.
#[inline(always)]
fn heard(ip: [u8; 4]) -> Option<&'static mut Heard> {
    // SAFETY: user space replaces entries as a whole.
    let slot = unsafe { maps::LISTENED.get(ipv4_key(ip)) }?;
    let heard = maps::HEARD.get_ptr_mut(*slot)?;
    // SAFETY: the pointer is to an element of the map. Other CPUs may write it, too: then one of them is the latest.
    Some(unsafe { &mut *heard })
}

/// Tells user space and the log of a conflict. An address that is not listened for has no time of its own: it is told as
/// rarely as the log is.
#[inline(always)]
fn tell(ctx: &XdpContext, arp: &Arp, ingress: u32) {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let logged = rare::due_at(Rare::Conflict, now);
    if logged {
        warn!(
            ctx,
            "{:mac} claims {:i}, which is held here",
            arp.sha(),
            arp.spa()
        );
    }
    // Looked for once more: a pointer kept since then would be another state for the verifier to follow, all the way.
    match heard(arp.spa()) {
        Some(heard) => {
            if arp::tell_again(heard, now) && submit(arp::claim(arp, ingress, now)) {
                heard.told_ns = now;
            }
        }
        None => {
            if logged {
                submit(arp::claim(arp, ingress, now));
            }
        }
    }
}

/// Whether there was room for a claim. Without any, the next frame tries again.
#[inline(always)]
fn submit(claim: Claim) -> bool {
    let Some(mut entry) = maps::CLAIMS.reserve::<Claim>(0) else {
        return false;
    };
    entry.write(claim);
    entry.submit(0);
    true
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

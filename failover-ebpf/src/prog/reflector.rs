//! Requests for our reflector.

use core::borrow::Borrow as _;

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::XdpContext};
use failover_ebpf::{
    abi::{Ip, Rare, Settings, Watcher, WatcherState, nic, settings},
    heartbeat::{self, Control},
    link::Link,
    reflect,
    verdict::Verdict,
    wire::ip::IpHeader,
};

use super::{maps, nics, packet::Packet, rare, say, settle, signatures};

/// Whether requests are answered on the NIC that this packet came in by.
#[inline(always)]
pub(super) fn listens(ctx: &XdpContext) -> bool {
    nics::managed(Packet::new(ctx).ingress()).is_some_and(|nic| nic.flags & nic::REFLECT != 0)
}

/// Whether an address is the reflector's (RFC 7881: the destination SHOULD be checked as own).
#[inline(always)]
pub(super) fn is_own(address: &Ip) -> bool {
    maps::OWN.get_ptr(address).is_some()
}

/// Answers a request, or says why not.
#[inline(never)]
pub(super) fn answer<I: IpHeader>(ctx: &XdpContext, own: &Settings, link: Link) -> Verdict {
    settle(try_answer::<I>(ctx, own, link))
}

/// The steps are functions of their own, so that their stacks are not needed at the same time.
#[inline(always)]
fn try_answer<I: IpHeader>(
    ctx: &XdpContext,
    own: &Settings,
    link: Link,
) -> Result<Verdict, Verdict> {
    check::<I>(ctx, link)?;
    let signed = signatures::of_request::<I>(ctx, link, own)?;
    admit::<I>(ctx, own, link)?;
    reply::<I>(ctx, own, link)?;
    if signed {
        signatures::sign::<I>(ctx, link)?;
    }
    Ok(Verdict::RequestAnswered)
}

/// What the packet itself can say.
#[inline(never)]
fn check<I: IpHeader>(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let packet = &mut Packet::of(ctx, link);
    // First, as another host's request is none of our business, however wrong it is.
    nics::addressed(packet)?;
    let ip = packet.network::<I>().ok_or(Verdict::RequestTruncated)?;
    heartbeat::check_shape(ip, &heartbeat::REQUEST)?;
    let request = request::<I>(packet)?;
    request.check(&heartbeat::REQUEST)?;
    reflect::check(request)
}

/// Whether the initiator may ask for this, and now.
#[inline(never)]
fn admit<I: IpHeader>(ctx: &XdpContext, own: &Settings, link: Link) -> Result<(), Verdict> {
    let packet = Packet::of(ctx, link);
    let request = request::<I>(&packet)?;
    let watcher = Watcher {
        initiator: *request.ip.source().borrow(),
        asked: *request.ip.destination().borrow(),
    };
    known(ctx, &watcher.initiator, request.bfd.your_discriminator())?;
    allowed(ctx, own, &watcher.initiator)?;
    in_time(own, &watcher)
}

/// Makes the request its own reply. The tags stay where they are: it goes back by the VLANs that it came by.
#[inline(never)]
fn reply<I: IpHeader>(ctx: &XdpContext, own: &Settings, link: Link) -> Result<(), Verdict> {
    let mut packet = Packet::of(ctx, link);
    let (eth, request) = packet
        .headers::<Control<I>>()
        .ok_or(Verdict::RequestTruncated)?;
    reflect::reply(eth, request, own.min_rx_us);
    Ok(())
}

#[inline(always)]
fn request<'p, I: IpHeader>(packet: &'p Packet<'_>) -> Result<&'p Control<I>, Verdict> {
    packet.network().ok_or(Verdict::RequestTruncated)
}

#[inline(always)]
fn known(ctx: &XdpContext, initiator: &Ip, asked: u32) -> Result<(), Verdict> {
    if maps::DISCRIMINATORS.get_ptr(asked).is_some() {
        return Ok(());
    }
    if rare::due(Rare::UnknownDiscriminator) {
        say::unknown_discriminator(ctx, initiator, &asked);
    }
    Err(Verdict::RequestUnknownDiscriminator)
}

#[inline(always)]
fn allowed(ctx: &XdpContext, own: &Settings, initiator: &Ip) -> Result<(), Verdict> {
    if own.flags & settings::ANY_INITIATOR != 0 || maps::INITIATORS.get_ptr(initiator).is_some() {
        return Ok(());
    }
    if rare::due(Rare::InitiatorRefused) {
        say::initiator_refused(ctx, initiator);
    }
    Err(Verdict::RequestInitiatorRefused)
}

/// Keeps an initiator to the reflector's Required Min RX Interval, and remembers it.
#[inline(always)]
fn in_time(own: &Settings, watcher: &Watcher) -> Result<(), Verdict> {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let interval = own.min_rx_us as u64 * 1000;
    let Some(state) = maps::WATCHERS.get_ptr_mut(watcher) else {
        let state = WatcherState {
            tat_ns: now + interval,
            answered_ns: now,
            answered: 1,
            refused: 0,
        };
        // A full map gives up its oldest entry; without memory the watcher is answered and not remembered.
        let _ = maps::WATCHERS.insert(watcher, state, 0);
        return Ok(());
    };
    // SAFETY: the pointer is to an entry of the map. Two CPUs may both admit a request of one initiator: one more than its rate.
    let state = unsafe { &mut *state };
    match reflect::admit(state.tat_ns, now, interval) {
        Some(theoretical) => {
            state.tat_ns = theoretical;
            state.answered_ns = now;
            state.answered += 1;
            Ok(())
        }
        None => {
            state.refused += 1;
            Err(Verdict::RequestTooFast)
        }
    }
}

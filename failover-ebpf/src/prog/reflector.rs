//! Requests for our reflector.

use core::borrow::Borrow as _;

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::{Ip, Rare, Settings, Watcher, WatcherState, nic, settings},
    heartbeat::{self, Control},
    link::Link,
    reflect,
    verdict::{Action, Verdict},
    wire::ip::IpHeader,
};

use super::{custody, maps, nics, packet::Packet, rare, say, settle, signatures};

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
    pace::<I>(ctx, own, link)?;
    let answered = reply::<I>(ctx, own, link);
    if signed && answered.action() == Action::Transmit {
        signatures::sign::<I>(ctx, link)?;
    }
    Ok(answered)
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

/// Whether the initiator may ask for this.
#[inline(never)]
fn admit<I: IpHeader>(ctx: &XdpContext, own: &Settings, link: Link) -> Result<(), Verdict> {
    let packet = Packet::of(ctx, link);
    let request = request::<I>(&packet)?;
    let initiator: Ip = *request.ip.source().borrow();
    known(ctx, &initiator, request.bfd.your_discriminator())?;
    allowed(ctx, own, &initiator)
}

/// Whether it may ask now, and is answered.
#[inline(never)]
fn pace<I: IpHeader>(ctx: &XdpContext, own: &Settings, link: Link) -> Result<(), Verdict> {
    let packet = Packet::of(ctx, link);
    let request = request::<I>(&packet)?;
    let watcher = Watcher {
        initiator: *request.ip.source().borrow(),
        asked: *request.ip.destination().borrow(),
    };
    let now = custody::now();
    let service = reflect::in_service(custody::gate(now)).map(drop);
    in_time(own, &watcher, now, service.is_ok())?;
    service
}

/// Makes the request its own reply. The tags stay where they are: it goes back by the VLANs that it came by.
#[inline(never)]
fn reply<I: IpHeader>(ctx: &XdpContext, own: &Settings, link: Link) -> Verdict {
    settle(try_reply::<I>(ctx, own, link))
}

#[inline(always)]
fn try_reply<I: IpHeader>(
    ctx: &XdpContext,
    own: &Settings,
    link: Link,
) -> Result<Verdict, Verdict> {
    // Asked for once more: more than one number does not come back from a function of its own.
    let service = reflect::in_service(custody::gate(custody::now()))?;
    let mut packet = Packet::of(ctx, link);
    let (eth, request) = packet
        .headers::<Control<I>>()
        .ok_or(Verdict::RequestTruncated)?;
    reflect::reply(eth, request, service, own.min_rx_us);
    Ok(service.verdict())
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

/// Keeps an initiator to the reflector's Required Min RX Interval, and remembers it, also one that is not `answered`.
#[inline(always)]
fn in_time(own: &Settings, watcher: &Watcher, now: u64, answered: bool) -> Result<(), Verdict> {
    let interval = own.min_rx_us as u64 * 1000;
    let Some(state) = maps::WATCHERS.get_ptr_mut(watcher) else {
        let state = WatcherState {
            tat_ns: now + interval,
            answered_ns: if answered { now } else { 0 },
            answered: answered as u64,
            refused: 0,
            asked_ns: now,
        };
        // A full map gives up its oldest entry; without memory the watcher is answered and not remembered.
        let _ = maps::WATCHERS.insert(watcher, state, 0);
        return Ok(());
    };
    // SAFETY: the pointer is to an entry of the map. Two CPUs may both admit a request of one initiator: one more than its rate.
    let state = unsafe { &mut *state };
    state.asked_ns = now;
    match reflect::admit(state.tat_ns, now, interval) {
        Some(theoretical) => {
            state.tat_ns = theoretical;
            if answered {
                state.answered_ns = now;
                state.answered += 1;
            }
            Ok(())
        }
        None => {
            state.refused += 1;
            Err(Verdict::RequestTooFast)
        }
    }
}

//! Requests for our reflector.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::XdpContext};
use aya_log_ebpf::warn;
use failover_ebpf::{
    abi::{Rare, Settings, Watcher, WatcherState, ipv4_key, nic, settings},
    heartbeat::{self, Control},
    reflect,
    signed::Signed,
    verdict::Verdict,
};

use super::{maps, nics, packet::Packet, rare, settle, signatures};

/// Whether requests are answered on the NIC that this packet came in by.
#[inline(always)]
pub(super) fn listens(ctx: &XdpContext) -> bool {
    nics::managed(Packet::new(ctx).ingress()).is_some_and(|nic| nic.flags & nic::REFLECT != 0)
}

/// Whether an address is the reflector's (RFC 7881: the destination SHOULD be checked as own).
#[inline(always)]
pub(super) fn is_own(dst: [u8; 4]) -> bool {
    maps::OWN.get_ptr(ipv4_key(dst)).is_some()
}

/// Answers a request, or says why not.
#[inline(never)]
pub(super) fn answer(ctx: &XdpContext, own: &Settings) -> Verdict {
    settle(try_answer(&mut Packet::new(ctx), own))
}

#[inline(always)]
fn try_answer(packet: &mut Packet<'_>, own: &Settings) -> Result<Verdict, Verdict> {
    let ctx = packet.ctx();
    // First, as another host's request is none of our business, however wrong it is.
    nics::addressed(packet)?;
    let frame: &mut Control = packet.headers().ok_or(Verdict::RequestTruncated)?;
    frame.check(&heartbeat::REQUEST)?;
    reflect::check(frame)?;
    known(ctx, frame)?;
    allowed(ctx, own, frame)?;
    let key = signatures::of_request(packet, own)?;
    let frame: &mut Control = packet.headers().ok_or(Verdict::RequestTruncated)?;
    in_time(own, frame)?;
    reflect::reply(frame, own.min_rx_us);
    if let Some(key) = key {
        let frame: &mut Signed = packet.headers().ok_or(Verdict::RequestTruncated)?;
        frame.sign(key);
    }
    Ok(Verdict::RequestAnswered)
}

#[inline(always)]
fn known(ctx: &XdpContext, request: &Control) -> Result<(), Verdict> {
    let asked = request.bfd.your_discriminator();
    if maps::DISCRIMINATORS.get_ptr(asked).is_some() {
        return Ok(());
    }
    if rare::due(Rare::UnknownDiscriminator) {
        warn!(
            ctx,
            "{:i} asks for discriminator {:i}, which is not ours",
            request.ip.src(),
            asked
        );
    }
    Err(Verdict::RequestUnknownDiscriminator)
}

#[inline(always)]
fn allowed(ctx: &XdpContext, own: &Settings, request: &Control) -> Result<(), Verdict> {
    if own.flags & settings::ANY_INITIATOR != 0
        || maps::INITIATORS
            .get_ptr(ipv4_key(request.ip.src()))
            .is_some()
    {
        return Ok(());
    }
    if rare::due(Rare::InitiatorRefused) {
        warn!(
            ctx,
            "{:i} is not among the initiators that are answered",
            request.ip.src()
        );
    }
    Err(Verdict::RequestInitiatorRefused)
}

/// Keeps an initiator to the reflector's Required Min RX Interval, and remembers it.
#[inline(always)]
fn in_time(own: &Settings, request: &Control) -> Result<(), Verdict> {
    let watcher = Watcher {
        initiator: ipv4_key(request.ip.src()),
        asked: ipv4_key(request.ip.dst()),
    };
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

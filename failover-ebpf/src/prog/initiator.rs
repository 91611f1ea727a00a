//! Replies to our sessions: measured and consumed.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::XdpContext};
use failover_ebpf::{
    abi::{Session, split_discriminator},
    heartbeat::{self, Control, EchoPacket},
    link::Link,
    measure::{self, NoSample},
    verdict::Verdict,
    wire::ip::IpHeader,
};

use super::{maps, nics, packet::Packet, settle};

/// An S-BFD reply.
#[inline(never)]
pub(super) fn measure<I: IpHeader>(ctx: &XdpContext, link: Link) -> Verdict {
    settle(try_measure::<I>(&mut Packet::of(ctx, link), link))
}

/// An ICMP or ICMPv6 echo reply; it passes unless it is ours, as this host may ping by itself.
#[inline(never)]
pub(super) fn measure_echo<I: IpHeader>(ctx: &XdpContext, link: Link) -> Verdict {
    settle(try_measure_echo::<I>(&mut Packet::of(ctx, link), link))
}

#[inline(always)]
fn try_measure<I: IpHeader>(packet: &mut Packet<'_>, link: Link) -> Result<Verdict, Verdict> {
    check::<I>(packet.ctx(), link)?;
    let reply: &Control<I> = packet.network().ok_or(Verdict::ReplyTruncated)?;
    let (number, sequence) = split_discriminator(reply.bfd.your_discriminator());
    let own = maps::SESSIONS
        .get(number as u32)
        .ok_or(Verdict::ReplyUnknownSession)?;
    measure::check_session(reply, link.tags, own)?;
    match record(own, number, sequence, reply.bfd.required_min_rx()) {
        Ok(()) => Ok(Verdict::ReplyMeasured),
        Err(NoSample::Stale) => Err(Verdict::ReplyStale),
        Err(NoSample::Duplicate) => Err(Verdict::ReplyDuplicate),
    }
}

/// What the packet itself can say. A function of its own, so that its stack is not needed for what comes after.
#[inline(never)]
fn check<I: IpHeader>(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let packet = &mut Packet::of(ctx, link);
    nics::addressed(packet)?;
    let ip = packet.network::<I>().ok_or(Verdict::ReplyTruncated)?;
    heartbeat::check_shape(ip, &heartbeat::REPLY)?;
    let reply: &Control<I> = packet.network().ok_or(Verdict::ReplyTruncated)?;
    reply.check(&heartbeat::REPLY)?;
    measure::check_control(reply)
}

#[inline(always)]
fn try_measure_echo<I: IpHeader>(packet: &mut Packet<'_>, link: Link) -> Result<Verdict, Verdict> {
    let reply: &EchoPacket<I> = packet.network().ok_or(Verdict::PassTruncated)?;
    let number = reply.echo.identifier();
    let own = maps::SESSIONS
        .get(number as u32)
        .ok_or(Verdict::PassUnrelated)?;
    if !measure::is_ours(reply, link.tags, own) {
        return Err(Verdict::PassUnrelated);
    }
    if !reply.intact() {
        return Err(Verdict::EchoBadChecksum);
    }
    match record(own, number, reply.echo.sequence(), 0) {
        Ok(()) => Ok(Verdict::EchoMeasured),
        Err(NoSample::Stale) => Err(Verdict::EchoStale),
        Err(NoSample::Duplicate) => Err(Verdict::EchoDuplicate),
    }
}

#[inline(always)]
fn record(
    own: &Session,
    number: u16,
    sequence: u16,
    required_min_rx_us: u32,
) -> Result<(), NoSample> {
    let tx = maps::SESSION_TX.get(number as u32).ok_or(NoSample::Stale)?;
    let rx = maps::SESSION_RX
        .get_ptr_mut(number as u32)
        .ok_or(NoSample::Stale)?;
    // SAFETY: the pointer is to an element of the map, whose one writer is the receive queue of this session.
    let rx = unsafe { &mut *rx };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let sample = measure::sample(own, tx, rx, sequence, required_min_rx_us, now)?;
    measure::record(rx, &sample, now);
    Ok(())
}

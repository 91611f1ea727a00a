//! Replies to our sessions: measured and consumed.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::XdpContext};
use failover_ebpf::{
    abi::{Session, split_discriminator},
    heartbeat::{self, Control, EchoFrame},
    measure::{self, NoSample},
    verdict::Verdict,
};

use super::{maps, nics, packet::Packet, settle, signatures};

/// An S-BFD reply.
#[inline(never)]
pub(super) fn measure(ctx: &XdpContext) -> Verdict {
    settle(try_measure(&mut Packet::new(ctx)))
}

/// An ICMP echo reply; it passes unless it is ours, as this host may ping by itself.
#[inline(never)]
pub(super) fn measure_echo(ctx: &XdpContext) -> Verdict {
    settle(try_measure_echo(&mut Packet::new(ctx)))
}

#[inline(always)]
fn try_measure(packet: &mut Packet<'_>) -> Result<Verdict, Verdict> {
    nics::addressed(packet)?;
    let reply: &Control = packet.headers().ok_or(Verdict::ReplyTruncated)?;
    reply.check(&heartbeat::REPLY)?;
    measure::check_control(reply)?;
    let (number, sequence) = split_discriminator(reply.bfd.your_discriminator());
    let own = maps::SESSIONS
        .get(number as u32)
        .ok_or(Verdict::ReplyUnknownSession)?;
    measure::check_session(reply, own)?;
    let required_min_rx = reply.bfd.required_min_rx();
    signatures::of_reply(packet, number, sequence, own.authenticated != 0)?;
    match record(own, number, sequence, required_min_rx) {
        Ok(()) => Ok(Verdict::ReplyMeasured),
        Err(NoSample::Stale) => Err(Verdict::ReplyStale),
        Err(NoSample::Duplicate) => Err(Verdict::ReplyDuplicate),
    }
}

#[inline(always)]
fn try_measure_echo(packet: &mut Packet<'_>) -> Result<Verdict, Verdict> {
    let reply: &EchoFrame = packet.headers().ok_or(Verdict::PassTruncated)?;
    let number = reply.echo.identifier();
    let own = maps::SESSIONS
        .get(number as u32)
        .ok_or(Verdict::PassUnrelated)?;
    if !measure::is_ours(reply, own) {
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

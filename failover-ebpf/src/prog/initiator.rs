//! Replies to our sessions: measured and consumed.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::XdpContext};
use failover_ebpf::{
    abi::{Session, SessionRx, SessionTx, Tags, ipv4_key, remote, split_discriminator},
    arp_reply::{self, Reply},
    heartbeat::{self, Control, EchoPacket},
    link::Link,
    measure::{self, NoSample, remote_state},
    verdict::Verdict,
    wire::{
        arp::{Arp, operation},
        ip::IpHeader,
    },
};

use super::{maps, nics, packet::Packet, settle, signatures};

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
    let required_min_rx = reply.bfd.required_min_rx();
    let said = remote_state(reply.bfd.state());
    signatures::of_reply(packet.ctx(), link, own, reply)?;
    match record(own, number, sequence, required_min_rx, said) {
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
    signatures::check_sum::<I>(packet, &heartbeat::REPLY)?;
    measure::check_control(reply)
}

#[inline(always)]
fn try_measure_echo<I: IpHeader>(packet: &mut Packet<'_>, link: Link) -> Result<Verdict, Verdict> {
    let reply: &EchoPacket<I> = packet.network().ok_or(Verdict::PassTruncated)?;
    let (number, sequence) = (reply.echo.identifier(), reply.echo.sequence());
    let own = maps::SESSIONS
        .get(number as u32)
        .ok_or(Verdict::PassUnrelated)?;
    if !measure::is_ours(reply, link.tags, own) {
        return Err(Verdict::PassUnrelated);
    }
    let intact = reply.intact();
    // What this host's stack would not have received is no answer to it, whoever may have sent it.
    nics::addressed(packet)?;
    if !intact {
        return Err(Verdict::EchoBadChecksum);
    }
    match record(own, number, sequence, 0, remote::UNSET) {
        Ok(()) => Ok(Verdict::EchoMeasured),
        Err(NoSample::Stale) => Err(Verdict::EchoStale),
        Err(NoSample::Duplicate) => Err(Verdict::EchoDuplicate),
    }
}

/// An ARP packet that answers one of our sessions; otherwise what it counts as if it is nothing else either.
#[inline(never)]
pub(super) fn measure_arp(arp: &Arp, tags: Tags) -> Result<Verdict, Verdict> {
    if arp.operation() != operation::REPLY {
        return Err(Verdict::PassUnrelated);
    }
    // SAFETY: user space replaces entries as a whole.
    let number = unsafe { maps::ARP_SESSIONS.get(ipv4_key(arp.spa())) };
    let number = *number.ok_or(Verdict::PassUnrelated)?;
    let own = maps::SESSIONS.get(number).ok_or(Verdict::PassUnrelated)?;
    match arp_reply::of(arp, tags, own).ok_or(Verdict::PassUnrelated)? {
        Reply::OtherMac => Err(Verdict::ArpOtherMac),
        Reply::Source => match record_latest(own, number as u16) {
            Ok(()) => Ok(Verdict::ArpMeasured),
            Err(NoSample::Duplicate) => Ok(Verdict::ArpDuplicate),
            Err(NoSample::Stale) => Err(Verdict::PassUnrelated),
        },
    }
}

/// Measures the reply to the request with a sequence.
#[inline(always)]
pub(super) fn record(
    own: &Session,
    number: u16,
    sequence: u16,
    required_min_rx_us: u32,
    remote_state: u32,
) -> Result<(), NoSample> {
    let (tx, rx, now) = history(number)?;
    let sample = measure::sample(own, tx, rx, sequence, required_min_rx_us, now)?;
    rx.remote_state = remote_state;
    measure::record(rx, &sample, now);
    Ok(())
}

/// Measures a reply that does not say which request it answers: the latest.
#[inline(always)]
pub(super) fn record_latest(own: &Session, number: u16) -> Result<(), NoSample> {
    let (tx, rx, now) = history(number)?;
    let sample = measure::sample(own, tx, rx, tx.last_sequence as u16, 0, now)?;
    measure::record(rx, &sample, now);
    Ok(())
}

/// Takes note of the refusal of the request with a sequence.
#[inline(always)]
pub(super) fn record_refusal(own: &Session, number: u16, sequence: u16) -> Result<(), NoSample> {
    let (tx, rx, now) = history(number)?;
    // A refusal is fresh or not as a reply is.
    measure::sample(own, tx, rx, sequence, 0, now)?;
    measure::refuse(rx, sequence, now);
    Ok(())
}

/// What is known of a session, and the time.
#[inline(always)]
fn history(number: u16) -> Result<(&'static SessionTx, &'static mut SessionRx, u64), NoSample> {
    let tx = maps::SESSION_TX.get(number as u32).ok_or(NoSample::Stale)?;
    let rx = maps::SESSION_RX
        .get_ptr_mut(number as u32)
        .ok_or(NoSample::Stale)?;
    // SAFETY: the pointer is to an element of the map, whose one writer is the receive queue of this session.
    let rx = unsafe { &mut *rx };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    Ok((tx, rx, now))
}

//! Answers to our TCP requests: measured, and reset.

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::{Settings, remote},
    link::Link,
    measure::NoSample,
    tcp::{self, Answer, PADDING, Padded, SHORTEST, Segment, TAGGED_PADDING},
    verdict::Verdict,
    wire::{
        ip::{IpHeader, Shape},
        tcp::PROTOCOL,
    },
};

use super::{initiator, maps, nics, packet::Packet, settle};

/// A segment to the port of our requests; `PassUnrelated` where it belongs to no session.
#[inline(never)]
pub(super) fn answer<I: IpHeader>(ctx: &XdpContext, settings: &Settings, link: Link) -> Verdict {
    settle(try_answer::<I>(&mut Packet::of(ctx, link), settings, link))
}

#[inline(always)]
fn try_answer<I: IpHeader>(
    packet: &mut Packet<'_>,
    settings: &Settings,
    link: Link,
) -> Result<Verdict, Verdict> {
    let segment: &Segment<I> = packet.network().ok_or(Verdict::PassUnrelated)?;
    // Behind options or extension headers, or in a fragment, there is no answer of ours: the kernel resets it.
    if segment.ip.shape(PROTOCOL) != Shape::Plain {
        return Err(Verdict::PassUnrelated);
    }
    let (number, sequence) =
        tcp::acknowledged(&segment.tcp, settings.tcp_cookie).ok_or(Verdict::PassUnrelated)?;
    let own = maps::SESSIONS
        .get(number as u32)
        .ok_or(Verdict::PassUnrelated)?;
    if !tcp::is_ours(segment, link.tags, own) {
        return Err(Verdict::PassUnrelated);
    }
    let verdict = match check::<I>(packet.ctx(), link)? {
        Answer::Refused => {
            return match initiator::record_refusal(own, number, sequence) {
                Ok(()) => Ok(Verdict::TcpRefused),
                Err(NoSample::Stale | NoSample::Duplicate) => Err(Verdict::TcpRefusalStale),
            };
        }
        Answer::Accepted => match initiator::record(own, number, sequence, 0, remote::UNSET) {
            Ok(()) => Verdict::TcpMeasured,
            Err(NoSample::Stale) => Verdict::TcpStale,
            Err(NoSample::Duplicate) => Verdict::TcpDuplicate,
        },
        Answer::Stray => Verdict::TcpStray,
    };
    reset::<I>(packet.ctx(), link)?;
    Ok(verdict)
}

/// What a segment for one of our sessions says, if it can be believed. A function of its own, so that its stack is not needed
/// for what comes after.
#[inline(never)]
fn check<I: IpHeader>(ctx: &XdpContext, link: Link) -> Result<Answer, Verdict> {
    let packet = &mut Packet::of(ctx, link);
    nics::addressed(packet)?;
    let segment: &Segment<I> = packet.network().ok_or(Verdict::TcpTruncated)?;
    let length = segment.length().ok_or(Verdict::TcpTruncated)?;
    let sum = tcp::header_sum(packet, packet.l3() + I::LEN, length).ok_or(Verdict::TcpTruncated)?;
    let pseudo_header = tcp::pseudo_header(segment.ip.addresses_sum(), length);
    if !segment.ip.intact() || !tcp::intact(&segment.tcp, sum, pseudo_header) {
        return Err(Verdict::TcpBadChecksum);
    }
    Ok(Answer::of(&segment.tcp))
}

/// Turns a segment into its reset, and cuts off what is left of it. A frame that came by a real wire stays as long as
/// Ethernet demands, for not every driver pads what it sends. A function of its own for the same reason.
#[inline(never)]
fn reset<I: IpHeader>(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let packet = &mut Packet::of(ctx, link);
    let (eth, segment) = packet
        .headers::<Segment<I>>()
        .ok_or(Verdict::TcpTruncated)?;
    let (dst, src) = (eth.src(), eth.dst());
    eth.readdress(dst, src);
    segment.reset();
    // RFC 894: a frame is filled up with zeros.
    if let Some((_, padded)) = packet.headers::<Padded<I, PADDING>>() {
        padded.padding = [0; PADDING];
    } else if let Some((_, padded)) = packet.headers::<Padded<I, TAGGED_PADDING>>() {
        padded.padding = [0; TAGGED_PADDING];
    }
    let end = packet.l3() + size_of::<Segment<I>>();
    let length = if packet.len() >= SHORTEST as u64 && end < SHORTEST {
        SHORTEST
    } else {
        end
    };
    packet.shrink(length);
    Ok(())
}

//! Neighbour discovery about held addresses, and about those that are listened for.

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_xdp_adjust_tail, programs::XdpContext};
use failover_ebpf::{
    abi::{Held, Settings},
    link::Link,
    nd::{self, Answer, Message, Question},
    resolve::Said,
    verdict::Verdict,
    wire::ipv6::Ipv6,
};

use super::{custody, hearing, held, nics, packet::Packet, settle};

/// Answers for held addresses; everything else passes.
#[inline(never)]
pub(super) fn answer(ctx: &XdpContext, own: &Settings, link: Link) -> Verdict {
    let mut message = Message::default();
    settle(try_answer(ctx, own, link, &mut message))
}

/// The steps are functions of their own, so that their stacks are not needed at the same time.
#[inline(always)]
fn try_answer(
    ctx: &XdpContext,
    own: &Settings,
    link: Link,
    message: &mut Message,
) -> Result<Verdict, Verdict> {
    check(ctx, link)?;
    read(ctx, link, message)?;
    hear(ctx, link, message)?;
    Ok(treat(ctx, own, link, message))
}

#[inline(never)]
fn check(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let packet = Packet::of(ctx, link);
    let ip: &Ipv6 = packet.network().ok_or(Verdict::PassTruncated)?;
    nd::check(ip, &packet, packet.l3())
}

#[inline(never)]
fn read(ctx: &XdpContext, link: Link, message: &mut Message) -> Result<(), Verdict> {
    let mut packet = Packet::of(ctx, link);
    let sender = packet.eth().ok_or(Verdict::PassTruncated)?.src();
    let question: &Question = packet.network().ok_or(Verdict::PassTruncated)?;
    message.read(question, &packet, packet.l3(), sender)
}

/// Notes what the message says, unless it contradicts us.
#[inline(never)]
fn hear(ctx: &XdpContext, link: Link, message: &Message) -> Result<(), Verdict> {
    let said = message.said();
    hearing::listen(&said, link.tags, message.by);
    if let Said::Has(claimed) = &said
        && hearing::is_conflict(
            ctx,
            claimed,
            link.tags,
            message.by,
            message.answers(),
            Packet::new(ctx).ingress(),
        )
    {
        return Err(Verdict::PassConflict);
    }
    Ok(())
}

/// Answers what was heard, or leaves it alone.
#[inline(never)]
fn treat(ctx: &XdpContext, own: &Settings, link: Link, message: &Message) -> Verdict {
    settle(try_treat(ctx, own, link, message))
}

#[inline(always)]
fn try_treat(
    ctx: &XdpContext,
    own: &Settings,
    link: Link,
    message: &Message,
) -> Result<Verdict, Verdict> {
    // Behind the listening: what others say of an address is what ends its fence.
    if custody::is_fenced(own, message.subject())
        || (message.is_about_whoever_has_it() && custody::is_fenced(own, &message.target))
    {
        return Err(Verdict::Fenced);
    }
    let mut packet = Packet::of(ctx, link);
    let ingress = packet.ingress();
    let target = held::find(message.subject(), link.tags)?;
    // A NIC that is not managed answers for nothing.
    let nic = nics::managed(ingress).ok_or(Verdict::PassUnrelated)?;
    let eth = packet.eth().ok_or(Verdict::PassTruncated)?;
    let verdict = message.treat(eth.dst(), target, ingress, nic.mac)?;
    if verdict == Verdict::NdAnswered {
        advertise(ctx, link, message, target)?;
    } else {
        eth.readdress(target.next_hop, nic.mac);
    }
    Ok(verdict)
}

/// Makes the frame the answer, which may be longer or shorter than the question.
#[inline(never)]
fn advertise(
    ctx: &XdpContext,
    link: Link,
    question: &Message,
    target: &Held,
) -> Result<(), Verdict> {
    let mut packet = Packet::of(ctx, link);
    let difference = (packet.l3() + Answer::LEN) as i64 - packet.len() as i64;
    // SAFETY: the context is the one that the kernel gave to the program, and no reference into the frame is left.
    if unsafe { bpf_xdp_adjust_tail(ctx.as_ptr().cast(), difference as i32) } != 0 {
        // A driver that has no room behind the frame: the kernel answers for what it has itself.
        return Err(Verdict::PassLocal);
    }
    let (eth, answer) = packet.headers::<Answer>().ok_or(Verdict::PassTruncated)?;
    answer.write(eth, question, target.nic_mac);
    Ok(())
}

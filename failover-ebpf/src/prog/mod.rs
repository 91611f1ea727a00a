//! The program's shell: packet access, maps and helpers. Decisions are in the library.

mod custody;
mod discovery;
pub(crate) mod egress;
mod fib;
mod hearing;
mod held;
mod initiator;
mod maps;
mod nics;
mod packet;
mod rare;
mod reflector;
mod resolution;
mod say;
mod signatures;
mod steering;
mod tcp;

use core::borrow::Borrow as _;

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::Settings,
    classify::{self, Kind},
    link::{self, ETHERTYPE, Link},
    verdict::Verdict,
    wire::{Frame as _, eth::ethertype, ipv4::Ipv4, ipv6::Ipv6},
};

use self::{fib::Destined, packet::Packet};

/// A frame's way, from entry to verdict.
///
/// Each stage is a function of its own in the program as well, with its own stack. An untagged IPv4 packet that has nothing to
/// do with us is what a busy host sees most: it enters none of them, and everything else goes by way of [`general`].
#[inline(always)]
pub(crate) fn process(ctx: &XdpContext) -> Verdict {
    let Some(own) = maps::SETTINGS.get(0) else {
        return Verdict::PassUnrelated;
    };
    let link = Link::UNTAGGED;
    let packet = Packet::new(ctx);
    if packet.read(ETHERTYPE) == Some(ethertype::IPV4.to_be_bytes())
        && let Some(ip) = packet.network::<Ipv4>()
    {
        match classify::ipv4(ip, &packet, packet.l3(), own) {
            Ok(Kind::Packet) => return steering::steer(ctx, own, link, ip),
            Ok(Kind::Request | Kind::Reply | Kind::EchoReply | Kind::Segment | Kind::Discovery) => {
            }
            Err(verdict) => return verdict,
        }
    }
    general(ctx, own)
}

/// The way of every frame, with tags or without.
#[inline(never)]
fn general(ctx: &XdpContext, own: &Settings) -> Verdict {
    let (link, ethertype) = match link::read(&Packet::new(ctx)) {
        Ok((link, ethertype)) => (packet::forget_link(ctx, link), ethertype),
        Err(verdict) => return verdict,
    };
    match ethertype {
        ethertype::IPV4 => settle(ipv4(ctx, own, link)),
        ethertype::IPV6 => settle(ipv6(ctx, own, link)),
        ethertype::ARP => resolution::arp(ctx, own, link),
        _ => Verdict::PassNotIp,
    }
}

#[inline(always)]
fn ipv4(ctx: &XdpContext, own: &Settings, link: Link) -> Result<Verdict, Verdict> {
    let packet = Packet::of(ctx, link);
    let ip = packet.network::<Ipv4>().ok_or(Verdict::PassTruncated)?;
    let kind = classify::ipv4(ip, &packet, packet.l3(), own)?;
    Ok(stage::<Ipv4>(ctx, own, link, kind))
}

#[inline(always)]
fn ipv6(ctx: &XdpContext, own: &Settings, link: Link) -> Result<Verdict, Verdict> {
    let packet = Packet::of(ctx, link);
    let ip = packet.network::<Ipv6>().ok_or(Verdict::PassTruncated)?;
    let kind = classify::ipv6(ip, &packet, packet.l3(), own)?;
    Ok(stage::<Ipv6>(ctx, own, link, kind))
}

/// A request that is not for our reflector goes the way of every packet: whoever has the address may have a reflector, too. So
/// does what looks like an answer and answers no request of ours: on an address that is held, anybody may have the port, and
/// anybody may ping.
#[inline(always)]
fn stage<I: Destined>(ctx: &XdpContext, own: &Settings, link: Link, kind: Kind) -> Verdict {
    let unrelated = match kind {
        Kind::Reply => initiator::measure::<I>(ctx, link),
        Kind::EchoReply => initiator::measure_echo::<I>(ctx, link),
        Kind::Discovery => return discovery::answer(ctx, own, link),
        Kind::Segment => tcp::answer::<I>(ctx, own, link),
        Kind::Request if reflector::listens(ctx) => Verdict::RequestNotOurs,
        Kind::Request | Kind::Packet => Verdict::PassUnrelated,
    };
    let ends = match kind {
        // What is cut short is no answer of ours either, and may be for a fenced address.
        Kind::Segment | Kind::EchoReply => {
            unrelated != Verdict::PassUnrelated && unrelated != Verdict::PassTruncated
        }
        // Refused by our sessions, it may still be on its way to another server's. On an address that this host's kernel
        // has, the port is ours.
        Kind::Reply => unrelated == Verdict::ReplyMeasured || !held::is_sent_on::<I>(ctx, link),
        Kind::Request | Kind::Discovery | Kind::Packet => false,
    };
    if ends {
        return unrelated;
    }
    // Read again: the verifier trusts no pointer that was there before a stage that may cut the frame.
    let packet = Packet::of(ctx, link);
    let Some(ip) = packet.network::<I>() else {
        return Verdict::PassTruncated;
    };
    if unrelated == Verdict::RequestNotOurs && reflector::is_own(ip.destination().borrow()) {
        return reflector::answer::<I>(ctx, own, link);
    }
    let verdict = steering::steer(ctx, own, link, ip);
    if verdict == Verdict::PassUnrelated {
        unrelated
    } else {
        verdict
    }
}

/// The verdict of a stage, whether it ended early or not.
#[inline(always)]
fn settle(end: Result<Verdict, Verdict>) -> Verdict {
    match end {
        Ok(verdict) | Err(verdict) => verdict,
    }
}

/// Counts a verdict.
#[inline(always)]
pub(crate) fn count(verdict: Verdict) {
    if let Some(counter) = maps::COUNTERS.get_ptr_mut(verdict as u32) {
        // SAFETY: the pointer is to this CPU's counter, which nobody else writes.
        unsafe { *counter += 1 };
    }
}

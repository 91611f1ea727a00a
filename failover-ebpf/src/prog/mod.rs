//! The program's shell: packet access, maps and helpers. Decisions are in the library.

mod fib;
mod initiator;
mod maps;
mod nics;
mod packet;
mod rare;
mod reflector;
mod resolution;
mod signatures;
mod steering;

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::Settings,
    classify::{Class, classify},
    verdict::Verdict,
};

use self::packet::Packet;

/// A frame's way, from entry to verdict.
///
/// Each stage is a function of its own in the program as well, with its own stack; a frame that has nothing to do with us
/// enters none of them.
#[inline(always)]
pub(crate) fn process(ctx: &XdpContext) -> Verdict {
    let Some(own) = maps::SETTINGS.get(0) else {
        return Verdict::PassUnrelated;
    };
    match classify(&Packet::new(ctx), own) {
        Ok(Class::Request { src, dst }) => request(ctx, own, src, dst),
        Ok(Class::Reply) => initiator::measure(ctx),
        Ok(Class::EchoReply) => initiator::measure_echo(ctx),
        Ok(Class::Arp) => resolution::answer(ctx),
        Ok(Class::Packet { src, dst }) => steering::steer(ctx, own, src, dst),
        Err(verdict) => verdict,
    }
}

/// A request that is not for our reflector goes the way of every packet: whoever has the address may have a reflector, too.
#[inline(always)]
fn request(ctx: &XdpContext, own: &Settings, src: [u8; 4], dst: [u8; 4]) -> Verdict {
    let listening = reflector::listens(ctx);
    if listening && reflector::is_own(dst) {
        return reflector::answer(ctx, own);
    }
    let verdict = steering::steer(ctx, own, src, dst);
    if listening && verdict == Verdict::PassUnrelated {
        return Verdict::RequestNotOurs;
    }
    verdict
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

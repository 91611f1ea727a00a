//! Answers to our TCP requests: measured, and reset.

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::{Settings, ipv4_key},
    classify::{L3, L4},
    measure::NoSample,
    tcp::{self, Answer, PADDING, PaddedReset, Reset},
    verdict::Verdict,
    wire::{Frame as _, ipv4::Ipv4, tcp::Tcp},
};

use super::{initiator, maps, nics, packet::Packet, settle};

/// A segment to the port of our requests; `PassUnrelated` where it belongs to no session.
#[inline(never)]
pub(super) fn answer(ctx: &XdpContext, settings: &Settings) -> Verdict {
    settle(try_answer(&mut Packet::new(ctx), settings))
}

#[inline(always)]
fn try_answer(packet: &mut Packet<'_>, settings: &Settings) -> Result<Verdict, Verdict> {
    let ip = Ipv4(packet.read(L3).ok_or(Verdict::PassTruncated)?);
    let at = L3 + ip.header_len();
    let segment = Tcp(packet.read(at).ok_or(Verdict::PassUnrelated)?);
    let (number, sequence) =
        tcp::acknowledged(&segment, settings.tcp_cookie).ok_or(Verdict::PassUnrelated)?;
    let own = maps::SESSIONS
        .get(number as u32)
        .ok_or(Verdict::PassUnrelated)?;
    if !tcp::is_ours(&segment, ipv4_key(ip.src()), ipv4_key(ip.dst()), own) {
        return Err(Verdict::PassUnrelated);
    }
    nics::addressed(packet)?;
    if ip.header_len() != Ipv4::LEN {
        return Err(Verdict::TcpIpOptions);
    }
    // No answer to a request without data carries any, so the header is all that the checksum covers.
    let length = ip.total_len() as usize - Ipv4::LEN;
    if length < Tcp::LEN || segment.header_len() != length {
        return Err(Verdict::TcpTruncated);
    }
    let sum = tcp::header_sum(packet, L4, length).ok_or(Verdict::TcpTruncated)?;
    let pseudo_header = tcp::pseudo_header(ip.addresses_sum(), length);
    if !ip.checksum_valid() || !tcp::intact(&segment, sum, pseudo_header) {
        return Err(Verdict::TcpBadChecksum);
    }
    let verdict = match Answer::of(&segment) {
        Answer::Refused => {
            return match initiator::record_refusal(own, number, sequence) {
                Ok(()) => Ok(Verdict::TcpRefused),
                Err(NoSample::Stale | NoSample::Duplicate) => Err(Verdict::TcpRefusalStale),
            };
        }
        Answer::Accepted => match initiator::record(own, number, sequence, 0) {
            Ok(()) => Verdict::TcpMeasured,
            Err(NoSample::Stale) => Verdict::TcpStale,
            Err(NoSample::Duplicate) => Verdict::TcpDuplicate,
        },
        Answer::Stray => Verdict::TcpStray,
    };
    let reset: &mut Reset = packet.headers().ok_or(Verdict::TcpTruncated)?;
    reset.answer(&ip, &segment);
    trim(packet);
    Ok(verdict)
}

/// Cuts off what is left of the segment behind its reset. A frame that came by a real wire stays as long as Ethernet
/// demands, for not every driver pads what it sends.
#[inline(always)]
fn trim(packet: &mut Packet<'_>) {
    if let Some(reset) = packet.headers::<PaddedReset>() {
        reset.padding = [0; PADDING];
        packet.shrink(size_of::<PaddedReset>());
    } else {
        packet.shrink(size_of::<Reset>());
    }
}

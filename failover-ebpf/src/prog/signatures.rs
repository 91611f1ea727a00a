//! Keys of signed heartbeats. The hashing is in the library's `auth`.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::warn;
use failover_ebpf::{
    abi::{Key, Rare, SessionKey, Settings, settings},
    auth,
    heartbeat::{self, Control},
    signed::{self, Signed},
    verdict::Verdict,
};

use super::{maps, packet::Packet, rare};

/// The key that a request is signed with; `None`: it is not, and need not be.
#[inline(always)]
pub(super) fn of_request(
    packet: &mut Packet<'_>,
    own: &Settings,
) -> Result<Option<&'static Key>, Verdict> {
    let ctx = packet.ctx();
    let request: &Control = packet.headers().ok_or(Verdict::RequestTruncated)?;
    let initiator = request.ip.src();
    try_request(packet, own).inspect_err(|_| complain(ctx, initiator))
}

#[inline(always)]
fn try_request(
    packet: &mut Packet<'_>,
    own: &Settings,
) -> Result<Option<&'static Key>, Verdict> {
    let request: &Control = packet.headers().ok_or(Verdict::RequestTruncated)?;
    let required = own.flags & settings::AUTHENTICATE != 0;
    let (missing, unwanted) = (Verdict::RequestUnauthenticated, Verdict::RequestAuthentication);
    if !signed::check_presence(request, required, missing, unwanted)? {
        return Ok(None);
    }
    signed::check_length(request, &auth::REQUEST)?;
    let request: &Signed = packet.headers().ok_or(Verdict::RequestTruncated)?;
    request.check(&heartbeat::REQUEST, &auth::REQUEST)?;
    // SAFETY: user space replaces entries as a whole.
    let key = unsafe { maps::KEYS.get(request.auth.key_id() as u32) };
    let key = key.ok_or(Verdict::RequestUnknownKey)?;
    request.check_digest(key, &auth::REQUEST)?;
    Ok(Some(key))
}

/// Checks the signature of a reply to the request `sequence` of a session, if it has to have one.
#[inline(always)]
pub(super) fn of_reply(
    packet: &mut Packet<'_>,
    number: u16,
    sequence: u16,
    required: bool,
) -> Result<(), Verdict> {
    let reply: &Control = packet.headers().ok_or(Verdict::ReplyTruncated)?;
    let (missing, unwanted) = (Verdict::ReplyUnauthenticated, Verdict::ReplyAuthentication);
    if !signed::check_presence(reply, required, missing, unwanted)? {
        return Ok(());
    }
    signed::check_length(reply, &auth::REPLY)?;
    let reply: &Signed = packet.headers().ok_or(Verdict::ReplyTruncated)?;
    reply.check(&heartbeat::REPLY, &auth::REPLY)?;
    // Before the hash, which costs most: a flood of recorded replies is not hashed.
    let tx = maps::SESSION_TX.get(number as u32).ok_or(Verdict::ReplyStale)?;
    auth::check_sequence(tx, sequence, reply.auth.sequence())?;
    let name = SessionKey {
        session: number as u32,
        id: reply.auth.key_id() as u32,
    };
    // SAFETY: user space replaces entries as a whole.
    let key = unsafe { maps::SESSION_KEYS.get(name) }.ok_or(Verdict::ReplyUnknownKey)?;
    reply.check_digest(key, &auth::REPLY)
}

#[inline(always)]
fn complain(ctx: &XdpContext, initiator: [u8; 4]) {
    if rare::due(Rare::SignatureRefused) {
        warn!(
            ctx,
            "{:i} asks, and its requests are not signed as they have to be: the counters say how",
            initiator
        );
    }
}

//! Signed heartbeats: which key, and whether it fits. The hashing is in the library's `auth`.
//!
//! What is only done for signed packets is a function of its own, so that others do not need its stack.

use core::borrow::Borrow as _;

use aya_ebpf::programs::XdpContext;
use failover_ebpf::{
    abi::{Key, Rare, Session, SessionKey, Settings, settings, split_discriminator},
    auth,
    heartbeat::{self, Control},
    link::Link,
    signed::{self, Signed},
    verdict::Verdict,
    wire::ip::IpHeader,
};

use super::{maps, packet::Packet, rare, say};

/// Checks that a request is signed with a key of the reflector (`true`), or that it is not and need not be (`false`).
#[inline(always)]
pub(super) fn of_request<I: IpHeader>(
    ctx: &XdpContext,
    link: Link,
    own: &Settings,
) -> Result<bool, Verdict> {
    let packet = Packet::of(ctx, link);
    let request: &Control<I> = packet.network().ok_or(Verdict::RequestTruncated)?;
    let required = own.flags & settings::AUTHENTICATE != 0;
    let (missing, unwanted) = (
        Verdict::RequestUnauthenticated,
        Verdict::RequestAuthentication,
    );
    let checked = match signed::check_presence(&request.bfd, required, missing, unwanted) {
        Ok(false) => return Ok(false),
        Ok(true) => check_request::<I>(ctx, link),
        Err(verdict) => Err(verdict),
    };
    if checked.is_err() && rare::due(Rare::SignatureRefused) {
        say::signature_refused(ctx, request.ip.source().borrow());
    }
    checked.map(|()| true)
}

/// Checks that a reply is signed with a key of its session, or that it is not and need not be.
#[inline(always)]
pub(super) fn of_reply<I: IpHeader>(
    ctx: &XdpContext,
    link: Link,
    own: &Session,
    reply: &Control<I>,
) -> Result<(), Verdict> {
    let (missing, unwanted) = (Verdict::ReplyUnauthenticated, Verdict::ReplyAuthentication);
    if signed::check_presence(&reply.bfd, own.authenticated != 0, missing, unwanted)? {
        check_reply::<I>(ctx, link)?;
    }
    Ok(())
}

/// Signs what a request has become, with the key that it was signed with.
#[inline(never)]
pub(super) fn sign<I: IpHeader>(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let mut packet = Packet::of(ctx, link);
    let (_, reply) = packet
        .headers::<Signed<I>>()
        .ok_or(Verdict::RequestTruncated)?;
    let key = key(reply.auth.key_id()).ok_or(Verdict::RequestUnknownKey)?;
    reply.sign(key);
    Ok(())
}

#[inline(never)]
fn check_request<I: IpHeader>(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let packet = Packet::of(ctx, link);
    let control: &Control<I> = packet.network().ok_or(Verdict::RequestTruncated)?;
    signed::check_length(&control.bfd, &auth::REQUEST)?;
    let request: &Signed<I> = packet.network().ok_or(Verdict::RequestTruncated)?;
    request.check(&heartbeat::REQUEST, &auth::REQUEST)?;
    let key = key(request.auth.key_id()).ok_or(Verdict::RequestUnknownKey)?;
    request.check_digest(key, &auth::REQUEST)
}

#[inline(never)]
fn check_reply<I: IpHeader>(ctx: &XdpContext, link: Link) -> Result<(), Verdict> {
    let packet = Packet::of(ctx, link);
    let control: &Control<I> = packet.network().ok_or(Verdict::ReplyTruncated)?;
    signed::check_length(&control.bfd, &auth::REPLY)?;
    let reply: &Signed<I> = packet.network().ok_or(Verdict::ReplyTruncated)?;
    reply.check(&heartbeat::REPLY, &auth::REPLY)?;
    let (number, sequence) = split_discriminator(reply.control.bfd.your_discriminator());
    // Before the hash, which costs most: a flood of recorded replies is not hashed.
    let tx = maps::SESSION_TX
        .get(number as u32)
        .ok_or(Verdict::ReplyStale)?;
    auth::check_sequence(tx, sequence, reply.auth.sequence())?;
    let name = SessionKey {
        session: number as u32,
        id: reply.auth.key_id() as u32,
    };
    // SAFETY: user space replaces entries as a whole.
    let key = unsafe { maps::SESSION_KEYS.get(name) }.ok_or(Verdict::ReplyUnknownKey)?;
    reply.check_digest(key, &auth::REPLY)
}

/// The reflector's key with an id.
#[inline(always)]
fn key(id: u8) -> Option<&'static Key> {
    // SAFETY: user space replaces entries as a whole.
    unsafe { maps::KEYS.get(id as u32) }
}

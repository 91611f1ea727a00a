//! Sessions of the initiator, and what the program measures of them.

use super::{Ip, Tags};

/// Kinds of [`Session::kind`].
pub mod session {
    /// Not in use.
    pub const UNSET: u32 = 0;
    /// S-BFD (RFC 7880, 7881).
    pub const SBFD: u32 = 1;
    /// ICMP echo (RFC 792), or ICMPv6 echo (RFC 4443 4) where the addresses are IPv6.
    pub const ICMP: u32 = 2;
    /// ARP requests (RFC 826).
    pub const ARP: u32 = 3;
    /// TCP connections that are never opened (RFC 9293).
    pub const TCP: u32 = 4;
}

/// Requests in flight that a session can tell apart.
pub const RING: usize = 64;

/// A key of Meticulous Keyed SHA1 authentication (RFC 5880 4.4).
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Key {
    /// Octets of the secret, 1 to 20.
    pub len: u32,
    /// The secret, and zeros behind it (RFC 5880 4.4: it is padded to 20 octets).
    pub secret: [u8; 20],
}

impl core::fmt::Debug for Key {
    /// A secret is shown to nobody.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// Key of the map of the sessions' keys.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    /// Number of the session.
    pub session: u32,
    /// Auth Key ID, 0 to 255.
    pub id: u32,
}

/// A heartbeat session, as its replies are checked.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// One of [`session`].
    pub kind: u32,
    /// S-BFD: the reflector's discriminator, which is the reply's My Discriminator.
    pub remote_discriminator: u32,
    /// The host that is watched.
    pub remote: Ip,
    /// The address that requests are sent from.
    pub local: Ip,
    /// A reply that takes longer is late.
    pub timeout_ns: u64,
    /// ICMP: the first eight octets of the payload.
    pub cookie: u64,
    /// VLANs that replies come in by.
    pub tags: Tags,
    /// TCP: the port that is asked.
    pub remote_port: u32,
    /// ARP: the MAC that the host has to answer with.
    pub remote_mac: [u8; 6],
    /// Explicit padding.
    pub reserved: [u8; 2],
    /// 1: replies have to be signed with one of the session's keys; 0: they must not be signed.
    pub authenticated: u32,
    /// Explicit padding.
    pub reserved2: [u8; 4],
}

/// What the heartbeat thread tells the program about a session.
///
/// `sent_ns` is written before `last_sequence`, and both before the request is sent.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTx {
    /// Gaps that began before this are not measured: an outage is no jitter.
    pub measure_from_ns: u64,
    /// Sequence of the latest request. Its low 16 bits are in the discriminator of the request, all of it is the sequence
    /// number of the request's authentication, which a meticulous sender increments for every packet (RFC 5880 6.7.4).
    pub last_sequence: u32,
    /// 1 once a request has been sent.
    pub started: u32,
    /// When the request with a sequence was sent, by `sequence % RING`; 0: not sent.
    pub sent_ns: [u64; RING],
}

/// What the other end says of itself, in [`SessionRx::remote_state`].
pub mod remote {
    /// Nothing yet, or its probe does not say.
    pub const UNSET: u32 = 0;
    /// S-BFD state Up.
    pub const UP: u32 = 1;
    /// S-BFD state AdminDown: out of service because its administrator wants it so.
    pub const ADMIN_DOWN: u32 = 2;
}

/// Buckets of the RTT histogram; see `measure::bucket`.
pub const BUCKETS: usize = 192;

/// What the program has measured of a session.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRx {
    /// Valid replies, late ones included.
    pub received: u64,
    /// Valid replies that took longer than the timeout.
    pub late: u64,
    /// When the latest valid reply arrived.
    pub last_ns: u64,
    /// Shortest round trip; 0: none yet.
    pub rtt_min_ns: u64,
    /// Longest round trip.
    pub rtt_max_ns: u64,
    /// Longest time between two valid replies.
    pub max_gap_ns: u64,
    /// Sequence of the latest valid reply.
    pub last_sequence: u32,
    /// Required Min RX Interval of the latest valid S-BFD reply, microseconds; 0: none stated, as by ICMP. The initiator
    /// must not send faster (RFC 7880 7.2.3).
    pub required_min_rx_us: u32,
    /// One of [`remote`], as the latest valid reply says.
    pub remote_state: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// TCP: requests that were refused by a reset, as by a host on which nobody listens at the port.
    pub refused: u64,
    /// [`refused_mark`] of the latest refusal; 0: never.
    pub refused_mark: u64,
    /// [`answered_mark`] of the request that each slot's reply answered, by `sequence % RING`.
    pub answered: [u32; RING],
    /// Round trips by `measure::bucket`.
    pub histogram: [u64; BUCKETS],
}

/// What [`SessionRx::answered`] holds for an answered sequence: never 0, so an empty slot answers nothing.
#[inline(always)]
pub const fn answered_mark(sequence: u16) -> u32 {
    sequence as u32 | 1 << 16
}

/// What [`SessionRx::refused_mark`] holds once the request `sequence` has been refused at `now`: both in one value, so that
/// a reader never sees one without the other. The time loses its lower 16 bits, 66 us.
#[inline(always)]
pub const fn refused_mark(sequence: u16, now: u64) -> u64 {
    now & !0xffff | sequence as u64
}

/// Whether a mark made by [`refused_mark`] says that the request `sequence`, sent at `sent_ns`, has been refused.
#[inline(always)]
pub const fn is_refused(mark: u64, sequence: u16, sent_ns: u64) -> bool {
    mark as u16 == sequence && mark >> 16 >= sent_ns >> 16
}

/// Initial sequence number of a TCP request. The acknowledgment of its answer is one more, and names both again.
#[inline(always)]
pub const fn initial_sequence(cookie: u16, session: u16, sequence: u16) -> u32 {
    ((session ^ cookie) as u32) << 16 | sequence as u32
}

/// Session number and sequence of a number made by [`initial_sequence`].
#[inline(always)]
pub const fn split_initial_sequence(cookie: u16, number: u32) -> (u16, u16) {
    ((number >> 16) as u16 ^ cookie, number as u16)
}

/// My Discriminator of a request: the session's number above, the sequence below, so that the echoed value names both.
#[inline(always)]
pub const fn discriminator(session: u16, sequence: u16) -> u32 {
    (session as u32) << 16 | sequence as u32
}

/// Session number and sequence of a discriminator made by [`discriminator`].
#[inline(always)]
pub const fn split_discriminator(discriminator: u32) -> (u16, u16) {
    ((discriminator >> 16) as u16, discriminator as u16)
}

//! What the kernel and user space share: map names, keys, values and their versions.
//!
//! Every structure is `repr(C)`, made of `u32`, `u64`, [`Tags`] and byte arrays with explicit padding, and zero means
//! "unset": an array map never reads as missing. Each map value has one writer, named beside the map. Times are nanoseconds of
//! `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`), except where a name says otherwise.

/// Version of everything in this file. Pinned objects live in a directory of this version, so that a daemon never
/// reads maps of another shape.
pub const ABI_VERSION: u32 = 3;

/// Names of the programs in the object.
pub mod program {
    /// The data plane: one program for every role.
    pub const FAILOVER: &str = "failover";
    /// The fence on the way out (tc egress).
    pub const EGRESS: &str = "failover_egress";
    /// An empty program (`XDP_PASS`): the far ends of the lab's veth pairs carry it, and costs are compared with it.
    pub const PASS: &str = "xdp_pass";
}

/// Names of the maps, as the object declares them and as they are pinned.
pub mod map {
    /// `Array<Settings>`, one entry. Writer: user space.
    pub const SETTINGS: &str = "SETTINGS";
    /// `HashMap<u32 ifindex, Nic>`. Writer: user space.
    pub const NICS: &str = "NICS";
    /// `HashMap<Mac, u32>`: MAC addresses of this host's NICs, managed or not. Writer: user space.
    pub const MACS: &str = "MACS";
    /// `HashMap<u32 discriminator, u32>`: discriminators that this host's reflector answers to. Writer: user space.
    pub const DISCRIMINATORS: &str = "DISCRIMINATORS";
    /// `HashMap<Ip, u32>`: addresses of this host at which its reflector answers. Writer: user space.
    pub const OWN: &str = "OWN";
    /// `HashMap<Ip, u32>`: initiators that are answered, unless [`super::settings::ANY_INITIATOR`]. Writer: user space.
    pub const INITIATORS: &str = "INITIATORS";
    /// `LruHashMap<Watcher, WatcherState>`: who asks the reflector, and how fast. Writer: the program.
    pub const WATCHERS: &str = "WATCHERS";
    /// `Array<Session>` by session number. Writer: user space.
    pub const SESSIONS: &str = "SESSIONS";
    /// `Array<SessionTx>` by session number, mappable. Writer: the heartbeat thread.
    pub const SESSION_TX: &str = "SESSION_TX";
    /// `Array<SessionRx>` by session number, mappable. Writer: the program.
    pub const SESSION_RX: &str = "SESSION_RX";
    /// `HashMap<Ip, Held>`: the takeover map, the truth about what this host holds. Writer: user space.
    pub const ADDRESSES: &str = "ADDRESSES";
    /// `Array<u64>`, mappable: the bits that [`crate::maybe_held::place`] names. Of every address in [`ADDRESSES`] it is set. Writer:
    /// user space, before the address is entered.
    pub const MAYBE_HELD: &str = "MAYBE_HELD";
    /// `PerCpuArray<Traffic>` by [`super::Held::slot`]. Writer: the program.
    pub const TRAFFIC: &str = "TRAFFIC";
    /// `DevMapHash<u32 ifindex>`: NICs that frames may be redirected onto. Writer: user space.
    pub const REDIRECT: &str = "REDIRECT";
    /// `PerCpuArray<u64>` by `verdict::Verdict`. Writer: the program.
    pub const COUNTERS: &str = "COUNTERS";
    /// `Array<u64>` by [`super::Rare`]: when the last message of that kind was logged. Writer: the program.
    pub const RARE: &str = "RARE";

    /// `HashMap<Ip, Listened>`: addresses whose ARP or neighbour discovery is listened for. Writer: user space.
    pub const LISTENED: &str = "LISTENED";
    /// `Array<Heard>` by slot, mappable: what was heard of them. Writer: the program.
    pub const HEARD: &str = "HEARD";
    /// `RingBuf` of [`super::Claim`]: held addresses that another host claims. Writer: the program.
    pub const CLAIMS: &str = "CLAIMS";

    /// `Array<Health>`, one entry, mappable: whether this host may answer and use its identity. Writer: the daemon.
    pub const HEALTH: &str = "HEALTH";
    /// `HashMap<Ip, u32>` of [`super::identity`] flags: addresses that this host uses only while it may. Writer: user space.
    pub const IDENTITY: &str = "IDENTITY";

    /// `HashMap<Ip, u32 session>`: hosts that are watched by ARP, whose replies say nothing of a session. Writer: user
    /// space.
    pub const ARP_SESSIONS: &str = "ARP_SESSIONS";

    /// `HashMap<u32 key id, Key>`: keys that requests to our reflector are signed with. Writer: user space.
    pub const KEYS: &str = "KEYS";
    /// `HashMap<SessionKey, Key>`: keys that replies to our sessions are signed with. Writer: user space.
    pub const SESSION_KEYS: &str = "SESSION_KEYS";

    /// All maps that are pinned.
    pub const PINNED: [&str; 24] = [
        SETTINGS,
        NICS,
        MACS,
        DISCRIMINATORS,
        OWN,
        INITIATORS,
        WATCHERS,
        SESSIONS,
        SESSION_TX,
        SESSION_RX,
        ADDRESSES,
        MAYBE_HELD,
        TRAFFIC,
        REDIRECT,
        COUNTERS,
        RARE,
        LISTENED,
        HEARD,
        CLAIMS,
        HEALTH,
        IDENTITY,
        ARP_SESSIONS,
        KEYS,
        SESSION_KEYS,
    ];
}

/// Managed NICs, at most.
pub const MAX_NICS: u32 = 64;
/// MAC addresses of this host's NICs, of which a host of containers has many. While one changes, the old and the new are
/// both there.
pub const MAX_MACS: u32 = 4096;
/// Session numbers run from 1 to this, exclusive; 0 is never a session.
pub const MAX_SESSIONS: u32 = 4096;
/// Addresses that can be held at once.
pub const MAX_ADDRESSES: u32 = 16_384;
/// Addresses of this host's own identity.
pub const MAX_IDENTITY: u32 = 1024;
/// Witnesses that are asked by ARP.
pub const MAX_WITNESSES: u32 = 64;
/// Addresses that can be listened for: everything that can be held, witnesses, and this host's identity.
pub const MAX_LISTENED: u32 = MAX_ADDRESSES + MAX_WITNESSES + MAX_IDENTITY;
/// Octets of the ring buffer of claims; a power of two and a multiple of the page size.
pub const CLAIMS_BYTES: u32 = 64 * 1024;
/// Discriminators of the reflector.
pub const MAX_DISCRIMINATORS: u32 = 64;
/// Addresses of the reflector.
pub const MAX_OWN: u32 = 1024;
/// Room for counters. More than there are verdicts, so that a new verdict does not change the map's shape.
pub const MAX_COUNTERS: u32 = 256;
/// Entries of the list of allowed initiators.
pub const MAX_INITIATORS: u32 = 4096;
/// Watchers that are remembered; the least recently seen goes first.
pub const MAX_WATCHERS: u32 = 4096;

/// Keys of the reflector: an id is one octet (RFC 5880 4.4).
pub const MAX_KEYS: u32 = 256;
/// Keys that a session can have at once. Two are in use while one takes the place of the other.
pub const MAX_KEYS_OF_SESSION: u32 = 4;
/// Keys of all sessions.
pub const MAX_SESSION_KEYS: u32 = MAX_SESSIONS * MAX_KEYS_OF_SESSION;

/// An IP address as map key: IPv6, or IPv4-mapped IPv6 (RFC 4291 2.5.5.2).
pub type Ip = [u8; 16];

/// The key of an IPv4 address.
#[inline(always)]
pub const fn ipv4_key(a: [u8; 4]) -> Ip {
    // As one number, which the kernel's compiler turns into two stores rather than a loop over octets.
    ((0xffff_u128 << 32) | u32::from_be_bytes(a) as u128).to_be_bytes()
}

/// Whether two addresses are the same: in two comparisons, where the kernel's compiler would make a loop over octets.
#[inline(always)]
pub const fn same(a: &Ip, b: &Ip) -> bool {
    u128::from_ne_bytes(*a) == u128::from_ne_bytes(*b)
}

/// The IPv4 address of a key, if it is one's.
#[inline(always)]
pub const fn ipv4_of(key: &Ip) -> Option<[u8; 4]> {
    let [.., a, b, c, d] = *key;
    let octets = [a, b, c, d];
    if u128::from_be_bytes(*key) == u128::from_be_bytes(ipv4_key(octets)) {
        Some(octets)
    } else {
        None
    }
}

/// VLAN identifiers of a frame, the outermost tag first; 0: no tag (IEEE 802.1Q: a tag with identifier 0 says a priority
/// and names no VLAN, so it counts as none).
///
/// The same address in another VLAN is another host's, so tags are compared exactly.
pub type Tags = [u16; 2];

/// Flags of [`Settings::flags`].
pub mod settings {
    /// User space has written the settings.
    pub const CONFIGURED: u32 = 1;
    /// This host answers S-BFD requests.
    pub const REFLECT: u32 = 1 << 1;
    /// Every initiator is answered; otherwise only those in the map of initiators.
    pub const ANY_INITIATOR: u32 = 1 << 2;
    /// At least one held address is forwarded, so return traffic has to be looked for.
    pub const FORWARDING: u32 = 1 << 3;
    /// The reflector answers requests that are signed with one of its keys, and no others.
    pub const AUTHENTICATE: u32 = 1 << 4;
    /// This host has an identity that may be fenced, so packets for it have to be looked for.
    pub const IDENTITY: u32 = 1 << 5;
}

/// Flags of [`Health::flags`].
pub mod health {
    /// A health check has failed.
    pub const CHECKS_FAILED: u32 = 1;
    /// An administrator of this host wants no takeover.
    pub const ADMIN_DOWN: u32 = 1 << 1;
    /// A host that is not healthy does not use its identity.
    pub const SELF_FENCE: u32 = 1 << 2;
    /// It is not known yet whether another host uses the identity: this one does not, until it is.
    pub const UNPROVEN: u32 = 1 << 3;
    /// At least one address of the identity is withheld, as the map of the identity says.
    pub const WITHHELD: u32 = 1 << 4;
}

/// Whether this host may answer heartbeats and use its identity; see `crate::health`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When the daemon was last known to run. It may lie ahead: a daemon that hands over vouches for its successor.
    pub tick_ns: u64,
    /// How old that may become; 0: the daemon need not run.
    pub dead_man_ns: u64,
    /// [`health`] flags.
    pub flags: u32,
    /// Explicit padding.
    pub reserved: u32,
}

/// Flags of an entry of the identity. None: this host uses the address.
pub mod identity {
    /// Another host uses it.
    pub const HELD_ELSEWHERE: u32 = 1;
    /// It is not known yet whether another host does.
    pub const UNPROVEN: u32 = 1 << 1;
}

/// What the program needs to know about this host as a whole.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// [`settings`] flags.
    pub flags: u32,
    /// UDP source port of our S-BFD requests, so that replies are known by their destination port; 0: none.
    pub sbfd_source_port: u32,
    /// Required Min RX Interval that the reflector states, microseconds (RFC 7880 7.2.3).
    pub min_rx_us: u32,
    /// TCP port that our requests to open a connection come from, where nobody listens; 0: none.
    pub tcp_source_port: u32,
    /// 16 bits that nobody else knows, by which the initial sequence number of such a request names its session
    /// ([`initial_sequence`]).
    pub tcp_cookie: u32,
    /// Explicit padding.
    pub reserved: u32,
}

/// Flags of [`Nic::flags`].
pub mod nic {
    /// S-BFD requests that come in here are answered, as long as [`super::settings::REFLECT`] is set.
    pub const REFLECT: u32 = 1;
}

/// A managed NIC.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// The NIC's MAC address.
    pub mac: [u8; 6],
    /// Explicit padding.
    pub reserved: [u8; 2],
    /// Largest IP packet that it sends, octets.
    pub mtu: u32,
    /// [`nic`] flags.
    pub flags: u32,
}

/// Key of the map of watchers.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watcher {
    /// The initiator.
    pub initiator: Ip,
    /// The address that it asks.
    pub asked: Ip,
}

/// What the reflector remembers of a watcher.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatcherState {
    /// Theoretical arrival time of the rate limiter (GCRA).
    pub tat_ns: u64,
    /// When it was last answered.
    pub answered_ns: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests refused because they came faster than the reflector's Required Min RX Interval.
    pub refused: u64,
    /// When it last asked, whether or not it was answered.
    pub asked_ns: u64,
}

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

/// Modes of [`Held::mode`].
pub mod held {
    /// The kernel of this host has the address.
    pub const LOCAL: u32 = 1;
    /// Packets are sent on to another host.
    pub const FORWARD: u32 = 2;
    /// The address goes back: packets are turned round to the source.
    pub const DRAIN: u32 = 3;
}

/// Flags of [`Held::flags`].
pub mod held_flag {
    /// The source is about to take it back: its probes are not answered any more, so that it finds the address free. Nothing
    /// else changes.
    pub const YIELDING: u32 = 1;
}

/// A taken-over address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// One of [`held`].
    pub mode: u32,
    /// The chosen NIC (ifindex): ARP and neighbour solicitations are answered here and nowhere else.
    pub nic: u32,
    /// The NIC that `forward` and `drain` send frames out of (ifindex).
    pub out: u32,
    /// Largest IP packet that `out` sends, octets.
    pub out_mtu: u32,
    /// Index into the traffic counters.
    pub slot: u32,
    /// Prefix length of the address as the configuration has it.
    pub prefix: u32,
    /// MAC of the chosen NIC: the answer to ARP and neighbour solicitations.
    pub nic_mac: [u8; 6],
    /// MAC of `out`: the Ethernet source of frames sent out.
    pub out_mac: [u8; 6],
    /// Ethernet destination of frames sent out: the standby server's (`forward`) or the source's (`drain`).
    pub next_hop: [u8; 6],
    /// The source's MAC, for failback.
    pub source_mac: [u8; 6],
    /// VLANs that the address is held in; in others it is another host's.
    ///
    /// Answers keep the tags of what they answer, and so do packets that are turned round to the source (`drain`), which is
    /// in the same VLAN. `forward` sends untagged frames, as `out` is in a network of its own.
    pub tags: Tags,
    /// [`held_flag`]s.
    pub flags: u32,
    /// When the address was taken over, `CLOCK_REALTIME`.
    pub taken_at_unix_ns: u64,
}

/// Traffic of one held address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets for the address.
    pub packets: u64,
    /// Octets of them, from the Ethernet header on.
    pub bytes: u64,
}

/// An address that is listened for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listened {
    /// Index into what was heard.
    pub slot: u32,
    /// VLANs in which it is listened for.
    pub tags: Tags,
}

/// What was heard by ARP or neighbour discovery of an address that is listened for, on any NIC that has the program, except
/// from the MAC addresses in [`map::MACS`].
///
/// Each MAC is written before its time, by plain stores of any CPU. On x86-64, where stores are seen in their order, a time that
/// is seen comes with that MAC or a later one. A CPU that reorders stores may show a time before its MAC, beside the MAC of
/// whoever spoke before. Whoever reads while two hosts speak may find octets of both MACs. In each case the next read has
/// what was heard last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// When a host last claimed the address: it was the sender protocol address of an ARP packet, be it a request, a
    /// reply or an announcement, the target of a neighbour advertisement, or the source of a solicitation. 0: never.
    pub claimed_ns: u64,
    /// When a host last probed for it: it was the target protocol address of an ARP request whose sender protocol address
    /// is 0 (RFC 5227 1.1, ARP Probe), or the target of a neighbour solicitation from the unspecified address (RFC 4862
    /// 5.4.2). 0: never.
    pub probed_ns: u64,
    /// When the latest [`Claim`] of it was written; 0: never, as long as it is not held.
    pub told_ns: u64,
    /// Who claimed it last: the sender hardware address of that packet, or its link-layer address option, and without one
    /// the source of the frame.
    pub claimed_by: [u8; 6],
    /// Who probed for it last, likewise.
    pub probed_by: [u8; 6],
    /// Who claimed it last but [`Self::claimed_by`]: where the source and another host answer one question, the answer of
    /// neither hides the other's.
    pub other_by: [u8; 6],
    /// Explicit padding.
    pub reserved: [u8; 6],
    /// When that was. 0: never.
    pub other_ns: u64,
}

/// Another host claims a held address (RFC 5227 2.4, RFC 4862 5.4.4), except while it goes back ([`held::DRAIN`]). That the
/// source or a standby server has answered a question for it is no claim.
///
/// Written at most once in [`CLAIM_INTERVAL_NS`] per address that is listened for, and for all others together with the
/// message in the log, at most once a second. Two CPUs at the same instant may write one each. A full ring takes no more,
/// until user space reads.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// When it was heard.
    pub at_ns: u64,
    /// The held address.
    pub ip: Ip,
    /// Who claims it, as in [`Heard::claimed_by`].
    pub mac: [u8; 6],
    /// Explicit padding.
    pub reserved: [u8; 2],
    /// The NIC on which it was heard (ifindex).
    pub nic: u32,
    /// Explicit padding.
    pub reserved2: u32,
}

/// Time between two claims of one address that is listened for, at least.
pub const CLAIM_INTERVAL_NS: u64 = 100_000_000;

/// Kinds of rare messages, each logged at most once a second.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rare {
    /// Another host claims a held address.
    Conflict = 0,
    /// A request for a discriminator that is not ours.
    UnknownDiscriminator = 1,
    /// A request from an initiator that is not allowed.
    InitiatorRefused = 2,
    /// A frame could not be redirected.
    RedirectFailed = 3,
    /// A request whose signature is not accepted, or that has none.
    SignatureRefused = 4,
}

/// Number of kinds in [`Rare`].
pub const RARE_KINDS: u32 = 5;

#[cfg(feature = "user")]
mod user {
    use super::*;

    // SAFETY: like all of them, made of integers and octets without implicit padding, as the size asserts below show, so that
    // any octets are a value.
    unsafe impl aya::Pod for Settings {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Nic {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Watcher {}
    // SAFETY: as above.
    unsafe impl aya::Pod for WatcherState {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Session {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SessionTx {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SessionRx {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Held {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Traffic {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Listened {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Heard {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Claim {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Health {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Key {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SessionKey {}
}

const _: () = {
    assert!(size_of::<Settings>() == 24);
    assert!(size_of::<Nic>() == 16);
    assert!(size_of::<Watcher>() == 32);
    assert!(size_of::<WatcherState>() == 40);
    assert!(size_of::<Session>() == 80);
    assert!(size_of::<SessionTx>() == 16 + 8 * RING);
    assert!(size_of::<SessionRx>() == 80 + 4 * RING + 8 * BUCKETS);
    assert!(size_of::<Held>() == 64);
    assert!(size_of::<Traffic>() == 16);
    assert!(size_of::<Listened>() == 8);
    assert!(size_of::<Heard>() == 56);
    assert!(size_of::<Claim>() == 40);
    assert!(size_of::<Health>() == 24);
    assert!(size_of::<Key>() == 24);
    assert!(size_of::<SessionKey>() == 8);
    assert!(MAX_SESSIONS <= 1 << 16);
    assert!(RING.is_power_of_two() && RING <= 1 << 15);
};

//! What the kernel and user space share: map names, keys, values and their versions.
//!
//! Every structure is `repr(C)`, made of `u32`, `u64`, [`Tags`] and byte arrays with explicit padding, and zero means
//! "unset": an array map never reads as missing. Each map value has one writer, named beside the map. Times are nanoseconds of
//! `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`), except where a name says otherwise.

mod addresses;
mod heartbeats;
mod source;

pub use addresses::*;
pub use heartbeats::*;
pub use source::*;

/// Version of everything in this module. Pinned objects live in a directory of this version, so that a daemon never
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

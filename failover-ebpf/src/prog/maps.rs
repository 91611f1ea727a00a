//! The maps. What each holds, and who writes it, is in the library's `abi`.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::map,
    maps::{Array, DevMapHash, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use failover_ebpf::{
    abi::{
        self, Health, Heard, Held, Ip, Key, Listened, Nic, Session, SessionKey, SessionRx,
        SessionTx, Settings, Traffic, Watcher, WatcherState,
    },
    wire::eth::Mac,
};

#[map]
pub(super) static SETTINGS: Array<Settings> = Array::pinned(1, 0);

#[map]
pub(super) static NICS: HashMap<u32, Nic> = HashMap::pinned(abi::MAX_NICS, 0);

#[map]
pub(super) static MACS: HashMap<Mac, u32> = HashMap::pinned(abi::MAX_MACS, 0);

#[map]
pub(super) static DISCRIMINATORS: HashMap<u32, u32> = HashMap::pinned(abi::MAX_DISCRIMINATORS, 0);

#[map]
pub(super) static OWN: HashMap<Ip, u32> = HashMap::pinned(abi::MAX_OWN, 0);

#[map]
pub(super) static INITIATORS: HashMap<Ip, u32> = HashMap::pinned(abi::MAX_INITIATORS, 0);

#[map]
pub(super) static WATCHERS: LruHashMap<Watcher, WatcherState> =
    LruHashMap::pinned(abi::MAX_WATCHERS, 0);

#[map]
pub(super) static SESSIONS: Array<Session> = Array::pinned(abi::MAX_SESSIONS, 0);

#[map]
pub(super) static SESSION_TX: Array<SessionTx> = Array::pinned(abi::MAX_SESSIONS, BPF_F_MMAPABLE);

#[map]
pub(super) static SESSION_RX: Array<SessionRx> = Array::pinned(abi::MAX_SESSIONS, BPF_F_MMAPABLE);

#[map]
pub(super) static ADDRESSES: HashMap<Ip, Held> = HashMap::pinned(abi::MAX_ADDRESSES, 0);

#[map]
pub(super) static TRAFFIC: PerCpuArray<Traffic> = PerCpuArray::pinned(abi::MAX_ADDRESSES, 0);

#[map]
pub(super) static REDIRECT: DevMapHash = DevMapHash::pinned(abi::MAX_NICS, 0);

#[map]
pub(super) static COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(abi::MAX_COUNTERS, 0);

#[map]
pub(super) static RARE: Array<u64> = Array::pinned(abi::RARE_KINDS, 0);

#[map]
pub(super) static LISTENED: HashMap<Ip, Listened> = HashMap::pinned(abi::MAX_LISTENED, 0);

#[map]
pub(super) static HEARD: Array<Heard> = Array::pinned(abi::MAX_LISTENED, BPF_F_MMAPABLE);

#[map]
pub(super) static ARP_SESSIONS: HashMap<Ip, u32> = HashMap::pinned(abi::MAX_SESSIONS, 0);

#[map]
pub(super) static KEYS: HashMap<u32, Key> = HashMap::pinned(abi::MAX_KEYS, BPF_F_NO_PREALLOC);

#[map]
pub(super) static SESSION_KEYS: HashMap<SessionKey, Key> =
    HashMap::pinned(abi::MAX_SESSION_KEYS, BPF_F_NO_PREALLOC);

#[map]
pub(super) static CLAIMS: RingBuf = RingBuf::pinned(abi::CLAIMS_BYTES, 0);

#[map]
pub(super) static HEALTH: Array<Health> = Array::pinned(1, BPF_F_MMAPABLE);

#[map]
pub(super) static IDENTITY: HashMap<Ip, u32> = HashMap::pinned(abi::MAX_IDENTITY, 0);

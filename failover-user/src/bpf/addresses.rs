//! The takeover map, and the bits that spare most packets a lookup in it.

use std::{
    net::IpAddr,
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

use anyhow::Context as _;
use aya::maps::{HashMap, MapData, MapError};
use failover_ebpf::{
    abi::{self, Held, Ip, map},
    maybe_held,
};

use super::{
    keys::{ip, key},
    maps::{ignore_absent, open},
    pins::Pins,
    shared::Mapping,
};

/// The takeover map: what it holds is held.
pub struct Addresses {
    entries: HashMap<MapData, Ip, Held>,
    /// Of what has been held since the daemon started every bit stays set: another address may share it.
    bits: Option<Bits>,
}

impl Addresses {
    /// Opens the pinned map.
    pub fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self {
            entries: open(pins, map::ADDRESSES)?,
            bits: Some(Bits::open(pins)?),
        })
    }

    /// A map of the same shape that no program sees, gone with the last handle of it: to practise on.
    ///
    /// # Errors
    /// No permission (`CAP_BPF`), or no memory.
    pub fn practice() -> Result<Self, MapError> {
        Ok(Self {
            entries: HashMap::create(abi::MAX_ADDRESSES, 0)?,
            bits: None,
        })
    }

    /// Sets the bits of all held addresses and no others. For the start, before any thread holds more.
    pub(super) fn mark_all(&self) -> anyhow::Result<()> {
        let Some(bits) = &self.bits else {
            return Ok(());
        };
        let keys = self.entries.keys().collect::<Result<Vec<Ip>, _>>();
        bits.set_only(&keys.context("reading the takeover map")?);
        Ok(())
    }

    /// Holds an address, or changes how it is held, at once for every packet.
    pub fn set(&mut self, ip: impl Into<IpAddr>, held: Held) -> Result<(), MapError> {
        let key = key(ip.into());
        // First: without its bit an entry is not found.
        if let Some(bits) = &self.bits {
            bits.set(&key);
        }
        self.entries.insert(key, held, 0)
    }

    /// Lets an address go.
    pub fn remove(&mut self, ip: impl Into<IpAddr>) -> Result<(), MapError> {
        ignore_absent(self.entries.remove(&key(ip.into())))
    }

    /// How an address is held, if it is.
    pub fn get(&self, ip: impl Into<IpAddr>) -> Result<Option<Held>, MapError> {
        match self.entries.get(&key(ip.into()), 0) {
            Ok(held) => Ok(Some(held)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All held addresses, in order.
    pub fn all(&self) -> anyhow::Result<Vec<(IpAddr, Held)>> {
        let mut all = Vec::new();
        for entry in self.entries.iter() {
            let (key, held): (Ip, Held) = entry.context("reading the takeover map")?;
            all.push((ip(&key), held));
        }
        all.sort_by_key(|(ip, _)| *ip);
        Ok(all)
    }
}

/// The bits, mapped. Several threads may set some at once.
struct Bits(Mapping<u64>);

impl Bits {
    fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self(Mapping::open(
            pins,
            map::MAYBE_HELD,
            maybe_held::WORDS,
        )?))
    }

    fn set(&self, key: &Ip) {
        let (word, bit) = maybe_held::place(key);
        self.word(word).fetch_or(bit, SeqCst);
    }

    /// A bit that is to be set and was is so all the time, as the program may be at work.
    fn set_only(&self, keys: &[Ip]) {
        let mut wanted = vec![0; maybe_held::WORDS as usize];
        for (word, bit) in keys.iter().map(maybe_held::place) {
            wanted[word as usize] |= bit;
        }
        for (index, bits) in (0..maybe_held::WORDS).zip(wanted) {
            self.word(index).store(bits, Relaxed);
        }
    }

    fn word(&self, index: u32) -> &AtomicU64 {
        // SAFETY: the element is in the mapping as long as `self` is, aligned to eight octets, and only ever accessed atomically
        // or by the program.
        unsafe { AtomicU64::from_ptr(self.0.element(index)) }
    }
}

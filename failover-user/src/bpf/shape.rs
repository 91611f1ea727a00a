//! Pinned maps have to be of the shape that this version expects: the kernel would let a program use any.

use anyhow::{Context as _, ensure};
use aya::maps::{MapData, MapInfo, MapType};
use failover_ebpf::{
    abi::{self, map},
    wire::eth::Mac,
};

use super::pins::Pins;

/// What a map looks like.
#[derive(Debug, PartialEq)]
struct Shape {
    kind: MapType,
    key: u32,
    value: u32,
    entries: u32,
}

const fn shape<K, V>(kind: MapType, entries: u32) -> Shape {
    Shape {
        kind,
        key: size_of::<K>() as u32,
        value: size_of::<V>() as u32,
        entries,
    }
}

/// A devmap's value: ifindex and program.
type DevMapValue = [u32; 2];

fn expected(name: &str) -> Option<Shape> {
    Some(match name {
        map::SETTINGS => shape::<u32, abi::Settings>(MapType::Array, 1),
        map::NICS => shape::<u32, abi::Nic>(MapType::Hash, abi::MAX_NICS),
        map::MACS => shape::<Mac, u32>(MapType::Hash, abi::MAX_MACS),
        map::DISCRIMINATORS => shape::<u32, u32>(MapType::Hash, abi::MAX_DISCRIMINATORS),
        map::OWN => shape::<abi::Ip, u32>(MapType::Hash, abi::MAX_OWN),
        map::INITIATORS => shape::<abi::Ip, u32>(MapType::Hash, abi::MAX_INITIATORS),
        map::WATCHERS => {
            shape::<abi::Watcher, abi::WatcherState>(MapType::LruHash, abi::MAX_WATCHERS)
        }
        map::SESSIONS => shape::<u32, abi::Session>(MapType::Array, abi::MAX_SESSIONS),
        map::SESSION_TX => shape::<u32, abi::SessionTx>(MapType::Array, abi::MAX_SESSIONS),
        map::SESSION_RX => shape::<u32, abi::SessionRx>(MapType::Array, abi::MAX_SESSIONS),
        map::ADDRESSES => shape::<abi::Ip, abi::Held>(MapType::Hash, abi::MAX_ADDRESSES),
        map::TRAFFIC => shape::<u32, abi::Traffic>(MapType::PerCpuArray, abi::MAX_ADDRESSES),
        map::REDIRECT => shape::<u32, DevMapValue>(MapType::DevMapHash, abi::MAX_NICS),
        map::COUNTERS => shape::<u32, u64>(MapType::PerCpuArray, abi::MAX_COUNTERS),
        map::RARE => shape::<u32, u64>(MapType::Array, abi::RARE_KINDS),
        map::LISTENED => shape::<abi::Ip, abi::Listened>(MapType::Hash, abi::MAX_LISTENED),
        map::HEARD => shape::<u32, abi::Heard>(MapType::Array, abi::MAX_LISTENED),
        map::HEALTH => shape::<u32, abi::Health>(MapType::Array, 1),
        map::IDENTITY => shape::<abi::Ip, u32>(MapType::Hash, abi::MAX_IDENTITY),
        map::ARP_SESSIONS => shape::<abi::Ip, u32>(MapType::Hash, abi::MAX_SESSIONS),
        map::KEYS => shape::<u32, abi::Key>(MapType::Hash, abi::MAX_KEYS),
        map::SESSION_KEYS => {
            shape::<abi::SessionKey, abi::Key>(MapType::Hash, abi::MAX_SESSION_KEYS)
        }
        map::CLAIMS => shape::<(), ()>(MapType::RingBuf, abi::CLAIMS_BYTES),
        _ => return None,
    })
}

/// Checks every map that is pinned already. None is a first start; one that is missing is made when the program is loaded:
/// an earlier build of this ABI did not have it, or it was removed by hand.
pub(super) fn check(pins: &Pins) -> anyhow::Result<()> {
    for name in map::PINNED {
        let path = pins.map(name);
        if !path.exists() {
            continue;
        }
        let data =
            MapData::from_pin(&path).with_context(|| format!("{} is no map", path.display()))?;
        let info = data
            .info()
            .with_context(|| format!("{} cannot be examined", path.display()))?;
        let found = describe(&info)?;
        ensure!(
            expected(name).as_ref() == Some(&found),
            "{} has another shape than this version expects ({found:?}): `failover unload` removes the old data plane",
            path.display(),
        );
    }
    Ok(())
}

fn describe(info: &MapInfo) -> anyhow::Result<Shape> {
    Ok(Shape {
        kind: info.map_type()?,
        key: info.key_size(),
        value: info.value_size(),
        entries: info.max_entries(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pinned_map_has_a_shape() {
        for name in map::PINNED {
            assert!(expected(name).is_some(), "{name}");
        }
    }
}

//! Meticulous Keyed SHA1 (RFC 5880 4.4 and 6.7.4), by the `sha1` crate.

use sha1::{Digest as _, Sha1};

use super::{Key, dissect::be32};

/// Octets of a control packet with its authentication section.
pub(super) const SIGNED: usize = 24 + 28;
/// Where the hash begins.
const HASH: usize = 32;
const METICULOUS_KEYED_SHA1: u8 = 5;

/// The sequence of a control packet that is signed with one of these keys; `None`: it is not.
pub(super) fn verified(packet: &[u8], keys: &[Key]) -> Option<u32> {
    let section = packet.get(24..SIGNED)?;
    // 6.7.4: another type, another length, an unknown key id and another hash MUST be discarded. The reserved octet is ignored.
    let key = keys.iter().find(|key| key.id == section[2])?;
    let valid = section[0] == METICULOUS_KEYED_SHA1
        && section[1] == 28
        && packet[HASH..SIGNED] == hash(packet, key);

    valid.then(|| be32(section, 4)).flatten()
}

/// Signs a control packet as it is, with the key that it names and the sequence that it has. `false`: it names none of these.
pub(crate) fn sign(packet: &mut [u8], keys: &[Key]) -> bool {
    let Some(key) = packet
        .get(..SIGNED)
        .and_then(|packet| keys.iter().find(|key| key.id == packet[26]))
    else {
        return false;
    };
    let hash = hash(packet, key);

    packet[HASH..SIGNED].copy_from_slice(&hash);

    true
}

/// Of the whole packet, with the secret in the place of the hash.
fn hash(packet: &[u8], key: &Key) -> [u8; 20] {
    let mut secret = key.secret.clone();

    secret.resize(20, 0);

    Sha1::new()
        .chain_update(&packet[..HASH])
        .chain_update(secret)
        .finalize()
        .into()
}

//! A bit that spares most packets a lookup: if that of an address is not set, the address is not held; if it is, it may be.
//!
//! A lookup in a hash map costs several times as much as a look at a bit, and nearly all packets of a busy host are for addresses
//! that are not held.

use crate::abi::{Ip, MAX_ADDRESSES};

/// Words of 64 bits each: 128 KiB in all, which a cache has room for, and 64 bits for each address that can be held, so that at
/// the worst one in 64 other addresses is looked up in vain.
pub const WORDS: u32 = 1 << 14;

/// The word and the bit in it that belong to an address.
///
/// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4), word by word: the three words that all IPv4
/// addresses have in common cost nothing.
#[inline(always)]
pub const fn place(ip: &Ip) -> (u32, u64) {
    const GOLDEN: u32 = 0x9e37_79b1;
    let mut hash: u32 = 0;
    hash = (hash ^ word(ip, 0)).wrapping_mul(GOLDEN);
    hash = (hash ^ word(ip, 4)).wrapping_mul(GOLDEN);
    hash = (hash ^ word(ip, 8)).wrapping_mul(GOLDEN);
    hash = (hash ^ word(ip, 12)).wrapping_mul(GOLDEN);
    // The upper bits depend on all others.
    let place = hash >> (u32::BITS - WORDS.trailing_zeros() - u64::BITS.trailing_zeros());
    (place / u64::BITS, 1 << (place % u64::BITS))
}

#[inline(always)]
const fn word(ip: &Ip, at: usize) -> u32 {
    u32::from_be_bytes([ip[at], ip[at + 1], ip[at + 2], ip[at + 3]])
}

const _: () = assert!(WORDS.is_power_of_two() && MAX_ADDRESSES <= WORDS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::ipv4_key;
    use std::{collections::BTreeSet, vec::Vec};

    #[test]
    fn places_are_inside_the_map() {
        for ip in [[0; 16], [0xff; 16], ipv4_key([10, 0, 0, 10])] {
            let (word, bit) = place(&ip);

            assert!(word < WORDS);
            assert_eq!(bit.count_ones(), 1);
        }
    }

    #[test]
    fn neighbours_do_not_share_their_places() {
        let ipv4 = (0..=u16::MAX).map(|low| {
            let [third, fourth] = low.to_be_bytes();
            ipv4_key([10, 0, third, fourth])
        });
        let ipv6 = (0..=u16::MAX).map(|low| {
            let mut ip = [0x20; 16];
            ip[14..].copy_from_slice(&low.to_be_bytes());
            ip
        });

        for addresses in [ipv4.collect::<Vec<_>>(), ipv6.collect()] {
            let places: BTreeSet<_> = addresses.iter().map(place).collect();

            // Random places would share one in thirty.
            assert!(
                places.len() > addresses.len() * 97 / 100,
                "{}",
                places.len()
            );
        }
    }

    #[test]
    fn every_octet_counts() {
        let ip = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

        for at in 0..16 {
            let mut other = ip;
            other[at] ^= 1;

            assert_ne!(place(&ip), place(&other), "octet {at}");
        }
    }
}

//! SHA-1 (FIPS 180-4) of one block: what BFD's Keyed SHA1 authentication hashes (RFC 5880 6.7.4).
//!
//! A control packet with its authentication section has 52 octets, which together with the padding are one block of 64. So
//! there is one compression from a constant state, and no loop over a length.
//!
//! SHA-1 is what RFC 5880 prescribes. Its known weakness, collisions that the attacker constructs, is of no help to
//! somebody who does not know the key.

use core::hint::black_box;

/// Octets of a message that are hashed at a time.
const BLOCK: usize = 64;

/// The longest message that fits into one block: behind it come an octet of padding and eight of its length.
pub const LONGEST: usize = BLOCK - 9;

/// A hash: five words, which stand on the wire with the most significant octet first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub [u32; 5]);

impl Digest {
    /// Octets of a hash.
    pub const LEN: usize = 20;

    /// A hash as it stands on the wire.
    #[inline(always)]
    pub const fn from_octets(octets: &[u8; Self::LEN]) -> Self {
        Self([
            word(octets, 0),
            word(octets, 4),
            word(octets, 8),
            word(octets, 12),
            word(octets, 16),
        ])
    }

    /// The bits in which any words of two hashes differ: 0 if they are the same. It takes a time that does not depend on where
    /// they differ.
    #[inline(always)]
    pub const fn difference(&self, other: &Self) -> u32 {
        let (a, b) = (&self.0, &other.0);
        a[0] ^ b[0] | a[1] ^ b[1] | a[2] ^ b[2] | a[3] ^ b[3] | a[4] ^ b[4]
    }
}

/// The big-endian word at an offset.
#[inline(always)]
pub const fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

/// Rounds one after the other, each with a number that the compiler knows.
macro_rules! rounds {
    ($state:ident, $w:ident: $($t:literal)+) => {
        $($state = round::<$t>($state, &mut $w);)+
    };
}

/// The hash of a message of `N` octets, whole words of which `w` holds; the other words are zero.
///
/// The words are a schedule that rolls: sixteen of them, as the round `t` needs none older than `t - 16`. So all of it fits
/// on the stack of an eBPF program, and as every index is a constant there is no bound for the verifier to doubt.
#[inline(always)]
pub fn one_block<const N: usize>(mut w: [u32; 16]) -> Digest {
    const { assert!(N <= LONGEST && N.is_multiple_of(4)) };
    w[N / 4] = 0x8000_0000;
    w[15] = (N * 8) as u32;
    let mut state = INITIAL;
    rounds!(state, w:
         0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19
        20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39
        40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59
        60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79
    );
    Digest([
        state[0].wrapping_add(INITIAL[0]),
        state[1].wrapping_add(INITIAL[1]),
        state[2].wrapping_add(INITIAL[2]),
        state[3].wrapping_add(INITIAL[3]),
        state[4].wrapping_add(INITIAL[4]),
    ])
}

/// FIPS 180-4 5.3.1.
const INITIAL: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// FIPS 180-4 6.1.2, step 3, with the word of the schedule made when it is needed.
#[inline(always)]
fn round<const T: usize>([a, b, c, d, e]: [u32; 5], w: &mut [u32; 16]) -> [u32; 5] {
    if T >= 16 {
        let mixed = w[(T + 13) % 16] ^ w[(T + 8) % 16] ^ w[(T + 2) % 16] ^ w[T % 16];
        w[T % 16] = black_box(mixed.rotate_left(1));
    }
    // FIPS 180-4 4.1.1 and 4.2.1; the first and the third function in forms that take one operation less.
    let (mixed, constant) = match T / 20 {
        0 => (d ^ (b & (c ^ d)), 0x5a82_7999),
        1 => (b ^ c ^ d, 0x6ed9_eba1),
        2 => ((b & c) | (d & (b | c)), 0x8f1b_bcdc_u32),
        _ => (b ^ c ^ d, 0xca62_c1d6),
    };
    let sum = a
        .rotate_left(5)
        .wrapping_add(mixed)
        .wrapping_add(e)
        .wrapping_add(constant)
        .wrapping_add(w[T % 16]);
    [black_box(sum), a, b.rotate_left(30), c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::sha1::{Digest as _, Sha1};
    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
    use std::vec::Vec;

    /// A message as words.
    fn words(message: &[u8]) -> [u32; 16] {
        let mut w = [0; 16];
        for (i, word) in w.iter_mut().enumerate().take(message.len() / 4) {
            *word = super::word(message, 4 * i);
        }
        w
    }

    fn octets(digest: Digest) -> Vec<u8> {
        digest
            .0
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect()
    }

    #[test]
    fn the_empty_message_has_the_hash_that_is_published() {
        // NIST CAVP, SHA1ShortMsg.rsp, Len = 0.
        let digest = one_block::<0>([0; 16]);

        assert_eq!(
            digest.0,
            [
                0xda39_a3ee,
                0x5e6b_4b0d,
                0x3255_bfef,
                0x9560_1890,
                0xafd8_0709
            ]
        );
    }

    #[test]
    fn a_message_of_one_word_has_the_hash_that_is_published() {
        // NIST CAVP, SHA1ShortMsg.rsp, Len = 32.
        let digest = one_block::<4>(words(&[0x54, 0x9e, 0x95, 0x9e]));

        assert_eq!(
            digest.0,
            [
                0xb78b_ae6d,
                0x1433_8ffc,
                0xcfd5_d5b5,
                0x674a_275f,
                0x6ef9_c717
            ]
        );
    }

    #[test]
    fn random_packets_hash_as_another_implementation_says() {
        let mut random = StdRng::seed_from_u64(5880);

        for _ in 0..2000 {
            let message: [u8; 52] = random.random();
            let expected = Sha1::digest(message);

            assert_eq!(octets(one_block::<52>(words(&message))), expected[..]);
        }
    }

    #[test]
    fn hashes_are_the_same_only_when_every_bit_is() {
        let octets: [u8; Digest::LEN] = core::array::from_fn(|i| i as u8);
        let digest = Digest::from_octets(&octets);

        for bit in 0..8 * Digest::LEN {
            let mut other = octets;
            other[bit / 8] ^= 1 << (bit % 8);

            assert_ne!(
                digest.difference(&Digest::from_octets(&other)),
                0,
                "bit {bit}"
            );
        }
        assert_eq!(digest.difference(&Digest::from_octets(&octets)), 0);
    }
}

//! The Internet checksum (RFC 1071), computed over fixed lengths and updated incrementally (RFC 1624).

/// One's complement sum of `bytes`, added to `sum`. `N` is even.
#[inline(always)]
pub fn sum<const N: usize>(mut sum: u32, bytes: &[u8; N]) -> u32 {
    const { assert!(N.is_multiple_of(2)) };
    let mut i = 0;
    while i + 1 < N {
        sum += u16::from_be_bytes([bytes[i], bytes[i + 1]]) as u32;
        i += 2;
    }
    sum
}

/// Folds a sum into 16 bits.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// Whether a sum taken over data and its checksum says that the data is intact.
#[inline(always)]
pub const fn valid(sum: u32) -> bool {
    fold(sum) == 0xffff
}

/// The checksum after a 16-bit field changed from `old` to `new` (RFC 1624, equation 3).
#[inline(always)]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold((!checksum) as u32 + (!old) as u32 + new as u32)
}

/// The same for a 32-bit field.
#[inline(always)]
pub const fn update32(checksum: u16, old: u32, new: u32) -> u16 {
    let checksum = update(checksum, (old >> 16) as u16, (new >> 16) as u16);
    update(checksum, old as u16, new as u16)
}

/// The same for everything that a sum was taken over.
#[inline(always)]
pub const fn update_sum(checksum: u16, old: u32, new: u32) -> u16 {
    update(checksum, fold(old), fold(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn update_matches_the_example_of_rfc_1624() {
        // Section 4: HC = 0xDD2F, m = 0x5555, m' = 0x3285; equation 3 gives 0x0000.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn sum_matches_the_example_of_rfc_1071() {
        // Section 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2.
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];

        assert_eq!(fold(sum(0, &data)), 0xddf2);
    }

    #[test]
    fn updating_equals_computing_again() {
        let mut data = [0x45, 0x00, 0x00, 0x34, 0x12, 0x34, 0x40, 0x00, 0x40, 0x11];
        let before = !fold(sum(0, &data));

        data[8] = 0xff;
        let after = !fold(sum(0, &data));

        assert_eq!(update(before, 0x4011, 0xff11), after);
        assert_eq!(update32(before, 0x4000_4011, 0x4000_ff11), after);
        assert_eq!(
            update_sum(before, 0x8000 + 0xc011, 0x8000 + 0xc011 + 0xbf00),
            after
        );
    }
}

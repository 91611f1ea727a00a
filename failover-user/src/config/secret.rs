//! A secret that two hosts share, as a key file holds it.

use std::fmt;

use failover_ebpf::abi;
use zeroize::Zeroize as _;

/// Octets of the longest secret (RFC 5880 4.4).
pub(super) const LONGEST: usize = 20;

/// What a key file begins with whose secret is written in hexadecimal digits.
const HEX: &[u8] = b"hex:";

/// A secret of 1 to 20 octets. It is never shown, and erased from memory when it is not needed any more.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    length: usize,
    /// Zeros behind its end, as RFC 5880 4.4 pads it.
    octets: [u8; LONGEST],
}

/// Why the content of a key file is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSecret {
    /// There is nothing in it.
    Empty,
    /// More than [`LONGEST`] octets.
    TooLong,
    /// `hex:`, but not pairs of hexadecimal digits behind it.
    NotHex,
}

impl Secret {
    /// The secret in a key file: its octets without one newline at the end, or those that `hex:` and hexadecimal digits say.
    pub fn from_file(content: &[u8]) -> Result<Self, NoSecret> {
        let newline = [&b"\r\n"[..], b"\n"];
        let content = newline
            .iter()
            .find_map(|newline| content.strip_suffix(*newline))
            .unwrap_or(content);
        match content.strip_prefix(HEX) {
            Some(digits) => Self::from_hex(digits.trim_ascii()),
            None => Self::from_octets(content.iter().copied()),
        }
    }

    /// As the program in the kernel needs it.
    pub fn for_kernel(&self) -> abi::Key {
        abi::Key {
            len: self.length as u32,
            secret: self.octets,
        }
    }

    fn from_hex(digits: &[u8]) -> Result<Self, NoSecret> {
        let value = |digit: u8| char::from(digit).to_digit(16);
        if !digits.len().is_multiple_of(2) || digits.iter().any(|digit| value(*digit).is_none()) {
            return Err(NoSecret::NotHex);
        }
        let pairs = digits.chunks_exact(2);
        Self::from_octets(pairs.map(|pair| {
            pair.iter()
                .filter_map(|digit| value(*digit))
                .fold(0, |octet, digit| octet << 4 | digit as u8)
        }))
    }

    fn from_octets(octets: impl Iterator<Item = u8>) -> Result<Self, NoSecret> {
        let mut secret = Self::default();
        for octet in octets {
            let room = secret.octets.get_mut(secret.length);
            *room.ok_or(NoSecret::TooLong)? = octet;
            secret.length += 1;
        }
        if secret.length == 0 {
            return Err(NoSecret::Empty);
        }
        Ok(secret)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(content: &[u8]) -> Result<Vec<u8>, NoSecret> {
        let key = Secret::from_file(content)?.for_kernel();
        assert_eq!(key.secret[key.len as usize..], [0; 20][key.len as usize..]);
        Ok(key.secret[..key.len as usize].to_vec())
    }

    #[test]
    fn a_secret_is_what_stands_before_one_newline() {
        for (content, secret) in [
            (&b"s"[..], &b"s"[..]),
            (b"secret\n", b"secret"),
            (b"secret\r\n", b"secret"),
            (b"secret\r", b"secret\r"),
            (b"secret\n\n", b"secret\n"),
            (b" \0\xff \n", b" \0\xff "),
            (b"12345678901234567890\n", b"12345678901234567890"),
            (b"hex:00ffA0\n", &[0, 0xff, 0xa0]),
            (b"hex: 01 \n", &[1]),
        ] {
            assert_eq!(octets(content), Ok(secret.to_vec()), "{content:?}");
        }
    }

    #[test]
    fn what_has_no_length_from_1_to_20_or_is_no_hex_is_no_secret() {
        let long_hex = [b"hex:", &b"00".repeat(21)[..]].concat();
        for (content, why) in [
            (&b""[..], NoSecret::Empty),
            (b"\n", NoSecret::Empty),
            (b"hex:\n", NoSecret::Empty),
            (b"123456789012345678901", NoSecret::TooLong),
            (&long_hex, NoSecret::TooLong),
            (b"hex:0", NoSecret::NotHex),
            (b"hex:0g", NoSecret::NotHex),
            (b"hex:00 00", NoSecret::NotHex),
            (b"hex:0x00", NoSecret::NotHex),
        ] {
            assert_eq!(octets(content), Err(why), "{content:?}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::from_file(b"xyzzy").expect("a secret");

        let shown = format!("{secret:?} {secret:#?} {:?}", secret.for_kernel());

        assert_eq!(shown, "Secret(hidden) Secret(hidden) Key(hidden)");
    }
}

//! Signed BFD packets (RFC 5880 4.4 and 6.7.4), hashed with the `sha1` crate, independently of the code under test.

use sha1::{Digest as _, Sha1};

use crate::frames::Bfd;

/// The A bit of a control packet: an authentication section follows.
pub const AUTHENTICATION: u8 = 0x04;
/// Octets of a signed packet.
pub const LENGTH: u8 = 52;
/// Where the authentication section begins in a signed packet.
pub const SECTION: usize = 24;
/// Where the hash begins in a signed packet.
pub const HASH: usize = 32;

/// What an authentication section says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Auth Type.
    pub kind: u8,
    /// Auth Len, as the section states it.
    pub length: u8,
    /// Auth Key ID.
    pub key_id: u8,
    /// Reserved.
    pub reserved: u8,
    /// Sequence Number.
    pub sequence: u32,
    /// The secret, 1 to 20 octets.
    pub secret: &'a [u8],
}

impl<'a> Signature<'a> {
    /// Meticulous Keyed SHA1.
    pub fn new(key_id: u8, secret: &'a [u8], sequence: u32) -> Self {
        Self {
            kind: 5,
            length: 28,
            key_id,
            reserved: 0,
            sequence,
            secret,
        }
    }

    /// A packet with this signature: the A bit set, the length that of all of it.
    pub fn sign(&self, packet: Bfd) -> Vec<u8> {
        self.sign_as_it_is(Bfd {
            flags: packet.flags | AUTHENTICATION,
            length: LENGTH,
            ..packet
        })
    }

    /// The same with flags and length as they are.
    pub fn sign_as_it_is(&self, packet: Bfd) -> Vec<u8> {
        let mut octets = packet.octets().to_vec();

        octets.extend([self.kind, self.length, self.key_id, self.reserved]);
        octets.extend(self.sequence.to_be_bytes());

        let mut padded = self.secret.to_vec();

        padded.resize(20, 0);

        let hash = Sha1::new()
            .chain_update(&octets)
            .chain_update(&padded)
            .finalize();

        octets.extend(hash);

        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_packet_is_laid_out_as_in_rfc_5880() {
        let packet = Bfd::request(0x0102_0304, 0x0a00_0002);

        let signed = Signature::new(7, b"secret", 0x0506_0708).sign(packet);

        assert_eq!(signed.len(), usize::from(LENGTH));
        assert_eq!(signed[..4], [0x20, 0xc6, 3, 52]);
        assert_eq!(signed[4..SECTION], packet.octets()[4..]);
        assert_eq!(signed[SECTION..HASH], [5, 28, 7, 0, 5, 6, 7, 8]);
    }

    #[test]
    fn the_hash_is_taken_with_the_secret_in_its_place() {
        let packet = Bfd::request(1, 2);
        let signed = Signature::new(1, b"secret", 3).sign(packet);

        let mut hashed = signed.clone();
        hashed[HASH..].copy_from_slice(b"secret\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

        assert_eq!(signed[HASH..], Sha1::digest(hashed)[..]);
    }
}

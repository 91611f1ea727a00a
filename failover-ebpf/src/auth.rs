//! Authentication of S-BFD packets: Meticulous Keyed SHA1 (RFC 5880 4.4 and 6.7.4; RFC 7880 section 11).
//!
//! The whole control packet is hashed with the secret in the place of the hash. The sequence number is the initiator's: it
//! names the request, as `sequence_of` says, and the reflector sends it back, so a reply that was recorded earlier does not
//! fit any request that is under way.

use crate::{
    abi::{Key, RING, SessionTx},
    sha1::{self, Digest},
    verdict::Verdict,
    wire::bfd::{Authentication, Bfd},
};

/// Octets of a control packet with its authentication section, which the packet states as its length.
pub const LENGTH: usize = Bfd::LEN + Authentication::LEN;

/// What a packet counts as whose authentication is not accepted, which depends on whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Not Meticulous Keyed SHA1, or of another length.
    pub form: Verdict,
    /// Signed with a key that is not configured.
    pub key: Verdict,
    /// With another hash than the key gives.
    pub digest: Verdict,
}

/// For the reflector.
pub const REQUEST: Refusals = Refusals {
    form: Verdict::RequestBadAuthentication,
    key: Verdict::RequestUnknownKey,
    digest: Verdict::RequestBadDigest,
};

/// For a session.
pub const REPLY: Refusals = Refusals {
    form: Verdict::ReplyBadAuthentication,
    key: Verdict::ReplyUnknownKey,
    digest: Verdict::ReplyBadDigest,
};

/// RFC 5880 6.7.4: another type than Meticulous Keyed SHA1, or a length other than 28, MUST be discarded. The reserved
/// octet is ignored (4.4).
#[inline(always)]
pub fn check_form(auth: &Authentication, refusals: &Refusals) -> Result<(), Verdict> {
    let meticulous_sha1 = auth.kind() == Authentication::METICULOUS_KEYED_SHA1;
    if meticulous_sha1 && auth.length() as usize == Authentication::LEN {
        Ok(())
    } else {
        Err(refusals.form)
    }
}

/// RFC 5880 6.7.4: a packet whose hash is not the one that the key gives MUST be discarded.
#[inline(always)]
pub fn check_digest(
    bfd: &Bfd,
    auth: &Authentication,
    key: &Key,
    refusals: &Refusals,
) -> Result<(), Verdict> {
    if hash(bfd, auth, key, &mut Digest::default()) == 0 {
        Ok(())
    } else {
        Err(refusals.digest)
    }
}

/// The hash of a packet under a key.
#[inline(always)]
pub fn digest(bfd: &Bfd, auth: &Authentication, key: &Key) -> Digest {
    let mut digest = Digest::default();
    hash(bfd, auth, key, &mut digest);
    digest
}

/// Writes the hash of a packet under a key, and says in which bits it differs from the one that the packet has: 0 if it is
/// the same. The secret stands where the hash will be while everything is hashed (RFC 5880 6.7.4).
///
/// In the program this is a function of its own, with a stack of its own, so that its code is there once. It returns a
/// number as the verifier wants to see one returned.
#[inline(never)]
fn hash(bfd: &Bfd, auth: &Authentication, key: &Key, digest: &mut Digest) -> u32 {
    let (octets, section, secret) = (&bfd.0, &auth.0, &key.secret);
    *digest = sha1::one_block::<LENGTH>([
        sha1::word(octets, 0),
        sha1::word(octets, 4),
        sha1::word(octets, 8),
        sha1::word(octets, 12),
        sha1::word(octets, 16),
        sha1::word(octets, 20),
        sha1::word(section, 0),
        sha1::word(section, 4),
        sha1::word(secret, 0),
        sha1::word(secret, 4),
        sha1::word(secret, 8),
        sha1::word(secret, 12),
        sha1::word(secret, 16),
        0,
        0,
        0,
    ]);
    digest.difference(&auth.digest())
}

/// Checks that a reply to the request whose discriminator carries `sequence` has the authentication sequence that this
/// request was sent with.
#[inline(always)]
pub const fn check_sequence(tx: &SessionTx, sequence: u16, echoed: u32) -> Result<(), Verdict> {
    match sequence_of(tx, sequence) {
        Some(sent) if sent == echoed => Ok(()),
        Some(_) => Err(Verdict::ReplyReplayed),
        None => Err(Verdict::ReplyStale),
    }
}

/// The authentication sequence that the request whose discriminator carries `sequence` was sent with; `None`: there is no
/// such request, or it was too long ago to be told apart.
///
/// The initiator counts its requests in 32 bits and puts the low half into the discriminator. Sequences that are fewer than
/// [`RING`] requests old have one upper half each.
#[inline(always)]
pub const fn sequence_of(tx: &SessionTx, sequence: u16) -> Option<u32> {
    let age = (tx.last_sequence as u16).wrapping_sub(sequence);
    if tx.started == 0 || age as usize >= RING {
        return None;
    }
    Some(tx.last_sequence.wrapping_sub(age as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::sha1::{Digest as _, Sha1};
    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

    fn key(secret: &[u8]) -> Key {
        let mut key = Key {
            len: secret.len() as u32,
            ..Key::default()
        };
        key.secret[..secret.len()].copy_from_slice(secret);
        key
    }

    fn packet(random: &mut StdRng) -> (Bfd, Authentication) {
        let mut bfd = Bfd(random.random());
        bfd.0[3] = LENGTH as u8;
        let mut auth = Authentication(random.random());
        auth.0[..2].copy_from_slice(&[5, 28]);
        (bfd, auth)
    }

    /// RFC 5880 6.7.4 in the words of another implementation.
    fn expected(bfd: &Bfd, auth: &Authentication, secret: &[u8]) -> Digest {
        let mut padded = [0; 20];
        padded[..secret.len()].copy_from_slice(secret);
        let hash = Sha1::new()
            .chain_update(bfd.0)
            .chain_update(&auth.0[..8])
            .chain_update(padded)
            .finalize();
        Digest::from_octets(&hash.into())
    }

    #[test]
    fn a_packet_is_signed_with_the_secret_in_the_place_of_the_hash() {
        let mut random = StdRng::seed_from_u64(6_7_4);

        for length in 1..=20 {
            let secret: std::vec::Vec<u8> = (0..length).map(|_| random.random()).collect();
            let (bfd, mut auth) = packet(&mut random);
            let expected = expected(&bfd, &auth, &secret);
            let key = key(&secret);

            auth.set_digest(&digest(&bfd, &auth, &key));

            assert_eq!(auth.digest(), expected, "{length} octets");
            assert_eq!(check_form(&auth, &REQUEST), Ok(()));
            assert_eq!(check_digest(&bfd, &auth, &key, &REQUEST), Ok(()));
        }
    }

    #[test]
    fn no_octet_of_a_signed_packet_can_be_changed_except_by_who_has_the_key() {
        let mut random = StdRng::seed_from_u64(7880);
        let (own, other) = (key(b"secret"), key(b"secrets"));
        let (bfd, mut auth) = packet(&mut random);
        auth.set_digest(&digest(&bfd, &auth, &own));
        let refused = Err(Verdict::ReplyBadDigest);

        assert_eq!(check_digest(&bfd, &auth, &other, &REPLY), refused);
        for at in 0..Bfd::LEN {
            let mut forged = bfd;
            forged.0[at] ^= 1;
            let checked = check_digest(&forged, &auth, &own, &REPLY);
            assert_eq!(checked, refused, "octet {at}");
        }
        for at in 0..Authentication::LEN {
            let mut forged = auth;
            forged.0[at] ^= 1;
            let checked = check_digest(&bfd, &forged, &own, &REPLY);
            assert_eq!(checked, refused, "octet {at} of the authentication");
        }
    }

    #[test]
    fn another_type_or_length_is_refused() {
        let mut random = StdRng::seed_from_u64(4_4);
        let (_, auth) = packet(&mut random);

        for (at, octet) in [(0, 4), (0, 3), (0, 0), (1, 24), (1, 27), (1, 29)] {
            let mut wrong = auth;
            wrong.0[at] = octet;
            assert_eq!(
                check_form(&wrong, &REPLY),
                Err(Verdict::ReplyBadAuthentication),
                "octet {at} is {octet}"
            );
        }
    }

    #[test]
    fn a_request_in_flight_has_one_sequence_and_all_others_have_none() {
        let tx = |last_sequence, started| SessionTx {
            measure_from_ns: 0,
            last_sequence,
            started,
            sent_ns: [1; RING],
        };

        assert_eq!(sequence_of(&tx(0x0007_0002, 1), 2), Some(0x0007_0002));
        assert_eq!(sequence_of(&tx(0x0007_0002, 1), 0xffff), Some(0x0006_ffff));
        assert_eq!(sequence_of(&tx(1, 1), 0xffff), Some(0xffff_ffff));
        assert_eq!(sequence_of(&tx(100, 1), 100 - 63), Some(100 - 63));
        assert_eq!(sequence_of(&tx(100, 1), 100 - 64), None);
        assert_eq!(sequence_of(&tx(100, 1), 101), None);
        assert_eq!(sequence_of(&tx(100, 0), 100), None);
    }
}

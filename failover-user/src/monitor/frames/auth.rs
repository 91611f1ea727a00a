//! Signatures of S-BFD requests: Meticulous Keyed SHA1 (RFC 5880 4.4 and 6.7.4).
//!
//! The first sequence number comes from the clock, and each request has the next one. So it increases also where nothing
//! was kept of an earlier daemon, as the clock counts faster than requests can be sent.

use std::time::Duration;

use failover_ebpf::{
    auth::digest,
    wire::bfd::{Authentication, Bfd},
};

use crate::config::Secret;

/// A in the second octet of a control packet: an authentication section follows.
pub(super) const AUTHENTICATION: u8 = 0x04;

/// Octets of an authentication section.
pub(super) const LENGTH: usize = Authentication::LEN;

/// The clock of sequence numbers ticks as often as the shortest interval allows a request.
const TICK: Duration = Duration::from_micros(50);

/// The sequence number to begin with at a time since 1970. It is a number of 32 bits that goes round every 60 hours; a
/// later one is later in the sense of RFC 1982 as long as fewer than 30 hours lie between them.
pub fn first_sequence(since_1970: Duration) -> u32 {
    (since_1970.as_nanos() / TICK.as_nanos()) as u32
}

/// What requests are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Auth Key ID.
    pub id: u8,
    /// The secret of that id.
    pub secret: Secret,
}

impl Signer {
    /// Begins the authentication section of a packet: all of it that does not change.
    pub(super) fn begin(&self, section: &mut [u8]) {
        section[..3].copy_from_slice(&[
            Authentication::METICULOUS_KEYED_SHA1,
            Authentication::LEN as u8,
            self.id,
        ]);
    }

    /// Signs a control packet, its authentication section included. Its checksum does not follow by itself.
    pub(super) fn sign(&self, packet: &mut [u8], sequence: u32) {
        packet[Bfd::LEN + 4..Bfd::LEN + 8].copy_from_slice(&sequence.to_be_bytes());
        let Some((bfd, section)) = packet.split_first_chunk_mut() else {
            unreachable!("a control packet has a mandatory section");
        };
        let Some(section) = section.first_chunk_mut() else {
            unreachable!("the frame of a signed request has room for its signature");
        };
        let mut auth = Authentication(*section);
        auth.set_digest(&digest(&Bfd(*bfd), &auth, &self.secret.for_kernel()));
        *section = auth.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_ahead_of_whatever_was_sent_since() {
        let start = Duration::new(1_700_000_000, 123_456_789);
        let later = start + Duration::from_secs(3600);

        // A request every 50 us, which is as fast as it goes.
        let sent = first_sequence(start).wrapping_add(3600 * 20_000);

        assert!(first_sequence(later).wrapping_sub(sent) < 1 << 31);
        assert_eq!(first_sequence(later), sent);
    }
}

//! Signed heartbeats: a control packet and its authentication section as they arrive, checked and signed anew.

use crate::{
    abi::Key,
    auth, checksum,
    heartbeat::{self, Control},
    verdict::Verdict,
    wire::{Header, bfd::Authentication, udp::Udp},
};

/// An S-BFD frame as it is with the authentication that we know, and without VLAN tags and IP options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// All of it that an unsigned one has, too.
    pub control: Control,
    /// Authentication section.
    pub auth: Authentication,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl Header for Signed {}

const _: () = assert!(size_of::<Signed>() == size_of::<Control>() + Authentication::LEN);

/// Whether packets have to be signed: they are, or must not be. `wanted` and `unwanted` are what they count as otherwise.
#[inline(always)]
pub const fn check_presence(
    control: &Control,
    required: bool,
    missing: Verdict,
    unwanted: Verdict,
) -> Result<bool, Verdict> {
    // RFC 5880 6.8.6: the A bit set without authentication in use, and the reverse, MUST be discarded.
    match (control.bfd.authentication(), required) {
        (true, false) => Err(unwanted),
        (false, true) => Err(missing),
        (signed, _) => Ok(signed),
    }
}

/// Whether a packet, which says that it is signed, is long enough for the authentication that we know. Any other length is
/// another authentication's (RFC 5880 6.7.4).
#[inline(always)]
pub const fn check_length(control: &Control, refusals: &auth::Refusals) -> Result<(), Verdict> {
    if control.bfd.length() as usize == auth::LENGTH {
        Ok(())
    } else {
        Err(refusals.form)
    }
}

impl Signed {
    /// Checks what does not depend on a key.
    #[inline(always)]
    pub fn check(
        &self,
        refusals: &heartbeat::Refusals,
        auth_refusals: &auth::Refusals,
    ) -> Result<(), Verdict> {
        let udp = &self.control.udp;
        // Octets behind the packet are no part of S-BFD, and the checksum would cover them.
        if udp.length() as usize != Udp::LEN + auth::LENGTH {
            return Err(refusals.truncated);
        }
        auth::check_form(&self.auth, auth_refusals)?;
        let sum = checksum::sum(self.control.udp_sum(), &self.auth.0);
        if udp.checksum() != 0 && !checksum::valid(sum) {
            return Err(refusals.checksum);
        }
        Ok(())
    }

    /// Whether it is signed with this key.
    #[inline(always)]
    pub fn check_digest(&self, key: &Key, refusals: &auth::Refusals) -> Result<(), Verdict> {
        auth::check_digest(&self.control.bfd, &self.auth, key, refusals)
    }

    /// Signs it as it is now, with the key id and the sequence that it has (RFC 7880 section 11: the reflector MUST use the
    /// sequence that it received). The checksum follows incrementally.
    #[inline(always)]
    pub fn sign(&mut self, key: &Key) {
        let key_word = self.auth.key_word();
        self.auth.clear_reserved();
        let before = self.auth.digest();
        let after = auth::digest(&self.control.bfd, &self.auth, key);
        self.auth.set_digest(&after);
        let udp = &mut self.control.udp;
        let mut sum = udp.checksum();
        if sum == 0 {
            return;
        }
        sum = checksum::update(sum, key_word, self.auth.key_word());
        sum = checksum::update32(sum, before.0[0], after.0[0]);
        sum = checksum::update32(sum, before.0[1], after.0[1]);
        sum = checksum::update32(sum, before.0[2], after.0[2]);
        sum = checksum::update32(sum, before.0[3], after.0[3]);
        sum = checksum::update32(sum, before.0[4], after.0[4]);
        // RFC 768, RFC 8200 8.1: a computed 0 is sent as all ones, as 0 means "none".
        udp.set_checksum(if sum == 0 { 0xffff } else { sum });
    }
}

//! Signed heartbeats: a control packet and its authentication section as they arrive, checked and signed anew.

use crate::{
    abi::Key,
    auth, checksum,
    heartbeat::{self, Control},
    verdict::Verdict,
    wire::{
        Header,
        bfd::{Authentication, Bfd},
        ip::IpHeader,
        ipv4::Ipv4,
        ipv6::Ipv6,
        udp::Udp,
    },
};

/// An S-BFD packet as it is with the authentication that we know, and without IP options and extension headers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<I> {
    /// All of it that an unsigned one has, too.
    pub control: Control<I>,
    /// Authentication section.
    pub auth: Authentication,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl<I: IpHeader> Header for Signed<I> {}

const _: () =
    assert!(size_of::<Signed<Ipv4>>() == size_of::<Control<Ipv4>>() + Authentication::LEN);
const _: () =
    assert!(size_of::<Signed<Ipv6>>() == size_of::<Control<Ipv6>>() + Authentication::LEN);

/// Whether packets have to be signed: they are, or must not be. `wanted` and `unwanted` are what they count as otherwise.
#[inline(always)]
pub const fn check_presence(
    control: &Bfd,
    required: bool,
    missing: Verdict,
    unwanted: Verdict,
) -> Result<bool, Verdict> {
    // RFC 5880 6.8.6: the A bit set without authentication in use, and the reverse, MUST be discarded.
    match (control.authentication(), required) {
        (true, false) => Err(unwanted),
        (false, true) => Err(missing),
        (signed, _) => Ok(signed),
    }
}

/// Whether a packet, which says that it is signed, is long enough for the authentication that we know. Any other length is
/// another authentication's (RFC 5880 6.7.4).
#[inline(always)]
pub const fn check_length(control: &Bfd, refusals: &auth::Refusals) -> Result<(), Verdict> {
    if control.length() as usize == auth::LENGTH {
        Ok(())
    } else {
        Err(refusals.form)
    }
}

impl<I: IpHeader> Signed<I> {
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
        if udp.checksum() == 0 {
            return Ok(());
        }
        let sum = control_sum(&self.control) + section_sum(&self.auth);
        if checksum::valid(sum) {
            Ok(())
        } else {
            Err(refusals.checksum)
        }
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
        let before = section_sum(&self.auth);
        self.auth.clear_reserved();
        let digest = auth::digest(&self.control.bfd, &self.auth, key);
        self.auth.set_digest(&digest);
        let udp = &mut self.control.udp;
        if udp.checksum() == 0 {
            return;
        }
        let sum = checksum::update_sum(udp.checksum(), before, section_sum(&self.auth));
        // RFC 768, RFC 8200 8.1: a computed 0 is sent as all ones, as 0 means "none".
        udp.set_checksum(if sum == 0 { 0xffff } else { sum });
    }
}

/// Sum of an authentication section. Like the next a function of its own, so that its stack is free again for the hash.
#[inline(never)]
fn section_sum(auth: &Authentication) -> u32 {
    checksum::sum(0, &auth.0)
}

/// Sum of pseudo-header, UDP header and control packet.
#[inline(never)]
fn control_sum<I: IpHeader>(control: &Control<I>) -> u32 {
    control.udp_sum()
}

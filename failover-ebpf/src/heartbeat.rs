//! Heartbeats as they arrive: parsed, with lengths and checksums checked.

use crate::{
    checksum,
    verdict::Verdict,
    wire::{Header, bfd::Bfd, eth::Eth, icmp::Echo, ipv4::Ipv4, udp::Udp},
};

/// An S-BFD frame as it is without VLAN tags, IP options and authentication.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Ethernet header.
    pub eth: Eth,
    /// IP header, without options.
    pub ip: Ipv4,
    /// UDP header.
    pub udp: Udp,
    /// BFD control packet.
    pub bfd: Bfd,
}

/// An ICMP echo frame as long as ours are.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoFrame {
    /// Ethernet header.
    pub eth: Eth,
    /// IP header, without options.
    pub ip: Ipv4,
    /// Echo header and payload.
    pub echo: Echo,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl Header for Control {}
// SAFETY: as above.
unsafe impl Header for EchoFrame {}

const _: () = assert!(size_of::<Control>() == Eth::LEN + Ipv4::LEN + Udp::LEN + Bfd::LEN);
const _: () = assert!(size_of::<EchoFrame>() == Eth::LEN + Ipv4::LEN + Echo::LEN);

/// What an invalid S-BFD packet counts as, which depends on whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Shorter than it says.
    pub truncated: Verdict,
    /// With IP options.
    pub options: Verdict,
    /// With a wrong checksum.
    pub checksum: Verdict,
}

/// For the reflector.
pub const REQUEST: Refusals = Refusals {
    truncated: Verdict::RequestTruncated,
    options: Verdict::RequestIpOptions,
    checksum: Verdict::RequestBadChecksum,
};

/// For a session.
pub const REPLY: Refusals = Refusals {
    truncated: Verdict::ReplyTruncated,
    options: Verdict::ReplyIpOptions,
    checksum: Verdict::ReplyBadChecksum,
};

impl Control {
    /// Checks what does not depend on session or reflector.
    #[inline(always)]
    pub fn check(&self, refusals: &Refusals) -> Result<(), Verdict> {
        if self.ip.header_len() != Ipv4::LEN {
            return Err(refusals.options);
        }
        self.check_lengths(refusals)?;
        self.check_sums(refusals)
    }

    /// RFC 5880 6.8.6: the BFD length is at least 24 without authentication and never beyond the payload.
    ///
    /// The datagram fills the IP packet, so one whose end is missing never fits: these headers are all that S-BFD has
    /// without authentication, and they were read.
    #[inline(always)]
    fn check_lengths(&self, refusals: &Refusals) -> Result<(), Verdict> {
        let datagram = self.udp.length() as usize;
        let length = self.bfd.length() as usize;
        let fits = self.ip.total_len() as usize == Ipv4::LEN + datagram
            && datagram >= Udp::LEN + Bfd::LEN
            && length >= Bfd::LEN
            && length <= datagram - Udp::LEN;
        // Octets behind a packet without authentication are no part of S-BFD, and the checksum would cover them.
        if !fits || (!self.bfd.authentication() && datagram != Udp::LEN + Bfd::LEN) {
            return Err(refusals.truncated);
        }
        Ok(())
    }

    /// The sum of an authenticated packet also covers what was not read: whoever looks at its A bit refuses it.
    #[inline(always)]
    fn check_sums(&self, refusals: &Refusals) -> Result<(), Verdict> {
        let covered = self.udp.checksum() != 0 && !self.bfd.authentication();
        if !self.ip.checksum_valid() || (covered && !checksum::valid(self.udp_sum())) {
            return Err(refusals.checksum);
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn udp_sum(&self) -> u32 {
        let sum = checksum::sum(self.ip.pseudo_header_sum(self.udp.length()), &self.udp.0);
        checksum::sum(sum, &self.bfd.0)
    }
}

impl EchoFrame {
    /// Whether it is intact.
    #[inline(always)]
    pub fn intact(&self) -> bool {
        self.ip.checksum_valid() && checksum::valid(checksum::sum(0, &self.echo.0))
    }
}

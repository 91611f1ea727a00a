//! Heartbeats as they arrive: parsed, with lengths and checksums checked.

use crate::{
    checksum,
    verdict::Verdict,
    wire::{
        Header,
        bfd::Bfd,
        icmp::Echo,
        ip::{IpHeader, Shape},
        ipv4::Ipv4,
        ipv6::Ipv6,
        udp::Udp,
    },
};

/// An S-BFD packet as it is without IP options, extension headers and authentication.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control<I> {
    /// IP header.
    pub ip: I,
    /// UDP header.
    pub udp: Udp,
    /// BFD control packet.
    pub bfd: Bfd,
}

/// An ICMP or ICMPv6 echo packet as long as ours are.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoPacket<I> {
    /// IP header.
    pub ip: I,
    /// Echo header and payload.
    pub echo: Echo,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl<I: IpHeader> Header for Control<I> {}
// SAFETY: as above.
unsafe impl<I: IpHeader> Header for EchoPacket<I> {}

const _: () = assert!(size_of::<Control<Ipv4>>() == Ipv4::LEN + Udp::LEN + Bfd::LEN);
const _: () = assert!(size_of::<Control<Ipv6>>() == Ipv6::LEN + Udp::LEN + Bfd::LEN);
const _: () = assert!(size_of::<EchoPacket<Ipv4>>() == Ipv4::LEN + Echo::LEN);
const _: () = assert!(size_of::<EchoPacket<Ipv6>>() == Ipv6::LEN + Echo::LEN);

/// What an invalid S-BFD packet counts as, which depends on whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Shorter than it says.
    pub truncated: Verdict,
    /// With IP options.
    pub options: Verdict,
    /// With IPv6 extension headers.
    pub extensions: Verdict,
    /// In fragments.
    pub fragment: Verdict,
    /// With a wrong checksum, or without one over IPv6.
    pub checksum: Verdict,
}

/// For the reflector.
pub const REQUEST: Refusals = Refusals {
    truncated: Verdict::RequestTruncated,
    options: Verdict::RequestIpOptions,
    extensions: Verdict::RequestExtensionHeaders,
    fragment: Verdict::RequestFragment,
    checksum: Verdict::RequestBadChecksum,
};

/// For a session.
pub const REPLY: Refusals = Refusals {
    truncated: Verdict::ReplyTruncated,
    options: Verdict::ReplyIpOptions,
    extensions: Verdict::ReplyExtensionHeaders,
    fragment: Verdict::ReplyFragment,
    checksum: Verdict::ReplyBadChecksum,
};

/// Checks that what follows an IP header is the UDP datagram of a heartbeat, and all of it.
#[inline(always)]
pub fn check_shape<I: IpHeader>(ip: &I, refusals: &Refusals) -> Result<(), Verdict> {
    match ip.shape(crate::wire::udp::PROTOCOL) {
        Shape::Plain => Ok(()),
        Shape::Options => Err(refusals.options),
        Shape::Extensions => Err(refusals.extensions),
        Shape::Fragment => Err(refusals.fragment),
    }
}

impl<I: IpHeader> Control<I> {
    /// Checks what does not depend on session or reflector, once the shape of the IP header is.
    #[inline(always)]
    pub fn check(&self, refusals: &Refusals) -> Result<(), Verdict> {
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
        let fits = self.ip.packet_len() as usize == I::LEN + datagram
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
        // RFC 8200 8.1: over IPv6 a packet without a checksum MUST be discarded.
        let none = self.udp.checksum() == 0;
        let right = if none {
            I::UDP_CHECKSUM_OPTIONAL
        } else {
            self.bfd.authentication() || checksum::valid(self.udp_sum())
        };
        if !self.ip.intact() || !right {
            return Err(refusals.checksum);
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn udp_sum(&self) -> u32 {
        let sum = checksum::sum(self.ip.udp_pseudo_header(self.udp.length()), &self.udp.0);
        checksum::sum(sum, &self.bfd.0)
    }
}

impl<I: IpHeader> EchoPacket<I> {
    /// Whether it is intact.
    #[inline(always)]
    pub fn intact(&self) -> bool {
        let sum = self.ip.echo_pseudo_header(Echo::LEN as u16);
        self.ip.intact() && checksum::valid(checksum::sum(sum, &self.echo.0))
    }
}

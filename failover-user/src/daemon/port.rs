//! The UDP port that our S-BFD requests come from.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::Context as _;

/// A reserved port. The socket is never read: the program consumes the replies. It keeps the kernel from giving the port
/// to somebody else, whose packets would then be taken for replies.
#[derive(Debug)]
pub(super) struct ReservedPort {
    _socket: UdpSocket,
    number: u16,
}

/// RFC 5881 4 asks BFD for source ports of this range; S-BFD only forbids 7784 (RFC 7881).
const RANGE: std::ops::RangeInclusive<u16> = 49_152..=65_535;

impl ReservedPort {
    /// Reserves a port, the one that an earlier daemon had if it is free: then no reply in flight is lost.
    pub(super) fn reserve(earlier: u32) -> anyhow::Result<Self> {
        let earlier = u16::try_from(earlier)
            .ok()
            .filter(|port| RANGE.contains(port));
        for number in earlier.into_iter().chain(RANGE) {
            if let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, number)) {
                return Ok(Self {
                    _socket: socket,
                    number,
                });
            }
        }
        Err(anyhow::anyhow!(
            "every UDP port from {} to {} is taken",
            RANGE.start(),
            RANGE.end()
        ))
        .context("no source port for S-BFD")
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

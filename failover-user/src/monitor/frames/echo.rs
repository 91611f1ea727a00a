//! Echo requests of ICMP (RFC 792) and of ICMPv6 (RFC 4443).

use failover_ebpf::wire::icmp::PAYLOAD;

use super::{
    Endpoints,
    frame::{Frame, Protocol},
};

const HEADER: usize = 8;
const CHECKSUM: usize = 2;
const IDENTIFIER: usize = 4;
const SEQUENCE: usize = 6;

/// An ICMP or ICMPv6 echo request with the sequence still to be patched in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoRequest(Frame);

impl EchoRequest {
    /// The request with this identifier and sequence 0. `cookie`, the beginning of the payload, tells the replies to it
    /// from those to anybody else's requests.
    pub fn new(endpoints: &Endpoints, identifier: u16, cookie: [u8; 8]) -> Self {
        // RFC 792; RFC 4443 4.1.
        const ECHO_REQUEST: u8 = 8;
        const ECHO_REQUEST_V6: u8 = 128;

        let mut frame = Frame::new(endpoints, Protocol::Icmp, HEADER + PAYLOAD);
        let kind = if frame.is_ipv6() {
            ECHO_REQUEST_V6
        } else {
            ECHO_REQUEST
        };
        frame.transport_mut()[0] = kind;
        frame.set_word(IDENTIFIER, identifier);
        frame.transport_mut()[HEADER..HEADER + 8].copy_from_slice(&cookie);

        // ICMPv6 has a pseudo-header in its checksum (RFC 4443 2.3), ICMP has none.
        let checksum = if frame.is_ipv6() {
            frame.checksum_with_pseudo_header()
        } else {
            frame.checksum()
        };
        frame.set_word(CHECKSUM, checksum);
        Self(frame)
    }

    /// Makes it the request with this sequence.
    pub fn patch(&mut self, sequence: u16) {
        self.0.update(SEQUENCE, sequence, CHECKSUM);
    }

    /// Sends to another MAC address from the next request on.
    pub fn set_destination_mac(&mut self, mac: [u8; 6]) {
        self.0.set_destination_mac(mac);
    }

    /// The frame.
    pub fn frame(&self) -> &[u8] {
        self.0.bytes()
    }
}

//! Requests for a TCP connection (RFC 9293) that is never opened.

use super::{
    Endpoints,
    frame::{Frame, Protocol},
};

const SEQUENCE: usize = 4;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const WINDOW: usize = 14;
const CHECKSUM: usize = 16;
const OPTIONS: usize = 20;
const LENGTH: usize = 28;

/// A SYN with the lower half of its initial sequence number still to be patched in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpRequest(Frame);

impl TcpRequest {
    /// The SYN from one port to another. `initial_sequence` is that of the request with sequence 0.
    pub fn new(endpoints: &Endpoints, source_port: u16, port: u16, initial_sequence: u32) -> Self {
        const SYN: u8 = 1 << 1;
        // What an ordinary client on Ethernet offers (RFC 9293 3.7.1: the MTU without the fixed headers). Firewalls
        // distrust a SYN without it.
        const MSS: u16 = 1460;
        const MSS_V6: u16 = 1440;
        // Maximum segment size, SACK permitted (RFC 2018 2), and twice nothing: with these a frame is no shorter than
        // Ethernet's shortest, so nobody pads it.
        const OPTION_OCTETS: [u8; 8] = [2, 4, 0, 0, 4, 2, 1, 1];
        let mut frame = Frame::new(endpoints, Protocol::Tcp, LENGTH);
        frame.set_word(0, source_port);
        frame.set_word(2, port);
        let header = frame.transport_mut();
        header[SEQUENCE..SEQUENCE + 4].copy_from_slice(&initial_sequence.to_be_bytes());
        header[DATA_OFFSET] = ((LENGTH / 4) as u8) << 4;
        header[FLAGS] = SYN;
        header[OPTIONS..].copy_from_slice(&OPTION_OCTETS);
        frame.set_word(WINDOW, u16::MAX);
        let mss = if frame.is_ipv6() { MSS_V6 } else { MSS };
        frame.set_word(OPTIONS + 2, mss);
        let checksum = frame.checksum_with_pseudo_header();
        frame.set_word(CHECKSUM, checksum);
        Self(frame)
    }

    /// Makes it the request with this sequence.
    pub fn patch(&mut self, sequence: u16) {
        self.0.update(SEQUENCE + 2, sequence, CHECKSUM);
    }

    /// The frame.
    pub fn frame(&self) -> &[u8] {
        self.0.bytes()
    }
}

//! S-BFD requests (RFC 7880) over UDP (RFC 7881).

use super::{
    Endpoints,
    auth::{self, Signer},
    frame::{Frame, Protocol},
};

/// UDP destination port of S-BFD requests (RFC 7881).
pub const SBFD_PORT: u16 = 7784;

const UDP_HEADER: usize = 8;
const UDP_CHECKSUM: usize = 6;
const BFD: usize = UDP_HEADER;
/// Length of a BFD control packet without authentication (RFC 5880 4.1).
const BFD_LENGTH: usize = 24;
const MY_DISCRIMINATOR: usize = BFD + 4;

/// State of an S-BFD initiator (RFC 7880 7.3.1: it has no Init).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitiatorState {
    /// The reflector does not answer.
    Down,
    /// The reflector answers.
    Up,
}

impl InitiatorState {
    /// Flags octet of the control packet (RFC 5880 4.1): the state above, and the D bit, which an initiator always sets
    /// (RFC 7880 7.3.2).
    fn flags(self) -> u8 {
        const DEMAND: u8 = 0x02;
        DEMAND
            | match self {
                Self::Down => 1 << 6,
                Self::Up => 3 << 6,
            }
    }
}

/// What an S-BFD session sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbfdSession {
    /// Who sends to whom.
    pub endpoints: Endpoints,
    /// UDP source port; must not be [`SBFD_PORT`] (RFC 7881).
    pub source_port: u16,
    /// Our state.
    pub state: InitiatorState,
    /// Detect Mult: missed requests that make a verdict.
    pub misses: u8,
    /// Desired Min TX Interval, microseconds.
    pub interval_us: u32,
    /// Your Discriminator: the reflector's.
    pub remote_discriminator: u32,
    /// What requests are signed with, if they are.
    pub signer: Option<Signer>,
}

/// An S-BFD request (RFC 7880, RFC 7881) with My Discriminator still to be patched in. Behind every change a request that is
/// signed has to be signed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbfdRequest {
    frame: Frame,
    signer: Option<Signer>,
}

impl SbfdRequest {
    /// The request of a session, with My Discriminator 0.
    pub fn new(session: &SbfdSession) -> Self {
        let signature = session.signer.as_ref().map_or(0, |_| auth::LENGTH);
        let packet = BFD_LENGTH + signature;
        let datagram = UDP_HEADER + packet;
        let mut frame = Frame::new(&session.endpoints, Protocol::Udp, datagram);
        frame.set_word(0, session.source_port);
        frame.set_word(2, SBFD_PORT);
        frame.set_word(4, datagram as u16);

        // Version 1, no diagnostic; Required Min RX and Required Min Echo RX stay 0 (RFC 7880 7.3.2).
        let bfd = &mut frame.transport_mut()[BFD..];
        bfd[0] = 1 << 5;
        bfd[1] = session.state.flags();
        bfd[2] = session.misses;
        bfd[3] = packet as u8;
        bfd[8..12].copy_from_slice(&session.remote_discriminator.to_be_bytes());
        bfd[12..16].copy_from_slice(&session.interval_us.to_be_bytes());
        if let Some(signer) = &session.signer {
            bfd[1] |= auth::AUTHENTICATION;
            signer.begin(&mut bfd[BFD_LENGTH..]);
        }

        let mut request = Self {
            frame,
            signer: session.signer.clone(),
        };
        request.sum_up();
        request
    }

    /// Makes it the request with this My Discriminator (`abi::discriminator(session, sequence)`).
    pub fn patch(&mut self, my_discriminator: u32) {
        self.update(MY_DISCRIMINATOR, (my_discriminator >> 16) as u16);
        self.update(MY_DISCRIMINATOR + 2, my_discriminator as u16);
    }

    /// Signs it, if it is one that is signed. `sequence` has to increase with every request (RFC 5880 6.7.4).
    pub fn sign(&mut self, sequence: u32) {
        if let Some(signer) = &self.signer {
            signer.sign(&mut self.frame.transport_mut()[BFD..], sequence);
            self.sum_up();
        }
    }

    /// Tells our state from the next request on.
    pub fn set_state(&mut self, state: InitiatorState) {
        let [version, flags] = self.frame.word(BFD).to_be_bytes();
        let flags = flags & auth::AUTHENTICATION | state.flags();
        self.update(BFD, u16::from_be_bytes([version, flags]));
    }

    /// Sends to another MAC address from the next request on.
    pub fn set_destination_mac(&mut self, mac: [u8; 6]) {
        self.frame.set_destination_mac(mac);
    }

    /// The frame.
    pub fn frame(&self) -> &[u8] {
        self.frame.bytes()
    }

    fn update(&mut self, offset: usize, new: u16) {
        self.frame.update(offset, new, UDP_CHECKSUM);
        self.never_zero();
    }

    /// Computes the checksum of all of it.
    fn sum_up(&mut self) {
        self.frame.set_word(UDP_CHECKSUM, 0);
        let checksum = self.frame.checksum_with_pseudo_header();
        self.frame.set_word(UDP_CHECKSUM, checksum);
        self.never_zero();
    }

    /// A UDP checksum of zero means "none", which IPv6 forbids (RFC 8200 8.1), and is sent as its other form (RFC 768).
    fn never_zero(&mut self) {
        if self.frame.word(UDP_CHECKSUM) == 0 {
            self.frame.set_word(UDP_CHECKSUM, 0xffff);
        }
    }
}

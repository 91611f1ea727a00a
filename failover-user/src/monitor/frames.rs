//! Heartbeat requests as whole Ethernet frames, built once and patched for each request. Pure.
//!
//! They are framed by hand so that they go on working when this host has the source's address itself.

use std::net::Ipv4Addr;

/// UDP destination port of S-BFD requests (RFC 7881).
pub const SBFD_PORT: u16 = 7784;

/// Length of an S-BFD request: Ethernet 14, IPv4 20, UDP 8, BFD control packet 24.
pub const SBFD_FRAME: usize = 66;

pub use failover_ebpf::wire::icmp::PAYLOAD as ICMP_PAYLOAD;

/// Length of an ICMP echo request: Ethernet 14, IPv4 20, ICMP 8, payload.
pub const ICMP_FRAME: usize = 42 + ICMP_PAYLOAD;

const IP: usize = 14;
const TRANSPORT: usize = IP + 20;
const UDP_CHECKSUM: usize = TRANSPORT + 6;
const BFD: usize = TRANSPORT + 8;
const BFD_MY_DISCRIMINATOR: usize = BFD + 4;
const ICMP_CHECKSUM: usize = TRANSPORT + 2;
const ICMP_SEQUENCE: usize = TRANSPORT + 6;

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// MAC address of the NIC that sends.
    pub source_mac: [u8; 6],
    /// MAC address of the host that is watched, or of the gateway to it.
    pub destination_mac: [u8; 6],
    /// Our address on the NIC.
    pub source: Ipv4Addr,
    /// The host that is watched.
    pub destination: Ipv4Addr,
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// An S-BFD request (RFC 7880, RFC 7881) with My Discriminator still to be patched in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbfdRequest([u8; SBFD_FRAME]);

impl SbfdRequest {
    /// The request of a session, with My Discriminator 0.
    pub fn new(session: &SbfdSession) -> Self {
        let mut frame = [0; SBFD_FRAME];
        ipv4(&mut frame, &session.endpoints, Protocol::Udp);

        let length = (SBFD_FRAME - TRANSPORT) as u16;
        frame[TRANSPORT..TRANSPORT + 2].copy_from_slice(&session.source_port.to_be_bytes());
        frame[TRANSPORT + 2..TRANSPORT + 4].copy_from_slice(&SBFD_PORT.to_be_bytes());
        frame[TRANSPORT + 4..TRANSPORT + 6].copy_from_slice(&length.to_be_bytes());

        // Version 1, no diagnostic; Required Min RX and Required Min Echo RX stay 0 (RFC 7880 7.3.2).
        frame[BFD] = 1 << 5;
        frame[BFD + 1] = session.state.flags();
        frame[BFD + 2] = session.misses;
        frame[BFD + 3] = 24;
        frame[BFD + 8..BFD + 12].copy_from_slice(&session.remote_discriminator.to_be_bytes());
        frame[BFD + 12..BFD + 16].copy_from_slice(&session.interval_us.to_be_bytes());

        let pseudo_header =
            sum(&frame[IP + 12..IP + 20]) + u32::from(Protocol::Udp.number()) + u32::from(length);
        let checksum = !fold(pseudo_header + sum(&frame[TRANSPORT..]));
        put(&mut frame, UDP_CHECKSUM, udp_checksum(checksum));
        Self(frame)
    }

    /// Makes it the request with this My Discriminator (`abi::discriminator(session, sequence)`).
    pub fn patch(&mut self, my_discriminator: u32) {
        self.update(BFD_MY_DISCRIMINATOR, (my_discriminator >> 16) as u16);
        self.update(BFD_MY_DISCRIMINATOR + 2, my_discriminator as u16);
    }

    /// Tells our state from the next request on.
    pub fn set_state(&mut self, state: InitiatorState) {
        self.update(BFD, u16::from_be_bytes([self.0[BFD], state.flags()]));
    }

    /// Sends to another MAC address from the next request on.
    pub fn set_destination_mac(&mut self, mac: [u8; 6]) {
        self.0[..6].copy_from_slice(&mac);
    }

    /// The frame.
    pub fn frame(&self) -> &[u8; SBFD_FRAME] {
        &self.0
    }

    fn update(&mut self, offset: usize, new: u16) {
        let checksum = replace(get(&self.0, UDP_CHECKSUM), get(&self.0, offset), new);
        put(&mut self.0, offset, new);
        put(&mut self.0, UDP_CHECKSUM, udp_checksum(checksum));
    }
}

/// An ICMP echo request (RFC 792) with the sequence still to be patched in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoRequest([u8; ICMP_FRAME]);

impl EchoRequest {
    /// The request with this identifier and sequence 0. `cookie`, the beginning of the payload, tells the replies to it
    /// from those to anybody else's requests.
    pub fn new(endpoints: &Endpoints, identifier: u16, cookie: [u8; 8]) -> Self {
        const ECHO_REQUEST: u8 = 8;
        let mut frame = [0; ICMP_FRAME];
        ipv4(&mut frame, endpoints, Protocol::Icmp);
        frame[TRANSPORT] = ECHO_REQUEST;
        put(&mut frame, TRANSPORT + 4, identifier);
        frame[TRANSPORT + 8..TRANSPORT + 16].copy_from_slice(&cookie);

        let checksum = !fold(sum(&frame[TRANSPORT..]));
        put(&mut frame, ICMP_CHECKSUM, checksum);
        Self(frame)
    }

    /// Makes it the request with this sequence.
    pub fn patch(&mut self, sequence: u16) {
        let checksum = replace(
            get(&self.0, ICMP_CHECKSUM),
            get(&self.0, ICMP_SEQUENCE),
            sequence,
        );
        put(&mut self.0, ICMP_SEQUENCE, sequence);
        put(&mut self.0, ICMP_CHECKSUM, checksum);
    }

    /// Sends to another MAC address from the next request on.
    pub fn set_destination_mac(&mut self, mac: [u8; 6]) {
        self.0[..6].copy_from_slice(&mac);
    }

    /// The frame.
    pub fn frame(&self) -> &[u8; ICMP_FRAME] {
        &self.0
    }
}

#[derive(Clone, Copy)]
enum Protocol {
    Icmp,
    Udp,
}

impl Protocol {
    fn number(self) -> u8 {
        match self {
            Self::Icmp => 1,
            Self::Udp => 17,
        }
    }
}

/// Fills in the Ethernet and the IPv4 header of a frame.
fn ipv4(frame: &mut [u8], endpoints: &Endpoints, protocol: Protocol) {
    // RFC 4594 3.1: heartbeats are network control traffic.
    const CS6: u8 = 48 << 2;
    const DONT_FRAGMENT: u8 = 0x40;
    // RFC 7881: SHOULD be 255.
    const TTL: u8 = 255;

    frame[..6].copy_from_slice(&endpoints.destination_mac);
    frame[6..12].copy_from_slice(&endpoints.source_mac);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);

    let length = (frame.len() - IP) as u16;
    let header = &mut frame[IP..TRANSPORT];
    // Version 4, five words. An identification is of no use to what is never fragmented (RFC 6864 4.1).
    header[0] = 0x45;
    header[1] = CS6;
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header[6] = DONT_FRAGMENT;
    header[8] = TTL;
    header[9] = protocol.number();
    header[12..16].copy_from_slice(&endpoints.source.octets());
    header[16..20].copy_from_slice(&endpoints.destination.octets());
    let checksum = !fold(sum(header));
    put(header, 10, checksum);
}

fn get(bytes: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes([bytes[offset], bytes[offset + 1]])
}

fn put(bytes: &mut [u8], offset: usize, value: u16) {
    bytes[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
}

/// Sum of 16-bit words (RFC 1071); `bytes` has an even length.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The checksum after a word changed from `old` to `new` (RFC 1624, equation 3).
fn replace(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u32::from(!checksum) + u32::from(!old) + u32::from(new))
}

/// A UDP checksum of zero means "none" and is sent as its other form (RFC 768).
fn udp_checksum(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

#[cfg(test)]
mod tests;

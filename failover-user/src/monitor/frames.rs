//! Heartbeat requests as whole Ethernet frames, built once and patched for each request. Pure.
//!
//! They are framed by hand so that they go on working when this host has the source's address itself.

use std::net::Ipv4Addr;

/// UDP destination port of S-BFD requests (RFC 7881 2).
pub const SBFD_PORT: u16 = 7784;

/// Length of an S-BFD request: Ethernet 14, IPv4 20, UDP 8, BFD control packet 24.
pub const SBFD_FRAME: usize = 66;

/// Octets behind the ICMP header: the cookie, and zeros up to the shortest Ethernet frame.
pub const ICMP_PAYLOAD: usize = 18;

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
    /// UDP source port; must not be [`SBFD_PORT`] (RFC 7881 3).
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
    // RFC 7881 4.1: SHOULD be 255.
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
mod tests {
    use super::*;
    use etherparse::{
        Icmpv4Type, IpHeaders, IpNumber, Ipv4Header, PacketBuilder, SlicedPacket, TransportSlice,
    };
    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

    const ENDPOINTS: Endpoints = Endpoints {
        source_mac: [2, 0, 0, 0, 0, 1],
        destination_mac: [2, 0, 0, 0, 0, 9],
        source: Ipv4Addr::new(10, 0, 0, 2),
        destination: Ipv4Addr::new(10, 0, 0, 10),
    };

    const SESSION: SbfdSession = SbfdSession {
        endpoints: ENDPOINTS,
        source_port: 49_152,
        state: InitiatorState::Down,
        misses: 3,
        interval_us: 10_000,
        remote_discriminator: 0x0a00_000a,
    };

    fn packet(payload: &[u8], protocol: IpNumber) -> etherparse::PacketBuilderStep<IpHeaders> {
        let length = payload.len() as u16 + 8;
        let mut header = Ipv4Header::new(
            length,
            255,
            protocol,
            ENDPOINTS.source.octets(),
            ENDPOINTS.destination.octets(),
        )
        .unwrap();
        header.dscp = 48.try_into().unwrap();
        header.dont_fragment = true;
        PacketBuilder::ethernet2(ENDPOINTS.source_mac, ENDPOINTS.destination_mac)
            .ip(IpHeaders::Ipv4(header, Default::default()))
    }

    /// The frame of a control packet, checksums included, as somebody else's code makes it.
    fn expected_sbfd(control: [u8; 24]) -> Vec<u8> {
        let mut frame = Vec::new();
        packet(&control, IpNumber::UDP)
            .udp(49_152, 7784)
            .write(&mut frame, &control)
            .unwrap();
        frame
    }

    fn expected_echo(identifier: u16, sequence: u16, cookie: [u8; 8]) -> Vec<u8> {
        let mut payload = cookie.to_vec();
        payload.resize(ICMP_PAYLOAD, 0);
        let mut frame = Vec::new();
        packet(&payload, IpNumber::ICMP)
            .icmpv4_echo_request(identifier, sequence)
            .write(&mut frame, &payload)
            .unwrap();
        frame
    }

    #[test]
    fn an_sbfd_request_is_what_the_rfcs_say() {
        let mut request = SbfdRequest::new(&SESSION);

        request.patch(0x0001_0203);

        #[rustfmt::skip]
        let control = [
            0x20, 0x42, 3, 24, // version 1; Down and D; Detect Mult; length
            0x00, 0x01, 0x02, 0x03, // My Discriminator
            0x0a, 0x00, 0x00, 0x0a, // Your Discriminator
            0x00, 0x00, 0x27, 0x10, // Desired Min TX: 10,000 us
            0, 0, 0, 0, // Required Min RX
            0, 0, 0, 0, // Required Min Echo RX
        ];
        assert_eq!(request.frame().to_vec(), expected_sbfd(control));
    }

    #[test]
    fn the_state_can_change_between_requests() {
        let mut request = SbfdRequest::new(&SESSION);
        request.patch(7);

        request.set_state(InitiatorState::Up);

        let mut built_so = SbfdRequest::new(&SbfdSession {
            state: InitiatorState::Up,
            ..SESSION
        });
        built_so.patch(7);
        assert_eq!(request, built_so);
        assert_eq!(request.frame()[BFD + 1], 0xc2);
    }

    #[test]
    fn the_destination_mac_can_change_between_requests() {
        let mac = [2, 0, 0, 0, 0, 0x22];
        let endpoints = Endpoints {
            destination_mac: mac,
            ..ENDPOINTS
        };
        let mut request = SbfdRequest::new(&SESSION);
        let mut echo = EchoRequest::new(&ENDPOINTS, 1, [7; 8]);

        request.set_destination_mac(mac);
        echo.set_destination_mac(mac);

        assert_eq!(
            request,
            SbfdRequest::new(&SbfdSession {
                endpoints,
                ..SESSION
            })
        );
        assert_eq!(echo, EchoRequest::new(&endpoints, 1, [7; 8]));
    }

    #[test]
    fn a_patched_sbfd_request_always_has_the_right_checksum() {
        let seed = rand::random();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut request = SbfdRequest::new(&SESSION);

        for my_discriminator in
            (0..20_000)
                .map(|_| rng.random())
                .chain([0, u32::MAX, 0xffff, 1 << 16])
        {
            request.patch(my_discriminator);

            let packet = SlicedPacket::from_ethernet(request.frame()).unwrap();
            let Some(TransportSlice::Udp(udp)) = packet.transport else {
                panic!("no UDP");
            };
            let (source, destination) = (ENDPOINTS.source.octets(), ENDPOINTS.destination.octets());
            let expected = udp
                .to_header()
                .calc_checksum_ipv4_raw(source, destination, udp.payload())
                .unwrap();
            assert_eq!(
                udp.checksum(),
                expected,
                "{my_discriminator:#x}, seed {seed}"
            );
            assert_eq!(udp.payload()[4..8], my_discriminator.to_be_bytes());
        }
    }

    #[test]
    fn a_udp_checksum_is_never_zero() {
        let mut request = SbfdRequest::new(&SESSION);

        let zero_form = (0..=u16::MAX).filter(|low| {
            request.patch(u32::from(*low));
            assert_ne!(get(request.frame(), UDP_CHECKSUM), 0, "{low}");
            get(request.frame(), UDP_CHECKSUM) == 0xffff
        });

        assert!(zero_form.count() > 0, "the case did not come up");
    }

    #[test]
    fn an_echo_request_is_what_the_rfc_says() {
        let cookie = *b"failover";
        let mut request = EchoRequest::new(&ENDPOINTS, 0x1234, cookie);
        assert_eq!(request.frame().to_vec(), expected_echo(0x1234, 0, cookie));

        for sequence in [1, 2, 0x7fff, 0xffff, 0] {
            request.patch(sequence);

            assert_eq!(
                request.frame().to_vec(),
                expected_echo(0x1234, sequence, cookie)
            );
        }
    }

    #[test]
    fn an_echo_request_has_the_length_of_the_shortest_ethernet_frame() {
        let request = EchoRequest::new(&ENDPOINTS, 1, [0xff; 8]);

        assert_eq!(request.frame().len(), 60);
        let packet = SlicedPacket::from_ethernet(request.frame()).unwrap();
        let Some(TransportSlice::Icmpv4(icmp)) = packet.transport else {
            panic!("no ICMP");
        };
        assert!(matches!(icmp.icmp_type(), Icmpv4Type::EchoRequest(_)));
        assert_eq!(icmp.payload().len(), ICMP_PAYLOAD);
    }

    #[test]
    fn replacing_a_word_follows_the_example_of_rfc_1624() {
        // RFC 1624 4: checksum 0xdd2f, a word changes from 0x5555 to 0x3285.
        assert_eq!(replace(0xdd2f, 0x5555, 0x3285), 0x0000);
    }
}

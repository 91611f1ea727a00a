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

    for my_discriminator in (0..20_000)
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

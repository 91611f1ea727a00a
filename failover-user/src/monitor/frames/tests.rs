mod tcp;

use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

use ::sha1::{Digest as _, Sha1};
use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, PacketBuilder, SlicedPacket,
    TransportSlice,
};
use failover_ebpf::wire::icmp::PAYLOAD;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const V4: Endpoints = Endpoints {
    source_mac: [2, 0, 0, 0, 0, 1],
    destination_mac: [2, 0, 0, 0, 0, 9],
    source: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
    destination: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10)),
};

const V6: Endpoints = Endpoints {
    source: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 2)),
    destination: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0xffff, 0x10)),
    ..V4
};

const FAMILIES: [Endpoints; 2] = [V4, V6];

fn session(endpoints: Endpoints) -> SbfdSession {
    SbfdSession {
        endpoints,
        source_port: 49_152,
        state: InitiatorState::Down,
        misses: 3,
        interval_us: 10_000,
        remote_discriminator: 0x0a00_000a,
        signer: None,
    }
}

fn signer(id: u8, secret: &[u8]) -> Signer {
    Signer {
        id,
        secret: crate::config::Secret::from_file(secret).unwrap(),
    }
}

fn packet(
    endpoints: &Endpoints,
    payload: &[u8],
    protocol: IpNumber,
) -> etherparse::PacketBuilderStep<IpHeaders> {
    let length = payload.len() as u16 + 8;
    let headers = match (endpoints.source, endpoints.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (source, destination) = (source.octets(), destination.octets());
            let mut header = Ipv4Header::new(length, 255, protocol, source, destination).unwrap();
            header.dscp = 48.try_into().unwrap();
            header.dont_fragment = true;
            IpHeaders::Ipv4(header, Default::default())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6Header {
                traffic_class: 48 << 2,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: length,
                next_header: protocol,
                hop_limit: 255,
                source: source.octets(),
                destination: destination.octets(),
            };
            IpHeaders::Ipv6(header, Default::default())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("two families"),
    };
    PacketBuilder::ethernet2(endpoints.source_mac, endpoints.destination_mac).ip(headers)
}

/// The frame of a control packet, checksums included, as somebody else's code makes it.
fn expected_sbfd(endpoints: &Endpoints, control: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    packet(endpoints, control, IpNumber::UDP)
        .udp(49_152, 7784)
        .write(&mut frame, control)
        .unwrap();
    frame
}

fn expected_echo(
    endpoints: &Endpoints,
    identifier: u16,
    sequence: u16,
    cookie: [u8; 8],
) -> Vec<u8> {
    let mut payload = cookie.to_vec();
    payload.resize(PAYLOAD, 0);
    let mut frame = Vec::new();
    if endpoints.source.is_ipv6() {
        packet(endpoints, &payload, IpNumber::IPV6_ICMP)
            .icmpv6_echo_request(identifier, sequence)
            .write(&mut frame, &payload)
    } else {
        packet(endpoints, &payload, IpNumber::ICMP)
            .icmpv4_echo_request(identifier, sequence)
            .write(&mut frame, &payload)
    }
    .unwrap();
    frame
}

/// The UDP checksum of a frame: as it is, and as somebody else's code computes it.
fn udp_checksums(endpoints: &Endpoints, frame: &[u8]) -> (u16, u16) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        panic!("no UDP");
    };
    let header = udp.to_header();
    let computed = match (endpoints.source, endpoints.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            header.calc_checksum_ipv4_raw(source.octets(), destination.octets(), udp.payload())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            header.calc_checksum_ipv6_raw(source.octets(), destination.octets(), udp.payload())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("two families"),
    };
    (udp.checksum(), computed.unwrap())
}

#[test]
fn an_sbfd_request_is_what_the_rfcs_say() {
    for endpoints in FAMILIES {
        let mut request = SbfdRequest::new(&session(endpoints));

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
        assert_eq!(request.frame(), expected_sbfd(&endpoints, &control));
    }
}

#[test]
fn a_signed_request_is_what_the_rfcs_say() {
    let secret = b"correct horse";
    for endpoints in FAMILIES {
        let mut request = SbfdRequest::new(&SbfdSession {
            signer: Some(signer(7, secret)),
            ..session(endpoints)
        });
        for sequence in [0x8000_0203u32, 0xffff_ffff, 0] {
            request.patch(0x0001_0000 | sequence & 0xffff);
            request.sign(sequence);

            #[rustfmt::skip]
            let mut control = vec![
                0x20, 0x46, 3, 52, // version 1; Down, A and D; Detect Mult; length
                0x00, 0x01, 0x00, 0x00, // My Discriminator
                0x0a, 0x00, 0x00, 0x0a, // Your Discriminator
                0x00, 0x00, 0x27, 0x10, // Desired Min TX: 10,000 us
                0, 0, 0, 0, // Required Min RX
                0, 0, 0, 0, // Required Min Echo RX
                5, 28, 7, 0, // Meticulous Keyed SHA1; length; key id; reserved
                0, 0, 0, 0, // Sequence Number
            ];
            control[6..8].copy_from_slice(&(sequence as u16).to_be_bytes());
            control[28..32].copy_from_slice(&sequence.to_be_bytes());
            let hash = Sha1::new()
                .chain_update(&control)
                .chain_update(b"correct horse\0\0\0\0\0\0\0")
                .finalize();
            control.extend(hash);
            assert_eq!(request.frame(), expected_sbfd(&endpoints, &control));
        }
    }
}

#[test]
fn a_signed_request_can_change_its_state() {
    for endpoints in FAMILIES {
        let built = |state| {
            let mut request = SbfdRequest::new(&SbfdSession {
                signer: Some(signer(1, b"s")),
                state,
                ..session(endpoints)
            });
            request.patch(1);
            request
        };
        let mut request = built(InitiatorState::Down);
        request.set_state(InitiatorState::Up);
        request.sign(1);

        let mut built_so = built(InitiatorState::Up);
        built_so.sign(1);
        assert_eq!(request, built_so);
    }
}

#[test]
fn a_request_without_a_key_is_not_signed() {
    let mut request = SbfdRequest::new(&session(V4));
    let before = request.clone();

    request.sign(1);

    assert_eq!(request, before);
}

#[test]
fn the_state_can_change_between_requests() {
    for endpoints in FAMILIES {
        let mut request = SbfdRequest::new(&session(endpoints));
        request.patch(7);

        request.set_state(InitiatorState::Up);

        let mut built_so = SbfdRequest::new(&SbfdSession {
            state: InitiatorState::Up,
            ..session(endpoints)
        });
        built_so.patch(7);
        assert_eq!(request, built_so);
        assert_eq!(request.frame()[request.frame().len() - 24 + 1], 0xc2);
    }
}

#[test]
fn the_destination_mac_can_change_between_requests() {
    let mac = [2, 0, 0, 0, 0, 0x22];
    for before in FAMILIES {
        let endpoints = Endpoints {
            destination_mac: mac,
            ..before
        };
        let mut request = SbfdRequest::new(&session(before));
        let mut echo = EchoRequest::new(&before, 1, [7; 8]);

        request.set_destination_mac(mac);
        echo.set_destination_mac(mac);

        assert_eq!(request, SbfdRequest::new(&session(endpoints)));
        assert_eq!(echo, EchoRequest::new(&endpoints, 1, [7; 8]));
    }
}

#[test]
fn a_patched_sbfd_request_always_has_the_right_checksum() {
    let seed = rand::random();
    let mut rng = StdRng::seed_from_u64(seed);
    for endpoints in FAMILIES {
        let mut request = SbfdRequest::new(&session(endpoints));

        for my_discriminator in
            (0..20_000)
                .map(|_| rng.random::<u32>())
                .chain([0, u32::MAX, 0xffff, 1 << 16])
        {
            request.patch(my_discriminator);

            let (checksum, expected) = udp_checksums(&endpoints, request.frame());
            assert_eq!(checksum, expected, "{my_discriminator:#x}, seed {seed}");
            let control = &request.frame()[request.frame().len() - 24..];
            assert_eq!(control[4..8], my_discriminator.to_be_bytes());
        }
    }
}

#[test]
fn a_udp_checksum_is_never_zero() {
    for endpoints in FAMILIES {
        let mut request = SbfdRequest::new(&session(endpoints));

        let zero_form = (0..=u16::MAX).filter(|low| {
            request.patch(u32::from(*low));
            let (checksum, _) = udp_checksums(&endpoints, request.frame());
            assert_ne!(checksum, 0, "{low}");
            checksum == 0xffff
        });

        assert!(zero_form.count() > 0, "the case did not come up");
    }
}

#[test]
fn an_echo_request_is_what_the_rfcs_say() {
    let cookie = *b"failover";
    for endpoints in FAMILIES {
        let mut request = EchoRequest::new(&endpoints, 0x1234, cookie);
        assert_eq!(
            request.frame(),
            expected_echo(&endpoints, 0x1234, 0, cookie)
        );

        for sequence in [1, 2, 0x7fff, 0xffff, 0] {
            request.patch(sequence);

            assert_eq!(
                request.frame(),
                expected_echo(&endpoints, 0x1234, sequence, cookie)
            );
        }
    }
}

#[test]
fn an_echo_request_has_the_length_of_the_shortest_ethernet_frame() {
    let request = EchoRequest::new(&V4, 1, [0xff; 8]);

    assert_eq!(request.frame().len(), 60);
}

use etherparse::{IpNumber, SlicedPacket, TcpOptionElement, TransportSlice};
use failover_ebpf::abi::{initial_sequence, split_initial_sequence};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{Endpoints, FAMILIES, TcpRequest, packet};

const PORT: u16 = 443;
const SOURCE_PORT: u16 = 50_000;

/// The frame of a SYN, checksums included, as somebody else's code makes it.
fn expected(endpoints: &Endpoints, sequence: u32) -> Vec<u8> {
    let mss = if endpoints.source.is_ipv6() {
        1440
    } else {
        1460
    };
    let options = [
        TcpOptionElement::MaximumSegmentSize(mss),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::Noop,
        TcpOptionElement::Noop,
    ];
    let mut frame = Vec::new();
    packet(endpoints, &[], IpNumber::TCP)
        .tcp(SOURCE_PORT, PORT, sequence, 0xffff)
        .syn()
        .options(&options)
        .unwrap()
        .write(&mut frame, &[])
        .unwrap();
    frame
}

#[test]
fn a_tcp_request_is_the_syn_of_an_ordinary_client() {
    for endpoints in FAMILIES {
        let first = initial_sequence(0xa5c3, 7, 0);
        let mut request = TcpRequest::new(&endpoints, SOURCE_PORT, PORT, first);

        request.patch(0x0102);

        let sequence = (0xa5c3 ^ 7) << 16 | 0x0102;
        assert_eq!(request.frame(), expected(&endpoints, sequence));
    }
}

#[test]
fn no_tcp_request_is_shorter_than_ethernet_allows() {
    for endpoints in FAMILIES {
        assert!(TcpRequest::new(&endpoints, 1, 2, 3).frame().len() >= 60);
    }
}

#[test]
fn a_patched_tcp_request_always_has_the_right_checksum_and_names_its_sequence() {
    let seed = rand::random();
    let mut rng = StdRng::seed_from_u64(seed);
    for endpoints in FAMILIES {
        let (cookie, session) = (rng.random(), rng.random());
        let first = initial_sequence(cookie, session, 0);
        let mut request = TcpRequest::new(&endpoints, SOURCE_PORT, PORT, first);

        for sequence in [0, 1, u16::MAX, 0]
            .into_iter()
            .chain((0..1000).map(|_| rng.random()))
        {
            request.patch(sequence);

            let packet = SlicedPacket::from_ethernet(request.frame()).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
                panic!("no TCP");
            };
            let named = split_initial_sequence(cookie, tcp.sequence_number());
            assert_eq!(named, (session, sequence), "seed {seed}");
            let whole = expected(&endpoints, tcp.sequence_number());
            assert_eq!(request.frame(), whole, "seed {seed}");
        }
    }
}

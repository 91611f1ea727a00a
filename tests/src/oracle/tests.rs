//! The oracle on frames whose fate the standards name octet by octet, built by `etherparse`.

use std::net::Ipv4Addr;

use super::*;
use crate::{
    edits::{at, meant, with},
    frames::{self, Bfd, Flow, SBFD_PORT},
    lab::Mac,
    signatures::{AUTHENTICATION, Signature},
};

const NIC: u32 = 3;
const OUT: u32 = 4;
const MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 1]);
const OUT_MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 2]);
const CLIENT_MAC: Mac = Mac([2, 0, 0, 0, 0x0c, 1]);
const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0x0e, 1]);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const HELD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
const SECRET: &[u8] = b"secret";
const DISCRIMINATOR: u32 = 0x0a00_0002;

const FLOW: Flow = Flow {
    from_mac: CLIENT_MAC,
    to_mac: MAC,
    from: Ipv4Addr::new(10, 0, 0, 1),
    to: HOST,
    ttl: 64,
};

fn host(to: To) -> Host {
    let nic = |index, mac| Nic {
        index,
        mac,
        reflects: true,
    };

    Host {
        nics: vec![nic(NIC, MAC), nic(OUT, OUT_MAC)],
        reflects_at: vec![HOST.into()],
        discriminators: vec![DISCRIMINATOR],
        min_rx_us: 50,
        sbfd_port: 49_200,
        sessions: vec![Session {
            number: 7,
            remote: FLOW.from.into(),
            local: HOST.into(),
            tags: [0, 0],
            probe: Probe::Sbfd(99),
            keys: Vec::new(),
        }],
        sent: vec![0x0001_0005],
        held: vec![Held {
            source: Mac([2, 0, 0, 0, 0x0d, 1]),
            ip: HELD.into(),
            tags: [0, 0],
            nic: NIC,
            slot: 5,
            to,
            yields_to: None,
        }],
        ..Host::default()
    }
}

fn forwarding() -> Host {
    host(To::Forward {
        out: OUT,
        mtu: 1500,
        next_hop: Some(SERVER_MAC),
    })
}

fn fate(host: &Host, frame: &[u8]) -> Fate {
    host.outcome(NIC, frame).fate
}

fn request() -> Bfd {
    Bfd::request(0x0007_0102, DISCRIMINATOR)
}

#[test]
fn a_request_is_answered_as_rfc_7880_says_and_not_when_any_octet_is_another() {
    let host = host(To::Local);
    let frame = request().frame(&FLOW, 49_152, SBFD_PORT);

    let reply = Bfd::reply_to(&request(), 50).frame(&FLOW.back(), SBFD_PORT, 49_152);

    assert_eq!(fate(&host, &frame), Fate::Answered(reply));
    for at in at::BFD..frame.len() {
        let spoiled = with(frame.clone(), at, &[!frame[at]]);
        assert_eq!(fate(&host, &spoiled), Fate::Dropped, "octet {at}");
    }
}

#[test]
fn without_a_udp_checksum_a_request_is_answered_without_one() {
    let frame = request().frame(&FLOW, 49_152, SBFD_PORT);
    let frame = crate::edits::without_udp_checksum(frame);

    let Fate::Answered(reply) = fate(&host(To::Local), &frame) else {
        panic!("no answer");
    };

    assert_eq!(reply[at::UDP_CHECKSUM..][..2], [0, 0]);
}

#[test]
fn a_signed_request_is_answered_with_the_same_sequence_and_by_the_same_key() {
    let keys = vec![Key {
        id: 9,
        secret: SECRET.to_vec(),
    }];
    let host = Host {
        keys,
        ..host(To::Local)
    };
    let signed = |secret| Signature::new(9, secret, 77).sign(request());
    let ask = |payload: &[u8]| frames::udp(&FLOW, 49_152, SBFD_PORT, payload);

    let mut reply = Bfd::reply_to(&request(), 50);
    reply.flags |= AUTHENTICATION;
    let reply = Signature::new(9, SECRET, 77).sign(reply);
    let reply = frames::udp(&FLOW.back(), SBFD_PORT, 49_152, &reply);

    assert_eq!(fate(&host, &ask(&signed(SECRET))), Fate::Answered(reply));
    assert_eq!(fate(&host, &ask(&signed(b"other"))), Fate::Dropped);
    assert_eq!(fate(&host, &ask(&request().octets())), Fate::Dropped);
}

#[test]
fn a_reply_is_measured_if_its_request_is_under_way() {
    let host = host(To::Local);
    let flow = Flow { ttl: 255, ..FLOW };
    let reply = |sequence: u32| {
        Bfd::reply_to(&Bfd::request(7 << 16 | sequence, 99), 50).frame(&flow, SBFD_PORT, 49_200)
    };

    let fresh = host.outcome(NIC, &reply(5));
    let stale = host.outcome(NIC, &reply(6));

    assert_eq!(
        (fresh.fate, fresh.measured),
        (Fate::Dropped, Some((7, 0x0001_0005)))
    );
    assert_eq!((stale.fate, stale.measured), (Fate::Dropped, None));
}

#[test]
fn a_packet_for_a_forwarded_address_goes_to_the_server_with_a_hop_less() {
    let to_held = Flow { to: HELD, ..FLOW };
    let onward = Flow {
        from_mac: OUT_MAC,
        to_mac: SERVER_MAC,
        ttl: 63,
        ..to_held
    };
    let packet = |flow: &Flow| frames::udp(flow, 4000, 53, b"for a held address");

    let outcome = forwarding().outcome(NIC, &packet(&to_held));

    assert_eq!(outcome.fate, Fate::Redirected(packet(&onward)));
    assert_eq!((outcome.about, outcome.traffic), (About::Packet, Some(5)));
    assert_eq!(
        fate(&forwarding(), &meant(packet(&to_held), at::IP_TTL, &[1])),
        Fate::Passed
    );
}

#[test]
fn what_only_looks_like_a_reply_is_forwarded_like_any_packet() {
    let to_held = Flow { to: HELD, ..FLOW };

    let outcome = forwarding().outcome(NIC, &request().frame(&to_held, SBFD_PORT, 49_200));

    assert!(matches!(outcome.fate, Fate::Redirected(_)), "{outcome:?}");
}

#[test]
fn a_question_is_answered_on_the_chosen_nic_and_nowhere_else() {
    let host = host(To::Local);
    let question = frames::arp_request(CLIENT_MAC, FLOW.from, HELD);
    let answer = frames::arp_reply(MAC, HELD, CLIENT_MAC, FLOW.from);

    assert_eq!(host.outcome(NIC, &question).fate, Fate::Answered(answer));
    assert_eq!(host.outcome(OUT, &question).fate, Fate::Dropped);
}

#[test]
fn a_claim_of_another_host_is_one_and_of_our_own_nic_is_none() {
    let claim = |mac| host(To::Local).outcome(NIC, &frames::arp_announcement(mac, HELD));

    assert_eq!(claim(CLIENT_MAC).about, About::Claim);
    assert_eq!(claim(OUT_MAC).about, About::Arp);
}

#[test]
fn a_type_without_a_code_is_no_neighbour_discovery_and_one_behind_the_packet_may_be_taken_for_it() {
    let held6 = "2001:db8::11".parse().expect("an address");
    let mut host = forwarding();
    host.held[0].ip = IpAddr::V6(held6);
    let flow = crate::frames6::Flow6 {
        from_mac: CLIENT_MAC,
        to_mac: MAC,
        from: "2001:db8::1".parse().expect("an address"),
        to: held6,
        hops: 255,
    };
    let empty = crate::frames6::icmp(&flow, 136, 0, [0; 4], &[]);
    let length =
        |frame: Vec<u8>, octets| with(frame, crate::frames6::at::PAYLOAD_LEN, &[0, octets]);

    let short = fate(&host, &length(empty[..55].to_vec(), 1));
    let behind = fate(&host, &length(empty, 1));

    assert!(matches!(short, Fate::Redirected(_)), "{short:?}");
    assert_eq!(behind, Fate::Kept);
}

#[test]
fn no_length_of_a_frame_makes_it_leave_this_host() {
    let to_held = Flow { to: HELD, ..FLOW };
    let request = request().frame(&FLOW, 49_152, SBFD_PORT);
    let packet = frames::udp(&to_held, 4000, 53, b"for a held address");

    for frame in [request, packet] {
        for length in 0..frame.len() {
            let fate = fate(&forwarding(), &frame[..length]);

            assert!(
                matches!(fate, Fate::Passed | Fate::Dropped),
                "{length}: {fate:?}"
            );
        }
    }
}

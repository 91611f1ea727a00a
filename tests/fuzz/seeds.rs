//! Where libFuzzer begins: a valid frame of each kind, and each of them in one and in two VLANs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use failover_tests::{
    frames::{self, Bfd, Flow},
    frames6::{self, Flow6},
    lab::Mac,
};

use crate::fixture::{
    COOKIE, DISCRIMINATOR, HELD, HOST, HOST6, REMOTE_DISCRIMINATOR, SBFD_PORT, SERVER_MAC, SOURCE,
    SOURCE_MAC, SOURCE6, addresses,
};

const CHOSEN_MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 1]);
const OUT_MAC: Mac = Mac([2, 0, 0, 0, 0x0a, 2]);
const CLIENT_MAC: Mac = Mac([2, 0, 0, 0, 0x0c, 1]);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const REFLECTOR: u16 = frames::SBFD_PORT;

/// Inputs: the NIC, then the frame.
pub(crate) fn inputs() -> Vec<Vec<u8>> {
    let untagged: Vec<_> = [heartbeats(), packets(), questions()].concat();

    [&[][..], &[100], &[100, 200]]
        .iter()
        .flat_map(|vlans| {
            untagged
                .iter()
                .map(|(nic, frame)| [&[*nic][..], &frames::with_vlans(frame, vlans)].concat())
        })
        .collect()
}

fn flow(from: Ipv4Addr, to: Ipv4Addr) -> Flow {
    let from_mac = if from == SOURCE {
        SOURCE_MAC
    } else {
        CLIENT_MAC
    };

    Flow {
        from_mac,
        to_mac: CHOSEN_MAC,
        from,
        to,
        ttl: 255,
    }
}

fn flow6(from: Ipv6Addr, to: Ipv6Addr) -> Flow6 {
    let from_mac = if from == SOURCE6 {
        SOURCE_MAC
    } else {
        CLIENT_MAC
    };

    Flow6 {
        from_mac,
        to_mac: CHOSEN_MAC,
        from,
        to,
        hops: 255,
    }
}

fn heartbeats() -> Vec<(u8, Vec<u8>)> {
    let request = Bfd::request(0x0001_0007, DISCRIMINATOR);
    let polling = Bfd {
        flags: Bfd::DEMAND | Bfd::POLL,
        ..request
    };
    let reply =
        |session: u32| Bfd::reply_to(&Bfd::request(session << 16 | 1, REMOTE_DISCRIMINATOR), 50);
    let echo = [&COOKIE[..], &[0; 10]].concat();

    [
        request.frame(&flow(CLIENT, HOST), 49_152, REFLECTOR),
        polling.frame(&flow(CLIENT, HOST), 49_152, REFLECTOR),
        reply(1).frame(&flow(SOURCE, HOST), REFLECTOR, SBFD_PORT),
        frames6::udp(&flow6(CLIENT6, HOST6), 49_152, REFLECTOR, &request.octets()),
        frames6::udp(&flow6(CLIENT6, HOST6), 49_152, REFLECTOR, &polling.octets()),
        frames6::udp(
            &flow6(SOURCE6, HOST6),
            REFLECTOR,
            SBFD_PORT,
            &reply(3).octets(),
        ),
        frames::echo_reply(&flow(SOURCE, HOST), 2, 1, &echo),
        frames6::echo_reply(&flow6(SOURCE6, HOST6), 4, 1, &echo),
    ]
    .map(|frame| (0, frame))
    .into()
}

fn packets() -> Vec<(u8, Vec<u8>)> {
    let mut packets = vec![
        (
            0,
            frames::udp(&flow(CLIENT, HOST), 4000, 53, b"for this host"),
        ),
        (
            0,
            frames6::tcp(&flow6(CLIENT6, HOST6), 4000, 80, b"for this host"),
        ),
    ];

    for (interface, ..) in HELD {
        let [IpAddr::V4(held), IpAddr::V6(held6)] = addresses(interface) else {
            unreachable!("an address of each version")
        };
        let answer = Flow {
            from_mac: SERVER_MAC,
            to_mac: OUT_MAC,
            ..flow(held, CLIENT)
        };
        let answer6 = Flow6 {
            from_mac: SERVER_MAC,
            to_mac: OUT_MAC,
            ..flow6(held6, CLIENT6)
        };

        packets.extend([
            (
                0,
                frames::udp(&flow(CLIENT, held), 4000, 53, b"for a held address"),
            ),
            (0, frames::tcp(&flow(CLIENT, held), 4000, 80, b"")),
            (0, frames::echo_request(&flow(CLIENT, held), 7, 1, b"ping")),
            (
                0,
                frames6::udp(&flow6(CLIENT6, held6), 4000, 53, b"for a held address"),
            ),
            (
                0,
                frames6::with_extension(
                    &frames6::tcp(&flow6(CLIENT6, held6), 4000, 80, b""),
                    60,
                    &[0, 0, 1, 4, 0, 0, 0, 0],
                ),
            ),
            (
                0,
                frames6::with_fragment(
                    &frames6::udp(&flow6(CLIENT6, held6), 4000, 53, b"in parts"),
                    0,
                    true,
                ),
            ),
            (1, frames::udp(&answer, 53, 4000, b"an answer")),
            (1, frames6::udp(&answer6, 53, 4000, b"an answer")),
        ]);
    }

    packets
}

fn questions() -> Vec<(u8, Vec<u8>)> {
    let mut questions = Vec::new();

    for (interface, ..) in HELD {
        let [IpAddr::V4(held), IpAddr::V6(held6)] = addresses(interface) else {
            unreachable!("an address of each version")
        };
        let group = frames6::solicited_node(held6);
        let asked = Flow6 {
            to_mac: frames6::group_mac(group),
            ..flow6(CLIENT6, group)
        };
        let anonymous = Flow6 {
            from: Ipv6Addr::UNSPECIFIED,
            ..asked
        };

        for nic in [0, 1] {
            questions.extend([
                (nic, frames::arp_request(CLIENT_MAC, CLIENT, held)),
                (
                    nic,
                    frames::arp_request(CLIENT_MAC, Ipv4Addr::UNSPECIFIED, held),
                ),
                (nic, frames::arp_announcement(CLIENT_MAC, held)),
                (
                    nic,
                    frames6::solicitation(&asked, held6, &frames6::source_option(CLIENT_MAC)),
                ),
                (nic, frames6::solicitation(&anonymous, held6, &[])),
                (
                    nic,
                    frames6::advertisement(
                        &flow6(held6, HOST6),
                        frames6::flag::OVERRIDE,
                        held6,
                        &frames6::target_option(CLIENT_MAC),
                    ),
                ),
            ]);
        }
    }

    questions
}

//! Where fuzzing begins: a valid frame of each kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::scene::{
    CLIENT, CLIENT_MAC, CLIENT6, COOKIE, DISCRIMINATOR, HELD, HOST, HOST6, IDENTITY, KEYS, MACS,
    REMOTE_DISCRIMINATOR, SBFD_PORT, SENT, SERVER_MAC, SESSIONS, SOURCE, SOURCE_MAC, SOURCE6,
    TCP_ASKED, TCP_COOKIE, TCP_PORT, Watch, addresses,
};
use crate::{
    edits::with_ip_options,
    frames::{self, Bfd, Flow},
    frames6::{self, Flow6},
    oracle::Probe,
    segments::Segment,
    signatures::Signature,
};

const REFLECTOR: u16 = frames::SBFD_PORT;
/// Bits of a selector: by the second NIC,
const SECOND: u8 = 1;
/// the reflector wants signatures,
const SIGNED: u8 = 4;
/// it answers the client alone,
const LISTED: u8 = 8;
/// the host is on hold,
const ON_HOLD: u8 = 0x10;
/// it is fenced.
const FENCED: u8 = 0x30;

/// A selector and a frame.
type Seed = (u8, Vec<u8>);

/// The VLANs in which a frame means something, the outermost first; 0: none.
type Home = [u16; 2];

/// Inputs: the selector, then the frame in its VLANs.
pub fn inputs() -> Vec<Vec<u8>> {
    [requests(), answers(), refused(), packets(), questions()]
        .into_iter()
        .flatten()
        .map(|((selector, frame), home)| {
            let vlans: Vec<u16> = home.into_iter().filter(|tag| *tag != 0).collect();

            [&[selector][..], &frames::with_vlans(&frame, &vlans)].concat()
        })
        .collect()
}

fn at_home(seeds: impl IntoIterator<Item = Seed>, home: Home) -> Vec<(Seed, Home)> {
    seeds.into_iter().map(|seed| (seed, home)).collect()
}

/// Every held address, and one of this host's own.
fn spoken_of() -> impl Iterator<Item = (Ipv4Addr, Ipv6Addr, Home)> {
    let held = HELD.iter().map(|(interface, tags, _)| (*interface, *tags));

    held.chain([(IDENTITY, [0, 0])]).map(|(interface, tags)| {
        let [IpAddr::V4(v4), IpAddr::V6(v6)] = addresses(interface) else {
            unreachable!("an address of each version")
        };

        (v4, v6, tags)
    })
}

fn flow(from: Ipv4Addr, to: Ipv4Addr) -> Flow {
    let from_mac = if from == SOURCE {
        SOURCE_MAC
    } else {
        CLIENT_MAC
    };

    Flow {
        from_mac,
        to_mac: MACS[0],
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
        to_mac: MACS[0],
        from,
        to,
        hops: 255,
    }
}

/// To the reflector.
fn requests() -> Vec<(Seed, Home)> {
    let request = Bfd::request(0x0001_0007, DISCRIMINATOR);
    let polling = Bfd {
        flags: Bfd::DEMAND | Bfd::POLL,
        ..request
    };
    let plain = [request, polling].map(|bfd| (0, bfd.octets().to_vec()));
    let signed = KEYS.map(|(id, secret)| (SIGNED, Signature::new(id, secret, 7).sign(polling)));

    let seeds = plain
        .into_iter()
        .chain(signed)
        .flat_map(|(selector, payload)| {
            let v4 = frames::udp(&flow(CLIENT, HOST), 49_152, REFLECTOR, &payload);
            let v6 = frames6::udp(&flow6(CLIENT6, HOST6), 49_152, REFLECTOR, &payload);

            [0, LISTED, ON_HOLD, FENCED]
                .into_iter()
                .flat_map(move |more| {
                    [(selector | more, v4.clone()), (selector | more, v6.clone())]
                })
        });

    at_home(seeds, [0, 0])
}

/// To the sessions.
fn answers() -> Vec<(Seed, Home)> {
    SESSIONS
        .iter()
        .flat_map(|watch| SENT.map(|sequence| ((0, answer(watch, sequence)), watch.tags)))
        .collect()
}

fn answer(watch: &Watch, sequence: u32) -> Vec<u8> {
    let low = sequence as u16;
    let (v4, v6) = (flow(SOURCE, HOST), flow6(SOURCE6, HOST6));

    match watch.probe {
        Probe::Sbfd(_) => {
            let mine = u32::from(watch.number) << 16 | u32::from(low);
            let bfd = Bfd::reply_to(&Bfd::request(mine, REMOTE_DISCRIMINATOR), 50);
            let (id, secret) = KEYS[0];
            let payload = if watch.signed {
                Signature::new(id, secret, sequence).sign(bfd)
            } else {
                bfd.octets().to_vec()
            };

            if watch.v6 {
                frames6::udp(&v6, REFLECTOR, SBFD_PORT, &payload)
            } else {
                frames::udp(&v4, REFLECTOR, SBFD_PORT, &payload)
            }
        }
        Probe::Echo(_) => {
            let payload = [&COOKIE[..], &[0; 10]].concat();

            if watch.v6 {
                frames6::echo_reply(&v6, watch.number, low, &payload)
            } else {
                frames::echo_reply(&v4, watch.number, low, &payload)
            }
        }
        Probe::Tcp(_) => {
            let initial = u32::from(watch.number ^ TCP_COOKIE) << 16 | u32::from(low);
            let segment = Segment {
                from: TCP_ASKED,
                to: TCP_PORT,
                sequence: 0x0102_0304,
                acknowledgment: initial.wrapping_add(1),
                flags: Segment::SYN | Segment::ACK,
                options: Vec::new(),
            };

            if watch.v6 {
                segment.frame6(&v6)
            } else {
                segment.frame(&v4)
            }
        }
        Probe::Arp(mac) => frames::arp_reply(mac, SOURCE, MACS[0], HOST),
    }
}

/// Heartbeats with IP options, and behind extension headers.
fn refused() -> Vec<(Seed, Home)> {
    let request = Bfd::request(0x0001_0007, DISCRIMINATOR).octets();
    let behind = |frame| frames6::with_extension(frame, 60, &[0, 0, 1, 4, 0, 0, 0, 0]);
    let seeds = [
        with_ip_options(
            &frames::udp(&flow(CLIENT, HOST), 49_152, REFLECTOR, &request),
            1,
        ),
        with_ip_options(&answer(&SESSIONS[0], SENT[0]), 1),
        behind(&frames6::udp(
            &flow6(CLIENT6, HOST6),
            49_152,
            REFLECTOR,
            &request,
        )),
        behind(&answer(&SESSIONS[2], SENT[0])),
    ];

    at_home(seeds.map(|frame| (0, frame)), [0, 0])
}

/// To what is held, and what comes back.
fn packets() -> Vec<(Seed, Home)> {
    let here = [
        (
            0,
            frames::udp(&flow(CLIENT, HOST), 4000, 53, b"for this host"),
        ),
        (
            0,
            frames6::tcp(&flow6(CLIENT6, HOST6), 4000, 80, b"for this host"),
        ),
    ];
    let mut packets = at_home(here, [0, 0]);

    for (held, held6, home) in spoken_of() {
        let answer = Flow {
            from_mac: SERVER_MAC,
            to_mac: MACS[1],
            ..flow(held, CLIENT)
        };
        let answer6 = Flow6 {
            from_mac: SERVER_MAC,
            to_mac: MACS[1],
            ..flow6(held6, CLIENT6)
        };
        let reply = Bfd::reply_to(&Bfd::request(0x0001_0007, REMOTE_DISCRIMINATOR), 50);

        let seeds = [
            (
                FENCED,
                frames::udp(&flow(CLIENT, held), 4000, 53, b"for a held address"),
            ),
            (0, frames::tcp(&flow(CLIENT, held), 4000, 80, b"")),
            (0, frames::echo_request(&flow(CLIENT, held), 7, 1, b"ping")),
            (0, frames::echo_reply(&flow(CLIENT, held), 7, 1, &[1; 18])),
            (0, reply.frame(&flow(CLIENT, held), REFLECTOR, SBFD_PORT)),
            (
                FENCED,
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
            (SECOND, frames::udp(&answer, 53, 4000, b"an answer")),
            (SECOND, frames6::udp(&answer6, 53, 4000, b"an answer")),
        ];

        packets.extend(at_home(seeds, home));
    }

    packets
}

/// Who has it?
fn questions() -> Vec<(Seed, Home)> {
    let mut questions = Vec::new();

    for (held, held6, home) in spoken_of() {
        let group = frames6::solicited_node(held6);
        let asked = Flow6 {
            to_mac: frames6::group_mac(group),
            ..flow6(CLIENT6, group)
        };
        let anonymous = Flow6 {
            from: Ipv6Addr::UNSPECIFIED,
            ..asked
        };
        let by_source = Flow6 {
            from_mac: SOURCE_MAC,
            ..anonymous
        };

        for selector in [0, SECOND, FENCED] {
            let seeds = [
                (selector, frames::arp_request(CLIENT_MAC, CLIENT, held)),
                (
                    selector,
                    frames::arp_request(SOURCE_MAC, Ipv4Addr::UNSPECIFIED, held),
                ),
                (selector, frames::arp_announcement(CLIENT_MAC, held)),
                (
                    selector,
                    frames6::solicitation(&asked, held6, &frames6::source_option(CLIENT_MAC)),
                ),
                (selector, frames6::solicitation(&anonymous, held6, &[])),
                (selector, frames6::solicitation(&by_source, held6, &[])),
                (
                    selector,
                    frames6::advertisement(
                        &flow6(held6, HOST6),
                        frames6::flag::OVERRIDE,
                        held6,
                        &frames6::target_option(CLIENT_MAC),
                    ),
                ),
            ];

            questions.extend(at_home(seeds, home));
        }
    }

    questions
}

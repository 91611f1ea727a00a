//! Requests over IPv6: answered octet by octet, or refused by reason.

use failover_ebpf::{abi::settings, verdict::Verdict};
use failover_tests::{
    edits::{with, with_trailer},
    frames::{BROADCAST, Bfd, SBFD_PORT},
    frames6::{Flow6, at, meant, next, udp, with_extension, with_fragment},
};

use crate::{
    row::{Row, check},
    scene::{CLIENT_PORT, DISCRIMINATOR, MIN_RX_US, OTHER_MAC, Port},
    scene6::{CLIENT, FROM_CLIENT, HELD, STRANGE},
};

/// My Discriminator of the requests.
const MINE: u32 = 0x0007_0102;

fn request() -> Bfd {
    Bfd::request(MINE, DISCRIMINATOR)
}

fn on(flow: &Flow6, bfd: Bfd) -> Vec<u8> {
    udp(flow, CLIENT_PORT, SBFD_PORT, &bfd.octets())
}

fn ask(bfd: Bfd) -> Vec<u8> {
    on(&FROM_CLIENT, bfd)
}

/// What RFC 7880 7.2.2 makes of a request.
fn reply(request: Bfd) -> Vec<u8> {
    let reply = Bfd::reply_to(
        &Bfd {
            required_min_echo_rx_us: 0,
            ..request
        },
        MIN_RX_US,
    );

    udp(&FROM_CLIENT.back(), SBFD_PORT, CLIENT_PORT, &reply.octets())
}

fn answered(name: &'static str, request: Vec<u8>, reply: Vec<u8>) -> Row {
    Row::transmit(name, request, Verdict::RequestAnswered, reply)
}

pub(crate) fn rows() -> Vec<Row> {
    [answers(), frames_refused(), refused(), of_others()].concat()
}

fn answers() -> Vec<Row> {
    let rounding = rounding_discriminator();
    let poll = Bfd {
        flags: Bfd::DEMAND | Bfd::POLL,
        ..request()
    };
    let intervals = Bfd {
        desired_min_tx_us: 0x0102_0304,
        required_min_rx_us: 0x0506_0708,
        required_min_echo_rx_us: 0xffff_fffe,
        ..request()
    };
    let round = Bfd {
        my_discriminator: rounding,
        ..request()
    };
    let by_out = Flow6 {
        to_mac: Port::Out.mac(),
        ..FROM_CLIENT
    };
    let labelled = |frame| with(frame, at::FIRST_WORD, &[0x6c, 0x0a, 0xbc, 0xde]);

    vec![
        answered("IPv6: a request", ask(request()), reply(request())),
        answered("IPv6: Poll is answered with Final", ask(poll), reply(poll)),
        answered(
            "IPv6: intervals of the initiator: Desired Min TX is kept, the others are ours",
            ask(intervals),
            reply(intervals),
        ),
        answered(
            "IPv6: a checksum that comes out as zero is sent as all ones",
            ask(round),
            reply(round),
        ),
        answered(
            "IPv6: traffic class and flow label are kept",
            labelled(ask(request())),
            labelled(reply(request())),
        ),
        answered(
            "IPv6: a request with hop limit 255",
            on(
                &Flow6 {
                    hops: 255,
                    ..FROM_CLIENT
                },
                request(),
            ),
            reply(request()),
        ),
        answered(
            "IPv6: a trailer is kept",
            with_trailer(ask(request()), 6),
            with_trailer(reply(request()), 6),
        ),
        answered("IPv6: by another managed NIC", on(&by_out, request()), {
            let reply = Bfd::reply_to(&request(), MIN_RX_US);

            udp(&by_out.back(), SBFD_PORT, CLIENT_PORT, &reply.octets())
        })
        .on(Port::Out),
        answered("IPv6: a listed initiator", ask(request()), reply(request())).given(|bench| {
            bench.settings(|own| own.flags &= !settings::ANY_INITIATOR);
            bench.allow6(CLIENT);
        }),
    ]
}

/// My Discriminator of a request whose reply has a UDP checksum of 0, which is sent as 0xffff (RFC 8200 8.1).
fn rounding_discriminator() -> u32 {
    (1..=0xffff)
        .find(|mine| {
            let frame = reply(Bfd {
                my_discriminator: *mine,
                ..request()
            });

            frame[at::UDP_CHECKSUM..][..2] == [0xff, 0xff]
        })
        .expect("one in 65,535")
}

fn frames_refused() -> Vec<Row> {
    let valid = || ask(request());
    let length = |name, frame| Row::drop(name, frame, Verdict::RequestTruncated);
    let checksum = |name, frame| Row::drop(name, frame, Verdict::RequestBadChecksum);
    let behind = |name, kind, header: &[u8]| {
        Row::drop(
            name,
            with_extension(&valid(), kind, header),
            Verdict::RequestExtensionHeaders,
        )
    };
    let fragment = |name, frame| Row::drop(name, frame, Verdict::RequestFragment);

    vec![
        checksum(
            "IPv6: no UDP checksum, which IPv6 does not allow",
            with(valid(), at::UDP_CHECKSUM, &[0, 0]),
        ),
        checksum("IPv6: a wrong UDP checksum", {
            with(valid(), at::UDP_CHECKSUM, &[0x12, 0x34])
        }),
        checksum("IPv6: BFD changed on the way", {
            with(valid(), at::BFD + 7, &[0xff])
        }),
        checksum("IPv6: another sender than the checksum is for", {
            with(valid(), at::SRC + 15, &[9])
        }),
        length("IPv6: octets behind BFD", {
            let payload = [&request().octets()[..], &[0; 4]].concat();

            udp(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT, &payload)
        }),
        length("IPv6: a payload that is too short", {
            udp(
                &FROM_CLIENT,
                CLIENT_PORT,
                SBFD_PORT,
                &request().octets()[..22],
            )
        }),
        length("IPv6: a datagram longer than the packet", {
            meant(valid(), at::UDP_LENGTH, &[0, 33])
        }),
        length("IPv6: a packet shorter than the datagram", {
            with(valid(), at::PAYLOAD_LEN, &[0, 31])
        }),
        length("IPv6: a packet longer than the frame", {
            with(valid(), at::PAYLOAD_LEN, &[5, 0])
        }),
        length("IPv6: a frame without its last octet", {
            let mut frame = valid();

            frame.pop();

            frame
        }),
        behind(
            "a request behind hop-by-hop options",
            next::HOP_BY_HOP,
            &[0, 0, 1, 4, 0, 0, 0, 0],
        ),
        behind("a request behind destination options", next::DESTINATION, {
            &[0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }),
        behind(
            "a request behind a routing header",
            next::ROUTING,
            &[0, 0, 253, 0, 0, 0, 0, 0],
        ),
        behind(
            "a request behind an authentication header",
            next::AUTHENTICATION,
            &[
                0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
            ],
        ),
        behind(
            "a request behind as many extension headers as are followed",
            next::HOP_BY_HOP,
            &[0, 0, 1, 4, 0, 0, 0, 0],
        )
        .with_frame(|frame| {
            (0..3).fold(frame.to_vec(), |frame, _| {
                with_extension(&frame, next::DESTINATION, &[0, 0, 1, 4, 0, 0, 0, 0])
            })
        }),
        behind(
            "a request behind two extension headers",
            next::HOP_BY_HOP,
            &[0, 0, 1, 4, 0, 0, 0, 0],
        )
        .with_frame(|frame| with_extension(frame, next::HOP_BY_HOP, &[0, 0, 1, 4, 0, 0, 0, 0])),
        fragment(
            "IPv6: a first fragment of a request",
            with_fragment(&valid(), 0, true),
        ),
        fragment(
            "IPv6: a request that is its only fragment",
            with_fragment(&valid(), 0, false),
        ),
        Row::drop(
            "IPv6: a first fragment of a request behind hop-by-hop options",
            with_extension(
                &with_fragment(&valid(), 0, true),
                next::HOP_BY_HOP,
                &[0, 0, 1, 4, 0, 0, 0, 0],
            ),
            Verdict::RequestExtensionHeaders,
        ),
    ]
}

fn refused() -> Vec<Row> {
    let drop = |name, bfd, verdict| Row::drop(name, ask(bfd), verdict);

    vec![
        Row::drop(
            "IPv6: from a reflector's port",
            udp(&FROM_CLIENT, SBFD_PORT, SBFD_PORT, &request().octets()),
            Verdict::RequestFromReflector,
        ),
        drop(
            "IPv6: version 0",
            Bfd {
                version: 0,
                ..request()
            },
            Verdict::RequestBadVersion,
        ),
        drop(
            "IPv6: detect multiplier 0",
            Bfd {
                detect_mult: 0,
                ..request()
            },
            Verdict::RequestMalformed,
        ),
        drop(
            "IPv6: Demand clear",
            Bfd {
                flags: 0,
                ..request()
            },
            Verdict::RequestNotDemand,
        ),
        drop(
            "IPv6: authentication without a section",
            Bfd {
                flags: Bfd::DEMAND | 0x04,
                ..request()
            },
            Verdict::RequestAuthentication,
        ),
        drop(
            "IPv6: another's discriminator",
            Bfd {
                your_discriminator: DISCRIMINATOR + 1,
                ..request()
            },
            Verdict::RequestUnknownDiscriminator,
        ),
        Row::drop(
            "IPv6: an initiator that is not listed",
            ask(request()),
            Verdict::RequestInitiatorRefused,
        )
        .given(|bench| {
            bench.settings(|own| own.flags &= !settings::ANY_INITIATOR);
            bench.allow6(STRANGE);
        }),
    ]
}

/// For somebody else, or nobody.
fn of_others() -> Vec<Row> {
    let to_mac = |to_mac| {
        let flow = Flow6 {
            to_mac,
            ..FROM_CLIENT
        };

        on(&flow, request())
    };
    let to = |to| on(&Flow6 { to, ..FROM_CLIENT }, request());

    vec![
        Row::pass(
            "IPv6: another host's MAC",
            to_mac(OTHER_MAC),
            Verdict::PassOtherHost,
        ),
        Row::pass(
            "IPv6: everybody's MAC",
            to_mac(BROADCAST),
            Verdict::PassOtherHost,
        ),
        Row::pass(
            "IPv6: an address that is not the reflector's",
            to(STRANGE),
            Verdict::RequestNotOurs,
        ),
        Row::pass(
            "IPv6: a held address is not the reflector's",
            to(HELD),
            Verdict::PassLocal,
        )
        .given(|bench| bench.hold6(crate::scene::local(bench.index(Port::Chosen))))
        .counted(),
        Row::pass(
            "IPv6: a NIC that the reflector is not on",
            ask(request()),
            Verdict::PassUnrelated,
        )
        .given(|bench| bench.manage(Port::Chosen, |nic| nic.flags = 0)),
        Row::pass(
            "IPv6: a host that does not reflect",
            ask(request()),
            Verdict::PassUnrelated,
        )
        .given(|bench| bench.settings(|own| own.flags &= !settings::REFLECT)),
        Row::pass(
            "IPv6: a later fragment of a request",
            with_fragment(&ask(request()), 1, true),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "IPv6: more extension headers than are followed",
            (0..5).fold(ask(request()), |frame, _| {
                with_extension(&frame, next::DESTINATION, &[0, 0, 1, 4, 0, 0, 0, 0])
            }),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "IPv6: an extension header that reaches beyond the frame",
            with_extension(
                &ask(request()),
                next::DESTINATION,
                &[0, 99, 1, 4, 0, 0, 0, 0],
            ),
            Verdict::PassUnrelated,
        ),
    ]
}

#[test]
fn requests_over_ipv6_are_answered_as_rfc_7880_says() {
    check(&rows());
}

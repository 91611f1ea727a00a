//! Requests that are answered, octet by octet.

use failover_ebpf::{
    abi::{ipv4_key, settings},
    verdict::Verdict,
};
use failover_tests::{
    edits::{at, meant, with_trailer, without_udp_checksum},
    frames::{Bfd, Flow, SBFD_PORT},
};

use crate::{
    row::{Row, check},
    scene::{
        CLIENT, CLIENT_PORT, DISCRIMINATOR, FROM_CLIENT, HELD, HOST, HOST_OUT, MIN_RX_US, Port,
    },
};

/// My Discriminator of the requests.
const MINE: u32 = 0x0007_0102;

const REQUEST: Bfd = Bfd {
    version: 1,
    diagnostic: 0,
    state: 3,
    flags: Bfd::DEMAND,
    detect_mult: 3,
    length: Bfd::LENGTH,
    my_discriminator: MINE,
    your_discriminator: DISCRIMINATOR,
    desired_min_tx_us: 10_000,
    required_min_rx_us: 0,
    required_min_echo_rx_us: 0,
};

/// What RFC 7880 7.2.2 makes of [`REQUEST`].
const REPLY: Bfd = Bfd {
    flags: 0,
    my_discriminator: DISCRIMINATOR,
    your_discriminator: MINE,
    required_min_rx_us: MIN_RX_US,
    ..REQUEST
};

fn ask(request: Bfd) -> Vec<u8> {
    request.frame(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT)
}

fn reply(reply: Bfd) -> Vec<u8> {
    reply.frame(&FROM_CLIENT.back(), SBFD_PORT, CLIENT_PORT)
}

fn answered(name: &'static str, request: Vec<u8>, reply: Vec<u8>) -> Row {
    Row::transmit(name, request, Verdict::RequestAnswered, reply)
}

pub(crate) fn rows() -> Vec<Row> {
    let by_out = Flow {
        to_mac: Port::Out.mac(),
        ..FROM_CLIENT
    };
    let for_out = Flow {
        to: HOST_OUT,
        ..FROM_CLIENT
    };
    let with_id = |frame| meant(meant(frame, at::IP_ID, &[0x12, 0x34]), at::IP_TOS, &[0xc0]);
    let rounding = rounding_discriminator();

    vec![
        answered("a routed request", ask(REQUEST), reply(REPLY)),
        answered(
            "a request with Poll is answered with Final",
            ask(Bfd {
                flags: Bfd::DEMAND | Bfd::POLL,
                ..REQUEST
            }),
            reply(Bfd {
                flags: Bfd::FINAL,
                ..REPLY
            }),
        ),
        answered(
            "the initiator's own state and diagnostic do not matter",
            ask(Bfd {
                state: 1,
                diagnostic: 1,
                ..REQUEST
            }),
            reply(REPLY),
        ),
        answered(
            "intervals of the initiator: Desired Min TX is kept, the others are ours",
            ask(Bfd {
                desired_min_tx_us: 0x0102_0304,
                required_min_rx_us: 0x0506_0708,
                required_min_echo_rx_us: 0xffff_fffe,
                ..REQUEST
            }),
            reply(Bfd {
                desired_min_tx_us: 0x0102_0304,
                ..REPLY
            }),
        ),
        answered(
            "flags that do not matter are cleared",
            ask(Bfd {
                flags: Bfd::DEMAND | Bfd::FINAL | 0x08,
                detect_mult: 255,
                ..REQUEST
            }),
            reply(Bfd {
                detect_mult: 255,
                ..REPLY
            }),
        ),
        answered(
            "a request without a checksum is answered without one",
            without_udp_checksum(ask(REQUEST)),
            without_udp_checksum(reply(REPLY)),
        ),
        answered(
            "a checksum that comes out as zero is sent as all ones",
            ask(Bfd {
                my_discriminator: rounding,
                ..REQUEST
            }),
            reply(Bfd {
                your_discriminator: rounding,
                ..REPLY
            }),
        ),
        answered(
            "identification and type of service are kept",
            with_id(ask(REQUEST)),
            with_id(reply(REPLY)),
        ),
        answered(
            "a trailer is kept",
            with_trailer(ask(REQUEST), 6),
            with_trailer(reply(REPLY), 6),
        ),
        answered(
            "by another managed NIC",
            REQUEST.frame(&by_out, CLIENT_PORT, SBFD_PORT),
            REPLY.frame(&by_out.back(), SBFD_PORT, CLIENT_PORT),
        )
        .on(Port::Out),
        answered(
            "at another address of the reflector",
            REQUEST.frame(&for_out, CLIENT_PORT, SBFD_PORT),
            REPLY.frame(&for_out.back(), SBFD_PORT, CLIENT_PORT),
        ),
        answered(
            "by the one NIC that the reflector is on",
            ask(REQUEST),
            reply(REPLY),
        )
        .given(|bench| bench.manage(Port::Out, |nic| nic.flags = 0)),
        answered(
            "another Required Min RX Interval",
            ask(REQUEST),
            reply(Bfd {
                required_min_rx_us: 0xffff_ffff,
                ..REPLY
            }),
        )
        .given(|bench| bench.settings(|own| own.min_rx_us = u32::MAX)),
        answered("a listed initiator", ask(REQUEST), reply(REPLY)).given(|bench| {
            bench.settings(|own| own.flags &= !settings::ANY_INITIATOR);
            bench
                .maps
                .set_reflector(
                    &[1, DISCRIMINATOR],
                    &[HOST.into()],
                    &[HELD.into(), CLIENT.into()],
                )
                .unwrap();
        }),
    ]
}

/// My Discriminator of a request whose reply has a UDP checksum of 0, which is sent as 0xffff (RFC 768).
fn rounding_discriminator() -> u32 {
    (1..=0xffff)
        .find(|mine| {
            let frame = reply(Bfd {
                your_discriminator: *mine,
                ..REPLY
            });

            frame[at::UDP_CHECKSUM..at::UDP_CHECKSUM + 2] == [0xff, 0xff]
        })
        .expect("one in 65,535")
}

#[test]
fn requests_are_answered_as_rfc_7880_says() {
    check(&rows());
}

#[test]
fn a_reply_that_comes_back_is_not_answered_again() {
    let came_back = Flow {
        from: FROM_CLIENT.to,
        from_mac: FROM_CLIENT.to_mac,
        ..FROM_CLIENT
    };

    check(&[
        Row::pass(
            "our own reply",
            REPLY.frame(&came_back, SBFD_PORT, CLIENT_PORT),
            Verdict::PassUnrelated,
        ),
        Row::drop(
            "our own reply, forged to go to a reflector",
            REPLY.frame(&came_back, SBFD_PORT, SBFD_PORT),
            Verdict::RequestFromReflector,
        ),
    ]);
}

#[test]
fn a_watcher_is_remembered_with_whom_it_asked() {
    crate::harness::bench(|bench| {
        bench.run(Port::Chosen, &ask(REQUEST));
        bench.run(Port::Chosen, &ask(REQUEST));

        let watchers = bench.maps.watchers().unwrap();

        let [(watcher, state)] = watchers[..] else {
            panic!("{watchers:?}");
        };
        assert_eq!(watcher.initiator, ipv4_key(CLIENT.octets()));
        assert_eq!(watcher.asked, ipv4_key(FROM_CLIENT.to.octets()));
        assert_eq!((state.answered, state.refused), (2, 0));
        assert!(state.answered_ns > 0 && state.answered_ns <= state.tat_ns);
    });
}

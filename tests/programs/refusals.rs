//! Requests that are refused: dropped, and counted by reason.

use failover_ebpf::{abi::settings, verdict::Verdict};
use failover_tests::{
    edits::{at, meant, with, with_ip_options, without_udp_checksum},
    frames::{BROADCAST, Bfd, Flow, SBFD_PORT, udp},
};

use crate::{
    row::{Row, check},
    scene::{
        CLIENT_PORT, DISCRIMINATOR, FROM_CLIENT, HELD, HOST, HOST_OUT, OTHER_MAC, OUT_MAC, OWN,
        Port, STANDBY_MAC, STRANGE, TO_HELD, forward, local,
    },
};

/// The A bit.
const AUTHENTICATION: u8 = 0x04;
/// The M bit.
const MULTIPOINT: u8 = 0x01;

fn request() -> Bfd {
    Bfd::request(0x0007_0102, DISCRIMINATOR)
}

fn ask(request: Bfd) -> Vec<u8> {
    request.frame(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT)
}

/// With an authentication section of meticulous keyed SHA-1 (RFC 5880 4.4): type 5, 28 octets.
fn authenticated() -> Vec<u8> {
    let bfd = Bfd {
        flags: Bfd::DEMAND | AUTHENTICATION,
        length: 52,
        ..request()
    };
    let section = [&[5, 28, 1, 0, 0, 0, 0, 9][..], &[0xee; 20]].concat();
    let payload = [&bfd.octets()[..], &section].concat();

    udp(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT, &payload)
}

fn length(name: &'static str, frame: Vec<u8>) -> Row {
    Row::drop(name, frame, Verdict::RequestTruncated)
}

fn checksum(name: &'static str, frame: Vec<u8>) -> Row {
    Row::drop(name, frame, Verdict::RequestBadChecksum)
}

fn malformed(name: &'static str, bfd: Bfd) -> Row {
    Row::drop(name, ask(bfd), Verdict::RequestMalformed)
}

fn version(name: &'static str, version: u8) -> Row {
    let bfd = Bfd {
        version,
        ..request()
    };

    Row::drop(name, ask(bfd), Verdict::RequestBadVersion)
}

/// For somebody else, whom a switch could not find.
fn elsewhere(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassOtherHost)
}

pub(crate) fn rows() -> Vec<Row> {
    [
        lengths(),
        checksums(),
        contents(),
        hosts(),
        nics(),
        addresses(),
    ]
    .concat()
}

fn lengths() -> Vec<Row> {
    let valid = || ask(request());
    let bfd_length = |length| {
        ask(Bfd {
            length,
            ..request()
        })
    };

    vec![
        length("a payload that is too short", {
            udp(
                &FROM_CLIENT,
                CLIENT_PORT,
                SBFD_PORT,
                &request().octets()[..22],
            )
        }),
        length("an empty payload", {
            udp(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT, &[])
        }),
        length("octets behind BFD", {
            let payload = [&request().octets()[..], &[0; 4]].concat();

            udp(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT, &payload)
        }),
        length("BFD shorter than its mandatory section", bfd_length(23)),
        length("BFD longer than the datagram", bfd_length(25)),
        length("BFD of length 0", bfd_length(0)),
        length("a datagram shorter than its header", {
            meant(valid(), at::UDP_LENGTH, &[0, 7])
        }),
        length("a datagram shorter than BFD", {
            meant(valid(), at::UDP_LENGTH, &[0, 31])
        }),
        length("a datagram longer than the packet", {
            meant(valid(), at::UDP_LENGTH, &[0, 33])
        }),
        length("a packet shorter than the datagram", {
            meant(valid(), at::IP_TOTAL_LEN, &[0, 51])
        }),
        length("a packet longer than the frame", {
            meant(valid(), at::IP_TOTAL_LEN, &[5, 0])
        }),
        length("a frame without its last octet", {
            let mut frame = valid();

            frame.pop();

            frame
        }),
        Row::drop(
            "a first fragment",
            meant(valid(), at::IP_FRAGMENT, &[0x20, 0]),
            Verdict::RequestFragment,
        ),
        Row::drop(
            "IP options",
            with_ip_options(&valid(), 1),
            Verdict::RequestIpOptions,
        ),
        Row::drop(
            "as many IP options as fit",
            with_ip_options(&valid(), 10),
            Verdict::RequestIpOptions,
        ),
    ]
}

fn checksums() -> Vec<Row> {
    let valid = || ask(request());

    vec![
        checksum("a wrong IP checksum", {
            with(valid(), at::IP_CHECKSUM, &[0x12, 0x34])
        }),
        checksum("an IP header changed on the way", {
            with(valid(), at::IP_TTL, &[63])
        }),
        checksum("a wrong UDP checksum", {
            with(valid(), at::UDP_CHECKSUM, &[0x12, 0x34])
        }),
        checksum("BFD changed on the way", {
            with(valid(), at::BFD + 7, &[0xff])
        }),
        checksum("another sender than the checksum is for", {
            let other = Flow {
                from: STRANGE,
                ..FROM_CLIENT
            };
            let of_other = request().frame(&other, CLIENT_PORT, SBFD_PORT);

            with(
                valid(),
                at::UDP_CHECKSUM,
                &of_other[at::UDP_CHECKSUM..][..2],
            )
        }),
    ]
}

fn contents() -> Vec<Row> {
    vec![
        Row::drop(
            "from a reflector's port",
            request().frame(&FROM_CLIENT, SBFD_PORT, SBFD_PORT),
            Verdict::RequestFromReflector,
        ),
        version("version 0", 0),
        version("version 2", 2),
        version("version 7", 7),
        malformed(
            "detect multiplier 0",
            Bfd {
                detect_mult: 0,
                ..request()
            },
        ),
        malformed(
            "multipoint",
            Bfd {
                flags: Bfd::DEMAND | MULTIPOINT,
                ..request()
            },
        ),
        malformed(
            "My Discriminator 0",
            Bfd {
                my_discriminator: 0,
                ..request()
            },
        ),
        Row::drop(
            "Demand clear",
            ask(Bfd {
                flags: 0,
                ..request()
            }),
            Verdict::RequestNotDemand,
        ),
        Row::drop(
            "authentication",
            authenticated(),
            Verdict::RequestAuthentication,
        ),
        Row::drop(
            "authentication without a section",
            ask(Bfd {
                flags: Bfd::DEMAND | AUTHENTICATION,
                ..request()
            }),
            Verdict::RequestAuthentication,
        ),
        Row::drop(
            "another's discriminator",
            ask(Bfd {
                your_discriminator: DISCRIMINATOR + 1,
                ..request()
            }),
            Verdict::RequestUnknownDiscriminator,
        ),
        Row::drop(
            "Your Discriminator 0",
            ask(Bfd {
                your_discriminator: 0,
                ..request()
            }),
            Verdict::RequestUnknownDiscriminator,
        ),
    ]
}

fn hosts() -> Vec<Row> {
    let to = |to_mac| {
        let flow = Flow {
            to_mac,
            ..FROM_CLIENT
        };

        request().frame(&flow, CLIENT_PORT, SBFD_PORT)
    };

    vec![
        Row::drop(
            "an initiator that is not listed",
            ask(request()),
            Verdict::RequestInitiatorRefused,
        )
        .given(|bench| {
            bench.settings(|own| own.flags &= !settings::ANY_INITIATOR);
            bench
                .maps
                .set_reflector(&[DISCRIMINATOR], &OWN.map(Into::into), &[STRANGE.into()])
                .unwrap();
        }),
        Row::drop(
            "an initiator, though the list is empty",
            ask(request()),
            Verdict::RequestInitiatorRefused,
        )
        .given(|bench| bench.settings(|own| own.flags &= !settings::ANY_INITIATOR)),
        elsewhere("another host's MAC", to(OTHER_MAC)),
        elsewhere("everybody's MAC", to(BROADCAST)),
        elsewhere("the MAC of another NIC of ours", to(Port::Out.mac())),
        elsewhere("another host's MAC, and no checksum that is right", {
            with(
                without_udp_checksum(to(OTHER_MAC)),
                at::IP_CHECKSUM,
                &[1, 2],
            )
        }),
    ]
}

/// NICs that the reflector is not on: everything goes its way as if there were no reflector.
fn nics() -> Vec<Row> {
    let by = |port: Port, to| Flow {
        to_mac: port.mac(),
        to,
        ..FROM_CLIENT
    };
    let ask = |flow: &Flow| request().frame(flow, CLIENT_PORT, SBFD_PORT);
    let unrelated = |name, frame| {
        Row::pass(name, frame, Verdict::PassUnrelated)
            .on(Port::Out)
            .given(|bench| bench.manage(Port::Out, |nic| nic.flags = 0))
    };

    vec![
        unrelated(
            "a NIC that the reflector is not on",
            ask(&by(Port::Out, HOST)),
        ),
        unrelated(
            "a NIC that the reflector is not on, at that NIC's address",
            ask(&by(Port::Out, HOST_OUT)),
        ),
        unrelated(
            "a NIC that the reflector is not on, for nobody here",
            ask(&by(Port::Out, STRANGE)),
        ),
        unrelated("a NIC that the reflector is not on, and broken", {
            with(ask(&by(Port::Out, HOST)), at::IP_CHECKSUM, &[1, 2])
        }),
        unrelated("a NIC that is not managed", ask(&by(Port::Unmanaged, HOST))).on(Port::Unmanaged),
        Row::pass(
            "a held address on a NIC that the reflector is not on",
            ask(&by(Port::Out, HELD)),
            Verdict::PassLocal,
        )
        .on(Port::Out)
        .counted()
        .given(|bench| {
            bench.manage(Port::Out, |nic| nic.flags = 0);
            bench.hold(local(bench.index(Port::Chosen)));
        }),
    ]
}

/// Addresses that are not the reflector's (RFC 7881), however right the discriminator is.
fn addresses() -> Vec<Row> {
    let ask = |flow: &Flow| request().frame(flow, CLIENT_PORT, SBFD_PORT);
    let not_ours = |name, frame| Row::pass(name, frame, Verdict::RequestNotOurs);
    let strange = Flow {
        to: STRANGE,
        ..FROM_CLIENT
    };
    let onward = Flow {
        from_mac: OUT_MAC,
        to_mac: STANDBY_MAC,
        ttl: TO_HELD.ttl - 1,
        ..TO_HELD
    };

    vec![
        not_ours("an address that is not ours", ask(&strange)),
        not_ours(
            "an address that is not ours, to another host's MAC",
            ask(&Flow {
                to_mac: OTHER_MAC,
                ..strange
            }),
        ),
        not_ours(
            "an address that is not ours, and broken",
            with(ask(&strange), at::IP_CHECKSUM, &[1, 2]),
        ),
        not_ours("an address that was ours", ask(&FROM_CLIENT)).given(|bench| {
            bench
                .maps
                .set_reflector(&[DISCRIMINATOR], &[HOST_OUT.into()], &[])
                .unwrap();
        }),
        Row::pass(
            "an address that is held for the source",
            ask(&TO_HELD),
            Verdict::PassLocal,
        )
        .counted()
        .given(|bench| bench.hold(local(bench.index(Port::Chosen)))),
        Row::redirect(
            "an address that is forwarded, where another reflector may answer",
            ask(&TO_HELD),
            Verdict::Forwarded,
            ask(&onward),
        )
        .counted()
        .given(|bench| bench.hold(forward(bench.index(Port::Chosen), bench.index(Port::Out)))),
    ]
}

#[test]
fn invalid_requests_are_dropped_and_never_answered() {
    check(&rows());
}

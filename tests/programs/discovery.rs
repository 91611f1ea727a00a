//! Neighbour discovery about held addresses: answered on the chosen NIC and on no other.

use std::net::Ipv6Addr;

use failover_ebpf::verdict::Verdict;
use failover_tests::{
    edits::{with, with_trailer},
    frames6::{
        ALL_NODES, ALL_NODES_MAC, Flow6, advertisement, at, flag, group_mac, meant, next,
        solicitation, solicited_node, source_option, target_option, with_extension,
    },
    lab::Mac,
};

use crate::{
    harness::Bench,
    row::{Row, check},
    scene::{
        CHOSEN_MAC, CLIENT_MAC, OTHER_MAC, OUT_MAC, Port, SOURCE_MAC, STANDBY_MAC, drain, forward,
        local,
    },
    scene6::{CLIENT, HELD, HOST, STRANGE},
};

/// A nonce (RFC 7527 2.3), which Linux puts into its probes.
const NONCE: [u8; 8] = [14, 1, 1, 2, 3, 4, 5, 6];

fn held(bench: &mut Bench) {
    bench.hold6(local(bench.index(Port::Chosen)));
}

fn forwarded(bench: &mut Bench) {
    bench.hold6(forward(bench.index(Port::Chosen), bench.index(Port::Out)));
}

fn draining(bench: &mut Bench) {
    bench.hold6(drain(bench.index(Port::Chosen)));
}

/// From a host to the group of the held address.
fn asking(from_mac: Mac, from: Ipv6Addr) -> Flow6 {
    let group = solicited_node(HELD);

    Flow6 {
        from_mac,
        to_mac: group_mac(group),
        from,
        to: group,
        hops: 255,
    }
}

/// The client's question to us alone, as it verifies its entry.
fn verifying(to_mac: Mac) -> Flow6 {
    Flow6 {
        to_mac,
        to: HELD,
        ..asking(CLIENT_MAC, CLIENT)
    }
}

/// Who has the held address?
pub(crate) fn question() -> Vec<u8> {
    solicitation(
        &asking(CLIENT_MAC, CLIENT),
        HELD,
        &source_option(CLIENT_MAC),
    )
}

/// The same without the sender's MAC.
pub(crate) fn short_question() -> Vec<u8> {
    solicitation(&asking(CLIENT_MAC, CLIENT), HELD, &[])
}

/// The same with a nonce in front of it.
pub(crate) fn long_question() -> Vec<u8> {
    let options = [&NONCE[..], &source_option(CLIENT_MAC)].concat();

    solicitation(&asking(CLIENT_MAC, CLIENT), HELD, &options)
}

/// The chosen NIC has it.
fn answer_to(to_mac: Mac, to: Ipv6Addr) -> Vec<u8> {
    let flow = Flow6 {
        from_mac: CHOSEN_MAC,
        to_mac,
        from: HELD,
        to,
        hops: 255,
    };
    let flags = flag::SOLICITED | flag::OVERRIDE;

    advertisement(&flow, flags, HELD, &target_option(CHOSEN_MAC))
}

pub(crate) fn answer() -> Vec<u8> {
    answer_to(CLIENT_MAC, CLIENT)
}

/// To whoever has no address yet: not solicited, to all nodes (RFC 4861 7.2.4).
fn answer_to_all() -> Vec<u8> {
    let flow = Flow6 {
        from_mac: CHOSEN_MAC,
        to_mac: ALL_NODES_MAC,
        from: HELD,
        to: ALL_NODES,
        hops: 255,
    };

    advertisement(&flow, flag::OVERRIDE, HELD, &target_option(CHOSEN_MAC))
}

/// A probe (RFC 4862 5.4.2).
fn probe(options: &[u8]) -> Vec<u8> {
    solicitation(&asking(SOURCE_MAC, Ipv6Addr::UNSPECIFIED), HELD, options)
}

/// A host tells everybody that it has the held address.
fn announcement(mac: Mac) -> Vec<u8> {
    let flow = Flow6 {
        from_mac: mac,
        to_mac: ALL_NODES_MAC,
        from: HELD,
        to: ALL_NODES,
        hops: 255,
    };

    advertisement(&flow, flag::OVERRIDE, HELD, &target_option(mac))
}

/// The client says where it is, to the held address.
fn reply_to_held() -> Vec<u8> {
    let flags = flag::SOLICITED | flag::OVERRIDE;

    advertisement(
        &verifying(CHOSEN_MAC),
        flags,
        CLIENT,
        &target_option(CLIENT_MAC),
    )
}

fn answered(name: &'static str, question: Vec<u8>, answer: Vec<u8>) -> Row {
    Row::transmit(name, question, Verdict::NdAnswered, answer).given(held)
}

fn conflict(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassConflict).given(held)
}

fn unrelated(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassUnrelated).given(held)
}

fn elsewhere(name: &'static str, frame: Vec<u8>) -> Row {
    Row::drop(name, frame, Verdict::NdWrongNic)
        .given(held)
        .on(Port::Out)
}

fn discarded(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassBadNd).given(held)
}

pub(crate) fn rows() -> Vec<Row> {
    [
        answers(),
        not_answered(),
        invalid_questions(),
        invalid_answers(),
        claims(),
        goes_back(),
    ]
    .concat()
}

fn answers() -> Vec<Row> {
    let asked = |options: &[u8]| solicitation(&asking(CLIENT_MAC, CLIENT), HELD, options);
    let most = [&NONCE[..], &NONCE, &NONCE, &source_option(CLIENT_MAC)].concat();

    vec![
        answered("ND: a question on the chosen NIC", question(), answer()),
        answered(
            "ND: a question without the sender's MAC: the frame has it, and the answer is longer",
            short_question(),
            answer(),
        ),
        answered(
            "ND: a question with a nonce in front: the answer is shorter",
            long_question(),
            answer(),
        ),
        answered(
            "ND: a question with as many options as are looked through",
            asked(&most),
            answer(),
        ),
        answered(
            "ND: a question that another host has passed on at its MAC",
            solicitation(&asking(OTHER_MAC, CLIENT), HELD, &source_option(CLIENT_MAC)),
            answer(),
        ),
        answered(
            "ND: a question to us alone",
            solicitation(&verifying(CHOSEN_MAC), HELD, &source_option(CLIENT_MAC)),
            answer(),
        ),
        answered(
            "ND: a question to us alone without an option",
            solicitation(&verifying(CHOSEN_MAC), HELD, &[]),
            answer(),
        ),
        answered(
            "ND: a question to the source, from before the takeover",
            solicitation(&verifying(SOURCE_MAC), HELD, &source_option(CLIENT_MAC)),
            answer(),
        ),
        answered(
            "ND: a probe, which would find the address free otherwise",
            probe(&[]),
            answer_to_all(),
        ),
        answered("ND: a probe with a nonce", probe(&NONCE), answer_to_all()),
        answered(
            "ND: a trailer is cut off",
            with_trailer(question(), 6),
            answer(),
        ),
        answered(
            "ND: traffic class and flow label are the question's alone",
            with(question(), at::FIRST_WORD, &[0x6c, 0x0a, 0xbc, 0xde]),
            answer(),
        ),
        answered("ND: an address that is forwarded", question(), answer()).given(forwarded),
    ]
}

fn not_answered() -> Vec<Row> {
    let strange = Flow6 {
        to: solicited_node(STRANGE),
        to_mac: group_mac(solicited_node(STRANGE)),
        ..asking(CLIENT_MAC, CLIENT)
    };
    let ours = asking(CHOSEN_MAC, HELD);
    let more = [&[14, 4][..], &[0; 30], &source_option(CLIENT_MAC)].concat();

    vec![
        elsewhere("ND: a question on another NIC", question()),
        elsewhere("ND: a probe on another NIC", probe(&[])),
        elsewhere("ND: a forwarded address on another NIC", question()).given(forwarded),
        elsewhere(
            "ND: a question to the other NIC alone",
            solicitation(&verifying(OUT_MAC), HELD, &source_option(CLIENT_MAC)),
        ),
        unrelated("ND: a question on a NIC that is not managed", question()).on(Port::Unmanaged),
        unrelated(
            "ND: a question for an address that is not held",
            solicitation(&strange, STRANGE, &source_option(CLIENT_MAC)),
        ),
        unrelated(
            "ND: a question of ours",
            solicitation(&ours, STRANGE, &source_option(CHOSEN_MAC)),
        ),
        unrelated("ND: a reply to the held address", reply_to_held()),
        unrelated(
            "ND: a reply to a question of the kernel's",
            advertisement(
                &Flow6 {
                    to: HOST,
                    ..verifying(CHOSEN_MAC)
                },
                flag::SOLICITED,
                CLIENT,
                &target_option(CLIENT_MAC),
            ),
        ),
        Row::pass(
            "ND: more options than are looked through",
            solicitation(&asking(CLIENT_MAC, CLIENT), HELD, &more),
            Verdict::PassNdOptions,
        )
        .given(held),
        unrelated(
            "ND: behind hop-by-hop options, which no sender has a reason for",
            with_extension(&question(), next::HOP_BY_HOP, &[0, 0, 1, 4, 0, 0, 0, 0]),
        ),
        unrelated(
            "a router solicitation",
            meant(question(), at::ICMP_TYPE, &[133]),
        ),
        Row::pass(
            "ND: a question without its last octet",
            question()[..85].to_vec(),
            Verdict::PassTruncated,
        )
        .given(held),
    ]
}

/// RFC 4861 7.1.1.
fn invalid_questions() -> Vec<Row> {
    let from_nobody = asking(SOURCE_MAC, Ipv6Addr::UNSPECIFIED);

    vec![
        discarded("ND: a question from beyond a router", {
            with(question(), at::HOP_LIMIT, &[254])
        }),
        discarded("ND: a question with a wrong checksum", {
            with(question(), at::ICMP_CHECKSUM, &[1, 2])
        }),
        discarded("ND: a question changed on the way", {
            with(question(), at::OPTION + 7, &[0xff])
        }),
        discarded("ND: a question with a code", {
            meant(question(), at::ICMP_CODE, &[1])
        }),
        discarded("ND: a question that is too short", {
            meant(question(), at::PAYLOAD_LEN, &[0, 23])
        }),
        discarded("ND: a question for a group", {
            meant(question(), at::TARGET, &[0xff, 2])
        }),
        discarded("ND: a question for an IPv4-mapped address", {
            let mapped = HELD.octets()[12..].to_vec();
            let target = [&[0; 10][..], &[0xff, 0xff], &mapped].concat();

            meant(question(), at::TARGET, &target)
        }),
        discarded("ND: a question with an option of length 0", {
            meant(question(), at::OPTION + 1, &[0])
        }),
        discarded("ND: a question with an option beyond its end", {
            meant(question(), at::OPTION + 1, &[2])
        }),
        discarded("ND: a question with half an option", {
            meant(question(), at::PAYLOAD_LEN, &[0, 28])
        }),
        discarded(
            "ND: a probe to the address itself",
            solicitation(
                &Flow6 {
                    to: HELD,
                    ..from_nobody
                },
                HELD,
                &[],
            ),
        ),
        discarded("ND: a probe with a MAC to answer to", {
            probe(&source_option(SOURCE_MAC))
        }),
    ]
}

/// RFC 4861 7.1.2. All of them would be conflicts.
fn invalid_answers() -> Vec<Row> {
    let valid = || announcement(OTHER_MAC);

    vec![
        discarded("ND: an announcement from beyond a router", {
            with(valid(), at::HOP_LIMIT, &[254])
        }),
        discarded("ND: an announcement with a wrong checksum", {
            with(valid(), at::ICMP_CHECKSUM, &[1, 2])
        }),
        discarded("ND: an announcement with a code", {
            meant(valid(), at::ICMP_CODE, &[1])
        }),
        discarded("ND: an announcement that is too short", {
            meant(valid(), at::PAYLOAD_LEN, &[0, 16])
        }),
        discarded("ND: an announcement with an option of length 0", {
            meant(valid(), at::OPTION + 1, &[0])
        }),
        discarded("ND: an announcement that says it was solicited by all", {
            let flags = flag::SOLICITED | flag::OVERRIDE;
            let flow = Flow6 {
                from_mac: OTHER_MAC,
                to_mac: ALL_NODES_MAC,
                from: HELD,
                to: ALL_NODES,
                hops: 255,
            };

            advertisement(&flow, flags, HELD, &target_option(OTHER_MAC))
        }),
    ]
}

/// Somebody else's claims: the kernel hears of them, and user space is told.
fn claims() -> Vec<Row> {
    let to_us = Flow6 {
        from_mac: OTHER_MAC,
        to_mac: CHOSEN_MAC,
        from: HELD,
        to: HOST,
        hops: 255,
    };

    vec![
        conflict("ND: an announcement", announcement(OTHER_MAC)),
        conflict("ND: the source is back", announcement(SOURCE_MAC)),
        conflict("ND: an announcement without the MAC: the frame has it", {
            let flow = Flow6 {
                from_mac: OTHER_MAC,
                to_mac: ALL_NODES_MAC,
                from: STRANGE,
                to: ALL_NODES,
                hops: 255,
            };

            advertisement(&flow, 0, HELD, &[])
        }),
        conflict(
            "ND: a reply that says so to us",
            advertisement(&to_us, flag::SOLICITED, HELD, &target_option(OTHER_MAC)),
        ),
        unrelated(
            "ND: a reply of the source to us: it was asked",
            advertisement(&to_us, flag::SOLICITED, HELD, &target_option(SOURCE_MAC)),
        ),
        unrelated(
            "ND: a reply of the standby server to us: it was asked",
            advertisement(&to_us, flag::SOLICITED, HELD, &target_option(STANDBY_MAC)),
        )
        .given(forwarded),
        conflict(
            "ND: a question that is sent with the address",
            solicitation(&asking(OTHER_MAC, HELD), STRANGE, &source_option(OTHER_MAC)),
        ),
        conflict(
            "ND: an announcement on another NIC",
            announcement(OTHER_MAC),
        )
        .on(Port::Out),
        conflict(
            "ND: an announcement of an address that is forwarded",
            announcement(OTHER_MAC),
        )
        .given(forwarded),
        unrelated(
            "ND: our own announcement, come back by another NIC",
            announcement(CHOSEN_MAC),
        )
        .on(Port::Out),
        unrelated(
            "ND: an announcement of another NIC of ours",
            announcement(OUT_MAC),
        ),
        unrelated(
            "ND: an announcement of an address that is not held",
            advertisement(
                &Flow6 {
                    from: STRANGE,
                    to: ALL_NODES,
                    to_mac: ALL_NODES_MAC,
                    ..to_us
                },
                flag::OVERRIDE,
                STRANGE,
                &target_option(OTHER_MAC),
            ),
        ),
        unrelated(
            "ND: an announcement on a NIC that is not managed",
            announcement(OTHER_MAC),
        )
        .on(Port::Unmanaged),
    ]
}

/// Addresses that go back to the source.
fn goes_back() -> Vec<Row> {
    let silent =
        |name, frame| Row::drop(name, frame, Verdict::NdDraining).given(draining as fn(&mut Bench));
    let handed_over = |name, frame: Vec<u8>| {
        let to_source = with(frame.clone(), 0, &SOURCE_MAC.0);
        let output = with(to_source, 6, &CHOSEN_MAC.0);

        Row::transmit(name, frame, Verdict::NdDrained, output).given(draining as fn(&mut Bench))
    };
    let passed = |name, frame| {
        Row::pass(name, frame, Verdict::PassUnrelated).given(draining as fn(&mut Bench))
    };
    let to_us = || solicitation(&verifying(CHOSEN_MAC), HELD, &source_option(CLIENT_MAC));

    vec![
        silent(
            "ND: a question to the group: the source answers",
            question(),
        ),
        silent("ND: a probe: the source answers", probe(&[])),
        silent(
            "ND: a question to another host",
            solicitation(&verifying(OTHER_MAC), HELD, &source_option(CLIENT_MAC)),
        ),
        silent(
            "ND: a question on another NIC for an address that goes back",
            solicitation(&verifying(OUT_MAC), HELD, &source_option(CLIENT_MAC)),
        )
        .on(Port::Out),
        handed_over(
            "ND: a question to us: the source answers it for itself",
            to_us(),
        ),
        handed_over(
            "ND: a reply to the address, which the source waits for",
            reply_to_held(),
        ),
        passed(
            "ND: the source's announcement, which is no conflict",
            announcement(SOURCE_MAC),
        ),
        passed(
            "ND: what the source asks with the address",
            solicitation(
                &asking(SOURCE_MAC, HELD),
                STRANGE,
                &source_option(SOURCE_MAC),
            ),
        ),
    ]
}

#[test]
fn neighbour_discovery_for_held_addresses_is_answered_on_the_chosen_nic_only() {
    check(&rows());
}

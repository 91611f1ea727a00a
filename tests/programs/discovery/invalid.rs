//! Messages that have to be discarded, and are left to the kernel, which discards them.

use std::net::Ipv6Addr;

use failover_tests::edits::with;
use failover_tests::frames6::{
    ALL_NODES, ALL_NODES_MAC, Flow6, advertisement, at, flag, meant, solicitation, source_option,
    target_option,
};

use super::{announcement, asking, discarded, probe, question};
use crate::row::Row;
use crate::scene::{OTHER_MAC, SOURCE_MAC};
use crate::scene6::HELD;

/// RFC 4861 7.1.1.
pub(super) fn questions() -> Vec<Row> {
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
        discarded(
            "ND: a probe with an address to answer to, of another kind than Ethernet's",
            probe(&[&[1, 2][..], &[0xa5; 14]].concat()),
        ),
    ]
}

/// RFC 4861 7.1.2. All of them would be conflicts.
pub(super) fn answers() -> Vec<Row> {
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

//! What others say of the address while it is held, and while it goes back.

use failover_ebpf::verdict::Verdict;
use failover_tests::edits::with;
use failover_tests::frames6::{
    ALL_NODES, ALL_NODES_MAC, Flow6, advertisement, flag, solicitation, source_option,
    target_option,
};

use super::{
    announcement, asking, conflict, draining, forwarded, probe, question, reply_to_held, unrelated,
    verifying,
};
use crate::harness::Bench;
use crate::row::Row;
use crate::scene::{CHOSEN_MAC, CLIENT_MAC, OTHER_MAC, OUT_MAC, Port, SOURCE_MAC, STANDBY_MAC};
use crate::scene6::{HELD, HOST, STRANGE};

/// Somebody else's claims: the kernel hears of them, and user space is told.
pub(super) fn claims() -> Vec<Row> {
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
pub(super) fn goes_back() -> Vec<Row> {
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

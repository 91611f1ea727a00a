//! Questions that are answered, and those that are not.

use failover_ebpf::verdict::Verdict;
use failover_tests::edits::{with, with_trailer};
use failover_tests::frames6::{
    Flow6, advertisement, at, flag, group_mac, meant, next, solicitation, solicited_node,
    source_option, target_option, with_extension,
};

use super::{
    NONCE, answer, answer_to_all, answered, asking, elsewhere, forwarded, held, long_question,
    probe, question, reply_to_held, short_question, unrelated, verifying,
};
use crate::row::Row;
use crate::scene::{CHOSEN_MAC, CLIENT_MAC, OTHER_MAC, OUT_MAC, Port, SOURCE_MAC};
use crate::scene6::{CLIENT, HELD, HOST, STRANGE};

pub(super) fn answers() -> Vec<Row> {
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

pub(super) fn not_answered() -> Vec<Row> {
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

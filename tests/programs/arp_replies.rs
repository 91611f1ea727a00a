//! ARP replies to our heartbeats: measured, passed to the kernel, and taken for no claim.

use etherparse::ArpOperation;
use failover_ebpf::{
    abi::{Heard, Session, answered_mark},
    measure::slot,
    verdict::Verdict,
};
use failover_tests::{
    edits::with_trailer,
    frames::{arp, arp_reply, arp_request, gratuitous_arp_reply},
    lab::{Mac, clock::now_ns},
};

use crate::{
    harness::{Bench, bench},
    initiator::SEQUENCE,
    row::{Row, check},
    scene::{
        ARP, CHOSEN_MAC, CLIENT, HOST, OTHER_MAC, Port, SOURCE, SOURCE_MAC, STRANGE, arp_session,
        local, sbfd_session,
    },
};

/// The source's answer.
fn reply() -> Vec<u8> {
    reply_from(SOURCE_MAC)
}

fn reply_from(mac: Mac) -> Vec<u8> {
    arp_reply(mac, SOURCE, CHOSEN_MAC, HOST)
}

fn sent(bench: &mut Bench) {
    bench.sent(ARP, SEQUENCE);
}

/// The address that is watched has been taken over, and the source is back.
fn held(bench: &mut Bench) {
    let entry = local(bench.index(Port::Chosen));
    bench.maps.addresses.set(SOURCE, entry).unwrap();
    sent(bench);
}

pub(crate) fn rows() -> Vec<Row> {
    let measured =
        |name, frame| Row::pass(name, frame, Verdict::ArpMeasured).given(sent as fn(&mut Bench));
    let unrelated = |name, frame| Row::pass(name, frame, Verdict::PassUnrelated).given(sent);
    let other_mac = |name, frame| Row::pass(name, frame, Verdict::ArpOtherMac).given(sent);

    vec![
        measured("a reply", reply()),
        measured("a reply as long as Ethernet demands", {
            with_trailer(reply(), 18)
        }),
        measured(
            "a reply after the address was taken over: no conflict",
            reply(),
        )
        .given(held),
        Row::pass("the second of two replies", reply(), Verdict::ArpDuplicate).given(|bench| {
            sent(bench);
            bench.run(Port::Chosen, &reply());
        }),
        Row::pass(
            "the second of two replies after the takeover",
            reply(),
            Verdict::ArpDuplicate,
        )
        .given(|bench| {
            held(bench);
            bench.run(Port::Chosen, &reply());
        }),
        unrelated("a reply without a request", reply()).given(|_| {}),
        Row::pass(
            "a reply without a request after the takeover: no claim, as it tells us alone",
            reply(),
            Verdict::PassUnrelated,
        )
        .given(|bench| {
            held(bench);
            bench.sessions.not_sent(ARP, SEQUENCE);
        }),
        unrelated(
            "a question of the source",
            arp_request(SOURCE_MAC, SOURCE, HOST),
        ),
        unrelated(
            "a reply of another host",
            arp_reply(OTHER_MAC, STRANGE, CHOSEN_MAC, HOST),
        ),
        unrelated(
            "a reply of the source to another host",
            arp_reply(SOURCE_MAC, SOURCE, CHOSEN_MAC, CLIENT),
        ),
        unrelated(
            "a reply of the source to a probe",
            arp_reply(SOURCE_MAC, SOURCE, CHOSEN_MAC, "0.0.0.0".parse().unwrap()),
        ),
        unrelated(
            "a reply with another operation",
            arp(
                CHOSEN_MAC,
                ArpOperation(4),
                (SOURCE_MAC, SOURCE),
                (CHOSEN_MAC, HOST),
            ),
        ),
        unrelated("a source that is watched in another way", reply()).given(|bench| {
            sent(bench);
            bench.maps.set_session(ARP, sbfd_session()).unwrap();
        }),
        unrelated("a source that is watched by ARP no more", reply()).given(|bench| {
            sent(bench);
            bench.maps.set_arp_sessions(&[]).unwrap();
        }),
        unrelated("a source in another VLAN", reply()).given(|bench| {
            let session = Session {
                tags: [5, 0],
                ..arp_session()
            };

            sent(bench);
            bench.maps.set_session(ARP, session).unwrap();
        }),
        other_mac(
            "another host answers in the source's name",
            reply_from(OTHER_MAC),
        ),
        Row::pass(
            "another host answers for an address that is held: a conflict",
            reply_from(OTHER_MAC),
            Verdict::PassConflict,
        )
        .given(held),
    ]
}

#[test]
fn arp_replies_are_measured_and_left_to_the_kernel() {
    check(&rows());
}

#[test]
fn a_reply_answers_the_latest_request() {
    bench(|bench| {
        let sent_ns = now_ns() - 5_000_000;
        bench.sessions.sending(ARP, SEQUENCE, sent_ns - 5_000_000);
        bench.sessions.sending(ARP, SEQUENCE + 1, sent_ns);

        bench.run(Port::Chosen, &reply());

        let rx = bench.measured(ARP);
        assert_eq!(
            (rx.received, rx.last_sequence),
            (1, u32::from(SEQUENCE + 1))
        );
        assert_eq!(rx.answered[slot(SEQUENCE + 1)], answered_mark(SEQUENCE + 1));
        assert_eq!(rx.rtt_min_ns, rx.last_ns - sent_ns);
        assert!(!bench.sessions.answered(ARP, SEQUENCE));
    });
}

#[test]
fn a_reply_to_a_heartbeat_is_not_heard_one_to_a_probe_is_and_neither_is_a_conflict() {
    const SLOT: u32 = 3;

    bench(|bench| {
        bench.maps.listen(&[(SOURCE.into(), SLOT)]).unwrap();
        held(bench);

        bench.run(Port::Chosen, &reply());
        bench.run(Port::Chosen, &reply());
        let after_heartbeats = bench.heard.get(SLOT);
        bench.run(
            Port::Chosen,
            &arp_reply(SOURCE_MAC, SOURCE, CHOSEN_MAC, "0.0.0.0".parse().unwrap()),
        );

        let after_a_probe = bench.heard.get(SLOT);
        let answers = bench.claims().len();
        bench.run(Port::Chosen, &gratuitous_arp_reply(SOURCE_MAC, SOURCE));

        assert_eq!(after_heartbeats, Heard::default());
        assert_eq!(after_a_probe.claimed_by, SOURCE_MAC.0);
        assert_eq!((answers, bench.claims().len()), (0, 1));
    });
}

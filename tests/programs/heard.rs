//! What the program notes of ARP about addresses that are listened for, and that nothing else changes by that.

use std::net::Ipv4Addr;

use etherparse::ArpOperation;
use failover_ebpf::abi::Heard;
use failover_tests::{
    edits::{L3, with},
    frames::{arp, arp_announcement, arp_reply, arp_request, gratuitous_arp_reply, with_vlans},
    lab::{Mac, clock::now_ns},
};

use crate::{
    harness::{Bench, bench},
    row::check_with,
    scene::{
        ALSO_HELD, CHOSEN_MAC, CLIENT, CLIENT_MAC, HELD, HOST, NO_MAC, OTHER_MAC, OUT_MAC, Port,
        SOURCE, SOURCE_MAC, STRANGE, drain, local,
    },
    scene6,
};

const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// Where the address of the tables is noted.
pub(crate) const SLOT: u32 = 7;

/// Who is to be noted.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Noted {
    /// As one who has the address.
    Claimed(Mac),
    /// As one who wants it.
    Probed(Mac),
    Nobody,
}

pub(crate) fn listening(bench: &mut Bench) {
    bench
        .maps
        .listen(&[(STRANGE.into(), SLOT), (HELD.into(), SLOT + 1)])
        .unwrap();
    bench.listen6(scene6::STRANGE, SLOT);
    bench.listen6(scene6::HELD, SLOT + 1);
}

/// What has to be in the slot after a frame that came in from `begun` on, given the times that are there.
fn wanted(noted: Noted, begun: u64, found: &Heard) -> Heard {
    let time = |found_ns: u64| {
        if (begun..=now_ns()).contains(&found_ns) {
            found_ns
        } else {
            begun
        }
    };

    match noted {
        Noted::Claimed(mac) => Heard {
            claimed_ns: time(found.claimed_ns),
            claimed_by: mac.0,
            ..Heard::default()
        },
        Noted::Probed(mac) => Heard {
            probed_ns: time(found.probed_ns),
            probed_by: mac.0,
            ..Heard::default()
        },
        Noted::Nobody => Heard::default(),
    }
}

/// Hands frames to a host that listens for [`STRANGE`] and for [`HELD`], of either version; all of them are about the
/// former.
#[track_caller]
pub(crate) fn check(rows: &[(&str, Noted, Port, Vec<u8>)]) {
    let complaints: Vec<String> = bench(|bench| {
        let mut complaints = Vec::new();

        for (name, noted, ingress, frame) in rows {
            bench.reset();
            listening(bench);
            let begun = now_ns();

            bench.run(*ingress, frame);

            let mut all = bench.all_heard();
            let found = all[SLOT as usize];
            let wanted = wanted(*noted, begun, &found);
            if found != wanted || bench.heard.get(SLOT) != found {
                complaints.push(format!("{name}: {found:?}, not {wanted:?}"));
            }
            all[SLOT as usize] = Heard::default();
            if all.iter().any(|heard| *heard != Heard::default()) {
                complaints.push(format!("{name}: noted for another address, too"));
            }
            if !bench.claims().is_empty() {
                complaints.push(format!("{name}: a claim of an address that is not held"));
            }
        }

        complaints
    });

    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn whoever_uses_an_address_is_noted_as_having_it() {
    let has = Noted::Claimed(OTHER_MAC);
    let reply = || arp_reply(OTHER_MAC, STRANGE, CHOSEN_MAC, HOST);

    check(&[
        ("a reply to us", has, Port::Chosen, reply()),
        ("on another NIC", has, Port::Out, reply()),
        (
            "on a NIC that is not managed",
            has,
            Port::Unmanaged,
            reply(),
        ),
        (
            "a reply to another host, flooded",
            has,
            Port::Chosen,
            arp_reply(OTHER_MAC, STRANGE, CLIENT_MAC, CLIENT),
        ),
        (
            "an announcement",
            has,
            Port::Chosen,
            arp_announcement(OTHER_MAC, STRANGE),
        ),
        (
            "a gratuitous reply",
            has,
            Port::Chosen,
            gratuitous_arp_reply(OTHER_MAC, STRANGE),
        ),
        (
            "a request that is sent with the address",
            has,
            Port::Chosen,
            arp_request(OTHER_MAC, STRANGE, CLIENT),
        ),
        (
            "a reply whose Ethernet header says another sender",
            has,
            Port::Chosen,
            with(reply(), 6, &CLIENT_MAC.0),
        ),
    ]);
}

#[test]
fn whoever_probes_for_an_address_is_noted_as_that_and_not_as_having_it() {
    let probe = || arp_request(OTHER_MAC, NOBODY, STRANGE);

    check(&[
        ("a probe", Noted::Probed(OTHER_MAC), Port::Chosen, probe()),
        (
            "on another NIC",
            Noted::Probed(OTHER_MAC),
            Port::Out,
            probe(),
        ),
    ]);
}

#[test]
fn what_says_nothing_of_an_address_is_not_noted() {
    let reply = |mac| arp_reply(mac, STRANGE, CLIENT_MAC, CLIENT);
    let to_nobody = (NO_MAC, STRANGE);
    let mut rows = vec![
        ("our own reply, come back", Port::Chosen, reply(CHOSEN_MAC)),
        ("from another NIC of ours", Port::Chosen, reply(OUT_MAC)),
        (
            "our own probe, come back",
            Port::Out,
            arp_request(CHOSEN_MAC, NOBODY, STRANGE),
        ),
        (
            "a request for the address",
            Port::Chosen,
            arp_request(CLIENT_MAC, CLIENT, STRANGE),
        ),
        (
            "a reply to the address",
            Port::Chosen,
            arp_reply(CLIENT_MAC, CLIENT, OTHER_MAC, STRANGE),
        ),
        (
            "a reply by nobody",
            Port::Chosen,
            arp(
                CHOSEN_MAC,
                ArpOperation::REPLY,
                (OTHER_MAC, NOBODY),
                to_nobody,
            ),
        ),
        (
            "an address that is not listened for",
            Port::Chosen,
            arp_announcement(OTHER_MAC, ALSO_HELD),
        ),
        (
            "a probe for an address that is not listened for",
            Port::Chosen,
            arp_request(OTHER_MAC, NOBODY, ALSO_HELD),
        ),
        (
            "another network than Ethernet",
            Port::Chosen,
            with(reply(OTHER_MAC), L3, &[0, 6]),
        ),
        (
            "addresses of another length",
            Port::Chosen,
            with(reply(OTHER_MAC), L3 + 4, &[8]),
        ),
        (
            "a tagged frame",
            Port::Chosen,
            with_vlans(&reply(OTHER_MAC), &[5]),
        ),
    ];
    let whole = reply(OTHER_MAC);
    for length in L3..whole.len() {
        rows.push(("cut short", Port::Chosen, whole[..length].to_vec()));
    }

    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, port, frame)| (name, Noted::Nobody, port, frame))
        .collect();
    check(&rows);
}

#[test]
fn claims_and_probes_are_kept_apart_and_the_latest_of_each_counts() {
    bench(|bench| {
        listening(bench);

        for (mac, sender) in [
            (SOURCE_MAC, STRANGE),
            (OTHER_MAC, NOBODY),
            (CLIENT_MAC, NOBODY),
            (OTHER_MAC, STRANGE),
        ] {
            bench.run(Port::Chosen, &arp_request(mac, sender, STRANGE));
        }

        let heard = bench.heard.get(SLOT);
        assert_eq!(heard.claimed_by, OTHER_MAC.0);
        assert_eq!(heard.probed_by, CLIENT_MAC.0);
        assert!(heard.claimed_ns > heard.probed_ns && heard.probed_ns > 0);
    });
}

#[test]
fn of_two_that_answer_one_question_neither_hides_the_other() {
    for (first, then) in [(SOURCE_MAC, OTHER_MAC), (OTHER_MAC, SOURCE_MAC)] {
        bench(|bench| {
            bench.reset();
            listening(bench);

            for mac in [first, then, then] {
                bench.run(Port::Chosen, &arp_reply(mac, STRANGE, CHOSEN_MAC, HOST));
            }

            let heard = bench.heard.get(SLOT);
            assert_eq!(
                (heard.other_by, heard.claimed_by),
                (first.0, then.0),
                "a host that answers twice does not push the other one out"
            );
            assert!(heard.claimed_ns > heard.other_ns && heard.other_ns > 0);
        });
    }
}

#[test]
fn what_is_said_in_another_vlan_is_said_of_another_hosts_address() {
    let reply = || arp_reply(OTHER_MAC, STRANGE, CLIENT_MAC, CLIENT);

    bench(|bench| {
        listening(bench);
        bench.tag([5, 6]);

        for frame in [
            reply(),
            with_vlans(&reply(), &[5]),
            with_vlans(&reply(), &[6, 5]),
        ] {
            bench.run(Port::Chosen, &frame);
        }
        let others = bench.heard.get(SLOT);
        bench.run(Port::Chosen, &with_vlans(&reply(), &[5, 6]));

        assert_eq!(others, Heard::default());
        assert_eq!(bench.heard.get(SLOT).claimed_by, OTHER_MAC.0);
    });
}

#[test]
fn what_is_answered_is_noted_as_well() {
    bench(|bench| {
        listening(bench);
        bench.hold(local(bench.index(Port::Chosen)));

        let outcome = bench.run(Port::Chosen, &arp_request(OTHER_MAC, NOBODY, HELD));

        let answer = arp_reply(CHOSEN_MAC, HELD, OTHER_MAC, NOBODY);
        assert_eq!(outcome.output, answer);
        assert_eq!(bench.heard.get(SLOT + 1).probed_by, OTHER_MAC.0);
    });
}

#[test]
fn the_source_is_heard_while_its_address_goes_back_and_that_is_no_conflict() {
    bench(|bench| {
        listening(bench);
        bench.hold(drain(bench.index(Port::Chosen)));

        bench.run(Port::Chosen, &arp_announcement(SOURCE_MAC, HELD));

        let heard = bench.heard.get(SLOT + 1);
        assert_eq!(heard.claimed_by, SOURCE_MAC.0);
        assert!(heard.claimed_ns > 0);
        assert_eq!(heard.told_ns, 0);
        assert_eq!(bench.claims(), Vec::<Vec<u8>>::new());
    });
}

#[test]
fn listening_changes_nothing_else() {
    check_with(&crate::tables(), |bench| {
        let all = [HELD, ALSO_HELD, STRANGE, CLIENT, HOST, SOURCE, NOBODY];

        bench
            .maps
            .listen(&all.map(|ip| (ip.into(), u32::from(ip) % 64)))
            .unwrap();
        for (slot, ip) in [scene6::HELD, scene6::STRANGE, scene6::CLIENT]
            .into_iter()
            .enumerate()
        {
            bench.listen6(ip, 100 + slot as u32);
        }
    });
}

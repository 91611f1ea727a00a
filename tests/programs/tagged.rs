//! VLAN tags: every stage behind one tag and behind two, and what is in another VLAN than it should be.

use failover_ebpf::{abi::Tags, verdict::Verdict};
use failover_tests::{
    edits::{at, with},
    frames::{
        Bfd, Flow, SBFD_PORT, arp_announcement, arp_request, gratuitous_arp_reply, udp, with_vlans,
    },
    frames6::{self, Flow6},
};

use crate::{
    arp, discovery, drain,
    harness::Bench,
    initiator, initiator6, rate, reflector, reflector6, refusals,
    return_traffic::{self, ANSWER, ROUTED},
    row::{Row, check},
    scene::{
        self, CLIENT, CLIENT_MAC, CLIENT_PORT, DISCRIMINATOR, FROM_CLIENT, HELD, MIN_RX_US,
        OTHER_MAC, OUT_MAC, Port, STANDBY_MAC, TO_HELD, forward, local,
    },
    scene6, seeming, steering, steering6,
};

/// Every row of the stages, in these VLANs.
pub(crate) fn derived(tags: Tags) -> Vec<Row> {
    [
        reflector::rows(),
        reflector6::rows(),
        refusals::rows(),
        rate::rows(),
        initiator::rows(),
        initiator6::rows(),
        arp::rows(),
        discovery::rows(),
        steering::rows(),
        steering6::rows(),
        seeming::rows(),
        drain::rows(),
    ]
    .concat()
    .iter()
    .map(|row| row.tagged(tags))
    .collect()
}

fn datagram() -> Vec<u8> {
    udp(&TO_HELD, 4000, 53, b"x")
}

fn datagram6() -> Vec<u8> {
    frames6::udp(&scene6::TO_HELD, 4000, 53, b"x")
}

fn held(bench: &mut Bench, tags: Tags) {
    let mut held = local(bench.index(Port::Chosen));

    held.tags = tags;
    bench.hold(held);
    bench.hold6(held);
}

fn untagged(bench: &mut Bench) {
    held(bench, [0, 0]);
}

fn in_one(bench: &mut Bench) {
    held(bench, [5, 0]);
}

fn in_two(bench: &mut Bench) {
    held(bench, [5, 6]);
}

fn forwarded(bench: &mut Bench) {
    bench.hold(forward(bench.index(Port::Chosen), bench.index(Port::Out)));
}

/// For an address of another VLAN.
fn other(name: &'static str, setup: fn(&mut Bench), frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassOtherVlan).given(setup)
}

pub(crate) fn rows() -> Vec<Row> {
    [held_elsewhere(), priorities(), heartbeats(), returned()].concat()
}

fn held_elsewhere() -> Vec<Row> {
    let question = || discovery::question();

    vec![
        other("no tag, held in a VLAN", in_one, datagram()),
        other("no tag, held in two VLANs", in_two, datagram()),
        other("no tag, held in a VLAN, IPv6", in_one, datagram6()),
        other(
            "a tag, held untagged",
            untagged,
            with_vlans(&datagram(), &[5]),
        ),
        other(
            "a tag, held untagged, IPv6",
            untagged,
            with_vlans(&datagram6(), &[5]),
        ),
        other(
            "another tag than the address has",
            in_one,
            with_vlans(&datagram(), &[6]),
        ),
        other("one tag of two", in_two, with_vlans(&datagram(), &[5])),
        other(
            "two tags in the other order",
            in_two,
            with_vlans(&datagram(), &[6, 5]),
        ),
        other(
            "one tag more than the address has",
            in_one,
            with_vlans(&datagram6(), &[5, 6]),
        ),
        other(
            "ARP for an address in another VLAN",
            untagged,
            with_vlans(&arp_request(CLIENT_MAC, CLIENT, HELD), &[5]),
        ),
        other(
            "untagged ARP for an address in a VLAN",
            in_one,
            arp_request(CLIENT_MAC, CLIENT, HELD),
        ),
        other(
            "an announcement in another VLAN is no conflict",
            in_one,
            with_vlans(&arp_announcement(OTHER_MAC, HELD), &[6]),
        ),
        other(
            "a gratuitous reply in another VLAN is no conflict",
            untagged,
            with_vlans(&gratuitous_arp_reply(OTHER_MAC, HELD), &[6]),
        ),
        other(
            "ND: a question in another VLAN",
            untagged,
            with_vlans(&question(), &[5]),
        ),
        other(
            "ND: an untagged question for an address in a VLAN",
            in_one,
            question(),
        ),
        Row::pass(
            "neither ARP nor IP behind a tag",
            with_vlans(&with(datagram(), at::ETHERTYPE, &[0x88, 0xcc]), &[5]),
            Verdict::PassNotIp,
        ),
        Row::pass(
            "a tag and nothing behind it",
            with_vlans(&datagram(), &[5])[..16].to_vec(),
            Verdict::PassTruncated,
        ),
        Row::pass(
            "a tagged packet that has nothing to do with us",
            with_vlans(&udp(&FROM_CLIENT, 4000, 53, b"x"), &[5]),
            Verdict::PassUnrelated,
        )
        .given(untagged),
    ]
}

/// Tags that name no VLAN (IEEE 802.1Q: identifier 0), and priorities beside an identifier.
fn priorities() -> Vec<Row> {
    let priority = |frame: &[u8]| with(with_vlans(frame, &[0]), 14, &[0xe0, 0]);
    let urgent = |frame: &[u8]| with(with_vlans(frame, &[5]), 14, &[0xb0, 5]);
    let onward = Flow {
        from_mac: OUT_MAC,
        to_mac: STANDBY_MAC,
        ttl: TO_HELD.ttl - 1,
        ..TO_HELD
    };
    let arp_answer =
        failover_tests::frames::arp_reply(Port::Chosen.mac(), HELD, CLIENT_MAC, CLIENT);

    vec![
        Row::pass(
            "a priority and no VLAN is as good as no tag",
            priority(&datagram()),
            Verdict::PassLocal,
        )
        .given(untagged)
        .counted(),
        Row::redirect(
            "what is forwarded has no priority any more",
            priority(&datagram()),
            Verdict::Forwarded,
            udp(&onward, 4000, 53, b"x"),
        )
        .given(forwarded)
        .counted(),
        Row::pass(
            "a priority beside the identifier",
            urgent(&datagram6()),
            Verdict::PassLocal,
        )
        .given(in_one)
        .counted(),
        Row::transmit(
            "ARP is answered with its priority",
            urgent(&arp_request(CLIENT_MAC, CLIENT, HELD)),
            Verdict::ArpAnswered,
            urgent(&arp_answer),
        )
        .given(in_one),
        Row::transmit(
            "a heartbeat is answered with its priority",
            urgent(&ask()),
            Verdict::RequestAnswered,
            urgent(&answer()),
        ),
        Row::transmit(
            "ND is answered with its priority, at another length",
            urgent(&discovery::short_question()),
            Verdict::NdAnswered,
            urgent(&discovery::answer()),
        )
        .given(in_one),
        Row::pass(
            "a service tag alone",
            with(with_vlans(&datagram(), &[5]), at::ETHERTYPE, &[0x88, 0xa8]),
            Verdict::PassLocal,
        )
        .given(in_one)
        .counted(),
        Row::pass(
            "two customer tags",
            with(with_vlans(&datagram(), &[5, 6]), at::ETHERTYPE, &[0x81, 0]),
            Verdict::PassLocal,
        )
        .given(in_two)
        .counted(),
    ]
}

fn ask() -> Vec<u8> {
    Bfd::request(7, DISCRIMINATOR).frame(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT)
}

fn answer() -> Vec<u8> {
    let reply = Bfd::reply_to(&Bfd::request(7, DISCRIMINATOR), MIN_RX_US);

    reply.frame(&FROM_CLIENT.back(), SBFD_PORT, CLIENT_PORT)
}

/// Replies that come by another VLAN than their session's.
fn heartbeats() -> Vec<Row> {
    let reply = || initiator::reply(initiator::bfd(scene::SBFD, initiator::SEQUENCE));
    let sent = |bench: &mut Bench| {
        bench.sent(scene::SBFD, initiator::SEQUENCE);
        bench.sent(scene::ICMP, initiator::SEQUENCE);
    };
    let sent_in_one = |bench: &mut Bench| {
        bench.sent(scene::SBFD, initiator::SEQUENCE);
        bench.sent(scene::ICMP, initiator::SEQUENCE);
        bench.tag([5, 0]);
    };

    vec![
        Row::drop(
            "a reply by a VLAN, though the session has none",
            with_vlans(&reply(), &[5]),
            Verdict::ReplyOtherVlan,
        )
        .given(sent),
        Row::drop(
            "a reply without a tag, though the session has one",
            reply(),
            Verdict::ReplyOtherVlan,
        )
        .given(sent_in_one),
        Row::drop(
            "a reply by another VLAN than the session's",
            with_vlans(&reply(), &[6]),
            Verdict::ReplyOtherVlan,
        )
        .given(sent_in_one),
        Row::pass(
            "an echo by a VLAN, though the session has none",
            with_vlans(&initiator::echo(initiator::SEQUENCE), &[5]),
            Verdict::PassUnrelated,
        )
        .given(sent),
    ]
}

/// What the standby server answers has no tag, in whatever VLAN the address is held.
fn returned() -> Vec<Row> {
    let datagram = |flow: &Flow| udp(flow, 53, 4000, b"an answer");

    vec![
        Row::redirect(
            "return traffic of an address in a VLAN",
            datagram(&ANSWER),
            Verdict::Returned,
            datagram(&ROUTED),
        )
        .on(Port::Out)
        .given(|bench| {
            return_traffic::router(bench);
            bench.tag([5, 0]);
        }),
        Row::pass(
            "a tag on what should be return traffic",
            with_vlans(&datagram(&ANSWER), &[5]),
            Verdict::PassUnrelated,
        )
        .on(Port::Out)
        .given(|bench| {
            return_traffic::router(bench);
            bench.tag([5, 0]);
        }),
        Row::pass(
            "a tag on what should be return traffic, IPv6",
            with_vlans(
                &frames6::udp(
                    &Flow6 {
                        from_mac: STANDBY_MAC,
                        to_mac: OUT_MAC,
                        from: scene6::HELD,
                        to: scene6::STRANGE,
                        hops: 64,
                    },
                    53,
                    4000,
                    b"an answer",
                ),
                &[5],
            ),
            Verdict::PassUnrelated,
        )
        .on(Port::Out)
        .given(|bench| bench.hold6(forward(bench.index(Port::Chosen), bench.index(Port::Out)))),
    ]
}

#[test]
fn the_same_address_in_another_vlan_is_another_hosts() {
    check(&rows());
}

#[test]
fn every_stage_works_behind_one_tag() {
    check(&derived([5, 0]));
}

#[test]
fn every_stage_works_behind_two_tags() {
    check(&derived([0x0fff, 6]));
}

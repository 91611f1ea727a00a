//! A host that must not answer, or must not use its identity: what it still says, and what it no longer hears.

use std::net::{Ipv4Addr, Ipv6Addr};

use failover_ebpf::{
    abi::{Held, health, held_flag, identity, settings},
    verdict::Verdict,
};
use failover_tests::{
    frames::{Bfd, Flow, SBFD_PORT, arp_announcement, arp_reply, arp_request, echo_reply, udp},
    frames6::{
        self, ALL_NODES, ALL_NODES_MAC, Flow6, advertisement, flag, group_mac, solicitation,
        solicited_node, source_option, target_option,
    },
    lab::{Mac, clock::now_ns},
};

use crate::{
    harness::{Bench, bench},
    row::{Row, check},
    scene::{
        CHOSEN_MAC, CLIENT, CLIENT_MAC, CLIENT_PORT, DISCRIMINATOR, FROM_CLIENT, HELD, HOST,
        OTHER_MAC, Port, SOURCE_MAC, STRANGE, local,
    },
    scene6,
};

const DEAD_MAN_NS: u64 = 500_000_000;

/// The daemon runs, and has an identity: the address at which its reflector answers, and another one.
fn own_identity(bench: &mut Bench, flags: u32) {
    bench.settings(|settings| settings.flags |= settings::IDENTITY);
    for address in [HOST, STRANGE] {
        bench.maps.set_identity(address.into(), 0).unwrap();
    }
    bench.health.set_dead_man(DEAD_MAN_NS);
    bench.health.tick(now_ns());
    bench.health.set(health::SELF_FENCE | flags);
}

fn well(bench: &mut Bench) {
    own_identity(bench, 0);
}

fn frozen(bench: &mut Bench) {
    own_identity(bench, 0);
    bench.health.tick(now_ns() - DEAD_MAN_NS - 1);
}

fn unfenced_and_frozen(bench: &mut Bench) {
    frozen(bench);
    bench.health.clear(health::SELF_FENCE);
}

fn ill(bench: &mut Bench) {
    own_identity(bench, health::CHECKS_FAILED);
}

fn on_hold(bench: &mut Bench) {
    own_identity(bench, health::ADMIN_DOWN | health::CHECKS_FAILED);
}

fn unproven(bench: &mut Bench) {
    own_identity(bench, health::UNPROVEN);
}

/// Another host has the one address, and this one has the other.
fn elsewhere(bench: &mut Bench) {
    own_identity(bench, health::WITHHELD);
    bench
        .maps
        .set_identity(STRANGE.into(), identity::HELD_ELSEWHERE)
        .unwrap();
}

/// Ready for a successor: the tick lies ahead.
fn handed_over(bench: &mut Bench) {
    own_identity(bench, 0);
    bench.health.tick(now_ns() + 20 * DEAD_MAN_NS);
}

fn yielding(bench: &mut Bench) {
    let held = local(bench.index(Port::Chosen));
    bench.hold(Held {
        flags: held_flag::YIELDING,
        ..held
    });
}

fn asked() -> Vec<u8> {
    Bfd::request(7, DISCRIMINATOR).frame(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT)
}

fn reply() -> Bfd {
    Bfd::reply_to(&Bfd::request(7, DISCRIMINATOR), crate::scene::MIN_RX_US)
}

fn up() -> Vec<u8> {
    reply().frame(&FROM_CLIENT.back(), SBFD_PORT, CLIENT_PORT)
}

/// RFC 7880 7.2.3, with the diagnostic of RFC 5880 4.1.
fn admin_down() -> Vec<u8> {
    let said = Bfd {
        state: 0,
        diagnostic: 7,
        ..reply()
    };
    said.frame(&FROM_CLIENT.back(), SBFD_PORT, CLIENT_PORT)
}

fn datagram(to: Ipv4Addr) -> Vec<u8> {
    udp(&Flow { to, ..FROM_CLIENT }, 1000, 2000, b"hello")
}

/// An ARP probe (RFC 5227 1.1).
fn probe(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp_request(mac, Ipv4Addr::UNSPECIFIED, address)
}

fn fenced(name: &'static str, frame: Vec<u8>) -> Row {
    Row::drop(name, frame, Verdict::Fenced)
}

fn passes(name: &'static str, frame: Vec<u8>) -> Row {
    Row::pass(name, frame, Verdict::PassUnrelated)
}

pub(crate) fn rows() -> Vec<Row> {
    [heartbeats(), fence(), fence6(), handshake()].concat()
}

/// The same identity by IPv6.
fn frozen6(bench: &mut Bench) {
    frozen(bench);
    bench.maps.set_identity(scene6::HOST.into(), 0).unwrap();
}

fn yielding6(bench: &mut Bench) {
    let held = local(bench.index(Port::Chosen));
    bench.hold6(Held {
        flags: held_flag::YIELDING,
        ..held
    });
}

/// A solicitation for an address, sent to its group.
fn solicited(from_mac: Mac, from: Ipv6Addr, address: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    let group = solicited_node(address);
    let flow = Flow6 {
        from_mac,
        to_mac: group_mac(group),
        from,
        to: group,
        hops: 255,
    };
    solicitation(&flow, address, options)
}

fn fence6() -> Vec<Row> {
    let client = source_option(CLIENT_MAC);
    let probe = |mac| solicited(mac, Ipv6Addr::UNSPECIFIED, scene6::HELD, &[]);
    let told = |to_mac, to| {
        let flow = Flow6 {
            from_mac: OTHER_MAC,
            to_mac,
            from: scene6::HOST,
            to,
            hops: 255,
        };
        let option = target_option(OTHER_MAC);
        advertisement(&flow, flag::OVERRIDE, scene6::HOST, &option)
    };

    vec![
        fenced(
            "a frozen host hears no solicitation for its identity",
            solicited(CLIENT_MAC, scene6::CLIENT, scene6::HOST, &client),
        )
        .given(frozen6),
        fenced(
            "and no IPv6 packet",
            frames6::udp(&scene6::FROM_CLIENT, 1000, 2000, b"hello"),
        )
        .given(frozen6),
        fenced(
            "nor that another host has it, which its kernel would give it up for",
            told(ALL_NODES_MAC, ALL_NODES),
        )
        .given(frozen6),
        passes(
            "it hears where the other one is, if it has asked",
            told(CHOSEN_MAC, scene6::STRANGE),
        )
        .given(frozen6),
        fenced(
            "no advertisement to its identity",
            frames6::advertisement(
                &Flow6 {
                    hops: 255,
                    ..scene6::FROM_CLIENT
                },
                frames6::flag::SOLICITED,
                scene6::CLIENT,
                &frames6::target_option(CLIENT_MAC),
            ),
        )
        .given(frozen6),
        fenced(
            "and no echo as long as ours",
            frames6::echo_reply(&scene6::FROM_CLIENT, 99, 1, &[0; 18]),
        )
        .given(frozen6),
        passes(
            "it hears those for other addresses",
            solicited(CLIENT_MAC, scene6::CLIENT, scene6::STRANGE, &client),
        )
        .given(frozen6),
        Row::drop(
            "a source that is to take its IPv6 address back finds it free",
            probe(SOURCE_MAC),
            Verdict::NdYielded,
        )
        .given(yielding6),
    ]
}

fn heartbeats() -> Vec<Row> {
    let up_row = |name| Row::transmit(name, asked(), Verdict::RequestAnswered, up());
    let silent = |name| Row::drop(name, asked(), Verdict::RequestSilent);

    vec![
        up_row("a host whose daemon runs answers").given(well),
        up_row("for a successor it goes on answering").given(handed_over),
        up_row("while another host has its addresses it answers all the same").given(elsewhere),
        up_row("and while it asks whether one has").given(unproven),
        silent("a host whose daemon is frozen says nothing").given(frozen),
        silent("nor does one without a fence").given(unfenced_and_frozen),
        silent("nor one whose health check failed").given(ill),
        Row::transmit(
            "on hold it is AdminDown, whatever the administrator does to what is checked",
            asked(),
            Verdict::RequestAdminDown,
            admin_down(),
        )
        .given(on_hold),
    ]
}

fn fence() -> Vec<Row> {
    let request = || arp_request(CLIENT_MAC, CLIENT, HOST);
    let foreign = || arp_request(CLIENT_MAC, CLIENT, HELD);
    let forged = || asked_at_another_port();

    vec![
        passes("a healthy host hears ARP for its identity", request()).given(well),
        passes("and packets", datagram(HOST)).given(well),
        fenced("a frozen one hears no ARP", request()).given(frozen),
        fenced(
            "no probe either, so that it seems gone",
            probe(CLIENT_MAC, HOST),
        )
        .given(frozen),
        fenced("no packet", datagram(HOST)).given(frozen),
        fenced(
            "no echo, were it as long as ours",
            echo_reply(&FROM_CLIENT, 99, 1, &[0; 18]),
        )
        .given(frozen),
        fenced(
            "not even one that is cut short",
            echo_reply(&FROM_CLIENT, 99, 1, &[0; 18])[..50].to_vec(),
        )
        .given(frozen),
        fenced("and no heartbeat of another reflector's port", forged()).given(frozen),
        fenced("one whose check failed hears no packet", datagram(HOST)).given(ill),
        fenced("nor one that is still asking", datagram(HOST)).given(unproven),
        passes("without a fence it does", datagram(HOST)).given(unfenced_and_frozen),
        passes("on hold as well", datagram(HOST)).given(on_hold),
        passes("what is not of the identity is heard", foreign()).given(frozen),
        passes("and packets for it", datagram(HELD)).given(frozen),
        fenced("an address that is elsewhere is not", datagram(STRANGE)).given(elsewhere),
        passes("while the others are", datagram(HOST)).given(elsewhere),
    ]
}

/// For a reflector by its port, and not for ours by its address: it goes the way of every packet.
fn asked_at_another_port() -> Vec<u8> {
    let to = Flow {
        to: STRANGE,
        ..FROM_CLIENT
    };
    Bfd::request(7, DISCRIMINATOR).frame(&to, CLIENT_PORT, SBFD_PORT)
}

fn handshake() -> Vec<Row> {
    let answer = |to| arp_reply(CHOSEN_MAC, HELD, to, Ipv4Addr::UNSPECIFIED);

    vec![
        Row::drop(
            "a source that is to take its address back finds it free",
            probe(SOURCE_MAC, HELD),
            Verdict::ArpYielded,
        )
        .given(yielding),
        Row::transmit(
            "nobody else does",
            probe(OTHER_MAC, HELD),
            Verdict::ArpAnswered,
            answer(OTHER_MAC),
        )
        .given(yielding),
        Row::transmit(
            "and its other questions are answered",
            arp_request(SOURCE_MAC, CLIENT, HELD),
            Verdict::ArpAnswered,
            arp_reply(CHOSEN_MAC, HELD, SOURCE_MAC, CLIENT),
        )
        .given(yielding),
        Row::pass(
            "its announcement is told",
            arp_announcement(SOURCE_MAC, HELD),
            Verdict::PassConflict,
        )
        .given(yielding),
        Row::pass("packets still end here", datagram(HELD), Verdict::PassLocal)
            .given(yielding)
            .counted(),
    ]
}

#[test]
fn custody_rows() {
    check(&rows());
}

#[test]
fn what_a_fenced_host_hears_of_its_addresses_is_noted() {
    bench(|bench| {
        frozen(bench);
        bench.maps.listen(&[(HOST.into(), 3)]).unwrap();

        bench.run(Port::Chosen, &arp_announcement(SOURCE_MAC, HOST));

        let heard = bench.heard.get(3);
        assert_eq!(heard.claimed_by, SOURCE_MAC.0);
        assert!(heard.claimed_ns > 0);
    });
}

#[test]
fn what_the_kernel_is_not_told_of_a_fenced_address_is_noted_all_the_same() {
    bench(|bench| {
        frozen6(bench);
        bench.maps.listen(&[(scene6::HOST.into(), 3)]).unwrap();
        let flow = Flow6 {
            from_mac: SOURCE_MAC,
            to_mac: ALL_NODES_MAC,
            from: scene6::HOST,
            to: ALL_NODES,
            hops: 255,
        };
        let option = target_option(SOURCE_MAC);

        bench.run(
            Port::Chosen,
            &advertisement(&flow, flag::OVERRIDE, scene6::HOST, &option),
        );

        assert_eq!(bench.heard.get(3).claimed_by, SOURCE_MAC.0);
        assert_eq!(bench.tally().count(Verdict::Fenced), 1);
    });
}

#[test]
fn who_asks_in_vain_is_remembered_as_asking_and_not_as_answered() {
    bench(|bench| {
        ill(bench);
        let before = now_ns();

        bench.run(Port::Chosen, &asked());

        let watchers = bench.maps.watchers().unwrap();
        let [(_, state)] = &watchers[..] else {
            panic!("{watchers:?}");
        };
        assert!(state.asked_ns >= before);
        assert_eq!((state.answered, state.answered_ns), (0, 0));
    });
}

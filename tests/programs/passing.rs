//! What is none of our business passes, untouched.

use failover_ebpf::{
    abi::{Session, Settings, settings},
    verdict::{Action, Verdict},
};
use failover_tests::{
    edits::{L3, L4, at, meant, with, with_ip_options, with_trailer},
    frames::{self, Bfd, SBFD_PORT, arp_request, sbfd_request, udp, with_vlans},
};

use crate::{
    harness::bench,
    row::{Row, check},
    scene::{
        CLIENT, CLIENT_MAC, CLIENT_PORT, DISCRIMINATOR, FROM_CLIENT, FROM_SOURCE, ICMP, MIN_RX_US,
        SBFD, SOURCE_PORT, STRANGE, TO_HELD, local,
    },
    scene6,
};

pub(crate) fn rows() -> Vec<Row> {
    let datagram = || udp(&FROM_CLIENT, 1024, 53, b"a question");
    let request = || sbfd_request(&FROM_CLIENT, 1, DISCRIMINATOR);

    vec![
        Row::pass("a datagram", datagram(), Verdict::PassUnrelated),
        Row::pass(
            "a segment of TCP to the reflector's port",
            frames::tcp(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT, b""),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "BFD that is not seamless",
            Bfd::request(1, DISCRIMINATOR).frame(&FROM_CLIENT, CLIENT_PORT, 3784),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "a request to a host that does not reflect",
            request(),
            Verdict::PassUnrelated,
        )
        .given(|bench| bench.settings(|own| own.flags &= !settings::REFLECT)),
        Row::pass(
            "a reflector's answer to a port that is not ours",
            udp(&FROM_SOURCE, SBFD_PORT, SOURCE_PORT + 1, &[0; 24]),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "a reflector's answer to port 0, while nothing is watched",
            udp(&FROM_SOURCE, SBFD_PORT, 0, &[0; 24]),
            Verdict::PassUnrelated,
        )
        .given(|bench| bench.settings(|own| own.sbfd_source_port = 0)),
        Row::pass(
            "a first fragment to another port than the reflector's",
            meant(datagram(), at::IP_FRAGMENT, &[0x20, 0]),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "a later fragment",
            meant(request(), at::IP_FRAGMENT, &[0, 1]),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "a datagram without its ports",
            request()[..L4].to_vec(),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "options that reach beyond the frame",
            with_ip_options(&datagram(), 10)[..L4 + 20].to_vec(),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "an echo request",
            frames::echo_request(&FROM_CLIENT, ICMP, 1, &[0; 16]),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "an ARP request for an address of the kernel's",
            arp_request(CLIENT_MAC, CLIENT, STRANGE),
            Verdict::PassUnrelated,
        ),
        Row::pass(
            "LLDP",
            with(datagram(), at::ETHERTYPE, &[0x88, 0xcc]),
            Verdict::PassNotIp,
        ),
        Row::pass(
            "IEEE 802.3 with a length in place of the type",
            with(datagram(), at::ETHERTYPE, &[0, 40]),
            Verdict::PassNotIp,
        ),
        Row::pass(
            "a request with three tags",
            with_vlans(&request(), &[5, 6, 7]),
            Verdict::PassManyTags,
        ),
        Row::pass(
            "a tagged packet for an address that is held untagged",
            with_vlans(&udp(&TO_HELD, 1024, 53, b"x"), &[5]),
            Verdict::PassOtherVlan,
        )
        .given(|bench| bench.hold(local(1))),
        Row::pass(
            "IPv6 between IPv4-mapped addresses, though to the reflector's port",
            frames::udp6(&FROM_CLIENT, CLIENT_PORT, SBFD_PORT, &[0; 24]),
            Verdict::PassBadIpv6,
        ),
        Row::pass(
            "an IP version that does not belong to the type",
            meant(request(), L3, &[0x65]),
            Verdict::PassBadIpv4,
        ),
        Row::pass(
            "a header shorter than a header",
            with(request(), L3, &[0x44]),
            Verdict::PassBadIpv4,
        ),
        Row::pass(
            "a packet shorter than its header",
            meant(request(), at::IP_TOTAL_LEN, &[0, 19]),
            Verdict::PassBadIpv4,
        ),
        Row::pass(
            "an Ethernet header alone",
            datagram()[..L3].to_vec(),
            Verdict::PassTruncated,
        ),
        Row::pass(
            "an IP header without its last octet",
            datagram()[..L4 - 1].to_vec(),
            Verdict::PassTruncated,
        ),
        Row::pass(
            "a trailer behind a packet",
            with_trailer(datagram(), 30),
            Verdict::PassUnrelated,
        ),
    ]
}

#[test]
fn what_is_not_ours_passes() {
    check(&rows());
}

#[test]
fn without_a_configuration_everything_passes() {
    let rows = crate::tables();

    bench(|bench| {
        for row in rows {
            bench.reset();
            bench.maps.set_settings(Settings::default()).unwrap();
            bench.maps.retain_nics(&[]).unwrap();
            bench.maps.set_reflector(&[], &[], &[]).unwrap();
            for session in [SBFD, ICMP, scene6::SBFD, scene6::ICMP] {
                bench.maps.set_session(session, Session::default()).unwrap();
            }

            let outcome = bench.run(row.ingress, &row.frame);

            assert_eq!(outcome.action, Some(Action::Pass), "{}", row.name);
            assert_eq!(outcome.output, row.frame, "{}", row.name);
        }
    });
}

#[test]
fn what_the_source_sends_besides_heartbeats_passes() {
    let reply = Bfd::reply_to(&Bfd::request(1, 2), MIN_RX_US);

    check(&[Row::pass(
        "a datagram with BFD in it",
        reply.frame(&FROM_SOURCE, CLIENT_PORT, SOURCE_PORT),
        Verdict::PassUnrelated,
    )]);
}

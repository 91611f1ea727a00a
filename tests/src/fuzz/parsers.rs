//! The program's own parsers and checks on the host. No frame must make them panic, and what they reach guides libFuzzer, which
//! cannot look into the kernel.

use std::hint::black_box;

use failover_ebpf::{
    abi::{Key, Settings, settings},
    arp, auth, classify, fence,
    heartbeat::{Control, EchoPacket, REPLY, REQUEST},
    link, measure, nd, reflect,
    signed::Signed,
    tcp,
    wire::{
        arp::Arp,
        bfd::{Authentication, Bfd},
        eth::ethertype,
        icmp::Echo,
        ip::IpHeader,
        ipv4::Ipv4,
        ipv6::Ipv6,
        tcp::Tcp,
        udp::Udp,
    },
};

use super::scene::{SBFD_PORT, TCP_COOKIE, TCP_PORT};

/// Hands a frame to all of them.
pub(super) fn parse(frame: &[u8]) {
    black_box(fence::speaks(frame));

    let Ok((link, kind)) = link::read(frame) else {
        return;
    };
    let own = Settings {
        flags: settings::CONFIGURED | settings::REFLECT,
        sbfd_source_port: SBFD_PORT.into(),
        min_rx_us: 1,
        tcp_source_port: TCP_PORT.into(),
        tcp_cookie: TCP_COOKIE.into(),
        ..Settings::default()
    };
    let l3 = usize::from(link.l3);

    match kind {
        ethertype::IPV4 => {
            if let Some(octets) = octets(frame, l3) {
                let ip = Ipv4(octets);

                black_box(classify::ipv4(&ip, frame, l3, &own)).ok();
                transport(ip, frame, l3 + Ipv4::LEN);
            }
        }
        ethertype::IPV6 => {
            if let Some(ip) = ipv6(frame, l3) {
                black_box(classify::ipv6(&ip, frame, l3, &own)).ok();
                black_box(nd::check(&ip, frame, l3)).ok();
                transport(ip, frame, l3 + Ipv6::LEN);
            }
        }
        ethertype::ARP => {
            if let Some(octets) = octets(frame, l3) {
                black_box(arp::said(&Arp(octets)));
            }
        }
        _ => {}
    }
}

/// What may be right behind the fixed part of an IP header.
fn transport<I: IpHeader>(ip: I, frame: &[u8], l4: usize) {
    if let (Some(udp), Some(bfd)) = (octets(frame, l4), octets(frame, l4 + Udp::LEN)) {
        let control = Control {
            ip,
            udp: Udp(udp),
            bfd: Bfd(bfd),
        };

        black_box(control.check(&REQUEST)).ok();
        black_box(reflect::check(&control)).ok();
        black_box(measure::check_control(&control)).ok();

        if let Some(section) = octets(frame, l4 + Udp::LEN + Bfd::LEN) {
            let signed = Signed {
                control,
                auth: Authentication(section),
            };

            black_box(signed.check_sum(&REPLY)).ok();
            black_box(signed.check_form(&auth::REPLY)).ok();
            black_box(signed.check_digest(&Key::default(), &auth::REPLY)).ok();
        }
    }

    if let Some(echo) = octets(frame, l4) {
        black_box(
            EchoPacket {
                ip,
                echo: Echo(echo),
            }
            .intact(),
        );
    }

    if let Some(header) = octets(frame, l4) {
        let tcp = Tcp(header);
        let segment = tcp::Segment { ip, tcp };

        black_box(tcp::acknowledged(&tcp, TCP_COOKIE.into()));

        if let Some(length) = segment.length() {
            black_box(tcp::header_sum(frame, l4, length));
        }
    }
}

fn ipv6(frame: &[u8], l3: usize) -> Option<Ipv6> {
    Some(Ipv6 {
        head: octets(frame, l3)?,
        src: octets(frame, l3 + 8)?,
        dst: octets(frame, l3 + 24)?,
    })
}

fn octets<const N: usize>(frame: &[u8], at: usize) -> Option<[u8; N]> {
    frame.get(at..)?.first_chunk().copied()
}

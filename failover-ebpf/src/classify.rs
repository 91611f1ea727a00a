//! What an IP packet is for us.
//!
//! What is not understood passes. Only frames addressed to our reflector or to one of our sessions are refused when
//! they are invalid: passing them would let a flood reach a socket.

use crate::{
    abi::{Settings, settings},
    extension::{self, Upper},
    verdict::Verdict,
    wire::{
        Frame,
        bfd::SBFD_PORT,
        icmp::{self, Echo},
        icmpv6,
        ipv4::{Ipv4, protocol},
        ipv6::{Ipv6, is_ipv4_mapped, next},
        tcp::Tcp,
    },
};

/// What an IP packet is. Whoever deals with it reads the headers that it needs: a value of all headers would not fit on
/// the 512 octets of stack that a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For a reflector, by its port.
    Request,
    /// For one of our S-BFD sessions, by its ports.
    Reply,
    /// An ICMP or ICMPv6 echo reply as long as ours are, perhaps for one of our sessions.
    EchoReply,
    /// A TCP segment to the port that our requests come from, perhaps for one of our sessions.
    Segment,
    /// A neighbour solicitation or advertisement.
    Discovery,
    /// Any other.
    Packet,
}

/// Says what the IPv4 packet is whose header `ip` is at `l3`, or where its way ends already.
#[inline(always)]
pub fn ipv4<F: Frame + ?Sized>(
    ip: &Ipv4,
    frame: &F,
    l3: usize,
    own: &Settings,
) -> Result<Kind, Verdict> {
    let header_len = ip.header_len();
    if ip.version() != 4 || header_len < Ipv4::LEN || (ip.total_len() as usize) < header_len {
        return Err(Verdict::PassBadIpv4);
    }
    Ok(match ip.protocol() {
        // Without a transport header a fragment is steered by its addresses all the same.
        protocol::UDP if !ip.is_later_fragment() => datagram(frame, l3 + header_len, own),
        protocol::TCP if !ip.is_later_fragment() => segment(frame, l3 + header_len, own),
        protocol::ICMP
            if header_len == Ipv4::LEN
                && !ip.is_fragment()
                && ip.total_len() as usize == Ipv4::LEN + Echo::LEN =>
        {
            match frame.read(l3 + Ipv4::LEN) {
                Some([icmp::kind::ECHO_REPLY, 0]) => Kind::EchoReply,
                _ => Kind::Packet,
            }
        }
        _ => Kind::Packet,
    })
}

/// Says what the IPv6 packet is whose header `ip` is at `l3`, or where its way ends already.
#[inline(always)]
pub fn ipv6<F: Frame + ?Sized>(
    ip: &Ipv6,
    frame: &F,
    l3: usize,
    own: &Settings,
) -> Result<Kind, Verdict> {
    // An IPv6 packet must not be taken for one of IPv4, whose addresses look like this in the maps.
    if ip.version() != 6 || is_ipv4_mapped(&ip.src) || is_ipv4_mapped(&ip.dst) {
        return Err(Verdict::PassBadIpv6);
    }
    let l4 = l3 + Ipv6::LEN;
    Ok(match ip.next_header() {
        // No sender has a reason to put extension headers in front of neighbour discovery or of our echoes.
        next::ICMPV6 => match frame.read(l4) {
            Some([icmpv6::kind::ECHO_REPLY, 0]) if ip.payload_len() as usize == Echo::LEN => {
                Kind::EchoReply
            }
            Some([icmpv6::kind::SOLICITATION | icmpv6::kind::ADVERTISEMENT, _]) => Kind::Discovery,
            _ => Kind::Packet,
        },
        first => match extension::follow(frame, first, l4) {
            Some(Upper {
                protocol: next::UDP,
                l4,
            }) => datagram(frame, l4, own),
            Some(Upper {
                protocol: next::TCP,
                l4,
            }) => segment(frame, l4, own),
            _ => Kind::Packet,
        },
    })
}

/// What a UDP datagram is, by its ports.
#[inline(always)]
fn datagram<F: Frame + ?Sized>(frame: &F, l4: usize, own: &Settings) -> Kind {
    let Some([s0, s1, d0, d1]) = frame.read::<4>(l4) else {
        return Kind::Packet;
    };
    let (src, dst) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    if dst == SBFD_PORT && own.flags & settings::REFLECT != 0 {
        Kind::Request
    } else if src == SBFD_PORT && dst as u32 == own.sbfd_source_port && dst != 0 {
        Kind::Reply
    } else {
        Kind::Packet
    }
}

/// What a TCP segment is, by its destination port.
#[inline(always)]
fn segment<F: Frame + ?Sized>(frame: &F, l4: usize, own: &Settings) -> Kind {
    if own.tcp_source_port == 0 {
        return Kind::Packet;
    }
    match frame.read::<2>(l4 + Tcp::DESTINATION) {
        Some(port) if u16::from_be_bytes(port) as u32 == own.tcp_source_port => Kind::Segment,
        _ => Kind::Packet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Where the network header of an untagged frame begins, and its transport header without options.
    const L3: usize = 14;
    const L4: usize = L3 + 20;

    const OWN: Settings = Settings {
        flags: settings::CONFIGURED | settings::REFLECT,
        sbfd_source_port: 49_200,
        min_rx_us: 50,
        tcp_source_port: 50_000,
        tcp_cookie: 0,
        reserved: 0,
    };

    fn classify(frame: &[u8]) -> Result<Kind, Verdict> {
        let ip = Ipv4(frame[L3..L4].try_into().expect("a header"));
        ipv4(&ip, frame, L3, &OWN)
    }

    fn classify6(frame: &[u8]) -> Result<Kind, Verdict> {
        let octets = |at| frame[L3 + at..][..16].try_into().expect("an address");
        let ip = Ipv6 {
            head: frame[L3..][..8].try_into().expect("a header"),
            src: octets(8),
            dst: octets(24),
        };
        ipv6(&ip, frame, L3, &OWN)
    }

    /// UDP from and to these ports, from 10.0.0.1 to 10.0.0.2.
    fn datagram(src: u16, dst: u16) -> Vec<u8> {
        let mut frame = std::vec![0; 12];
        frame.extend([0x08, 0x00]);
        frame.extend([
            0x45, 0, 0, 52, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        frame.extend([src.to_be_bytes(), dst.to_be_bytes()].concat());
        frame.resize(66, 0);
        frame
    }

    /// IPv6 with a next header and what follows.
    fn packet6(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = std::vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((payload.len() as u16).to_be_bytes());
        frame.extend([next_header, 64]);
        frame.extend([[1; 16], [2; 16]].concat());
        frame.extend(payload);
        frame
    }

    #[test]
    fn heartbeats_are_known_by_their_ports() {
        let class = |src, dst| classify(&datagram(src, dst));

        assert_eq!(class(1, 7784), Ok(Kind::Request));
        assert_eq!(class(7784, 7784), Ok(Kind::Request));
        assert_eq!(class(7784, 49_200), Ok(Kind::Reply));
        assert_eq!(class(7784, 49_201), Ok(Kind::Packet));
        assert_eq!(class(1, 49_200), Ok(Kind::Packet));
        assert_eq!(class(1, 3784), Ok(Kind::Packet));
    }

    #[test]
    fn segments_are_known_by_the_port_that_nobody_else_has() {
        let over_ipv4 = |port| {
            let mut frame = datagram(443, port);
            frame[L3 + 9] = protocol::TCP;
            classify(&frame)
        };
        let over_ipv6 = |port: u16| {
            let ports = [443_u16.to_be_bytes(), port.to_be_bytes()].concat();
            classify6(&packet6(next::TCP, &ports))
        };

        assert_eq!(over_ipv4(50_000), Ok(Kind::Segment));
        assert_eq!(over_ipv4(50_001), Ok(Kind::Packet));
        assert_eq!(over_ipv4(7784), Ok(Kind::Packet));
        assert_eq!(over_ipv6(50_000), Ok(Kind::Segment));
        assert_eq!(over_ipv6(50_001), Ok(Kind::Packet));
    }

    #[test]
    fn without_tcp_sessions_no_port_is_looked_at() {
        let own = Settings {
            tcp_source_port: 0,
            ..OWN
        };

        assert_eq!(segment(&[0; 4][..], 0, &own), Kind::Packet);
    }

    #[test]
    fn behind_options_the_ports_are_elsewhere() {
        let mut frame = datagram(0x0101, 0x0101);
        frame[L3] = 0x46;
        frame[L4 + 4..L4 + 8].copy_from_slice(&[0, 1, 0x1e, 0x68]);

        assert_eq!(classify(&frame), Ok(Kind::Request));
    }

    #[test]
    fn the_first_of_several_fragments_has_the_ports_and_the_others_have_none() {
        let fragment = |field: [u8; 2]| {
            let mut frame = datagram(1, 7784);
            frame[L3 + 6..L3 + 8].copy_from_slice(&field);
            classify(&frame)
        };

        assert_eq!(fragment([0x20, 0]), Ok(Kind::Request));
        assert_eq!(fragment([0x20, 1]), Ok(Kind::Packet));
        assert_eq!(fragment([0, 1]), Ok(Kind::Packet));
    }

    #[test]
    fn no_length_of_a_request_makes_it_anything_else_than_a_request_or_a_packet() {
        let whole = datagram(1, 7784);

        for length in L4..=whole.len() {
            let class = classify(&whole[..length]);

            let kind = if length >= L4 + 4 {
                Kind::Request
            } else {
                Kind::Packet
            };
            assert_eq!(class, Ok(kind), "{length} octets");
        }
    }

    #[test]
    fn over_ipv6_heartbeats_are_known_by_their_ports_behind_extension_headers_too() {
        let udp = [0, 1, 0x1e, 0x68, 0, 8, 0, 0];
        let behind = [&[next::UDP, 0, 0, 0, 0, 0, 0, 0][..], &udp].concat();

        assert_eq!(classify6(&packet6(next::UDP, &udp)), Ok(Kind::Request));
        assert_eq!(
            classify6(&packet6(next::DESTINATION, &behind)),
            Ok(Kind::Request)
        );
        assert_eq!(classify6(&packet6(6, &udp)), Ok(Kind::Packet));
    }

    #[test]
    fn neighbour_discovery_and_echo_replies_are_known_by_their_type() {
        let icmp = |kind, length| {
            let mut payload = std::vec![0; length];
            payload[0] = kind;
            classify6(&packet6(next::ICMPV6, &payload))
        };

        assert_eq!(icmp(135, 24), Ok(Kind::Discovery));
        assert_eq!(icmp(136, 32), Ok(Kind::Discovery));
        assert_eq!(icmp(129, 26), Ok(Kind::EchoReply));
        assert_eq!(icmp(129, 64), Ok(Kind::Packet));
        assert_eq!(icmp(128, 26), Ok(Kind::Packet));
        assert_eq!(icmp(134, 24), Ok(Kind::Packet));
    }

    #[test]
    fn another_version_than_the_type_says_is_no_ipv6() {
        let mut frame = packet6(next::UDP, &[0; 8]);
        frame[L3] = 0x45;

        assert_eq!(classify6(&frame), Err(Verdict::PassBadIpv6));
    }

    #[test]
    fn an_ipv6_packet_is_never_taken_for_one_of_ipv4() {
        for at in [8, 24] {
            let mut frame = packet6(next::UDP, &[0; 8]);
            frame[L3 + at..][..16].copy_from_slice(&crate::abi::ipv4_key([10, 0, 0, 1]));

            assert_eq!(classify6(&frame), Err(Verdict::PassBadIpv6));
        }
    }
}

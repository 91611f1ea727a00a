//! What a frame is for us.
//!
//! What is not understood passes. Only frames addressed to our reflector or to one of our sessions are refused when
//! they are invalid: passing them would let a flood reach a socket.

use crate::{
    abi::{Settings, settings},
    verdict::Verdict,
    wire::{
        Frame,
        bfd::SBFD_PORT,
        eth::{Eth, ethertype},
        icmp::{self, Echo},
        ipv4::{Ipv4, protocol},
    },
};

/// Where the EtherType is.
const ETHERTYPE: usize = 12;
/// Where the network header begins: right behind the Ethernet header, as tagged frames pass.
pub const L3: usize = Eth::LEN;
/// Where the transport header of a packet without IP options begins.
pub const L4: usize = L3 + Ipv4::LEN;

/// What a frame is. Whoever deals with it reads the headers that it needs: a value of all headers would not fit on the
/// 512 octets of stack that a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// For a reflector, by its port, between these addresses.
    Request {
        /// Source.
        src: [u8; 4],
        /// Destination.
        dst: [u8; 4],
    },
    /// For one of our S-BFD sessions, by its ports.
    Reply,
    /// An ICMP echo reply as long as ours are, perhaps for one of our sessions.
    EchoReply,
    /// A TCP segment to the port that our requests come from, perhaps for one of our sessions.
    Segment {
        /// Source.
        src: [u8; 4],
        /// Destination.
        dst: [u8; 4],
    },
    /// ARP for IPv4 over Ethernet, or something that claims to be.
    Arp,
    /// Any other IPv4 packet, between these addresses.
    Packet {
        /// Source.
        src: [u8; 4],
        /// Destination.
        dst: [u8; 4],
    },
}

/// Says what a frame is, or where its way ends already.
#[inline(always)]
pub fn classify<F: Frame + ?Sized>(frame: &F, own: &Settings) -> Result<Class, Verdict> {
    let ethertype = u16::from_be_bytes(frame.read(ETHERTYPE).ok_or(Verdict::PassTruncated)?);
    match ethertype {
        ethertype::IPV4 => ipv4(frame, own),
        ethertype::ARP => Ok(Class::Arp),
        ethertype::IPV6 => Err(Verdict::PassIpv6),
        ethertype::VLAN | ethertype::QINQ => Err(Verdict::PassVlan),
        _ => Err(Verdict::PassNotIp),
    }
}

#[inline(always)]
fn ipv4<F: Frame + ?Sized>(frame: &F, own: &Settings) -> Result<Class, Verdict> {
    let ip = Ipv4(frame.read(L3).ok_or(Verdict::PassTruncated)?);
    let header_len = ip.header_len();
    if ip.version() != 4 || header_len < Ipv4::LEN || (ip.total_len() as usize) < header_len {
        return Err(Verdict::PassBadIpv4);
    }
    let packet = Ok(Class::Packet {
        src: ip.src(),
        dst: ip.dst(),
    });
    // A fragment may lack its transport header, so it is no heartbeat; it is steered by its addresses all the same.
    if ip.is_fragment() {
        return packet;
    }
    match ip.protocol() {
        protocol::UDP => {
            // Behind options the ports are elsewhere.
            let Some([s0, s1, d0, d1]) = frame.read::<4>(L3 + header_len) else {
                return packet;
            };
            let (src, dst) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
            if dst == SBFD_PORT && own.flags & settings::REFLECT != 0 {
                Ok(Class::Request {
                    src: ip.src(),
                    dst: ip.dst(),
                })
            } else if src == SBFD_PORT && dst as u32 == own.sbfd_source_port && dst != 0 {
                Ok(Class::Reply)
            } else {
                packet
            }
        }
        protocol::TCP if own.tcp_source_port != 0 => match frame.read::<4>(L3 + header_len) {
            Some([_, _, d0, d1])
                if u16::from_be_bytes([d0, d1]) as u32 == own.tcp_source_port =>
            {
                Ok(Class::Segment {
                    src: ip.src(),
                    dst: ip.dst(),
                })
            }
            _ => packet,
        },
        protocol::ICMP
            if header_len == Ipv4::LEN && ip.total_len() as usize == Ipv4::LEN + Echo::LEN =>
        {
            match frame.read::<2>(L4) {
                Some([icmp::kind::ECHO_REPLY, 0]) => Ok(Class::EchoReply),
                _ => packet,
            }
        }
        _ => packet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const REQUEST: Result<Class, Verdict> = Ok(Class::Request {
        src: [10, 0, 0, 1],
        dst: [10, 0, 0, 2],
    });

    const OWN: Settings = Settings {
        flags: settings::CONFIGURED | settings::REFLECT,
        sbfd_source_port: 49_200,
        min_rx_us: 50,
        tcp_source_port: 0,
        tcp_cookie: 0,
        reserved: 0,
    };

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

    #[test]
    fn heartbeats_are_known_by_their_ports() {
        let class = |src, dst| classify(&datagram(src, dst)[..], &OWN);
        let packet = Ok(Class::Packet {
            src: [10, 0, 0, 1],
            dst: [10, 0, 0, 2],
        });

        assert_eq!(class(1, 7784), REQUEST);
        assert_eq!(class(7784, 7784), REQUEST);
        assert_eq!(class(7784, 49_200), Ok(Class::Reply));
        assert_eq!(class(7784, 49_201), packet);
        assert_eq!(class(1, 49_200), packet);
        assert_eq!(class(1, 3784), packet);
    }

    #[test]
    fn behind_options_the_ports_are_elsewhere() {
        let mut frame = datagram(0x0101, 0x0101);
        frame[L3] = 0x46;
        frame[L4 + 4..L4 + 8].copy_from_slice(&[0, 1, 0x1e, 0x68]);

        assert_eq!(classify(&frame[..], &OWN), REQUEST);
    }

    #[test]
    fn a_frame_that_ends_in_its_headers_is_truncated() {
        let whole = datagram(1, 7784);

        for length in 0..L4 {
            assert_eq!(
                classify(&whole[..length], &OWN),
                Err(Verdict::PassTruncated),
                "{length} octets"
            );
        }
    }

    #[test]
    fn no_length_of_a_request_makes_it_anything_else_than_a_request_or_a_packet() {
        let whole = datagram(1, 7784);

        for length in L4..=whole.len() {
            let class = classify(&whole[..length], &OWN);

            let wanted = length >= L4 + 4;
            assert_eq!(class == REQUEST, wanted, "{length} octets");
            assert!(class.is_ok(), "{length} octets");
        }
    }
}

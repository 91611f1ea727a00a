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
    /// For our reflector, by its port.
    Request,
    /// For one of our S-BFD sessions, by its ports.
    Reply,
    /// An ICMP echo reply as long as ours are, perhaps for one of our sessions.
    EchoReply,
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
                Ok(Class::Request)
            } else if src == SBFD_PORT && dst as u32 == own.sbfd_source_port && dst != 0 {
                Ok(Class::Reply)
            } else {
                packet
            }
        }
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

//! What a frame on its way out makes use of: the addresses that it speaks for. A fenced host sends none that speaks for its
//! identity, whoever made it.
//!
//! A VLAN device's tag is beside the frame at this place, not in it; tags of frames that were made with them are in it.

use crate::{
    abi::{Ip, ipv4_key},
    wire::{
        Frame,
        arp::Arp,
        eth::{Eth, ethertype},
        ipv4::Ipv4,
    },
};

/// Tags that are looked behind.
const TAGS: usize = 2;
/// Length of one.
const TAG: usize = 4;
/// Next Header of ICMPv6.
const ICMPV6: u8 = 58;
/// Neighbour advertisement (RFC 4861 4.4).
const ADVERTISEMENT: u8 = 136;
/// Length of an IPv6 header.
const IPV6: usize = 40;

/// The addresses that a frame speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaks {
    /// The IP source, or the sender protocol address of ARP.
    pub source: Ip,
    /// The target of a neighbour advertisement, which need not be its source.
    pub target: Option<Ip>,
}

/// For which addresses a frame speaks. Nobody is spoken for by what is not IP, by a frame that is cut short, and by an ARP
/// probe, whose sender address is 0 (RFC 5227 1.1): asking is what a fenced host does.
#[inline(always)]
pub fn speaks<F: Frame + ?Sized>(frame: &F) -> Option<Speaks> {
    let (kind, at) = network(frame)?;
    match kind {
        ethertype::ARP => arp(frame, at),
        ethertype::IPV4 => ipv4(frame, at),
        ethertype::IPV6 => ipv6(frame, at),
        _ => None,
    }
}

/// The EtherType behind the tags, and where its header begins.
#[inline(always)]
fn network<F: Frame + ?Sized>(frame: &F) -> Option<(u16, usize)> {
    let mut at = Eth::LEN;
    let mut kind = u16::from_be_bytes(frame.read(at - 2)?);
    let mut tags = 0;
    while tags < TAGS && (kind == ethertype::VLAN || kind == ethertype::QINQ) {
        at += TAG;
        kind = u16::from_be_bytes(frame.read(at - 2)?);
        tags += 1;
    }
    Some((kind, at))
}

#[inline(always)]
fn arp<F: Frame + ?Sized>(frame: &F, at: usize) -> Option<Speaks> {
    let arp = Arp(frame.read(at)?);
    if !arp.is_ipv4_over_ethernet() || arp.spa() == [0; 4] {
        return None;
    }
    Some(of(ipv4_key(arp.spa())))
}

#[inline(always)]
fn ipv4<F: Frame + ?Sized>(frame: &F, at: usize) -> Option<Speaks> {
    let ip = Ipv4(frame.read(at)?);
    (ip.version() == 4).then(|| of(ipv4_key(ip.src())))
}

#[inline(always)]
fn ipv6<F: Frame + ?Sized>(frame: &F, at: usize) -> Option<Speaks> {
    let source: Ip = frame.read(at + 8)?;
    let [next, _] = frame.read(at + 6)?;
    let speaks = of(source);
    if next != ICMPV6 {
        return Some(speaks);
    }
    // What is too short for a type is no advertisement.
    match frame.read(at + IPV6) {
        Some([ADVERTISEMENT, _]) => Some(Speaks {
            target: frame.read(at + IPV6 + 8),
            ..speaks
        }),
        Some(_) | None => Some(speaks),
    }
}

#[inline(always)]
const fn of(source: Ip) -> Speaks {
    Speaks {
        source,
        target: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const ADDRESS: [u8; 4] = [10, 0, 0, 10];

    fn frame(tags: &[u16], kind: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = std::vec![2; 12];
        for tag in tags {
            frame.extend(tag.to_be_bytes());
            frame.extend([0, 7]);
        }
        frame.extend(kind.to_be_bytes());
        frame.extend(packet);
        frame
    }

    fn arp_packet(spa: [u8; 4]) -> Vec<u8> {
        let mut packet = std::vec![0, 1, 8, 0, 6, 4, 0, 1];
        packet.extend([2, 0, 0, 0, 0, 1]);
        packet.extend(spa);
        packet.extend([0; 6]);
        packet.extend([10, 0, 0, 99]);
        packet
    }

    fn ipv4_packet() -> Vec<u8> {
        let mut packet = std::vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0];
        packet.extend(ADDRESS);
        packet.extend([10, 0, 0, 99]);
        packet
    }

    fn ipv6_packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = std::vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 255];
        packet.extend([0xfe; 16]);
        packet.extend([0xff; 16]);
        packet.extend(payload);
        packet
    }

    #[test]
    fn arp_and_ipv4_speak_for_their_source() {
        let wanted = Some(of(ipv4_key(ADDRESS)));

        assert_eq!(
            speaks(&frame(&[], 0x0806, &arp_packet(ADDRESS))[..]),
            wanted
        );
        assert_eq!(speaks(&frame(&[], 0x0800, &ipv4_packet())[..]), wanted);
    }

    #[test]
    fn a_probe_speaks_for_nobody() {
        let probe = frame(&[], 0x0806, &arp_packet([0; 4]));

        assert_eq!(speaks(&probe[..]), None);
    }

    #[test]
    fn tags_are_looked_behind_and_more_than_two_are_not() {
        let at = |tags: &[u16]| speaks(&frame(tags, 0x0800, &ipv4_packet())[..]);
        let wanted = Some(of(ipv4_key(ADDRESS)));

        assert_eq!(at(&[0x8100]), wanted);
        assert_eq!(at(&[0x88a8, 0x8100]), wanted);
        assert_eq!(at(&[0x8100, 0x8100, 0x8100]), None);
    }

    #[test]
    fn an_advertisement_speaks_for_its_target_too() {
        let mut advertisement = std::vec![136, 0, 0, 0, 0x20, 0, 0, 0];
        advertisement.extend([0x20; 16]);

        let said = speaks(&frame(&[], 0x86dd, &ipv6_packet(58, &advertisement))[..]);

        let wanted = Speaks {
            source: [0xfe; 16],
            target: Some([0x20; 16]),
        };
        assert_eq!(said, Some(wanted));
    }

    #[test]
    fn other_ipv6_speaks_for_its_source_alone() {
        let mut solicitation = std::vec![135, 0, 0, 0, 0, 0, 0, 0];
        solicitation.extend([0x20; 16]);

        for (next, payload) in [(58, &solicitation[..]), (58, &[]), (17, &[136, 0, 0, 0])] {
            let said = speaks(&frame(&[], 0x86dd, &ipv6_packet(next, payload))[..]);

            assert_eq!(said, Some(of([0xfe; 16])), "{next} {payload:?}");
        }
    }

    #[test]
    fn a_frame_that_is_cut_short_speaks_for_nobody() {
        for packet in [arp_packet(ADDRESS), ipv4_packet()] {
            let kind = if packet[0] == 0x45 { 0x0800 } else { 0x0806 };
            let whole = frame(&[0x8100], kind, &packet);

            for length in 0..whole.len() {
                assert_eq!(speaks(&whole[..length]), None, "{length} octets");
            }
        }
    }
}

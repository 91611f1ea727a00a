//! Who has an address? ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861, RFC 4862).

use std::net::{IpAddr, Ipv6Addr};

use super::{
    Arrival, Fate, Held, Host, To,
    dissect::{Packet, be16, mac, sum, v4, v6},
};
use crate::lab::Mac;

const REQUEST: u16 = 1;
const REPLY: u16 = 2;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Options (RFC 4861 4.6.1).
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
/// Octets of a message before its options.
const FIXED: usize = 24;
/// Options of eight octets that the program looks through.
const MOST_OPTIONS: usize = 4;

/// An ARP packet for IPv4 over Ethernet.
struct Arp {
    operation: u16,
    sha: Mac,
    spa: IpAddr,
    tpa: IpAddr,
}

impl Arp {
    fn read(octets: &[u8]) -> Option<Self> {
        let ours = octets.starts_with(&[0, 1, 8, 0, 6, 4]) && octets.len() >= 28;

        ours.then_some(Self {
            operation: be16(octets, 6)?,
            sha: mac(octets, 8)?,
            spa: v4(octets, 14)?.into(),
            tpa: v4(octets, 24)?.into(),
        })
    }
}

impl Host {
    /// The fate of an ARP packet.
    pub(super) fn arp(&self, arrival: &Arrival<'_>) -> Fate {
        let Some(arp) = Arp::read(arrival.link.rest) else {
            return Fate::Passed;
        };

        if self.is_conflict(arrival, arp.spa, arp.sha) {
            return Fate::Passed;
        }

        let Some(held) = self.held(arp.tpa, arrival.tags()) else {
            return Fate::Passed;
        };
        let asks = arp.operation == REQUEST;

        if let To::Drain { out, next_hop } = held.to {
            return self.drained(arrival, arp.sha, (out, next_hop), asks);
        }

        if !asks {
            return Fate::Passed;
        }

        if arrival.nic.index != held.nic {
            return Fate::Refused;
        }

        let chosen = self.mac(held.nic);
        let mut octets = arrival.with(6, &REPLY.to_be_bytes());
        let at = arrival.link.at;

        octets[..6].copy_from_slice(&arp.sha.0);
        octets[6..12].copy_from_slice(&chosen.0);
        octets[at + 8..at + 14].copy_from_slice(&chosen.0);
        octets[at + 14..at + 18].copy_from_slice(&arrival.link.rest[24..28]);
        octets[at + 18..at + 24].copy_from_slice(&arp.sha.0);
        octets[at + 24..at + 28].copy_from_slice(&arrival.link.rest[14..18]);

        Fate::Answered(octets)
    }

    /// Another host says that it has what we hold: the kernel may hear of it, and nobody is answered.
    fn is_conflict(&self, arrival: &Arrival<'_>, claimed: IpAddr, by: Mac) -> bool {
        self.held(claimed, arrival.tags()).is_some_and(|held| {
            !matches!(held.to, To::Drain { .. }) && by != self.mac(held.nic) && !self.is_ours(by)
        })
    }

    /// About an address that goes back: the source has to see it, and nobody else answers.
    fn drained(
        &self,
        arrival: &Arrival<'_>,
        by: Mac,
        (out, next_hop): (u32, Mac),
        asks: bool,
    ) -> Fate {
        if arrival.addressed() && by != next_hop && arrival.nic.index == out {
            let rest = &arrival.frame[12..];

            return Fate::Answered([&next_hop.0[..], &arrival.nic.mac.0, rest].concat());
        }

        if asks { Fate::Refused } else { Fate::Passed }
    }

    /// The fate of neighbour discovery; `None` for anything else.
    pub(super) fn discovery(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Fate> {
        let IpAddr::V6(src) = packet.src else {
            return None;
        };
        let kind = *packet.payload.first()?;
        let asks = match kind {
            SOLICITATION => true,
            ADVERTISEMENT => false,
            _ => return None,
        };

        if packet.protocol != 58 || packet.fragment || packet.extended {
            return None;
        }

        // The kernel discards it. The program looks through so many options and no more, and says so by its counter.
        if !is_valid(packet) || packet.payload.len() >= FIXED + 8 * (MOST_OPTIONS + 1) {
            return Some(Fate::Passed);
        }

        let target = IpAddr::V6(v6(packet.payload, 8)?);
        let option = if asks {
            SOURCE_LINK_LAYER
        } else {
            TARGET_LINK_LAYER
        };
        let by = link_layer(&packet.payload[FIXED..], option).unwrap_or(arrival.link.src);
        let claimed = if !asks {
            Some(target)
        } else {
            (!src.is_unspecified()).then_some(packet.src)
        };

        if claimed.is_some_and(|claimed| self.is_conflict(arrival, claimed, by)) {
            return Some(Fate::Passed);
        }

        let subject = if asks { target } else { packet.dst };
        let Some(held) = self.held(subject, arrival.tags()) else {
            return Some(Fate::Passed);
        };

        Some(match held.to {
            To::Drain { out, next_hop } => self.drained(arrival, by, (out, next_hop), asks),
            To::Local | To::Forward { .. } if !asks => Fate::Passed,
            To::Local | To::Forward { .. } if arrival.nic.index != held.nic => Fate::Refused,
            To::Local | To::Forward { .. } => {
                Fate::Answered(self.advertisement(arrival, (src, by), held))
            }
        })
    }

    /// RFC 4861 7.2.4: to whoever asks, S and O set; to all nodes and S clear where the question is anonymous.
    fn advertisement(
        &self,
        arrival: &Arrival<'_>,
        (src, by): (Ipv6Addr, Mac),
        held: &Held,
    ) -> Vec<u8> {
        let IpAddr::V6(target) = held.ip else {
            unreachable!("asked for by its IPv6 address")
        };
        let chosen = self.mac(held.nic);
        let (to, to_mac, flags) = if src.is_unspecified() {
            let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

            (all_nodes, Mac([0x33, 0x33, 0, 0, 0, 1]), 0x20)
        } else {
            (src, by, 0x60)
        };
        let mut payload = vec![ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];

        payload.extend(target.octets());
        payload.extend([TARGET_LINK_LAYER, 1]);
        payload.extend(chosen.0);

        let checksum = !sum(target.into(), to.into(), 58, &payload);
        let mut frame = [
            &to_mac.0[..],
            &chosen.0,
            &arrival.frame[12..arrival.link.at],
        ]
        .concat();

        frame.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
        frame.extend(target.octets());
        frame.extend(to.octets());
        payload[2..4].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(payload);

        frame
    }
}

/// RFC 4861 7.1.1 and 7.1.2.
fn is_valid(packet: &Packet<'_>) -> bool {
    let payload = packet.payload;
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (packet.src, packet.dst) else {
        return false;
    };
    let (Some(target), Some(options)) = (v6(payload, 8), options(payload.get(24..).unwrap_or(&[])))
    else {
        return false;
    };
    let solicits = payload[0] == SOLICITATION;
    let anonymous = dst.segments()[..6] == [0xff02, 0, 0, 0, 0, 1]
        && dst.octets()[12] == 0xff
        && !options.contains(&SOURCE_LINK_LAYER);

    packet.complete
        && !packet.extended
        && packet.hops == 255
        && payload[1] == 0
        && packet.transport_sum() == 0xffff
        && !target.is_multicast()
        && !is_mapped(target)
        && if solicits {
            !src.is_unspecified() || anonymous
        } else {
            // 7.1.2: to a group the Solicited flag is clear.
            !dst.is_multicast() || payload[4] & 0x40 == 0
        }
}

/// An IPv4 address as IPv6 writes it, which no neighbour has.
fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

/// The link-layer address in the first option of a kind, Ethernet's length.
fn link_layer(mut octets: &[u8], kind: u8) -> Option<Mac> {
    while let &[found, words, ..] = octets {
        if found == kind && words == 1 {
            return mac(octets, 2);
        }

        octets = octets.get(8 * usize::from(words)..)?;
    }

    None
}

/// Kinds of the options, if all of them are well formed.
fn options(mut octets: &[u8]) -> Option<Vec<u8>> {
    let mut kinds = Vec::new();

    while !octets.is_empty() {
        let &[kind, words] = octets.first_chunk()?;

        if words == 0 {
            return None;
        }

        kinds.push(kind);
        octets = octets.get(8 * usize::from(words)..)?;
    }

    Some(kinds)
}

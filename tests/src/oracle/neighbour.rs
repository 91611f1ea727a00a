//! Who has an address? ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861, RFC 4862).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    About, Arrival, Fate, Held, Host, Nic, Outcome, Probe, To,
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

/// What a message about a held address is.
struct Question {
    /// It is one at all.
    asks: bool,
    /// It asks whether the address is free.
    probes: bool,
    /// Who sent it.
    by: Mac,
}

/// What becomes of a message about a held address; `None`: it is answered for the chosen NIC.
fn treated(arrival: &Arrival<'_>, nic: Nic, held: &Held, question: &Question) -> Option<Fate> {
    if question.probes && held.yields_to == Some(question.by) {
        return Some(Fate::Dropped);
    }

    if let To::Drain { out, next_hop } = held.to {
        // The address goes back: the source has to see it, and nobody else answers.
        let unseen = question.by != next_hop && nic.index == out && arrival.addressed().is_some();

        return Some(if unseen {
            let rest = &arrival.frame[12..];

            Fate::Answered([&next_hop.0[..], &nic.mac.0, rest].concat())
        } else if question.asks {
            Fate::Dropped
        } else {
            Fate::Passed
        });
    }

    if !question.asks {
        Some(Fate::Passed)
    } else if nic.index != held.nic {
        // Each address stays on its NIC.
        Some(Fate::Dropped)
    } else {
        None
    }
}

impl Host {
    /// What becomes of an ARP packet.
    pub(super) fn arp(&self, arrival: &Arrival<'_>) -> Outcome {
        let Some(arp) = Arp::read(arrival.link.rest) else {
            return Outcome::nothing();
        };

        if let Some(session) = self.arp_session(arrival, &arp) {
            // It does not say which request it answers: the latest. The kernel may have asked as well.
            let measured = self.sent.last().map(|latest| (session, *latest));

            return Outcome::new(About::ArpReply, Fate::Passed).measuring(measured);
        }

        // A gratuitous reply, which names the address twice, answers nobody.
        let answers = arp.operation == REPLY && arp.spa != arp.tpa;

        if self.is_conflict(arrival, arp.spa, arp.sha, answers) {
            return Outcome::new(About::Claim, Fate::Passed);
        }

        if self.fenced.contains(&arp.tpa) {
            return Outcome::new(About::Fence, Fate::Dropped);
        }

        let asks = arp.operation == REQUEST;
        let (Some(held), Some(nic)) = (self.held(arp.tpa, arrival.tags()), arrival.nic) else {
            return Outcome::nothing();
        };
        let question = Question {
            asks,
            // RFC 5227 1.1.
            probes: asks && arp.spa == IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            by: arp.sha,
        };
        let fate = treated(arrival, nic, held, &question).unwrap_or_else(|| {
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
        });

        Outcome::new(About::Arp, fate)
    }

    /// The session that an ARP packet answers.
    fn arp_session(&self, arrival: &Arrival<'_>, arp: &Arp) -> Option<u16> {
        let session = self.sessions.iter().find(|session| {
            session.remote == arp.spa
                && session.local == arp.tpa
                && session.tags == arrival.tags()
                && matches!(session.probe, Probe::Arp(mac) if mac == arp.sha)
        });

        session
            .filter(|_| arp.operation == REPLY)
            .map(|session| session.number)
    }

    /// Another host says that it has what we hold (RFC 5227 2.4): the kernel may hear of it, and nobody is answered. That the
    /// source, or the server that stands in, answers for it to the one who asked is to be expected.
    fn is_conflict(&self, arrival: &Arrival<'_>, claimed: IpAddr, by: Mac, answers: bool) -> bool {
        arrival.nic.is_some()
            && self.held(claimed, arrival.tags()).is_some_and(|held| {
                let stands_in =
                    matches!(held.to, To::Forward { next_hop: Some(it), .. } if it == by);
                let expected = answers && (held.source == by || stands_in);

                !expected
                    && !matches!(held.to, To::Drain { .. })
                    && !self.nics.iter().any(|nic| nic.mac == by)
            })
    }

    /// What becomes of neighbour discovery; `None` for anything else.
    pub(super) fn discovery(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Outcome> {
        let IpAddr::V6(src) = packet.src else {
            return None;
        };
        // A type without a code is no message, and goes the way of every packet.
        let [kind, _] = *packet.behind.first_chunk()?;
        let asks = match kind {
            _ if packet.protocol != 58 || packet.extended => return None,
            SOLICITATION => true,
            ADVERTISEMENT => false,
            _ => return None,
        };

        if packet.payload.len() < 2 {
            // What is behind the end of the packet may only look like them.
            return Some(Outcome::new(About::Nothing, Fate::Kept));
        }

        // The kernel discards it. The program looks through so many options and no more, and says so by its counter.
        if !is_valid(packet) || packet.payload.len() >= FIXED + 8 * (MOST_OPTIONS + 1) {
            return Some(Outcome::nothing());
        }

        let target = IpAddr::V6(v6(packet.payload, 8)?);
        let option = if asks {
            SOURCE_LINK_LAYER
        } else {
            TARGET_LINK_LAYER
        };
        let by = link_layer(&packet.payload[FIXED..], option).unwrap_or(arrival.link.src);
        // A solicitation says that its sender has the address that it asks from.
        let claimed = match (asks, src.is_unspecified()) {
            (false, _) => Some(target),
            (true, false) => Some(packet.src),
            (true, true) => None,
        };

        let answers = !asks && !packet.dst.is_multicast();

        if claimed.is_some_and(|claimed| self.is_conflict(arrival, claimed, by, answers)) {
            return Some(Outcome::new(About::Claim, Fate::Passed));
        }

        let subject = if asks { target } else { packet.dst };

        // A kernel that is just checking an address gives it up for good when all nodes are told that another host has it
        // (RFC 4862 5.4.5).
        let tells_all = !asks && packet.dst.is_multicast();

        if self.fenced.contains(&subject) || tells_all && self.fenced.contains(&target) {
            return Some(Outcome::new(About::Fence, Fate::Dropped));
        }

        let (Some(held), Some(nic)) = (self.held(subject, arrival.tags()), arrival.nic) else {
            return Some(Outcome::nothing());
        };
        let question = Question {
            asks,
            // RFC 4862 5.4.2.
            probes: asks && src.is_unspecified(),
            by,
        };
        let fate = treated(arrival, nic, held, &question)
            .unwrap_or_else(|| Fate::Answered(self.advertisement(arrival, (src, by), held)));

        Some(Outcome::new(About::Discovery, fate))
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

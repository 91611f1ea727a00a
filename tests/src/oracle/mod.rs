//! What has to become of a frame, worked out from the standards and the design, independently of the program: another
//! way of taking frames apart ([`dissect`]), other words, nothing shared.
//!
//! An oracle is told about a host as a whole ([`Host`]) and asked about a frame ([`Host::outcome`]). It knows every octet that
//! leaves this host, what is measured, whose traffic is counted, and what a counter has to be about.

pub mod dissect;
mod echo;
mod heartbeat;
mod host;
mod neighbour;
mod segment;
mod signature;
mod steering;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use self::dissect::{Link, Packet, link, packet};
pub use self::host::{Held, Host, Key, Nic, Probe, Route, Service, Session, To};
pub(crate) use self::signature::sign;

/// What has to become of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel gets it as it came.
    Passed,
    /// Nobody gets it, and nobody is answered.
    Dropped,
    /// One of the two above: it is too short for what it seems to be.
    Kept,
    /// This frame leaves by the NIC that the other came in by.
    Answered(Vec<u8>),
    /// This frame leaves by another NIC.
    Redirected(Vec<u8>),
}

/// What a frame is about, which its counter tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing that this host has to do with.
    Nothing,
    /// A request to this host's reflector.
    Request,
    /// An S-BFD reply to one of its sessions.
    Reply,
    /// An echo that one of its sessions has asked for.
    Echo,
    /// A TCP segment to one of its sessions.
    Segment,
    /// An ARP reply to one of its sessions.
    ArpReply,
    /// ARP about a held address.
    Arp,
    /// Neighbour discovery about a held address.
    Discovery,
    /// Another host's claim to a held address.
    Claim,
    /// An address of this host's identity that it must not use now.
    Fence,
    /// A packet for a held address.
    Packet,
    /// A packet that the server behind a held address sends.
    Return,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the frame is about.
    pub about: About,
    /// What becomes of it.
    pub fate: Fate,
    /// The session that measures it, and the sequence of the request that it answers.
    pub measured: Option<(u16, u32)>,
    /// The slot whose traffic it is.
    pub traffic: Option<u32>,
}

impl Outcome {
    fn new(about: About, fate: Fate) -> Self {
        Self {
            about,
            fate,
            measured: None,
            traffic: None,
        }
    }

    /// Passes, as it is none of this host's business.
    fn nothing() -> Self {
        Self::new(About::Nothing, Fate::Passed)
    }

    fn measuring(self, measured: Option<(u16, u32)>) -> Self {
        Self { measured, ..self }
    }
}

/// Where a frame came in, taken apart.
pub(crate) struct Arrival<'a> {
    /// The NIC, if it is managed.
    nic: Option<Nic>,
    link: Link<'a>,
    frame: &'a [u8],
}

impl Arrival<'_> {
    /// The NIC that it came in by, if it was sent to that one. A switch floods what it does not know, and whatever is wrong
    /// with such a frame is another host's business.
    fn addressed(&self) -> Option<Nic> {
        self.nic.filter(|nic| nic.mac == self.link.dst)
    }

    /// Its tags, filled up with zeros.
    fn tags(&self) -> [u16; 2] {
        let tag = |at: usize| self.link.vlans.get(at).copied().unwrap_or(0);

        [tag(0), tag(1)]
    }

    /// The frame with other octets at an offset from the network header on.
    fn with(&self, at: usize, octets: &[u8]) -> Vec<u8> {
        let mut frame = self.frame.to_vec();
        let at = self.link.at + at;

        frame[at..at + octets.len()].copy_from_slice(octets);

        frame
    }
}

impl Host {
    /// What has to become of a frame that comes in by a NIC.
    pub fn outcome(&self, ingress: u32, frame: &[u8]) -> Outcome {
        let Some(link) = link(frame) else {
            return Outcome::nothing();
        };
        let nic = self.nics.iter().find(|nic| nic.index == ingress).copied();
        let arrival = Arrival { nic, link, frame };

        if arrival.link.ethertype == 0x0806 {
            return self.arp(&arrival);
        }

        let Some(packet) = packet(&arrival.link) else {
            return Outcome::nothing();
        };

        self.heartbeat(&arrival, &packet)
            .or_else(|| self.discovery(&arrival, &packet))
            .unwrap_or_else(|| self.steered(&arrival, &packet))
    }

    /// What becomes of a packet to this host's own ports, or to its own echo requests; `None` for any other.
    fn heartbeat(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Outcome> {
        const ICMP: u8 = 1;
        const TCP: u8 = 6;
        const UDP: u8 = 17;
        const ICMPV6: u8 = 58;

        match packet.protocol {
            UDP => self.datagram(arrival, packet),
            TCP => self.segment(arrival, packet),
            ICMP if packet.src.is_ipv4() => self.echo(arrival, packet, 0),
            ICMPV6 if packet.src.is_ipv6() => self.echo(arrival, packet, 129),
            _ => None,
        }
    }

    /// The held address under these tags.
    fn held(&self, ip: IpAddr, tags: [u16; 2]) -> Option<&Held> {
        self.held
            .iter()
            .find(|held| held.ip == ip && held.tags == tags)
    }

    /// The session with a number, if such a packet can be for it.
    fn session(&self, number: u16, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<&Session> {
        self.sessions.iter().find(|session| {
            session.number == number
                && session.remote == packet.src
                && session.local == packet.dst
                && session.tags == arrival.tags()
        })
    }

    /// The request under way whose lower 16 bits are these. Its answer is a measurement.
    fn under_way(&self, low: u16) -> Option<u32> {
        self.sent.iter().copied().find(|sent| *sent as u16 == low)
    }

    /// The MAC of a managed NIC.
    fn mac(&self, index: u32) -> crate::lab::Mac {
        let nic = self.nics.iter().find(|nic| nic.index == index);

        nic.expect("a managed NIC").mac
    }
}

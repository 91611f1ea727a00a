//! What has to become of a frame, worked out from the standards and the design, independently of the program: another
//! way of taking frames apart ([`dissect`]), other words, nothing shared.
//!
//! An oracle is told about a host as a whole ([`Host`]) and asked about a frame ([`Host::fate`]). It is strict about what leaves this host and
//! about what is taken for a heartbeat, octet by octet; of what stays here it says only whether the kernel has to get it.

pub mod dissect;
mod heartbeat;
mod neighbour;
mod steering;

use std::net::IpAddr;

use self::dissect::{Link, link, packet};
use crate::lab::Mac;

/// A host that runs the program.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its managed NICs.
    pub nics: Vec<Nic>,
    /// Its reflector answers at these addresses.
    pub reflects_at: Vec<IpAddr>,
    /// To these discriminators.
    pub discriminators: Vec<u32>,
    /// Required Min RX Interval that it states, us.
    pub min_rx_us: u32,
    /// UDP source port of its own S-BFD requests.
    pub sbfd_port: u16,
    /// Its sessions.
    pub sessions: Vec<Session>,
    /// What it holds.
    pub held: Vec<Held>,
}

/// A managed NIC.
#[derive(Clone, Copy, Debug)]
pub struct Nic {
    /// Its index.
    pub index: u32,
    /// Its MAC.
    pub mac: Mac,
}

/// A session as initiator.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// Its number.
    pub number: u16,
    /// What is asked.
    pub remote: IpAddr,
    /// From where.
    pub local: IpAddr,
    /// How.
    pub probe: Probe,
}

/// What a session sends.
#[derive(Clone, Copy, Debug)]
pub enum Probe {
    /// S-BFD, to a reflector with this discriminator.
    Sbfd(u32),
    /// ICMP or ICMPv6 echo, with these octets at the start of the payload.
    Echo([u8; 8]),
}

/// A held address.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The address.
    pub ip: IpAddr,
    /// VLAN identifiers under which it is held, the outermost first; 0: none.
    pub tags: [u16; 2],
    /// The chosen NIC.
    pub nic: u32,
    /// Where its packets go.
    pub to: To,
}

/// Where packets for a held address go.
#[derive(Clone, Copy, Debug)]
pub enum To {
    /// To this host.
    Local,
    /// To another server, by a NIC, at most so long, and with another MAC.
    Forward {
        /// The NIC.
        out: u32,
        /// Longest packet that it sends.
        mtu: usize,
        /// The server.
        next_hop: Mac,
    },
    /// Back to the source, by a NIC.
    Drain {
        /// The NIC.
        out: u32,
        /// The source.
        next_hop: Mac,
    },
}

/// What has to become of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel gets it as it came.
    Passed,
    /// Nobody gets it, and nobody is answered.
    Refused,
    /// One of the two above: it has to do with us and is not as it should be, or not for this NIC.
    Kept,
    /// A valid answer to a request of this session with this sequence: consumed. It may have been answered before.
    Measured(u16, u16),
    /// This frame leaves by the NIC that the other came in by. A heartbeat may also be refused for its rate.
    Answered(Vec<u8>),
    /// This frame leaves by another NIC.
    Redirected(Vec<u8>),
    /// The kernel's routes decide: it passes, or leaves like this, with other MACs.
    Routed(Vec<u8>),
}

/// Where a frame came in, taken apart.
pub(crate) struct Arrival<'a> {
    nic: Nic,
    link: Link<'a>,
    frame: &'a [u8],
}

impl Arrival<'_> {
    /// Whether it was sent to the NIC that it came in by.
    fn addressed(&self) -> bool {
        self.link.dst == self.nic.mac
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
    pub fn fate(&self, ingress: u32, frame: &[u8]) -> Fate {
        let Some(link) = link(frame) else {
            return Fate::Passed;
        };
        let Some(nic) = self.nics.iter().find(|nic| nic.index == ingress).copied() else {
            return Fate::Passed;
        };
        let arrival = Arrival { nic, link, frame };

        if arrival.link.ethertype == 0x0806 {
            return self.arp(&arrival);
        }

        let Some(packet) = packet(&arrival.link) else {
            return Fate::Passed;
        };

        self.heartbeat(&arrival, &packet)
            .or_else(|| self.discovery(&arrival, &packet))
            .unwrap_or_else(|| self.steered(&arrival, &packet))
    }

    /// The held address under these tags.
    fn held(&self, ip: IpAddr, tags: [u16; 2]) -> Option<&Held> {
        self.held
            .iter()
            .find(|held| held.ip == ip && held.tags == tags)
    }

    /// The MAC of a managed NIC.
    fn mac(&self, index: u32) -> Mac {
        let nic = self.nics.iter().find(|nic| nic.index == index);

        nic.expect("a managed NIC").mac
    }

    /// Whether a MAC is this host's.
    fn is_ours(&self, mac: Mac) -> bool {
        self.nics.iter().any(|nic| nic.mac == mac)
    }
}

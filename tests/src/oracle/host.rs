//! What an oracle knows of a host.

use std::net::IpAddr;

use crate::lab::Mac;

/// A host that runs the program.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its managed NICs.
    pub nics: Vec<Nic>,
    /// Its reflector answers at these addresses,
    pub reflects_at: Vec<IpAddr>,
    /// to these discriminators,
    pub discriminators: Vec<u32>,
    /// asked by these hosts; `None`: by anybody.
    pub initiators: Option<Vec<IpAddr>>,
    /// Requests have to be signed with one of these; if there is none, they must not be signed.
    pub keys: Vec<Key>,
    /// What it answers.
    pub service: Service,
    /// Required Min RX Interval that it states, us.
    pub min_rx_us: u32,
    /// UDP source port of its own S-BFD requests.
    pub sbfd_port: u16,
    /// TCP port of its own requests.
    pub tcp_port: u16,
    /// Upper half of their initial sequence number, by which the session's number is masked.
    pub tcp_cookie: u16,
    /// Its sessions.
    pub sessions: Vec<Session>,
    /// Requests of each session that are under way, the latest last.
    pub sent: Vec<u32>,
    /// What it holds.
    pub held: Vec<Held>,
    /// Addresses of its identity that it must not use now.
    pub fenced: Vec<IpAddr>,
    /// Whom its kernel can send packets on to.
    pub routes: Vec<Route>,
}

/// What a reflector answers (RFC 7880 7.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// State Up.
    #[default]
    Up,
    /// State AdminDown.
    AdminDown,
    /// Nothing: it is not well.
    Silent,
}

/// A managed NIC.
#[derive(Clone, Copy, Debug)]
pub struct Nic {
    /// Its index.
    pub index: u32,
    /// Its MAC.
    pub mac: Mac,
    /// The reflector answers on it.
    pub reflects: bool,
}

/// A key of Meticulous Keyed SHA1.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id.
    pub id: u8,
    /// 1 to 20 octets.
    pub secret: Vec<u8>,
}

/// A session as initiator.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub number: u16,
    /// What is asked.
    pub remote: IpAddr,
    /// From where.
    pub local: IpAddr,
    /// In which VLANs.
    pub tags: [u16; 2],
    /// How.
    pub probe: Probe,
    /// Replies have to be signed with one of these; if there is none, they must not be signed.
    pub keys: Vec<Key>,
}

/// What a session sends.
#[derive(Clone, Copy, Debug)]
pub enum Probe {
    /// S-BFD, to a reflector with this discriminator.
    Sbfd(u32),
    /// ICMP or ICMPv6 echo, with these octets at the start of the payload.
    Echo([u8; 8]),
    /// TCP SYN to this port.
    Tcp(u16),
    /// ARP requests, to this MAC.
    Arp(Mac),
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
    /// Where its traffic is counted.
    pub slot: u32,
    /// The host that it belongs to.
    pub source: Mac,
    /// Where its packets go.
    pub to: To,
    /// Probes of the host with this MAC find it free.
    pub yields_to: Option<Mac>,
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
        /// The server, if its MAC is known.
        next_hop: Option<Mac>,
    },
    /// Back to the source, by a NIC.
    Drain {
        /// The NIC.
        out: u32,
        /// The source.
        next_hop: Mac,
    },
}

/// A neighbour that the kernel knows, on a managed NIC.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its address.
    pub to: IpAddr,
    /// The NIC.
    pub out: u32,
    /// Longest packet that the NIC sends.
    pub mtu: usize,
    /// Its MAC.
    pub mac: Mac,
}

//! What is asked of a source's addresses, and what a frame that leaves the source says for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{ArpOperation, NetSlice, SlicedPacket, TransportSlice};
use failover_tests::{
    frames::{self, Flow},
    frames6::{self, Flow6},
    lab::{Direction, Frame, Host, Mac, Nic, discovery::ADVERTISEMENT},
};
use failover_user::net::packet::PacketSocket;

use crate::pair::PORT;

/// A port that nobody listens at: a kernel that hears of it says so.
const CLOSED: u16 = 9;

/// Kinds of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// ARP, or a neighbour solicitation.
    Resolution,
    Echo,
    Tcp,
    Udp,
}

pub(super) const KINDS: [Kind; 4] = [Kind::Resolution, Kind::Echo, Kind::Tcp, Kind::Udp];

/// Whether a frame that left the source speaks for one of its addresses: as the sender of ARP, as the target of an advertisement,
/// or as the source of a packet. The answer to a heartbeat, which comes from the driver, is no use of the address.
pub(crate) fn speaks_for(identity: &[IpAddr], frame: &Frame) -> bool {
    let heartbeat = frame
        .udp()
        .is_some_and(|(from, _, _)| from == frames::SBFD_PORT);
    frame.direction == Direction::Out
        && !heartbeat
        && said(frame).iter().any(|ip| identity.contains(ip))
}

/// The addresses that a frame speaks for.
fn said(frame: &Frame) -> Vec<IpAddr> {
    if let Some(arp) = frame.arp() {
        return vec![arp.sender_ipv4_addr().into()];
    }
    let discovery = frame.discovery().into_iter();
    let advertised = discovery
        .filter(|said| said.kind == ADVERTISEMENT)
        .map(|said| said.target.into());
    source(frame).into_iter().chain(advertised).collect()
}

fn source(frame: &Frame) -> Option<IpAddr> {
    match SlicedPacket::from_ethernet(&frame.octets).ok()?.net? {
        NetSlice::Ipv4(ip) => Some(ip.header().source_addr().into()),
        NetSlice::Ipv6(ip) => Some(ip.header().source_addr().into()),
        NetSlice::Arp(_) => None,
    }
}

/// What kind of question a frame on its way to the source is, about this address.
pub(super) fn question(about: IpAddr, frame: &Frame) -> Option<Kind> {
    if frame.direction != Direction::In {
        return None;
    }
    if let Some(arp) = frame.arp() {
        return (IpAddr::from(arp.target_ipv4_addr()) == about).then_some(Kind::Resolution);
    }
    if let Some(said) = frame.discovery() {
        return (IpAddr::from(said.target) == about).then_some(Kind::Resolution);
    }
    let packet = SlicedPacket::from_ethernet(&frame.octets).ok()?;
    let to: IpAddr = match packet.net? {
        NetSlice::Ipv4(ip) => ip.header().destination_addr().into(),
        NetSlice::Ipv6(ip) => ip.header().destination_addr().into(),
        NetSlice::Arp(_) => return None,
    };
    let kind = match packet.transport? {
        TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) => Kind::Echo,
        TransportSlice::Tcp(_) => Kind::Tcp,
        TransportSlice::Udp(udp) if udp.destination_port() != frames::SBFD_PORT => Kind::Udp,
        TransportSlice::Udp(_) | TransportSlice::Igmp(_) => return None,
    };
    (to == about).then_some(kind)
}

/// A client's raw socket, for [`pester`].
pub(crate) fn raw(client: &Host, nic: &Nic) -> PacketSocket {
    let index = nic.index();
    client
        .run(|| PacketSocket::open(index, 1))
        .expect("a packet socket")
}

/// Questions of every kind about each address, to the source's own MAC and to all, as clients ask them that have not noticed
/// anything. MACs of the client and of the source.
pub(crate) fn pester(socket: &PacketSocket, macs: (Mac, Mac), about: [IpAddr; 2]) {
    for address in about {
        let frames = match address {
            IpAddr::V4(address) => questions4(macs, address),
            IpAddr::V6(address) => questions6(macs, address),
        };
        for frame in frames {
            socket.send(&frame).expect("a frame");
        }
    }
}

fn questions4((client, source): (Mac, Mac), address: Ipv4Addr) -> Vec<Vec<u8>> {
    let asker = Ipv4Addr::new(10, 0, 0, 100);
    let flow = Flow {
        from_mac: client,
        to_mac: source,
        from: asker,
        to: address,
        ttl: 64,
    };
    vec![
        frames::arp_request(client, asker, address),
        frames::arp(
            source,
            ArpOperation::REQUEST,
            (client, asker),
            (Mac([0; 6]), address),
        ),
        frames::arp_request(client, Ipv4Addr::UNSPECIFIED, address),
        frames::echo_request(&flow, 1, 1, b"are you there?"),
        frames::udp(&flow, 5555, PORT, b"lab-ask\n00000000"),
        frames::udp(&flow, 5555, CLOSED, b"anybody?"),
        frames::tcp(&flow, 5555, PORT, b""),
        frames::tcp(&flow, 5556, CLOSED, b""),
    ]
}

fn questions6((client, source): (Mac, Mac), address: Ipv6Addr) -> Vec<Vec<u8>> {
    let asker = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0x100);
    let flow = Flow6 {
        from_mac: client,
        to_mac: source,
        from: asker,
        to: address,
        hops: 255,
    };
    let group = frames6::solicited_node(address);
    let to_group = Flow6 {
        to_mac: frames6::group_mac(group),
        to: group,
        ..flow
    };
    let probe = Flow6 {
        from: Ipv6Addr::UNSPECIFIED,
        ..to_group
    };
    let own = frames6::source_option(client);
    vec![
        frames6::solicitation(&to_group, address, &own),
        frames6::solicitation(&flow, address, &own),
        frames6::solicitation(&probe, address, &[]),
        frames6::echo_request(&flow, 1, 1, b"are you there?"),
        frames6::udp(&flow, 5555, PORT, b"lab-ask\n00000000"),
        frames6::udp(&flow, 5555, CLOSED, b"anybody?"),
        frames6::tcp(&flow, 5555, PORT, b""),
        frames6::tcp(&flow, 5556, CLOSED, b""),
    ]
}

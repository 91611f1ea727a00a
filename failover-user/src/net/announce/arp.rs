//! ARP (RFC 826) for IPv4.
//!
//! All are padded with zeros to 60 octets, the shortest Ethernet frame without its checksum: what is on the wire is then
//! ours and not whatever a driver pads with, and a veth or a hypervisor's NIC sees the same frame as a cable.

use std::net::Ipv4Addr;

use bytes::Bytes;

/// Length of every frame made here, octets.
pub(super) const ARP_FRAME: usize = 60;

const BROADCAST: [u8; 6] = [0xff; 6];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// Gratuitous ARP in both forms: the request (announcement of RFC 5227 2.3: sender and target protocol address are the
/// address, target hardware address zero) and the reply (some stacks update their caches only on that).
///
/// `announced` is the MAC address that neighbours are to send to; `ethernet_source` is the one of the NIC that sends. At
/// failback they differ: the source's MAC is announced from our NIC, and switches must not learn the source's MAC there.
pub(super) fn announcement(
    ip: Ipv4Addr,
    announced: [u8; 6],
    ethernet_source: [u8; 6],
) -> [Bytes; 2] {
    let request = Arp {
        operation: REQUEST,
        sender: (announced, ip),
        target: ([0; 6], ip),
    };
    let reply = Arp {
        operation: REPLY,
        sender: (announced, ip),
        target: (announced, ip),
    };

    [request.frame(ethernet_source), reply.frame(ethernet_source)]
}

/// ARP probe (RFC 5227 1.1): asks whether anybody has `ip` without telling anybody that we do (sender protocol address
/// zero).
pub(super) fn probe(ip: Ipv4Addr, source: [u8; 6]) -> Bytes {
    let probe = Arp {
        operation: REQUEST,
        sender: (source, Ipv4Addr::UNSPECIFIED),
        target: ([0; 6], ip),
    };

    probe.frame(source)
}

/// ARP request from one host straight to another (RFC 1122 2.3.2.1): the one that is asked learns where the asker is, and
/// nobody else hears of it. Both are MAC and address.
pub(super) fn request(asker: ([u8; 6], Ipv4Addr), asked: ([u8; 6], Ipv4Addr)) -> Bytes {
    let request = Arp {
        operation: REQUEST,
        sender: asker,
        target: ([0; 6], asked.1),
    };

    request.frame_to(asked.0, asker.0)
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
struct Arp {
    operation: u16,
    sender: ([u8; 6], Ipv4Addr),
    target: ([u8; 6], Ipv4Addr),
}

impl Arp {
    /// Broadcast from `source`.
    fn frame(&self, source: [u8; 6]) -> Bytes {
        self.frame_to(BROADCAST, source)
    }

    fn frame_to(&self, destination: [u8; 6], source: [u8; 6]) -> Bytes {
        let mut frame = [0; ARP_FRAME];
        frame[..6].copy_from_slice(&destination);
        frame[6..12].copy_from_slice(&source);
        // EtherType ARP, hardware Ethernet, protocol IPv4, address lengths 6 and 4.
        frame[12..20].copy_from_slice(&[0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4]);
        frame[20..22].copy_from_slice(&self.operation.to_be_bytes());
        frame[22..28].copy_from_slice(&self.sender.0);
        frame[28..32].copy_from_slice(&self.sender.1.octets());
        frame[32..38].copy_from_slice(&self.target.0);
        frame[38..42].copy_from_slice(&self.target.1.octets());
        Bytes::copy_from_slice(&frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{ArpOperation, EtherType, Ethernet2Slice, NetSlice, SlicedPacket};

    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 9];

    struct Seen {
        operation: ArpOperation,
        sender: (Vec<u8>, Vec<u8>),
        target: (Vec<u8>, Vec<u8>),
        source: [u8; 6],
        destination: [u8; 6],
    }

    fn read(frame: &[u8]) -> Seen {
        let ethernet = Ethernet2Slice::from_slice_without_fcs(frame).unwrap();
        assert_eq!(ethernet.ether_type(), EtherType::ARP);
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let Some(NetSlice::Arp(arp)) = packet.net else {
            panic!("no ARP in {frame:02x?}");
        };
        Seen {
            operation: arp.operation(),
            sender: (
                arp.sender_hw_addr().to_vec(),
                arp.sender_protocol_addr().to_vec(),
            ),
            target: (
                arp.target_hw_addr().to_vec(),
                arp.target_protocol_addr().to_vec(),
            ),
            source: ethernet.source(),
            destination: ethernet.destination(),
        }
    }

    #[test]
    fn an_announcement_has_the_request_and_the_reply_form() {
        let [request, reply] = announcement(IP, OURS, OURS).map(|frame| read(&frame));

        let ip = IP.octets().to_vec();
        assert_eq!(request.operation, ArpOperation::REQUEST);
        assert_eq!(request.sender, (OURS.to_vec(), ip.clone()));
        assert_eq!(request.target, (vec![0; 6], ip.clone()));
        assert_eq!(reply.operation, ArpOperation::REPLY);
        assert_eq!(reply.sender, (OURS.to_vec(), ip.clone()));
        assert_eq!(reply.target, (OURS.to_vec(), ip));
        assert_eq!([request.destination, reply.destination], [[0xff; 6]; 2]);
    }

    #[test]
    fn announcing_the_mac_of_another_host_keeps_our_ethernet_source() {
        let [request, reply] = announcement(IP, THEIRS, OURS).map(|frame| read(&frame));

        assert_eq!([request.source, reply.source], [OURS; 2]);
        assert_eq!(request.sender.0, THEIRS);
        assert_eq!(
            (reply.sender.0, reply.target.0),
            (THEIRS.to_vec(), THEIRS.to_vec())
        );
    }

    #[test]
    fn a_probe_does_not_claim_the_address() {
        let seen = read(&probe(IP, OURS));

        assert_eq!(seen.operation, ArpOperation::REQUEST);
        assert_eq!(seen.sender, (OURS.to_vec(), vec![0; 4]));
        assert_eq!(seen.target, (vec![0; 6], IP.octets().to_vec()));
    }

    #[test]
    fn a_request_goes_to_the_one_that_is_asked() {
        let own = Ipv4Addr::new(10, 0, 0, 2);

        let seen = read(&request((OURS, own), (THEIRS, IP)));

        assert_eq!((seen.source, seen.destination), (OURS, THEIRS));
        assert_eq!(seen.operation, ArpOperation::REQUEST);
        assert_eq!(seen.sender, (OURS.to_vec(), own.octets().to_vec()));
        assert_eq!(seen.target, (vec![0; 6], IP.octets().to_vec()));
    }

    #[test]
    fn frames_are_padded_with_zeros_to_the_shortest_ethernet_frame() {
        let [request, _] = announcement(IP, OURS, OURS);

        assert_eq!(request.len(), 60);
        assert_eq!(&request[42..], &[0; 18]);
    }
}

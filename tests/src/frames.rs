//! Single frames, built with `etherparse` and by hand, independently of the code under test.

use std::net::Ipv4Addr;

use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType, PacketBuilder};

use crate::lab::Mac;

/// To everybody.
pub const BROADCAST: Mac = Mac([0xff; 6]);

/// UDP port of S-BFD reflectors (RFC 7881).
pub const SBFD_PORT: u16 = 7784;

/// Where a datagram comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Sender's MAC.
    pub from_mac: Mac,
    /// Receiver's MAC.
    pub to_mac: Mac,
    /// Sender's address.
    pub from: Ipv4Addr,
    /// Receiver's address.
    pub to: Ipv4Addr,
    /// IP time to live.
    pub ttl: u8,
}

impl Flow {
    /// The way back, with a time to live of 255.
    pub fn back(self) -> Self {
        Self {
            from_mac: self.to_mac,
            to_mac: self.from_mac,
            from: self.to,
            to: self.from,
            ttl: 255,
        }
    }
}

/// An ARP request: who has `wanted`? Tell `from`. With `from` 0.0.0.0 it is a probe (RFC 5227 1.1).
pub fn arp_request(from_mac: Mac, from: Ipv4Addr, wanted: Ipv4Addr) -> Vec<u8> {
    let operation = ArpOperation::REQUEST;

    arp(
        BROADCAST,
        operation,
        (from_mac, from),
        (Mac([0; 6]), wanted),
    )
}

/// An ARP reply: `from` is at `from_mac`.
pub fn arp_reply(from_mac: Mac, from: Ipv4Addr, to_mac: Mac, to: Ipv4Addr) -> Vec<u8> {
    arp(to_mac, ArpOperation::REPLY, (from_mac, from), (to_mac, to))
}

/// An ARP announcement of `address` (RFC 5227 3): a request that asks for the sender's own address.
pub fn arp_announcement(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp_request(mac, address, address)
}

/// The other form of an announcement: a broadcast reply for the sender's own address.
pub fn gratuitous_arp_reply(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let operation = ArpOperation::REPLY;

    arp(BROADCAST, operation, (mac, address), (BROADCAST, address))
}

/// Any ARP packet. `to` in its header is that of the frame.
pub fn arp(
    to: Mac,
    operation: ArpOperation,
    sender: (Mac, Ipv4Addr),
    target: (Mac, Ipv4Addr),
) -> Vec<u8> {
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &sender.0.0,
        &sender.1.octets(),
        &target.0.0,
        &target.1.octets(),
    )
    .expect("address lengths that are equal");
    let builder = PacketBuilder::ethernet2(sender.0.0, to.0).arp(packet);
    let mut frame = Vec::with_capacity(builder.size());

    builder.write(&mut frame).expect("writing to memory");

    frame
}

/// A UDP datagram.
pub fn udp(flow: &Flow, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv4(flow.from.octets(), flow.to.octets(), flow.ttl)
        .udp(from_port, to_port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// A UDP datagram over IPv6, between the IPv4-mapped forms of the flow's addresses.
pub fn udp6(flow: &Flow, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (flow.from.to_ipv6_mapped(), flow.to.to_ipv6_mapped());
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv6(from.octets(), to.octets(), flow.ttl)
        .udp(from_port, to_port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// A segment of TCP that opens a connection.
pub fn tcp(flow: &Flow, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv4(flow.from.octets(), flow.to.octets(), flow.ttl)
        .tcp(from_port, to_port, 0x0102_0304, 65_535)
        .syn();
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// An ICMP echo request.
pub fn echo_request(flow: &Flow, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv4(flow.from.octets(), flow.to.octets(), flow.ttl)
        .icmpv4_echo_request(id, sequence);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// An ICMP echo reply.
pub fn echo_reply(flow: &Flow, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(flow.from_mac.0, flow.to_mac.0)
        .ipv4(flow.from.octets(), flow.to.octets(), flow.ttl)
        .icmpv4_echo_reply(id, sequence);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));

    builder
        .write(&mut frame, payload)
        .expect("writing to memory");

    frame
}

/// A BFD control packet (RFC 5880 4.1) without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// Version, 3 bits.
    pub version: u8,
    /// Diagnostic, 5 bits.
    pub diagnostic: u8,
    /// State: 0 AdminDown, 1 Down, 2 Init, 3 Up.
    pub state: u8,
    /// P, F, C, A, D and M: the low six bits of the second octet.
    pub flags: u8,
    /// Detect Mult.
    pub detect_mult: u8,
    /// Length, octets, as the packet states it.
    pub length: u8,
    /// My Discriminator.
    pub my_discriminator: u32,
    /// Your Discriminator.
    pub your_discriminator: u32,
    /// Desired Min TX Interval, us.
    pub desired_min_tx_us: u32,
    /// Required Min RX Interval, us.
    pub required_min_rx_us: u32,
    /// Required Min Echo RX Interval, us.
    pub required_min_echo_rx_us: u32,
}

impl Bfd {
    /// The Demand bit in `flags`.
    pub const DEMAND: u8 = 0x02;
    /// The Final bit.
    pub const FINAL: u8 = 0x10;
    /// The Poll bit.
    pub const POLL: u8 = 0x20;
    /// Octets of a packet without authentication.
    pub const LENGTH: u8 = 24;

    /// What an S-BFD initiator sends (RFC 7880 7.3.2): State Up, D set.
    pub fn request(my_discriminator: u32, your_discriminator: u32) -> Self {
        Self {
            version: 1,
            diagnostic: 0,
            state: 3,
            flags: Self::DEMAND,
            detect_mult: 3,
            length: Self::LENGTH,
            my_discriminator,
            your_discriminator,
            desired_min_tx_us: 10_000,
            required_min_rx_us: 0,
            required_min_echo_rx_us: 0,
        }
    }

    /// What a reflector answers to a request (RFC 7880 7.2.2).
    pub fn reply_to(request: &Self, required_min_rx_us: u32) -> Self {
        Self {
            state: 3,
            flags: if request.flags & Self::POLL > 0 {
                Self::FINAL
            } else {
                0
            },
            my_discriminator: request.your_discriminator,
            your_discriminator: request.my_discriminator,
            required_min_rx_us,
            ..*request
        }
    }

    /// The packet.
    pub fn octets(&self) -> [u8; 24] {
        let mut octets = [0; 24];

        octets[0] = self.version << 5 | self.diagnostic;
        octets[1] = self.state << 6 | self.flags;
        octets[2] = self.detect_mult;
        octets[3] = self.length;

        for (word, value) in octets[4..].chunks_exact_mut(4).zip([
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ]) {
            word.copy_from_slice(&value.to_be_bytes());
        }

        octets
    }

    /// The packet in a frame to or from a reflector.
    pub fn frame(&self, flow: &Flow, from_port: u16, to_port: u16) -> Vec<u8> {
        udp(flow, from_port, to_port, &self.octets())
    }
}

/// An S-BFD request in a frame, from an ephemeral port.
pub fn sbfd_request(flow: &Flow, my_discriminator: u32, your_discriminator: u32) -> Vec<u8> {
    Bfd::request(my_discriminator, your_discriminator).frame(flow, 49_152, SBFD_PORT)
}

/// Puts 802.1Q tags into a frame, the outermost first. With two the outer one is a service tag (802.1ad).
pub fn with_vlans(frame: &[u8], ids: &[u16]) -> Vec<u8> {
    const CUSTOMER: u16 = 0x8100;
    const SERVICE: u16 = 0x88a8;
    const MACS: usize = 12;

    let mut tagged = frame[..MACS].to_vec();

    for (position, id) in ids.iter().enumerate() {
        let outer = position + 1 < ids.len();

        tagged.extend(if outer { SERVICE } else { CUSTOMER }.to_be_bytes());
        tagged.extend(id.to_be_bytes());
    }

    tagged.extend(&frame[MACS..]);

    tagged
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow {
        from_mac: Mac([2, 0, 0, 0, 0x0a, 1]),
        to_mac: Mac([2, 0, 0, 0, 0x0b, 1]),
        from: Ipv4Addr::new(10, 0, 0, 1),
        to: Ipv4Addr::new(10, 0, 0, 2),
        ttl: 255,
    };

    #[test]
    fn a_bfd_request_is_laid_out_as_in_rfc_5880() {
        let request = Bfd::request(0x0102_0304, 0x0a00_0002).octets();

        assert_eq!(request[..4], [0x20, 0xc2, 3, 24]);
        assert_eq!(request[4..12], [1, 2, 3, 4, 10, 0, 0, 2]);
    }

    #[test]
    fn tags_go_between_the_macs_and_the_type() {
        let plain = udp(&FLOW, 1, 2, b"x");

        let tagged = with_vlans(&plain, &[5, 6]);

        assert_eq!(tagged[12..22], [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]);
        assert_eq!(tagged[22..], plain[14..]);
    }

    #[test]
    fn an_announcement_asks_for_its_own_address() {
        let frame = arp_announcement(FLOW.from_mac, FLOW.from);

        assert_eq!(frame[..6], [0xff; 6]);
        assert_eq!(frame[28..32], frame[38..42]);
    }
}

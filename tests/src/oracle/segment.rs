//! TCP segments that answer a request of this host's, which never opens a connection (RFC 9293).

use std::net::IpAddr;

use super::{
    About, Arrival, Fate, Host, Nic, Outcome, Probe,
    dissect::{Packet, be16, be32, octets, ones, sum},
};

/// Octets of a header without options.
const HEADER: usize = 20;
/// RFC 9293 3.1.
const ACK: u8 = 0x10;
const RST: u8 = 0x04;
const SYN: u8 = 0x02;
/// The shortest frame on a wire, without its checksum.
const SHORTEST: usize = 60;
/// Network control traffic (RFC 4594 3.1) as traffic class.
const NETWORK_CONTROL: u8 = 0xc0;

impl Host {
    /// A segment that acknowledges a request of ours. Whatever it says, this host has no such connection.
    pub(super) fn segment(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Outcome> {
        let tcp: &[u8; HEADER] = packet.behind.first_chunk()?;

        if packet.fragment
            || packet.extended
            || be16(tcp, 2) != Some(self.tcp_port)
            || tcp[13] & ACK == 0
        {
            return None;
        }

        let initial = be32(tcp, 8)?.wrapping_sub(1);
        let number = (initial >> 16) as u16 ^ self.tcp_cookie;
        let session = self.session(number, arrival, packet)?;

        if !matches!(session.probe, Probe::Tcp(port) if be16(tcp, 0) == Some(port)) {
            return None;
        }

        let Some(nic) = arrival.addressed() else {
            return Some(Outcome::nothing());
        };

        // What is behind the end of the packet may only look like a segment.
        if packet.payload.len() < HEADER {
            return Some(Outcome::new(About::Segment, Fate::Kept));
        }

        let options = usize::from(tcp[12] >> 4) * 4;
        // No answer to a request without data carries any.
        let alone = options >= HEADER && packet.complete && packet.payload.len() == options;

        if !alone || !packet.intact || !is_intact(packet) {
            return Some(Outcome::new(About::Segment, Fate::Dropped));
        }

        // RFC 9293 3.10.7.3: RST counts more than SYN. A refusal is not answered.
        if tcp[13] & RST != 0 {
            return Some(Outcome::new(About::Segment, Fate::Dropped));
        }

        let measured = self
            .under_way(initial as u16)
            .filter(|_| tcp[13] & SYN != 0)
            .map(|sequence| (session.number, sequence));
        let fate = Fate::Answered(reset(arrival, nic, packet, tcp));

        Some(Outcome::new(About::Segment, fate).measuring(measured))
    }
}

/// Whether the checksum is right, or left to hardware that is not there: then it is the pseudo-header's sum, as a sender in a
/// virtual network leaves it.
fn is_intact(packet: &Packet<'_>) -> bool {
    let left = sum(packet.src, packet.dst, packet.protocol, &[]);
    let length = u16::try_from(packet.payload.len()).expect("a header");
    let left = ones(&[&left.to_be_bytes(), &length.to_be_bytes()]);

    packet.transport_sum() == 0xffff || be16(packet.payload, 16) == Some(left)
}

/// RFC 9293 3.10.7.1 and 3.10.7.3: `<SEQ=SEG.ACK><CTL=RST>`. A frame that came by a real wire stays as long as Ethernet demands.
fn reset(arrival: &Arrival<'_>, nic: Nic, packet: &Packet<'_>, tcp: &[u8; HEADER]) -> Vec<u8> {
    let mut segment = [
        &tcp[2..4],
        &tcp[..2],
        &tcp[8..12],
        &[0; 4],
        &[5 << 4, RST],
        &[0; 6],
    ]
    .concat();
    let checksum = !sum(packet.dst, packet.src, packet.protocol, &segment);

    segment[16..18].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = [
        &arrival.link.src.0[..],
        &nic.mac.0,
        &arrival.frame[12..arrival.link.at],
        &header(packet),
        &segment,
    ]
    .concat();

    if arrival.frame.len() >= SHORTEST && frame.len() < SHORTEST {
        frame.resize(SHORTEST, 0);
    }

    frame
}

/// The IP header of a packet of this host's that goes back: never to be fragmented, with all the hops that there are.
fn header(packet: &Packet<'_>) -> Vec<u8> {
    let (src, dst) = (octets(packet.dst), octets(packet.src));

    match packet.src {
        IpAddr::V4(_) => {
            let fixed = [0x45, NETWORK_CONTROL, 0, 40, 0, 0, 0x40, 0, 255, 6, 0, 0];
            let mut header = [&fixed[..], &src, &dst].concat();
            let checksum = !ones(&[&header]);

            header[10..12].copy_from_slice(&checksum.to_be_bytes());

            header
        }
        IpAddr::V6(_) => {
            let first = [0x60 | NETWORK_CONTROL >> 4, NETWORK_CONTROL << 4, 0, 0];

            [&first[..], &[0, 20, 6, 255], &src, &dst].concat()
        }
    }
}

//! S-BFD (RFC 5880, RFC 7880, RFC 7881).

use std::net::IpAddr;

use super::{
    About, Arrival, Fate, Host, Nic, Outcome, Probe, Service, To,
    dissect::{Packet, be16, be32, ones, sum},
    signature::{SIGNED, sign, verified},
};

/// RFC 7881 3.
const REFLECTOR: u16 = 7784;
/// Octets of a UDP header.
const UDP: usize = 8;
/// Octets of a control packet without authentication.
const UNSIGNED: usize = 24;

/// RFC 5880 4.1.
mod flag {
    pub(super) const POLL: u8 = 0x20;
    pub(super) const FINAL: u8 = 0x10;
    pub(super) const AUTHENTICATION: u8 = 0x04;
    pub(super) const DEMAND: u8 = 0x02;
    pub(super) const MULTIPOINT: u8 = 0x01;
}

impl Host {
    pub(super) fn datagram(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Outcome> {
        // Only the first fragment has the ports.
        if packet.later_fragment {
            return None;
        }

        let (from, to) = (be16(packet.behind, 0)?, be16(packet.behind, 2)?);
        let reflects = arrival.nic.is_some_and(|nic| nic.reflects);

        if to == REFLECTOR && reflects && self.reflects_at.contains(&packet.dst) {
            let answer = |nic: Nic| {
                self.is_request(packet, from)
                    .then(|| Fate::Answered(self.reflected(arrival, nic, packet)))
            };

            return Some(sent_here(arrival, packet, About::Request, answer));
        }

        if to == REFLECTOR || from != REFLECTOR || to != self.sbfd_port {
            return None;
        }

        if let Some(measured) = arrival
            .addressed()
            .and_then(|_| self.reply(arrival, packet))
        {
            return Some(Outcome::new(About::Reply, Fate::Dropped).measuring(Some(measured)));
        }

        // What is on its way to another server is that server's. Where this host's kernel has the address, the port is ours.
        let elsewhere = self
            .held(packet.dst, arrival.tags())
            .is_some_and(|held| !matches!(held.to, To::Local));

        (!elsewhere).then(|| sent_here(arrival, packet, About::Reply, |_| None))
    }

    /// Whether a request is answered.
    fn is_request(&self, packet: &Packet<'_>, from: u16) -> bool {
        let Some(bfd) = control(packet) else {
            return false;
        };
        let [version, flags, multiplier] = [bfd[0] >> 5, bfd[1], bfd[2]];
        let signed = flags & flag::AUTHENTICATION != 0;

        // RFC 7881 4, RFC 7880 7.1: policy may refuse; RFC 5880 6.8.6: version 1, multiplier not 0, M clear, My Discriminator
        // not 0.
        // RFC 7881 7: nothing is done for whom no reply can reach; this host does not ask itself by its NICs.
        from != REFLECTOR
            && !is_martian(packet.src)
            && !self.reflects_at.contains(&packet.src)
            && version == 1
            && multiplier != 0
            && flags & flag::MULTIPOINT == 0
            // RFC 7880 7.2.3: D clear MUST be discarded.
            && flags & flag::DEMAND != 0
            && be32(bfd, 4) != Some(0)
            && be32(bfd, 8).is_some_and(|asked| self.discriminators.contains(&asked))
            && self.initiators.as_ref().is_none_or(|known| known.contains(&packet.src))
            // RFC 5880 6.8.6: signed or not, as is configured.
            && signed != self.keys.is_empty()
            && (!signed || verified(bfd, &self.keys).is_some())
            && self.service != Service::Silent
    }

    /// RFC 7880 7.2.2 and RFC 7881 4.
    fn reflected(&self, arrival: &Arrival<'_>, nic: Nic, packet: &Packet<'_>) -> Vec<u8> {
        let payload = packet.payload;
        let bfd = &payload[UDP..];
        let mut reply = arrival.frame.to_vec();
        let l3 = arrival.link.at;
        let l4 = l3 + packet.payload_at;

        reply[..6].copy_from_slice(&arrival.link.src.0);
        reply[6..12].copy_from_slice(&nic.mac.0);
        turn_addresses(&mut reply[l3..], packet);
        reply[l4..l4 + 2].copy_from_slice(&payload[2..4]);
        reply[l4 + 2..l4 + 4].copy_from_slice(&payload[..2]);

        let out = &mut reply[l4 + UDP..l4 + payload.len()];
        let (state, diagnostic) = match self.service {
            Service::AdminDown => (0, 7),
            Service::Up | Service::Silent => (3, 0),
        };
        let poll = bfd[1] & flag::POLL != 0;

        out[0] = 1 << 5 | diagnostic;
        out[1] = state << 6 | if poll { flag::FINAL } else { 0 } | bfd[1] & flag::AUTHENTICATION;
        out[4..8].copy_from_slice(&bfd[8..12]);
        out[8..12].copy_from_slice(&bfd[4..8]);
        out[16..20].copy_from_slice(&self.min_rx_us.to_be_bytes());
        out[20..24].fill(0);

        if bfd[1] & flag::AUTHENTICATION != 0 {
            // RFC 5880 4.4: the reserved octet is sent as 0. RFC 7880 section 11: the same key and sequence.
            out[27] = 0;
            assert!(sign(out, &self.keys), "verified with one of them");
        }

        if payload[6..8] != [0, 0] {
            let octets = reply[l4..l4 + payload.len()].to_vec();
            let checksum = sum_of(packet, &octets, 6);

            reply[l4 + 6..l4 + 8].copy_from_slice(&checksum.to_be_bytes());
        }

        reply
    }

    /// Session and sequence of a valid reply to a request that is under way.
    fn reply(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<(u16, u32)> {
        let bfd = control(packet)?;

        // RFC 7881 4: sent with 255, and our sources are on the link.
        if packet.hops != 255 {
            return None;
        }

        let [version, flags, multiplier] = [bfd[0] >> 5, bfd[1], bfd[2]];
        let signed = flags & flag::AUTHENTICATION != 0;
        let echoed = be32(bfd, 8)?;
        let number = (echoed >> 16) as u16;
        let session = self.session(number, arrival, packet)?;
        let Probe::Sbfd(discriminator) = session.probe else {
            return None;
        };
        let sequence = self.under_way(echoed as u16)?;
        // RFC 7880 7.2.2: Up or AdminDown; 7.3.3: D set MUST be discarded; RFC 5880 6.8.6 for the rest. Section 11: signed with
        // the sequence of the request that it answers.
        let valid = version == 1
            && multiplier != 0
            && flags & (flag::MULTIPOINT | flag::DEMAND) == 0
            && matches!(flags >> 6, 0 | 3)
            && be32(bfd, 4) == Some(discriminator)
            && signed != session.keys.is_empty()
            && (!signed || verified(bfd, &session.keys) == Some(sequence));

        valid.then_some((number, sequence))
    }
}

/// RFC 1812 5.3.7, RFC 4291 2.5 and 2.7: no source of a packet that came from another host.
fn is_martian(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(ip) => matches!(ip.octets()[0], 0 | 127 | 224..),
        IpAddr::V6(ip) => ip.is_multicast() || ip.is_unspecified() || ip.is_loopback(),
    }
}

/// What becomes of a frame that is for this host by its ports: `answer` if it was sent to the NIC, dropped where there is none.
/// Ports behind the end of the packet are none of its own; whether such a frame reaches the kernel, which discards it, is the
/// same to everybody.
fn sent_here(
    arrival: &Arrival<'_>,
    packet: &Packet<'_>,
    about: About,
    answer: impl FnOnce(Nic) -> Option<Fate>,
) -> Outcome {
    match arrival.addressed() {
        None => Outcome::nothing(),
        Some(_) if packet.payload.len() < 4 => Outcome::new(about, Fate::Kept),
        Some(nic) => Outcome::new(about, answer(nic).unwrap_or(Fate::Dropped)),
    }
}

/// The control packet in a datagram that is all there, and nothing else: as long as its authentication makes it.
fn control<'a>(packet: &Packet<'a>) -> Option<&'a [u8]> {
    let payload = packet.payload;
    let bfd = payload.get(UDP..)?;
    let signed = bfd.get(1)? & flag::AUTHENTICATION != 0;
    let length = if signed { SIGNED } else { UNSIGNED };
    let checksum = be16(payload, 6);
    let whole = packet.complete
        && packet.intact
        && !packet.extended
        && !packet.fragment
        && bfd.len() == length
        && usize::from(be16(payload, 4)?) == UDP + length
        && usize::from(bfd[3]) == length;
    // RFC 768: over IPv4 a sender may leave the checksum out; RFC 8200 8.1: over IPv6 it may not.
    let intact = match packet.src {
        IpAddr::V4(_) if checksum == Some(0) => true,
        IpAddr::V4(_) | IpAddr::V6(_) => checksum != Some(0) && packet.transport_sum() == 0xffff,
    };

    (whole && intact).then_some(bfd)
}

/// Source and destination change places, and the packet gets all the hops that there are.
fn turn_addresses(octets: &mut [u8], packet: &Packet<'_>) {
    match packet.src {
        IpAddr::V4(_) => {
            let (src, dst) = (octets[12..16].to_vec(), octets[16..20].to_vec());

            octets[12..16].copy_from_slice(&dst);
            octets[16..20].copy_from_slice(&src);
            octets[8] = 255;
            octets[10..12].fill(0);

            let checksum = !ones(&[&octets[..20]]);

            octets[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        IpAddr::V6(_) => {
            let (src, dst) = (octets[8..24].to_vec(), octets[24..40].to_vec());

            octets[8..24].copy_from_slice(&dst);
            octets[24..40].copy_from_slice(&src);
            octets[7] = 255;
        }
    }
}

/// The checksum that a payload on its way back should have in its octets from `at` on; a computed 0 is sent as all ones (RFC
/// 768, RFC 8200 8.1).
fn sum_of(packet: &Packet<'_>, payload: &[u8], at: usize) -> u16 {
    let mut payload = payload.to_vec();

    payload[at..at + 2].fill(0);

    match !sum(packet.dst, packet.src, packet.protocol, &payload) {
        0 => 0xffff,
        checksum => checksum,
    }
}

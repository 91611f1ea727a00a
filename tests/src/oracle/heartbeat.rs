//! Heartbeats: S-BFD (RFC 5880, RFC 7880, RFC 7881) and echo (RFC 792, RFC 4443).

use std::net::IpAddr;

use super::{
    Arrival, Fate, Host, Probe, Session,
    dissect::{Packet, be16, be32, ones, sum},
};

const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// RFC 7881 3.
const REFLECTOR: u16 = 7784;
/// A control packet without authentication, and the UDP header before it.
const DATAGRAM: usize = 8 + 24;
/// Echo header and the payload of ours.
const ECHO: usize = 8 + 18;

impl Host {
    /// The fate of a heartbeat; `None` for anything else.
    pub(super) fn heartbeat(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Fate> {
        match packet.protocol {
            UDP => self.datagram(arrival, packet),
            ICMP if packet.src.is_ipv4() => self.echo(arrival, packet, 0),
            ICMPV6 if packet.src.is_ipv6() => self.echo(arrival, packet, 129),
            _ => None,
        }
    }

    fn datagram(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Fate> {
        // Only the first fragment has the ports.
        if packet.later_fragment {
            return None;
        }

        let (from, to) = (be16(packet.payload, 0)?, be16(packet.payload, 2)?);

        if to == REFLECTOR && self.reflects_at.contains(&packet.dst) {
            // A switch floods what it does not know, and whatever is wrong with it is another host's business.
            return Some(if !arrival.addressed() {
                Fate::Passed
            } else if self.is_request(packet, from) {
                Fate::Answered(self.reflected(arrival, packet))
            } else {
                Fate::Refused
            });
        }

        if from == REFLECTOR && to == self.sbfd_port {
            return Some(if !arrival.addressed() {
                Fate::Passed
            } else {
                self.reply(arrival, packet)
                    .map_or(Fate::Refused, |(session, sequence)| {
                        Fate::Measured(session, sequence)
                    })
            });
        }

        None
    }

    /// Whether it is a control packet in a datagram that is all there, and nothing else.
    fn is_control(packet: &Packet<'_>) -> bool {
        let payload = packet.payload;
        let checksum = be16(payload, 6);
        let summed = packet.transport_sum() == 0xffff;
        // RFC 768: over IPv4 a sender may leave the checksum out; RFC 8200 8.1: over IPv6 it may not.
        let intact = match packet.src {
            IpAddr::V4(_) => summed || checksum == Some(0),
            IpAddr::V6(_) => summed && checksum != Some(0),
        };

        packet.complete
            && packet.intact
            && !packet.extended
            && !packet.fragment
            && payload.len() == DATAGRAM
            && be16(payload, 4) == Some(DATAGRAM as u16)
            && payload[8 + 3] == 24
            && intact
    }

    fn is_request(&self, packet: &Packet<'_>, from: u16) -> bool {
        if !Self::is_control(packet) {
            return false;
        }

        let bfd = &packet.payload[8..];
        let [version, flags, multiplier] = [bfd[0] >> 5, bfd[1], bfd[2]];

        // RFC 7881 4; RFC 5880 6.8.6: version 1, multiplier not 0, M clear, My Discriminator not 0; no key, so no A bit.
        from != REFLECTOR
            && version == 1
            && multiplier != 0
            && flags & 0x01 == 0
            && flags & 0x04 == 0
            // RFC 7880 7.2.3: D clear MUST be discarded.
            && flags & 0x02 != 0
            && be32(bfd, 4) != Some(0)
            && be32(bfd, 8).is_some_and(|asked| self.discriminators.contains(&asked))
    }

    /// RFC 7880 7.2.2 and RFC 7881 4.
    fn reflected(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Vec<u8> {
        let payload = packet.payload;
        let bfd = &payload[8..];
        let poll = bfd[1] & 0x20 != 0;
        let mut reply = arrival.frame.to_vec();
        let l3 = arrival.link.at;
        let l4 = l3 + packet.payload_at;

        reply[..6].copy_from_slice(&arrival.link.src.0);
        reply[6..12].copy_from_slice(&arrival.nic.mac.0);
        self.turn_addresses(&mut reply[l3..], packet);
        reply[l4..l4 + 2].copy_from_slice(&payload[2..4]);
        reply[l4 + 2..l4 + 4].copy_from_slice(&payload[..2]);

        let out = &mut reply[l4 + 8..];

        out[0] = 1 << 5;
        out[1] = 3 << 6 | if poll { 0x10 } else { 0 };
        out[4..8].copy_from_slice(&bfd[8..12]);
        out[8..12].copy_from_slice(&bfd[4..8]);
        out[16..20].copy_from_slice(&self.min_rx_us.to_be_bytes());
        out[20..24].fill(0);

        if payload[6..8] != [0, 0] {
            let octets = reply[l4..l4 + DATAGRAM].to_vec();
            let checksum = sum_of(packet, &octets, 6);

            reply[l4 + 6..l4 + 8].copy_from_slice(&checksum.to_be_bytes());
        }

        reply
    }

    /// Source and destination change places, and the packet gets all the hops that there are.
    fn turn_addresses(&self, octets: &mut [u8], packet: &Packet<'_>) {
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

    /// Session and sequence of a valid reply.
    fn reply(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<(u16, u16)> {
        // RFC 7881 4: sent with 255, and our sources are on the link.
        // It comes by the VLANs that the session is in, and these are in none.
        if !Self::is_control(packet) || packet.hops != 255 || arrival.tags() != [0, 0] {
            return None;
        }

        let bfd = &packet.payload[8..];
        let [version, flags, multiplier] = [bfd[0] >> 5, bfd[1], bfd[2]];
        let state = flags >> 6;
        let echoed = be32(bfd, 8)?;
        let number = (echoed >> 16) as u16;
        let session = self.session(number, packet)?;
        let Probe::Sbfd(discriminator) = session.probe else {
            return None;
        };
        // RFC 7880 7.2.2: Up or AdminDown; 7.3.3: D set MUST be discarded; RFC 5880 6.8.6 for the rest.
        let valid = version == 1
            && multiplier != 0
            && flags & (0x01 | 0x02 | 0x04) == 0
            && matches!(state, 0 | 3)
            && be32(bfd, 4) == Some(discriminator);

        valid.then_some((number, echoed as u16))
    }

    fn session(&self, number: u16, packet: &Packet<'_>) -> Option<&Session> {
        self.sessions.iter().find(|session| {
            session.number == number && session.remote == packet.src && session.local == packet.dst
        })
    }

    /// An echo reply as long as ours, with our cookie, from the right host, is ours; any other of that length is left to the
    /// kernel.
    fn echo(&self, arrival: &Arrival<'_>, packet: &Packet<'_>, kind: u8) -> Option<Fate> {
        Self::looks_like_echo(packet, kind)
            .then(|| self.own_echo(arrival, packet).unwrap_or(Fate::Passed))
    }

    fn looks_like_echo(packet: &Packet<'_>, kind: u8) -> bool {
        packet.payload.starts_with(&[kind, 0])
            && !packet.extended
            && !packet.fragment
            && packet.length == packet.payload_at + ECHO
    }

    fn own_echo(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Option<Fate> {
        let payload = packet.payload;

        if payload.len() != ECHO || arrival.tags() != [0, 0] {
            return None;
        }

        let session = self.session(be16(payload, 4)?, packet)?;
        let Probe::Echo(cookie) = session.probe else {
            return None;
        };

        if payload[8..16] != cookie {
            return None;
        }

        let summed = match packet.src {
            IpAddr::V4(_) => ones(&[payload]),
            IpAddr::V6(_) => packet.transport_sum(),
        };

        // Length and cookie are ours, so a wrong checksum makes it a bad heartbeat. A switch may have flooded it.
        Some(if packet.complete && packet.intact && summed == 0xffff {
            Fate::Measured(session.number, be16(payload, 6)?)
        } else {
            Fate::Kept
        })
    }
}

/// The checksum that a payload should have in its octets from `at` on; a computed 0 is sent as all ones (RFC 768, RFC 8200 8.1).
fn sum_of(packet: &Packet<'_>, payload: &[u8], at: usize) -> u16 {
    let mut payload = payload.to_vec();

    payload[at..at + 2].fill(0);

    match !sum(packet.dst, packet.src, packet.protocol, &payload) {
        0 => 0xffff,
        checksum => checksum,
    }
}

//! Packets for held addresses, and what comes back from the server that some of them are sent to.

use std::net::IpAddr;

use super::{
    About, Arrival, Fate, Held, Host, Nic, Outcome, To,
    dissect::{Packet, ones},
};

impl Host {
    /// What becomes of a packet that is no heartbeat and no neighbour discovery.
    pub(super) fn steered(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Outcome {
        if self.fenced.contains(&packet.dst) {
            return Outcome::new(About::Fence, Fate::Dropped);
        }

        let Some(nic) = arrival.addressed().filter(|_| packet.complete) else {
            return Outcome::nothing();
        };

        if let Some(target) = self.held(packet.dst, arrival.tags()) {
            return Outcome {
                traffic: Some(target.slot),
                ..Outcome::new(About::Packet, self.inbound(arrival, packet, nic, target))
            };
        }

        let elsewhere = self.held.iter().any(|held| held.ip == packet.dst);
        let comes_back = self.held.iter().any(|held| {
            held.ip == packet.src && matches!(held.to, To::Forward { out, .. } if out == nic.index)
        });

        // The server's network is this NIC's own, without tags. An address that is held in another VLAN is none of this network's.
        if comes_back && !elsewhere && arrival.link.vlans.is_empty() {
            Outcome::new(About::Return, self.outbound(arrival, packet))
        } else {
            Outcome::nothing()
        }
    }

    fn inbound(&self, arrival: &Arrival<'_>, packet: &Packet<'_>, nic: Nic, target: &Held) -> Fate {
        match target.to {
            // The kernel says that it is too long, or has been on its way for too long, or finds the server.
            To::Forward { mtu, .. } if packet.hops <= 1 || packet.length > mtu => Fate::Passed,
            To::Forward { next_hop: None, .. } => Fate::Passed,
            To::Forward {
                out,
                next_hop: Some(next_hop),
                ..
            } => {
                let Some(out) = self.nics.iter().find(|nic| nic.index == out) else {
                    return Fate::Dropped;
                };
                let frame = one_hop_less(arrival, packet);

                // The server is behind an untagged NIC.
                Fate::Redirected(readdressed(
                    &untagged(&frame, arrival),
                    next_hop.0,
                    out.mac.0,
                ))
            }
            To::Drain { out, next_hop } if arrival.link.src != next_hop => {
                let frame = readdressed(arrival.frame, next_hop.0, self.mac(out).0);

                if out == nic.index {
                    Fate::Answered(frame)
                } else {
                    Fate::Redirected(frame)
                }
            }
            To::Local | To::Drain { .. } => Fate::Passed,
        }
    }

    /// By the kernel's routes, or left to the kernel.
    fn outbound(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Fate {
        let route = self.routes.iter().find(|route| route.to == packet.dst);

        match route {
            Some(route) if packet.hops > 1 && packet.length <= route.mtu => {
                let frame = one_hop_less(arrival, packet);

                Fate::Redirected(readdressed(&frame, route.mac.0, self.mac(route.out).0))
            }
            _ => Fate::Passed,
        }
    }
}

/// The frame with its packet's time to live, or hop limit, less by one.
fn one_hop_less(arrival: &Arrival<'_>, packet: &Packet<'_>) -> Vec<u8> {
    match packet.src {
        IpAddr::V4(_) => {
            let mut frame = arrival.with(8, &[packet.hops - 1]);
            let at = arrival.link.at;
            // RFC 1624: the checksum is as right, or as wrong, as it was before.
            let before = u16::from_be_bytes([frame[at + 10], frame[at + 11]]);
            let protocol = frame[at + 9];
            let checksum = !ones(&[
                &(!before).to_be_bytes(),
                &(!u16::from_be_bytes([packet.hops, protocol])).to_be_bytes(),
                &[packet.hops - 1, protocol],
            ]);

            frame[at + 10..at + 12].copy_from_slice(&checksum.to_be_bytes());

            frame
        }
        IpAddr::V6(_) => arrival.with(7, &[packet.hops - 1]),
    }
}

fn readdressed(frame: &[u8], dst: [u8; 6], src: [u8; 6]) -> Vec<u8> {
    [&dst[..], &src[..], &frame[12..]].concat()
}

/// The frame without its VLAN tags.
fn untagged(frame: &[u8], arrival: &Arrival<'_>) -> Vec<u8> {
    [&frame[..12], &frame[arrival.link.at - 2..]].concat()
}

//! Packets for held addresses, and what comes back from the server that some of them are sent to.

use std::net::IpAddr;

use super::{
    Arrival, Fate, Host, To,
    dissect::{Packet, ones},
};

impl Host {
    /// The fate of a packet that is no heartbeat and no neighbour discovery.
    pub(super) fn steered(&self, arrival: &Arrival<'_>, packet: &Packet<'_>) -> Fate {
        if !packet.complete || !arrival.addressed() {
            return Fate::Passed;
        }

        if let Some(target) = self.held(packet.dst, arrival.tags()) {
            return match target.to {
                To::Local => Fate::Passed,
                To::Forward { out, mtu, next_hop } => {
                    if packet.hops <= 1 || packet.length > mtu {
                        return Fate::Passed;
                    }

                    let frame = one_hop_less(arrival, packet);

                    // The server is behind an untagged NIC.
                    Fate::Redirected(readdressed(&untagged(&frame), next_hop.0, self.mac(out).0))
                }
                To::Drain { out, next_hop } => {
                    if arrival.link.src == next_hop {
                        return Fate::Passed;
                    }

                    let frame = readdressed(arrival.frame, next_hop.0, self.mac(out).0);

                    if out == arrival.nic.index {
                        Fate::Answered(frame)
                    } else {
                        Fate::Redirected(frame)
                    }
                }
            };
        }

        let comes_back = self.held.iter().any(|held| {
            held.ip == packet.src
                && matches!(held.to, To::Forward { out, .. } if out == arrival.nic.index)
        });

        if comes_back && packet.hops > 1 && arrival.tags() == [0, 0] {
            Fate::Routed(one_hop_less(arrival, packet))
        } else {
            Fate::Passed
        }
    }
}

/// The frame with its packet's time to live, or hop limit, less by one.
fn one_hop_less(arrival: &Arrival<'_>, packet: &Packet<'_>) -> Vec<u8> {
    match packet.src {
        IpAddr::V4(_) => {
            let frame = arrival.with(8, &[packet.hops - 1]);
            let at = arrival.link.at;
            // RFC 1624: the checksum is as right, or as wrong, as it was before.
            let before = u16::from_be_bytes([arrival.frame[at + 10], arrival.frame[at + 11]]);
            let protocol = arrival.frame[at + 9];
            let checksum = !ones(&[
                &(!before).to_be_bytes(),
                &(!u16::from_be_bytes([packet.hops, protocol])).to_be_bytes(),
                &[packet.hops - 1, protocol],
            ]);
            let mut frame = frame;

            frame[at + 10..at + 12].copy_from_slice(&checksum.to_be_bytes());

            frame
        }
        IpAddr::V6(_) => arrival.with(7, &[packet.hops - 1]),
    }
}

fn readdressed(frame: &[u8], dst: [u8; 6], src: [u8; 6]) -> Vec<u8> {
    [&dst[..], &src[..], &frame[12..]].concat()
}

/// The frame without VLAN tags.
fn untagged(frame: &[u8]) -> Vec<u8> {
    let at = super::link(frame).map_or(14, |link| link.at);

    [&frame[..12], &frame[at - 2..]].concat()
}

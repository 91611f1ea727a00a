//! Echo replies (RFC 792, RFC 4443 4.2).

use std::net::IpAddr;

use super::{
    About, Arrival, Fate, Host, Outcome, Probe,
    dissect::{Packet, be16, ones},
};

/// Octets of an echo of ours: a header, and a payload up to the shortest Ethernet frame.
const ECHO: usize = 8 + 18;

impl Host {
    /// An echo reply as long as ours, with our cookie, from the right host, is ours; any other is a packet like all others.
    pub(super) fn echo(
        &self,
        arrival: &Arrival<'_>,
        packet: &Packet<'_>,
        kind: u8,
    ) -> Option<Outcome> {
        let payload = packet.payload;

        if packet.extended
            || packet.fragment
            || !packet.complete
            || payload.len() != ECHO
            || payload[..2] != [kind, 0]
        {
            return None;
        }

        let session = self.session(be16(payload, 4)?, arrival, packet)?;

        if !matches!(session.probe, Probe::Echo(cookie) if payload[8..16] == cookie) {
            return None;
        }

        if arrival.addressed().is_none() {
            return Some(Outcome::nothing());
        }

        let summed = match packet.src {
            IpAddr::V4(_) => ones(&[payload]),
            IpAddr::V6(_) => packet.transport_sum(),
        };
        // Length and cookie are ours, so a wrong checksum makes it a bad heartbeat.
        let measured = self
            .under_way(be16(payload, 6)?)
            .filter(|_| packet.intact && summed == 0xffff)
            .map(|sequence| (session.number, sequence));

        Some(Outcome::new(About::Echo, Fate::Dropped).measuring(measured))
    }
}

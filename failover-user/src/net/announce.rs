//! Frames that tell the network where an address is, or ask: ARP for IPv4, neighbour discovery for IPv6.

mod arp;
mod nd;

use std::net::{IpAddr, Ipv6Addr};

use bytes::Bytes;

pub use self::nd::solicited_node;

/// A MAC address.
type Mac = [u8; 6];

const ETHERNET_ADDRESS: usize = 6;

/// Tells all neighbours where an address is: gratuitous ARP in both forms, or an unsolicited neighbour advertisement.
///
/// `announced` is the MAC address that neighbours are to send to; `ethernet_source` is the one of the NIC that sends. At
/// failback they differ: the source's MAC is announced from our NIC, and switches must not learn the source's MAC there.
/// `router`: whoever has the address forwards (IPv6 only).
pub fn announcement(ip: IpAddr, announced: Mac, ethernet_source: Mac, router: bool) -> Vec<Bytes> {
    match ip {
        IpAddr::V4(ip) => arp::announcement(ip, announced, ethernet_source).to_vec(),
        IpAddr::V6(ip) => vec![nd::announcement(ip, announced, ethernet_source, router)],
    }
}

/// Asks whether anybody has `ip`, as one who is about to use it, without telling anybody that we do: an ARP probe
/// (RFC 5227 1.1), or a neighbour solicitation as in duplicate address detection (RFC 4862 5.4.2).
///
/// An IPv6 host that is just starting to use the address, and is still checking whether it may, takes this for somebody
/// else who wants it and gives it up (RFC 4862 5.4.3). [`question`] does not do that.
pub fn probe(ip: IpAddr, source: Mac) -> Bytes {
    match ip {
        IpAddr::V4(ip) => arp::probe(ip, source),
        IpAddr::V6(ip) => nd::probe(ip, source),
    }
}

/// Asks who has `ip` and harms nobody: an ARP probe, or a neighbour solicitation from an IPv6 address of ours.
pub fn question(ip: IpAddr, source: Mac, own: Option<Ipv6Addr>) -> Bytes {
    match (ip, own) {
        (IpAddr::V6(ip), Some(own)) => nd::question(ip, (source, own)),
        (IpAddr::V4(_), _) | (IpAddr::V6(_), None) => probe(ip, source),
    }
}

/// A frame for everybody, sent to one host alone.
pub fn straight(frame: &Bytes, to: Mac) -> Bytes {
    [&to[..], &frame[ETHERNET_ADDRESS..]].concat().into()
}

/// Makes a host that holds `ip` by its NIC with the MAC `own` known to `other`, which claims it, and to nobody else: by a probe,
/// as a failover host, and then by a claim.
pub fn introduction(ip: IpAddr, own: Mac, router: bool, other: Mac) -> [Bytes; 2] {
    let claim = match ip {
        IpAddr::V4(ip) => {
            let [request, _] = arp::announcement(ip, own, own);
            request
        }
        IpAddr::V6(ip) => nd::announcement(ip, own, own, router),
    };
    [probe(ip, own), claim].map(|frame| straight(&frame, other))
}

/// A request from one host straight to another, whose MAC is known: an ARP request (RFC 1122 2.3.2.1), or a neighbour
/// solicitation as for a neighbour whose reachability is in doubt (RFC 4861 7.3.3). The one that is asked learns where the
/// asker is, and nobody else hears of it. Both are MAC and address, of one family.
pub fn request(asker: (Mac, IpAddr), asked: (Mac, IpAddr)) -> Bytes {
    match (asker.1, asked.1) {
        (IpAddr::V4(own), IpAddr::V4(ip)) => arp::request((asker.0, own), (asked.0, ip)),
        (own, ip) => nd::request((asker.0, ipv6(own)), (asked.0, ipv6(ip))),
    }
}

/// Addresses of two families do not ask each other; what a frame then says of them is at least well-formed.
fn ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = [2, 0, 0, 0, 0, 5];
    const OTHER: Mac = [2, 0, 0, 0, 0, 9];

    #[test]
    fn an_introduction_is_a_probe_and_then_a_claim_for_the_other_host_alone() {
        for ip in ["10.0.0.10", "fd00::10"].map(|ip| ip.parse::<IpAddr>().unwrap()) {
            let frames = introduction(ip, OWN, false, OTHER);

            let everybody = [probe(ip, OWN), announcement(ip, OWN, OWN, false)[0].clone()];
            for (frame, everybody) in frames.iter().zip(&everybody) {
                assert_eq!(frame[..6], OTHER, "{ip}");
                assert_eq!(frame[6..], everybody[6..], "{ip}");
                assert_ne!(everybody[..6], OTHER, "{ip}");
            }
        }
    }
}

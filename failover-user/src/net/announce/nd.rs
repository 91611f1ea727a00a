//! Neighbour discovery (RFC 4861) for IPv6: solicitations and advertisements.

use std::net::Ipv6Addr;

use bytes::Bytes;

use super::Mac;

const ETHERNET: usize = 14;
const IPV6: usize = 40;
const ICMPV6: usize = ETHERNET + IPV6;
/// A solicitation or an advertisement without options (RFC 4861 4.3, 4.4).
const MESSAGE: usize = 24;
/// A link-layer address option for Ethernet (RFC 4861 4.6.1).
const OPTION: usize = 8;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An unsolicited neighbour advertisement (RFC 4861 7.2.6) to all nodes: the Solicited flag is clear, which is a MUST, and
/// the Override flag is set, so that neighbours replace the MAC that they know.
pub(super) fn announcement(
    ip: Ipv6Addr,
    announced: Mac,
    ethernet_source: Mac,
    router: bool,
) -> Bytes {
    Nd {
        kind: ADVERTISEMENT,
        flags: OVERRIDE | if router { ROUTER } else { 0 },
        source: ip,
        destination: ALL_NODES,
        target: ip,
        option: Some((TARGET_LINK_LAYER_ADDRESS, announced)),
    }
    .frame(multicast_mac(ALL_NODES), ethernet_source)
}

/// The solicitation of duplicate address detection (RFC 4862 5.4.2): from the unspecified address, and therefore without
/// the sender's MAC (RFC 4861 4.3).
pub(super) fn probe(ip: Ipv6Addr, source: Mac) -> Bytes {
    solicitation(Ipv6Addr::UNSPECIFIED, ip, None).frame(multicast_mac(solicited_node(ip)), source)
}

/// The solicitation of address resolution (RFC 4861 7.2.2).
pub(super) fn question(ip: Ipv6Addr, (mac, own): (Mac, Ipv6Addr)) -> Bytes {
    solicitation(own, ip, Some(mac)).frame(multicast_mac(solicited_node(ip)), mac)
}

/// The solicitation of neighbour unreachability detection (RFC 4861 7.3.3).
pub(super) fn request((mac, own): (Mac, Ipv6Addr), (asked, ip): (Mac, Ipv6Addr)) -> Bytes {
    Nd {
        destination: ip,
        ..solicitation(own, ip, Some(mac))
    }
    .frame(asked, mac)
}

/// The group that whoever has an address listens to (RFC 4291 2.7.1).
pub fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = ip.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low)
}

/// RFC 2464 7.
fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

fn solicitation(source: Ipv6Addr, target: Ipv6Addr, mac: Option<Mac>) -> Nd {
    Nd {
        kind: SOLICITATION,
        flags: 0,
        source,
        destination: solicited_node(target),
        target,
        option: mac.map(|mac| (SOURCE_LINK_LAYER_ADDRESS, mac)),
    }
}

/// A message with at most one option.
struct Nd {
    kind: u8,
    flags: u8,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    target: Ipv6Addr,
    option: Option<(u8, Mac)>,
}

impl Nd {
    fn frame(&self, destination: Mac, source: Mac) -> Bytes {
        // RFC 4861 7.1.1 and 7.1.2: what has passed a router is not heard.
        const HOP_LIMIT: u8 = 255;
        const ICMPV6_NUMBER: u8 = 58;

        let length = MESSAGE + self.option.map_or(0, |_| OPTION);
        let mut frame = vec![0; ICMPV6 + length];
        frame[..6].copy_from_slice(&destination);
        frame[6..12].copy_from_slice(&source);
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);

        let header = &mut frame[ETHERNET..ICMPV6];
        header[0] = 6 << 4;
        header[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        header[6] = ICMPV6_NUMBER;
        header[7] = HOP_LIMIT;
        header[8..24].copy_from_slice(&self.source.octets());
        header[24..40].copy_from_slice(&self.destination.octets());

        let message = &mut frame[ICMPV6..];
        message[0] = self.kind;
        message[4] = self.flags;
        message[8..24].copy_from_slice(&self.target.octets());
        if let Some((kind, mac)) = self.option {
            // The length counts units of eight octets.
            message[MESSAGE] = kind;
            message[MESSAGE + 1] = 1;
            message[MESSAGE + 2..MESSAGE + 8].copy_from_slice(&mac);
        }
        // RFC 4443 2.3: over the pseudo-header of RFC 8200 8.1 and the message.
        let pseudo_header = u32::from(ICMPV6_NUMBER) + length as u32;
        let addresses_and_message = sum(&frame[ETHERNET + 8..]);
        let checksum = !fold(pseudo_header + addresses_and_message);
        frame[ICMPV6 + 2..ICMPV6 + 4].copy_from_slice(&checksum.to_be_bytes());
        frame.into()
    }
}

/// Sum of 16-bit words (RFC 1071); `bytes` has an even length.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{Ethernet2Slice, NetSlice, SlicedPacket, TransportSlice};

    const IP: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0xab12, 0x3456);
    const OWN: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 2);
    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff12, 0x3456);
    const OURS: Mac = [2, 0, 0, 0, 0, 1];
    const THEIRS: Mac = [2, 0, 0, 0, 0, 9];

    #[derive(Debug, PartialEq)]
    struct Seen {
        macs: (Mac, Mac),
        ips: (Ipv6Addr, Ipv6Addr),
        hop_limit: u8,
        /// Type and flags.
        kind: (u8, u8),
        target: Ipv6Addr,
        option: Vec<u8>,
    }

    /// Somebody else's reading of a frame, with its checksum.
    fn read(frame: &[u8]) -> Seen {
        let ethernet = Ethernet2Slice::from_slice_without_fcs(frame).unwrap();
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) =
            (packet.net, packet.transport)
        else {
            panic!("no ICMPv6 in {frame:02x?}");
        };
        let header = ip.header();
        let computed = icmp
            .icmp_type()
            .calc_checksum(header.source(), header.destination(), icmp.payload())
            .unwrap();
        assert_eq!(icmp.checksum(), computed);
        assert_eq!(icmp.code_u8(), 0);
        let message = icmp.slice();
        Seen {
            macs: (ethernet.source(), ethernet.destination()),
            ips: (header.source_addr(), header.destination_addr()),
            hop_limit: header.hop_limit(),
            kind: (icmp.type_u8(), message[4]),
            target: Ipv6Addr::from(<[u8; 16]>::try_from(&message[8..24]).unwrap()),
            option: message[24..].to_vec(),
        }
    }

    #[test]
    fn an_announcement_is_an_unsolicited_advertisement_that_overrides() {
        let seen = read(&announcement(IP, OURS, OURS, false));

        assert_eq!(
            seen,
            Seen {
                macs: (OURS, [0x33, 0x33, 0, 0, 0, 1]),
                ips: (IP, ALL_NODES),
                hop_limit: 255,
                // RFC 4861 7.2.6: Solicited MUST be zero; 4.4: Router 0x80, Solicited 0x40, Override 0x20.
                kind: (136, 0x20),
                target: IP,
                option: vec![2, 1, 2, 0, 0, 0, 0, 1],
            }
        );
    }

    #[test]
    fn only_a_router_says_that_it_is_one() {
        let seen = read(&announcement(IP, OURS, OURS, true));

        assert_eq!(seen.kind, (136, 0xa0));
    }

    #[test]
    fn announcing_the_mac_of_another_host_keeps_our_ethernet_source() {
        let seen = read(&announcement(IP, THEIRS, OURS, false));

        assert_eq!(seen.macs.0, OURS);
        assert_eq!(seen.option, [2, 1, 2, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn a_probe_is_the_solicitation_of_duplicate_address_detection() {
        let seen = read(&probe(IP, OURS));

        assert_eq!(
            seen,
            Seen {
                macs: (OURS, [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]),
                ips: (Ipv6Addr::UNSPECIFIED, GROUP),
                hop_limit: 255,
                kind: (135, 0),
                target: IP,
                // RFC 4861 4.3: MUST NOT be included when the source is the unspecified address.
                option: vec![],
            }
        );
    }

    #[test]
    fn a_question_says_who_asks() {
        let seen = read(&question(IP, (OURS, OWN)));

        assert_eq!(
            seen,
            Seen {
                macs: (OURS, [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]),
                ips: (OWN, GROUP),
                hop_limit: 255,
                kind: (135, 0),
                target: IP,
                option: vec![1, 1, 2, 0, 0, 0, 0, 1],
            }
        );
    }

    #[test]
    fn a_request_goes_to_the_one_that_is_asked() {
        let seen = read(&request((OURS, OWN), (THEIRS, IP)));

        assert_eq!(seen.macs, (OURS, THEIRS));
        assert_eq!(seen.ips, (OWN, IP));
        assert_eq!((seen.kind, seen.target), ((135, 0), IP));
        assert_eq!(seen.option, [1, 1, 2, 0, 0, 0, 0, 1]);
    }
}

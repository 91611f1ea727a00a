//! What a frame says of neighbour discovery (RFC 4861), and what a host's kernel says of its IPv6 addresses and groups.

use std::{collections::BTreeSet, net::Ipv6Addr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::{Capture, Frame, Host, Mac, Must};

/// A neighbour solicitation or advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// 135 solicitation, 136 advertisement.
    pub kind: u8,
    /// Of an advertisement: router 0x80, solicited 0x40, override 0x20.
    pub flags: u8,
    /// Who sends it.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
    /// The address that it is about.
    pub target: Ipv6Addr,
    /// Kind (1 source, 2 target) and MAC of the link-layer address option, if that is the first option.
    pub option: Option<(u8, Mac)>,
}

/// Kind of a solicitation.
pub const SOLICITATION: u8 = 135;
/// Kind of an advertisement.
pub const ADVERTISEMENT: u8 = 136;

impl Discovery {
    /// Whether it is that of duplicate address detection (RFC 4862 5.4.2).
    pub fn is_probe(&self) -> bool {
        self.kind == SOLICITATION && self.source.is_unspecified()
    }

    /// Whether it announces its target unasked, and overrides (RFC 4861 7.2.6).
    pub fn is_announcement(&self) -> bool {
        self.kind == ADVERTISEMENT && self.flags & !0x80 == 0x20
    }
}

impl Frame {
    /// What it says, if it is a neighbour solicitation or advertisement.
    pub fn discovery(&self) -> Option<Discovery> {
        let packet = SlicedPacket::from_ethernet(&self.octets).ok()?;
        let (NetSlice::Ipv6(ip), TransportSlice::Icmpv6(icmp)) = (packet.net?, packet.transport?)
        else {
            return None;
        };
        let message = icmp.slice();
        let kind = *message.first()?;

        if ![SOLICITATION, ADVERTISEMENT].contains(&kind) {
            return None;
        }

        let target: [u8; 16] = message.get(8..24)?.try_into().ok()?;
        let option = message.get(24..32).and_then(|option| {
            let mac = option[2..].try_into().ok()?;

            (option[1] == 1).then_some((option[0], Mac(mac)))
        });

        Some(Discovery {
            kind,
            flags: message[4],
            source: ip.header().source_addr(),
            destination: ip.header().destination_addr(),
            hop_limit: ip.header().hop_limit(),
            target: target.into(),
            option,
        })
    }
}

impl Capture {
    /// All neighbour solicitations and advertisements about `target`.
    pub fn discovery_of(&self, target: Ipv6Addr) -> Vec<(Frame, Discovery)> {
        self.frames()
            .into_iter()
            .filter_map(|frame| {
                let said = frame.discovery()?;

                (said.target == target).then_some((frame, said))
            })
            .collect()
    }
}

/// An IPv6 address as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Address {
    /// The address.
    pub ip: Ipv6Addr,
    /// Prefix length.
    pub prefix: u8,
    /// It is not usable yet, or never: duplicate address detection goes on, or has failed.
    pub tentative: bool,
    /// Duplicate address detection has found another host that has it.
    pub duplicate: bool,
}

impl Host {
    /// Switches IPv6 on, on every NIC that is there and every one to come.
    #[track_caller]
    pub fn ipv6(&self) {
        self.namespace().ipv6(true);
    }

    /// Makes a NIC check each address before it uses it, as a host does by itself (the lab's hosts do not).
    #[track_caller]
    pub fn detect_duplicates(&self, nic: &str) {
        self.sysctl("net/ipv6/conf/all/accept_dad", "1");
        self.sysctl(&format!("net/ipv6/conf/{nic}/accept_dad"), "1");
    }

    /// The IPv6 addresses of a NIC.
    #[track_caller]
    pub fn ipv6_addresses(&self, nic: &str) -> Vec<Ipv6Address> {
        // IFA_F_TENTATIVE, IFA_F_DADFAILED.
        const TENTATIVE: u32 = 0x40;
        const DUPLICATE: u32 = 0x08;

        let text = self
            .run(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6"))
            .must("reading addresses");

        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|fields| fields.last() == Some(&nic))
            .map(|fields| {
                let number = |field: usize| u32::from_str_radix(fields[field], 16).must("a number");

                Ipv6Address {
                    ip: hexadecimal(fields[0]),
                    prefix: number(2).to_le_bytes()[0],
                    tentative: number(4) & (TENTATIVE | DUPLICATE) != 0,
                    duplicate: number(4) & DUPLICATE != 0,
                }
            })
            .collect()
    }

    /// The IPv6 groups that a NIC listens to.
    #[track_caller]
    pub fn ipv6_groups(&self, nic: &str) -> BTreeSet<Ipv6Addr> {
        let text = self
            .run(|| std::fs::read_to_string("/proc/thread-self/net/igmp6"))
            .must("reading groups");

        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|fields| fields.get(1) == Some(&nic))
            .map(|fields| hexadecimal(fields[2]))
            .collect()
    }
}

#[track_caller]
fn hexadecimal(digits: &str) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from_str_radix(digits, 16).must(digits))
}

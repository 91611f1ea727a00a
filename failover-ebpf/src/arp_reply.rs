//! ARP sessions: the request goes straight to the source's MAC (RFC 1122 2.3.2.1), the reply has no place for a sequence
//! and answers the latest request.
//!
//! A reply passes to the kernel although it has been measured: the kernel asks the source as well, its question and ours
//! look alike, and so do the answers. Its neighbour entry for the source is kept fresh by them.
//!
//! It is not taken for a claim, neither of an address that is listened for nor of one that is held: the source was asked,
//! and asked alone. Whoever claims an address tells others of it, or answers an ARP Probe, whose target is nobody.

use crate::{
    abi::{Session, Tags, ipv4_key, session},
    wire::arp::{Arp, operation},
};

/// What an ARP packet is for the session that watches its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The source's answer.
    Source,
    /// Somebody answers in the source's name with another MAC.
    OtherMac,
}

/// Whether an ARP packet that came in by the VLANs `tags` is a reply to this session.
#[inline(always)]
pub fn of(arp: &Arp, tags: Tags, own: &Session) -> Option<Reply> {
    if own.kind != session::ARP
        || own.tags != tags
        || arp.operation() != operation::REPLY
        || ipv4_key(arp.spa()) != own.remote
        || ipv4_key(arp.tpa()) != own.local
    {
        return None;
    }
    Some(if arp.sha() == own.remote_mac {
        Reply::Source
    } else {
        Reply::OtherMac
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: [u8; 4] = [10, 0, 0, 10];
    const HOST: [u8; 4] = [10, 0, 0, 2];
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 10];

    fn own() -> Session {
        Session {
            kind: session::ARP,
            remote: ipv4_key(SOURCE),
            local: ipv4_key(HOST),
            remote_mac: MAC,
            ..Session::default()
        }
    }

    fn arp(operation: u16, sha: [u8; 6], spa: [u8; 4], tpa: [u8; 4]) -> Arp {
        let mut octets = [0; Arp::LEN];
        octets[6..8].copy_from_slice(&operation.to_be_bytes());
        octets[8..14].copy_from_slice(&sha);
        octets[14..18].copy_from_slice(&spa);
        octets[24..28].copy_from_slice(&tpa);
        Arp(octets)
    }

    #[test]
    fn the_sources_reply_to_us_is_its_answer() {
        let reply = arp(operation::REPLY, MAC, SOURCE, HOST);

        assert_eq!(of(&reply, [0; 2], &own()), Some(Reply::Source));
    }

    #[test]
    fn another_mac_answers_for_somebody_else() {
        let reply = arp(operation::REPLY, [9; 6], SOURCE, HOST);

        assert_eq!(of(&reply, [0; 2], &own()), Some(Reply::OtherMac));
    }

    #[test]
    fn questions_announcements_and_replies_to_others_are_no_answers() {
        for packet in [
            arp(operation::REQUEST, MAC, SOURCE, HOST),
            arp(operation::REPLY, MAC, SOURCE, SOURCE),
            arp(operation::REPLY, MAC, SOURCE, [0; 4]),
            arp(operation::REPLY, MAC, HOST, HOST),
            arp(3, MAC, SOURCE, HOST),
        ] {
            assert_eq!(of(&packet, [0; 2], &own()), None);
        }
    }

    #[test]
    fn a_session_of_another_kind_has_no_arp_replies() {
        let reply = arp(operation::REPLY, MAC, SOURCE, HOST);

        for kind in [session::UNSET, session::SBFD, session::ICMP, session::TCP] {
            assert_eq!(of(&reply, [0; 2], &Session { kind, ..own() }), None);
        }
    }

    #[test]
    fn in_another_vlan_the_same_address_is_another_hosts() {
        let reply = arp(operation::REPLY, MAC, SOURCE, HOST);

        assert_eq!(of(&reply, [5, 0], &own()), None);
    }
}

//! ARP about a held address: answered on the chosen NIC, and on no other, so that each address stays on its NIC.

use crate::{
    abi::{Held, held},
    verdict::Verdict,
    wire::{
        Header,
        arp::{Arp, operation},
        eth::{Eth, Mac},
    },
};

/// An ARP frame without VLAN tags.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpFrame {
    /// Ethernet header.
    pub eth: Eth,
    /// ARP packet.
    pub arp: Arp,
}

// SAFETY: headers in a row, each of them octets with alignment 2 and an even length: no padding.
unsafe impl Header for ArpFrame {}

const _: () = assert!(size_of::<ArpFrame>() == Eth::LEN + Arp::LEN);

/// Whether an ARP packet from another host claims an address that we hold (RFC 5227 2.4: any ARP packet whose sender
/// protocol address is ours and whose sender hardware address is not). `ours` says whether a MAC is one of this host's NICs: its
/// kernel may announce or ask with any address from any NIC.
///
/// While an address goes back, the source's claim is what we wait for.
#[inline(always)]
pub fn is_conflict(arp: &Arp, sender: &Held, ours: impl FnOnce(Mac) -> bool) -> bool {
    sender.mode != held::DRAIN && arp.sha() != sender.nic_mac && !ours(arp.sha())
}

/// Deals with ARP for the held address `target`, received on `ingress`, whose MAC is `nic`: on success the frame is ready
/// to be sent back.
#[inline(always)]
pub fn answer(
    frame: &mut ArpFrame,
    target: &Held,
    ingress: u32,
    nic: Mac,
) -> Result<Verdict, Verdict> {
    let request = frame.arp.operation() == operation::REQUEST;
    if target.mode == held::DRAIN {
        // The kernel may still have the address: it must not answer. A client that verifies its entry asks our MAC
        // and is turned round to the source, which answers for itself.
        if frame.eth.dst() == nic && frame.arp.sha() != target.next_hop && ingress == target.out {
            frame.eth.readdress(target.next_hop, nic);
            return Ok(Verdict::ArpDrained);
        }
        return Err(if request {
            Verdict::ArpDraining
        } else {
            Verdict::PassUnrelated
        });
    }
    if !request {
        return Err(Verdict::PassUnrelated);
    }
    if ingress != target.nic {
        return Err(Verdict::ArpWrongNic);
    }
    frame.eth.readdress(frame.arp.sha(), target.nic_mac);
    frame.arp.answer(target.nic_mac);
    Ok(Verdict::ArpAnswered)
}

//! ARP about a held address: answered on the chosen NIC, and on no other, so that each address stays on its NIC. ARP
//! about an address that is listened for: noted, whatever becomes of the frame.

use core::ptr;

use crate::{
    abi::{CLAIM_INTERVAL_NS, Claim, Heard, Held, held, ipv4_key},
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

/// What the sender of an ARP packet says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has this address: requests, replies and announcements say so alike.
    Has([u8; 4]),
    /// It would like to have this address, and asks whether somebody has it (RFC 5227 1.1, an ARP Probe).
    Wants([u8; 4]),
}

impl Said {
    /// What an ARP packet says, if anything.
    #[inline(always)]
    pub fn of(arp: &Arp) -> Option<Self> {
        if arp.spa() != [0; 4] {
            return Some(Self::Has(arp.spa()));
        }
        (arp.operation() == operation::REQUEST).then(|| Self::Wants(arp.tpa()))
    }

    /// The address that is spoken of.
    #[inline(always)]
    pub const fn address(self) -> [u8; 4] {
        match self {
            Self::Has(address) | Self::Wants(address) => address,
        }
    }

    /// Notes it: `by` said so at `now`.
    #[inline(always)]
    pub fn note(self, heard: &mut Heard, by: Mac, now: u64) {
        match self {
            Self::Has(_) => {
                if heard.claimed_by != by {
                    let (before, at) = (heard.claimed_by, heard.claimed_ns);
                    write(&mut heard.other_by, before, &mut heard.other_ns, at);
                }
                write(&mut heard.claimed_by, by, &mut heard.claimed_ns, now);
            }
            Self::Wants(_) => write(&mut heard.probed_by, by, &mut heard.probed_ns, now),
        }
    }
}

/// Who before when, for whoever reads at the same time.
#[inline(always)]
fn write(to_mac: &mut Mac, by: Mac, to_ns: &mut u64, now: u64) {
    // SAFETY: references can be written. Volatile keeps the order; the kernel's compiler knows no fence.
    unsafe {
        ptr::write_volatile(to_mac, by);
        ptr::write_volatile(to_ns, now);
    }
}

/// Whether user space is to be told again of a conflict about this address.
#[inline(always)]
pub const fn tell_again(heard: &Heard, now: u64) -> bool {
    heard.told_ns == 0 || now.saturating_sub(heard.told_ns) >= CLAIM_INTERVAL_NS
}

/// What user space is told of a conflict: at `now`, `arp` came in by the NIC `ingress`.
#[inline(always)]
pub const fn claim(arp: &Arp, ingress: u32, now: u64) -> Claim {
    Claim {
        at_ns: now,
        ip: ipv4_key(arp.spa()),
        mac: arp.sha(),
        reserved: [0; 2],
        nic: ingress,
        reserved2: 0,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 7];
    const OTHER: Mac = [2, 0, 0, 0, 0, 8];
    const ADDRESS: [u8; 4] = [10, 0, 0, 1];
    const TARGET: [u8; 4] = [10, 0, 0, 2];
    const NOBODY: [u8; 4] = [0; 4];

    fn arp(operation: u16, spa: [u8; 4], tpa: [u8; 4]) -> Arp {
        let mut octets = [0; Arp::LEN];
        octets[6..8].copy_from_slice(&operation.to_be_bytes());
        octets[8..14].copy_from_slice(&MAC);
        octets[14..18].copy_from_slice(&spa);
        octets[24..28].copy_from_slice(&tpa);
        Arp(octets)
    }

    #[test]
    fn whoever_uses_an_address_has_it() {
        for operation in [operation::REQUEST, operation::REPLY] {
            for target in [TARGET, ADDRESS] {
                let said = Said::of(&arp(operation, ADDRESS, target));

                assert_eq!(said, Some(Said::Has(ADDRESS)));
            }
        }
    }

    #[test]
    fn a_request_from_nobody_is_a_probe_and_a_reply_from_nobody_says_nothing() {
        let probe = arp(operation::REQUEST, NOBODY, TARGET);
        let reply = arp(operation::REPLY, NOBODY, TARGET);

        assert_eq!(Said::of(&probe), Some(Said::Wants(TARGET)));
        assert_eq!(Said::of(&reply), None);
    }

    #[test]
    fn claims_and_probes_are_noted_apart() {
        let mut heard = Heard::default();

        Said::Has(ADDRESS).note(&mut heard, MAC, 5);
        Said::Wants(ADDRESS).note(&mut heard, OTHER, 6);

        let both = Heard {
            claimed_ns: 5,
            claimed_by: MAC,
            probed_ns: 6,
            probed_by: OTHER,
            ..Heard::default()
        };
        assert_eq!(heard, both);
    }

    #[test]
    fn the_latest_is_noted() {
        let mut heard = Heard::default();

        Said::Has(ADDRESS).note(&mut heard, MAC, 5);
        Said::Has(ADDRESS).note(&mut heard, OTHER, 9);

        assert_eq!((heard.claimed_ns, heard.claimed_by), (9, OTHER));
        assert_eq!((heard.other_ns, heard.other_by), (5, MAC));
    }

    #[test]
    fn a_conflict_is_told_at_once_and_again_after_the_interval() {
        let told = |told_ns| Heard {
            told_ns,
            ..Heard::default()
        };
        const THEN: u64 = 1_000_000_000;

        assert!(tell_again(&told(0), 1));
        assert!(!tell_again(&told(THEN), THEN));
        assert!(!tell_again(&told(THEN), THEN + CLAIM_INTERVAL_NS - 1));
        assert!(tell_again(&told(THEN), THEN + CLAIM_INTERVAL_NS));
    }

    #[test]
    fn a_conflict_that_another_cpu_has_told_a_moment_later_is_not_told_again() {
        let heard = Heard {
            told_ns: 1001,
            ..Heard::default()
        };

        assert!(!tell_again(&heard, 1000));
    }

    #[test]
    fn a_claim_says_when_who_what_and_where() {
        let claim = claim(&arp(operation::REPLY, ADDRESS, TARGET), 3, 77);

        let wanted = Claim {
            at_ns: 77,
            ip: ipv4_key(ADDRESS),
            mac: MAC,
            nic: 3,
            ..Claim::default()
        };
        assert_eq!(claim, wanted);
    }
}

//! ARP: what it says of addresses, and its answers for held ones.

use crate::{
    abi::{Held, ipv4_key},
    resolve::{Said, Treatment, treat, yields},
    verdict::Verdict,
    wire::{
        arp::{Arp, operation},
        eth::{Eth, Mac},
    },
};

/// What an ARP packet says, if anything.
#[inline(always)]
pub fn said(arp: &Arp) -> Option<Said> {
    if arp.spa() != [0; 4] {
        return Some(Said::Has(ipv4_key(arp.spa())));
    }
    (arp.operation() == operation::REQUEST).then(|| Said::Wants(ipv4_key(arp.tpa())))
}

/// Whether an ARP packet answers a question, and so tells the asker alone: a gratuitous reply names the address twice.
#[inline(always)]
pub fn answers(arp: &Arp) -> bool {
    arp.operation() == operation::REPLY && arp.tpa() != arp.spa()
}

/// Deals with ARP for the held address `target`, received on `ingress`, whose MAC is `nic`: on success the frame is ready
/// to be sent back.
#[inline(always)]
pub fn answer(
    eth: &mut Eth,
    arp: &mut Arp,
    target: &Held,
    ingress: u32,
    nic: Mac,
) -> Result<Verdict, Verdict> {
    let asks = arp.operation() == operation::REQUEST;
    if asks && arp.spa() == [0; 4] && yields(arp.sha(), target) {
        return Err(Verdict::ArpYielded);
    }
    match treat(asks, arp.sha(), eth.dst(), target, ingress, nic) {
        Treatment::Answer => {
            eth.readdress(arp.sha(), target.nic_mac);
            arp.answer(target.nic_mac);
            Ok(Verdict::ArpAnswered)
        }
        Treatment::TurnRound => {
            eth.readdress(target.next_hop, nic);
            Ok(Verdict::ArpDrained)
        }
        Treatment::WrongNic => Err(Verdict::ArpWrongNic),
        Treatment::Draining => Err(Verdict::ArpDraining),
        Treatment::Unrelated => Err(Verdict::PassUnrelated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 7];
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
                let said = said(&arp(operation, ADDRESS, target));

                assert_eq!(said, Some(Said::Has(ipv4_key(ADDRESS))));
            }
        }
    }

    #[test]
    fn an_answer_is_for_the_asker_even_if_it_is_nobody() {
        let answered = [TARGET, NOBODY, ADDRESS].map(|target| {
            [operation::REPLY, operation::REQUEST]
                .map(|operation| answers(&arp(operation, ADDRESS, target)))
        });

        assert_eq!(answered, [[true, false], [true, false], [false, false]]);
    }

    #[test]
    fn a_request_from_nobody_is_a_probe_and_a_reply_from_nobody_says_nothing() {
        let probe = arp(operation::REQUEST, NOBODY, TARGET);
        let reply = arp(operation::REPLY, NOBODY, TARGET);

        assert_eq!(said(&probe), Some(Said::Wants(ipv4_key(TARGET))));
        assert_eq!(said(&reply), None);
    }
}

//! Address resolution, by ARP or by neighbour discovery: what is said of an address, who contradicts us, and how a question
//! for a held address is dealt with.

use core::ptr;

use crate::{
    abi::{CLAIM_INTERVAL_NS, Claim, Heard, Held, Ip, held, held_flag},
    wire::eth::Mac,
};

/// What a host says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has this address: requests, replies and announcements say so alike.
    Has(Ip),
    /// It would like to have this address, and asks whether somebody has it (RFC 5227 1.1, RFC 4862 5.4.2).
    Wants(Ip),
}

impl Said {
    /// The address that is spoken of.
    #[inline(always)]
    pub const fn address(&self) -> &Ip {
        match self {
            Self::Has(address) | Self::Wants(address) => address,
        }
    }

    /// Notes it: `by` said so at `now`.
    #[inline(always)]
    pub fn note(&self, heard: &mut Heard, by: Mac, now: u64) {
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

/// What user space is told of a conflict: at `now`, `mac` claimed `ip` on the NIC `ingress`.
#[inline(always)]
pub const fn claim(ip: &Ip, mac: Mac, ingress: u32, now: u64) -> Claim {
    Claim {
        at_ns: now,
        ip: *ip,
        mac,
        reserved: [0; 2],
        nic: ingress,
        reserved2: 0,
    }
}

/// Whether `by`, who says that it has the held address `claimed`, is another host (RFC 5227 2.4, RFC 4862 5.4.4). `ours` says
/// whether a MAC is one of this host's NICs: its kernel may announce or ask with any address from any NIC.
///
/// While an address goes back, the source's claim is what we wait for.
///
/// `answers`: it was asked, and says so to nobody but the asker. A source that is back answers for what it is configured with,
/// and so does a standby server for what it is to serve: neither takes anything from us by that. Whatever they tell others does.
#[inline(always)]
pub fn is_conflict(by: Mac, claimed: &Held, answers: bool, ours: impl FnOnce(Mac) -> bool) -> bool {
    // A MAC of zeros is that of nobody, and may be what is not known of them.
    let known = by == claimed.source_mac || by == claimed.next_hop;
    let expected = answers && known && by != [0; 6];
    claimed.mode != held::DRAIN && by != claimed.nic_mac && !expected && !ours(by)
}

/// Whether a probe of this host finds a held address free: the source is about to take it back.
#[inline(always)]
pub fn yields(by: Mac, target: &Held) -> bool {
    target.flags & held_flag::YIELDING != 0 && by == target.source_mac
}

/// What becomes of a message about a held address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is answered: the chosen NIC has the address.
    Answer,
    /// The address is on another NIC, which answers for itself.
    WrongNic,
    /// The address goes back: the source answers.
    Draining,
    /// The address goes back, and the source would not see this message: it is sent on.
    TurnRound,
    /// It is no question.
    Unrelated,
}

/// How a message about the held address `target` is dealt with: sent by `by` to the MAC `to`, received on `ingress`, whose
/// MAC is `nic`; `asks` says whether it is a question.
#[inline(always)]
pub fn treat(asks: bool, by: Mac, to: Mac, target: &Held, ingress: u32, nic: Mac) -> Treatment {
    if target.mode == held::DRAIN {
        // The kernel may still have the address: it must not answer. A client that verifies its entry asks our MAC
        // and is turned round to the source, which answers for itself.
        return if to == nic && by != target.next_hop && ingress == target.out {
            Treatment::TurnRound
        } else if asks {
            Treatment::Draining
        } else {
            Treatment::Unrelated
        };
    }
    if !asks {
        Treatment::Unrelated
    } else if ingress != target.nic {
        Treatment::WrongNic
    } else {
        Treatment::Answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::ipv4_key;

    const MAC: Mac = [2, 0, 0, 0, 0, 7];
    const OTHER: Mac = [2, 0, 0, 0, 0, 8];
    const SOURCE: Mac = [2, 0, 0, 0, 0, 9];
    const ADDRESS: Ip = ipv4_key([10, 0, 0, 1]);

    /// An address on the NIC 3, which is [`MAC`]'s.
    fn target(mode: u32) -> Held {
        Held {
            mode,
            nic: 3,
            out: 3,
            nic_mac: MAC,
            next_hop: SOURCE,
            ..Held::default()
        }
    }

    #[test]
    fn only_questions_are_answered_and_only_on_the_chosen_nic() {
        for mode in [held::LOCAL, held::FORWARD] {
            let on = |asks, ingress| treat(asks, OTHER, MAC, &target(mode), ingress, MAC);

            assert_eq!(on(true, 3), Treatment::Answer);
            assert_eq!(on(true, 4), Treatment::WrongNic);
            assert_eq!(on(false, 3), Treatment::Unrelated);
        }
    }

    #[test]
    fn while_an_address_goes_back_the_source_alone_answers() {
        let target = target(held::DRAIN);
        let on = |asks, by, to, ingress| treat(asks, by, to, &target, ingress, MAC);

        assert_eq!(on(true, OTHER, MAC, 3), Treatment::TurnRound);
        assert_eq!(on(false, OTHER, MAC, 3), Treatment::TurnRound);
        assert_eq!(on(true, OTHER, OTHER, 3), Treatment::Draining);
        assert_eq!(on(true, OTHER, MAC, 4), Treatment::Draining);
        assert_eq!(on(true, SOURCE, MAC, 3), Treatment::Draining);
        assert_eq!(on(false, SOURCE, MAC, 3), Treatment::Unrelated);
    }

    #[test]
    fn another_host_contradicts_us_unless_the_address_goes_back() {
        let conflict = |by, mode| is_conflict(by, &target(mode), false, |mac| mac == SOURCE);

        assert!(conflict(OTHER, held::LOCAL));
        assert!(!conflict(MAC, held::LOCAL));
        assert!(!conflict(SOURCE, held::FORWARD), "a NIC of ours");
        assert!(!conflict(OTHER, held::DRAIN));
    }

    #[test]
    fn the_source_and_a_standby_server_may_answer_and_may_not_claim() {
        const STANDBY: Mac = [2, 0, 0, 0, 0, 10];
        let held = Held {
            source_mac: SOURCE,
            next_hop: STANDBY,
            ..target(held::FORWARD)
        };
        let conflict = |by, answers| is_conflict(by, &held, answers, |_| false);

        assert_eq!(
            [SOURCE, STANDBY, OTHER].map(|by| conflict(by, true)),
            [false, false, true]
        );
        assert_eq!(
            [SOURCE, STANDBY, OTHER].map(|by| conflict(by, false)),
            [true; 3]
        );
        assert!(is_conflict([0; 6], &target(held::LOCAL), true, |_| false));
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
        let claim = claim(&ADDRESS, MAC, 3, 77);

        let wanted = Claim {
            at_ns: 77,
            ip: ADDRESS,
            mac: MAC,
            nic: 3,
            ..Claim::default()
        };
        assert_eq!(claim, wanted);
    }
}

//! What ARP or neighbour discovery says about a source whose heartbeats fail. Pure.

use failover_ebpf::abi::Heard;

use super::{claimant::show_mac, plan::Probe};
use crate::policy::Finding;

/// Addresses of a unit that are asked for, at most: one answer is enough, and a broadcast is handled by every host.
pub const MAX_PROBES: usize = 32;

/// A host that probed this long before us is about to take over as well.
const RIVAL_NS: u64 = 1_000_000_000;

/// What has been heard of a unit's addresses since `sent_ns`, when they were asked for. The first of these that is true of
/// any address counts:
///
/// 1. a host that is neither the source nor this one claims it: it stands in already;
/// 2. the source claims it;
/// 3. a host that is not the source probes for it (RFC 5227 1.1), or did in the second before us: it is about to stand in.
pub fn finding(
    probes: &[Probe],
    source_macs: &[[u8; 6]],
    sent_ns: u64,
    heard: impl Fn(u32) -> Heard,
) -> Finding {
    let mut source = None;
    let mut rival: Option<(&Probe, [u8; 6])> = None;
    for probe in probes {
        let heard = heard(probe.slot);
        let of_source = |mac| source_macs.contains(&mac);
        let claims = [
            (heard.claimed_ns, heard.claimed_by),
            (heard.other_ns, heard.other_by),
        ];
        for (claimed_ns, by) in claims {
            if claimed_ns < sent_ns || claimed_ns == 0 || by == probe.own_mac {
                continue;
            }
            if !of_source(by) {
                return Finding::Other {
                    ip: probe.ip,
                    mac: show_mac(by),
                };
            }
            source.get_or_insert(Finding::Source { ip: probe.ip });
        }
        let probed = heard.probed_ns != 0 && heard.probed_ns >= sent_ns.saturating_sub(RIVAL_NS);
        if probed && heard.probed_by != probe.own_mac && !of_source(heard.probed_by) {
            // MACs may compare otherwise on another NIC: the lowest address decides, which is the same for both.
            if rival.is_none_or(|(known, _)| probe.ip < known.ip) {
                rival = Some((probe, heard.probed_by));
            }
        }
    }
    let rival = rival.map(|(probe, mac)| Finding::Rival {
        ip: probe.ip,
        mac: show_mac(mac),
        first: mac < probe.own_mac,
    });
    source.or(rival).unwrap_or(Finding::Silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    const MS: u64 = 1_000_000;
    const SENT: u64 = 5_000 * MS;
    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 5];
    const SOURCE: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 10], [2, 0, 0, 0, 0, 11]];
    const LOWER: [u8; 6] = [2, 0, 0, 0, 0, 4];
    const HIGHER: [u8; 6] = [2, 0, 0, 0, 0, 6];

    fn ip(slot: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + slot).into()
    }

    fn claimed(claimed_ns: u64, claimed_by: [u8; 6]) -> Heard {
        Heard {
            claimed_ns,
            claimed_by,
            ..Heard::default()
        }
    }

    fn probed(probed_ns: u64, probed_by: [u8; 6]) -> Heard {
        Heard {
            probed_ns,
            probed_by,
            ..Heard::default()
        }
    }

    /// Three addresses, with slots 0 to 2, of which this was heard.
    fn found(heard: [Heard; 3]) -> Finding {
        finding(&probes(), &SOURCE, SENT, |slot| heard[slot as usize])
    }

    fn probes() -> Vec<Probe> {
        (0..3)
            .map(|slot| Probe {
                nic: 1,
                frame: bytes::Bytes::new(),
                question: bytes::Bytes::new(),
                slot,
                ip: ip(slot),
                own_mac: OURS,
            })
            .collect()
    }

    const NOTHING: Heard = Heard {
        claimed_ns: 0,
        probed_ns: 0,
        told_ns: 0,
        claimed_by: [0; 6],
        probed_by: [0; 6],
        other_by: [0; 6],
        reserved: [0; 6],
        other_ns: 0,
    };

    #[test]
    fn nobody_answers() {
        assert_eq!(found([NOTHING; 3]), Finding::Silent);
    }

    #[test]
    fn any_nic_of_the_source_may_answer() {
        for mac in SOURCE {
            let finding = found([NOTHING, claimed(SENT, mac), NOTHING]);

            assert_eq!(finding, Finding::Source { ip: ip(1) });
        }
    }

    #[test]
    fn what_was_claimed_before_we_asked_does_not_count() {
        let finding = found([claimed(SENT - 1, SOURCE[0]), claimed(1, HIGHER), NOTHING]);

        assert_eq!(finding, Finding::Silent);
    }

    #[test]
    fn another_host_that_answers_counts_more_than_the_source() {
        let finding = found([
            claimed(SENT + MS, SOURCE[0]),
            NOTHING,
            claimed(SENT, HIGHER),
        ]);

        let mac = "02:00:00:00:00:06".to_owned();
        assert_eq!(finding, Finding::Other { ip: ip(2), mac });
    }

    #[test]
    fn of_two_that_answer_for_one_address_neither_hides_the_other() {
        let both = |first: [u8; 6], then: [u8; 6]| Heard {
            other_ns: SENT,
            other_by: first,
            ..claimed(SENT + MS, then)
        };

        for heard in [both(SOURCE[0], HIGHER), both(HIGHER, SOURCE[0])] {
            let finding = found([heard, NOTHING, NOTHING]);

            let mac = "02:00:00:00:00:06".to_owned();
            assert_eq!(finding, Finding::Other { ip: ip(0), mac });
        }
    }

    #[test]
    fn our_own_claims_and_probes_are_not_heard() {
        assert_eq!(
            found([claimed(SENT, OURS), probed(SENT, OURS), NOTHING]),
            Finding::Silent
        );
    }

    /// RFC 5227 2.1.1: a probe for the address from somebody else is a conflict. Both standing back would leave nobody.
    #[test]
    fn of_two_that_probe_the_lower_mac_goes_first() {
        let first = |mac| match found([probed(SENT + MS, mac), NOTHING, NOTHING]) {
            Finding::Rival {
                ip: found, first, ..
            } => (found == ip(0)).then_some(first),
            Finding::Silent | Finding::Source { .. } | Finding::Other { .. } => None,
        };

        assert_eq!([LOWER, HIGHER].map(first), [Some(true), Some(false)]);
    }

    #[test]
    fn of_two_that_probe_for_several_addresses_the_lowest_one_decides() {
        let last_first = |heard: [Heard; 3]| {
            let mut probes = probes();
            probes.reverse();
            finding(&probes, &SOURCE, SENT, |slot| heard[slot as usize])
        };
        let heard = [NOTHING, probed(SENT, LOWER), probed(SENT, HIGHER)];

        for found in [found(heard), last_first(heard)] {
            assert!(
                matches!(found, Finding::Rival { ip: found, first: true, .. } if found == ip(1))
            );
        }
    }

    #[test]
    fn a_rival_may_have_probed_in_the_second_before_us() {
        let is_rival = |at| found([probed(at, LOWER), NOTHING, NOTHING]) != Finding::Silent;

        assert_eq!([4_000 * MS, 4_000 * MS - 1].map(is_rival), [true, false]);
    }

    #[test]
    fn a_source_that_probes_for_its_own_address_is_no_rival() {
        // As it does when it starts and asks whether the address is free (RFC 5227 2.1).
        assert_eq!(
            found([probed(SENT, SOURCE[1]), NOTHING, NOTHING]),
            Finding::Silent
        );
    }

    #[test]
    fn the_source_that_answers_counts_more_than_a_rival() {
        let finding = found([probed(SENT, LOWER), claimed(SENT, SOURCE[0]), NOTHING]);

        assert_eq!(finding, Finding::Source { ip: ip(1) });
    }

    #[test]
    fn without_probes_nothing_is_known() {
        assert_eq!(finding(&[], &SOURCE, SENT, |_| NOTHING), Finding::Silent);
    }
}

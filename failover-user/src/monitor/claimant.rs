//! Who claims an address that this host holds. Pure.

use std::time::Duration;

use failover_ebpf::abi::{Heard, Held};

use crate::policy::{Claimant, DEFEND_INTERVAL};

/// A claim that is older was made while no daemon ran, or is too old to answer.
pub const RECENT: Duration = Duration::from_secs(5);

/// A failover host that has probed for an address in this time is one that takes or defends it.
pub const PROBED_LATELY: Duration = DEFEND_INTERVAL.saturating_add(RECENT);

/// A claim by a host that is neither the source nor known as another failover host is looked at again after so long: this host
/// makes itself known to it, and another failover host answers that with a probe.
pub const PEER_WAIT: Duration = Duration::from_millis(200);

/// A MAC as it is told: `02:00:00:00:00:09`.
pub fn show_mac(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// The MAC that [`show_mac`] has told.
pub fn read_mac(text: &str) -> Option<[u8; 6]> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    let octets: Vec<u8> = octets.collect::<Result<_, _>>().ok()?;
    octets.try_into().ok()
}

/// Who a MAC belongs to that claims an address, which is held like this (`None`: not at all). `of_source` says whether it is
/// known to be the source's; `heard` is what was heard of the address.
///
/// A failover host probes for what it holds when another one claims it, which nobody else does for an address that he has.
pub fn claimant(
    mac: [u8; 6],
    held: Option<&Held>,
    of_source: bool,
    heard: &Heard,
    now: u64,
) -> Claimant {
    if of_source || held.is_some_and(|held| held.source_mac == mac) {
        return Claimant::Source;
    }
    let lately = PROBED_LATELY.as_nanos() as u64;
    let probed = heard.probed_by == mac && now.saturating_sub(heard.probed_ns) < lately;
    match held {
        Some(held) if probed => Claimant::Peer {
            keeps: mac < held.nic_mac,
        },
        Some(_) | None => Claimant::Stranger,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 60_000_000_000;
    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 5];
    const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 10];
    const LOWER: [u8; 6] = [2, 0, 0, 0, 0, 4];
    const HIGHER: [u8; 6] = [2, 0, 0, 0, 0, 6];

    fn held() -> Held {
        Held {
            nic_mac: OURS,
            source_mac: SOURCE,
            ..Held::default()
        }
    }

    fn probed(by: [u8; 6], ago_ns: u64) -> Heard {
        Heard {
            probed_by: by,
            probed_ns: NOW - ago_ns,
            ..Heard::default()
        }
    }

    #[test]
    fn the_source_is_known_by_its_heartbeats_or_by_what_it_was_when_its_address_was_taken() {
        let by_entry = claimant(SOURCE, Some(&held()), false, &Heard::default(), NOW);
        let by_heartbeats = claimant(HIGHER, Some(&held()), true, &probed(HIGHER, 0), NOW);

        assert_eq!([by_entry, by_heartbeats], [Claimant::Source; 2]);
    }

    #[test]
    fn who_has_probed_lately_is_a_failover_host_and_the_lower_mac_keeps_the_address() {
        let by = |mac, ago_ns| claimant(mac, Some(&held()), false, &probed(mac, ago_ns), NOW);
        let lately = PROBED_LATELY.as_nanos() as u64;

        assert_eq!(by(LOWER, lately - 1), Claimant::Peer { keeps: true });
        assert_eq!(by(HIGHER, 0), Claimant::Peer { keeps: false });
        assert_eq!(by(HIGHER, lately), Claimant::Stranger);
    }

    #[test]
    fn anybody_else_is_a_stranger_and_so_is_everybody_where_nothing_is_held() {
        let other = claimant(HIGHER, Some(&held()), false, &probed(LOWER, 0), NOW);
        let not_held = claimant(HIGHER, None, false, &probed(HIGHER, 0), NOW);

        assert_eq!([other, not_held], [Claimant::Stranger; 2]);
    }

    #[test]
    fn a_mac_that_was_told_is_read_back_and_nothing_else_is() {
        assert_eq!(read_mac(&show_mac(SOURCE)), Some(SOURCE));
        for other in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "02:00:00:00:00:xx",
        ] {
            assert_eq!(read_mac(other), None, "{other}");
        }
    }
}

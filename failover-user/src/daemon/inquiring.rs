//! Whether anybody else answers for what this host holds.
//!
//! Whoever holds the same address answers in its driver, and the program tells of that as of any claim ([`super::conflicts`]).
//! The source's own answer is none: a source that is back, and does not know that its address is held, is told so.

use std::{collections::BTreeMap, net::IpAddr};

use failover_ebpf::abi::{Held, held, held_flag};

use super::{Daemon, layout};
use crate::{
    config::Probe,
    monitor::{claimant::claimed_since, clock},
    net::announce::{question, straight},
    policy::{DEFEND_INTERVAL, UnitId},
};

/// What was asked for a unit.
#[derive(Debug, Default)]
pub(super) struct Inquired {
    /// In the latest round: the addresses, and when.
    asked: Vec<(IpAddr, u64)>,
    /// When everybody was told of each address that the source had answered for.
    told_all: BTreeMap<IpAddr, u64>,
}

impl Daemon {
    /// Looks at what the round before this one has found, and asks for the next address of each NIC.
    pub(super) fn inquire(&mut self, unit: UnitId, round: u32) {
        let mut inquired = self.inquired.remove(&unit).unwrap_or_default();
        for asked in std::mem::take(&mut inquired.asked) {
            self.tell_source(unit, asked, &mut inquired.told_all);
        }
        let configured = layout::addresses_of(&self.config, unit)
            .map(|(_, address)| (address.target_nic.as_str(), address.ip));
        for addresses in by_nic(configured) {
            let next = in_turn(&addresses, round).find_map(|ip| Some((ip, self.serving(ip)?)));
            if let Some((ip, held)) = next {
                inquired.asked.push((ip, clock::now()));
                self.ask_who_has(ip, &held);
            }
        }
        self.inquired.insert(unit, inquired);
    }

    /// How an address is held, unless it is going back.
    fn serving(&self, ip: IpAddr) -> Option<Held> {
        let held = self.maps.addresses.get(ip).unwrap_or_else(|error| {
            tracing::error!(%ip, error = %format!("{error:#}"), "it is not known how an address is held");
            None
        });
        held.filter(|held| held.mode != held::DRAIN)
    }

    /// As one who harms nobody: an answer to a probe for an IPv6 address would tell everybody of whoever gives it.
    fn ask_who_has(&mut self, ip: IpAddr, held: &Held) {
        let Some(link) = self.network.by_index(held.nic).filter(|link| link.usable()) else {
            return;
        };
        let question = question(ip, held.nic_mac, self.network.asker(link, ip));
        if let Err(error) = self.senders.send(held.nic, &question) {
            tracing::debug!(%ip, %error, "nobody is asked who else has a held address");
        }
    }

    /// The source may have answered when it was asked, and then does not know that its address is held. With `identity` it keeps
    /// off it once it is told. Clients may have gone to it, so everybody is told, as rarely as in a conflict (RFC 5227 2.4), and it
    /// alone in between. One without our reflector can do nothing about it, and is left alone.
    fn tell_source(
        &mut self,
        unit: UnitId,
        (ip, asked_ns): (IpAddr, u64),
        told_all: &mut BTreeMap<IpAddr, u64>,
    ) {
        let reflects = self.config.sources[unit.source].probe == Probe::Sbfd;
        let Some(held) = self
            .serving(ip)
            .filter(|held| reflects && held.flags & held_flag::YIELDING == 0)
        else {
            return;
        };
        let heard = self.board.get(self.layout.slot(ip));
        let source = claimed_since(&heard, asked_ns).find(|by| self.is_of_source(unit, *by));
        let Some(mac) = source else { return };
        let now = clock::now();
        let again = |at: &u64| now.saturating_sub(*at) >= DEFEND_INTERVAL.as_nanos() as u64;
        if told_all.get(&ip).is_none_or(again) {
            told_all.insert(ip, now);
            self.announce_held(ip, &held);
        } else {
            let claim = straight(&self.announcement(ip, &held)[0], mac);
            if let Err(error) = self.senders.send(held.nic, &claim) {
                tracing::debug!(%ip, %error, "the source is not told who has its address");
            }
        }
    }
}

/// Addresses by the NIC that has them, in their order.
fn by_nic<'a>(addresses: impl Iterator<Item = (&'a str, IpAddr)>) -> Vec<Vec<IpAddr>> {
    let mut nics: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
    for (nic, ip) in addresses {
        nics.entry(nic).or_default().push(ip);
    }
    nics.into_values().collect()
}

/// All addresses, from the one on whose turn it is in a round.
fn in_turn(addresses: &[IpAddr], round: u32) -> impl Iterator<Item = IpAddr> {
    let first = (round as usize).checked_rem(addresses.len()).unwrap_or(0);
    let (before, rest) = addresses.split_at(first);
    rest.iter().chain(before).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn each_nic_has_its_own_turns() {
        let configured = [("ens1", ip(1)), ("ens2", ip(2)), ("ens1", ip(3))];

        let nics = by_nic(configured.into_iter());

        assert_eq!(nics, [vec![ip(1), ip(3)], vec![ip(2)]]);
    }

    #[test]
    fn each_address_has_its_turn_and_the_next_stands_in_for_one_that_is_not_held() {
        let addresses = [ip(1), ip(2), ip(3)];
        let round = |round| in_turn(&addresses, round).collect::<Vec<_>>();

        assert_eq!(round(0), [ip(1), ip(2), ip(3)]);
        assert_eq!(round(4), [ip(2), ip(3), ip(1)]);
        assert_eq!(round(u32::MAX)[0], ip(1));
        assert_eq!(in_turn(&[], 7).next(), None);
    }
}

//! What successive statuses tell together: round-trip times over time, and packet rates.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::control::protocol::{PathStatus, RttStatus, Status};

/// Samples kept of each path: two minutes at two a second.
const SAMPLES: usize = 240;

/// Rates are taken over this time.
const RATE_OVER: Duration = Duration::from_secs(3);

/// A path: name of its source, index in it.
pub(crate) type PathKey = (String, usize);

/// What is remembered of every path.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    rtt: BTreeMap<PathKey, VecDeque<RttStatus>>,
    traffic: BTreeMap<(PathKey, String), VecDeque<Traffic>>,
}

#[derive(Clone, Copy, Debug)]
struct Traffic {
    at: Duration,
    packets: u64,
    bytes: u64,
}

/// How fast packets come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rate {
    /// Packets a second.
    pub(crate) packets: f64,
    /// Bits a second.
    pub(crate) bits: f64,
}

impl History {
    /// Another status, `at` after the start. What is no longer in it is forgotten.
    pub(super) fn add(&mut self, status: &Status, at: Duration) {
        let mut before = std::mem::take(self);
        for source in &status.sources {
            for (index, path) in source.paths.iter().enumerate() {
                let key = (source.name.clone(), index);
                let mut rtt = before.rtt.remove(&key).unwrap_or_default();
                if path.rtt_ns.max > 0 {
                    rtt.push_back(path.rtt_ns);
                }
                while rtt.len() > SAMPLES {
                    rtt.pop_front();
                }
                self.rtt.insert(key.clone(), rtt);
                self.add_traffic(&mut before, &key, path, at);
            }
        }
    }

    fn add_traffic(&mut self, before: &mut Self, key: &PathKey, path: &PathStatus, at: Duration) {
        for address in path.addresses.iter().filter(|address| address.held) {
            let key = (key.clone(), address.ip.clone());
            let mut traffic = before.traffic.remove(&key).unwrap_or_default();
            // Counters begin anew with each takeover.
            if traffic
                .back()
                .is_some_and(|last| last.packets > address.packets || last.bytes > address.bytes)
            {
                traffic.clear();
            }
            traffic.push_back(Traffic {
                at,
                packets: address.packets,
                bytes: address.bytes,
            });
            while traffic
                .get(1)
                .is_some_and(|second| at.saturating_sub(second.at) >= RATE_OVER)
            {
                traffic.pop_front();
            }
            self.traffic.insert(key, traffic);
        }
    }

    /// Round-trip times of a path, oldest first.
    pub(crate) fn rtt<'a>(
        &'a self,
        key: &PathKey,
    ) -> impl DoubleEndedIterator<Item = RttStatus> + Clone + use<'a> {
        self.rtt.get(key).into_iter().flatten().copied()
    }

    /// How fast packets come for a held address; `None` until two statuses have told.
    pub(crate) fn rate(&self, key: &PathKey, ip: &str) -> Option<Rate> {
        let traffic = self.traffic.get(&(key.clone(), ip.to_owned()))?;
        let (first, last) = (traffic.front()?, traffic.back()?);
        let seconds = (last.at - first.at).as_secs_f64();
        (seconds > 0.0).then(|| Rate {
            packets: (last.packets - first.packets) as f64 / seconds,
            bits: (last.bytes - first.bytes) as f64 * 8.0 / seconds,
        })
    }
}

//! The keys of `[[source]]` that `[defaults]` may set for all of them.

use std::{ops::RangeInclusive, time::Duration};

use failover_ebpf::abi::MAX_KEYS_OF_SESSION;

use super::{
    hooks::HookSettings,
    key,
    keys::Kind,
    probe,
    reader::{Collector, Section},
    types::{Failback, Key, L2Alive, OnConflict, OnFailure, Probe, Trigger},
};

/// `interval` can be this.
pub(super) const INTERVAL: RangeInclusive<Duration> =
    Duration::from_micros(50)..=Duration::from_secs(60);
/// `misses` can be this.
pub(super) const MISSES: RangeInclusive<u32> = 1..=255;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Long enough for any maintenance, short enough to catch `"60d"` for `"60s"`.
const FAILBACK_AFTER: RangeInclusive<Duration> = Duration::ZERO..=DAY;
/// More often than once a second would be a flood of broadcasts.
const ANNOUNCE_EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;

/// What one table sets; `None`: not set there, or refused.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) probe: Option<Probe>,
    pub(super) interval: Option<Duration>,
    pub(super) misses: Option<u32>,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) trigger: Option<Trigger>,
    pub(super) failback: Option<Failback>,
    pub(super) failback_after: Option<Duration>,
    pub(super) l2_alive: Option<L2Alive>,
    pub(super) on_conflict: Option<OnConflict>,
    pub(super) announce_every: Option<Duration>,
    pub(super) keys: Option<Vec<Key>>,
    pub(super) hooks: HookSettings,
}

impl Settings {
    /// Reads them from a table; its hooks are a table of the kind `hooks`.
    pub(super) fn read(section: &Section<'_>, hooks: Kind, out: &mut Collector) -> Self {
        Self {
            probe: section
                .get("probe")
                .and_then(|item| probe::read(&item, out)),
            interval: section
                .get("interval")
                .and_then(|item| item.duration(INTERVAL, out)),
            misses: section
                .get("misses")
                .and_then(|item| item.integer(MISSES, out)),
            on_failure: section
                .get("on_failure")
                .and_then(|item| item.choice(ON_FAILURE, out)),
            trigger: section
                .get("trigger")
                .and_then(|item| item.choice(TRIGGER, out)),
            failback: section
                .get("failback")
                .and_then(|item| item.choice(FAILBACK, out)),
            failback_after: section
                .get("failback_after")
                .and_then(|item| item.duration(FAILBACK_AFTER, out)),
            l2_alive: section
                .get("l2_alive")
                .and_then(|item| item.choice(L2_ALIVE, out)),
            on_conflict: section
                .get("on_conflict")
                .and_then(|item| item.choice(ON_CONFLICT, out)),
            announce_every: section
                .get("announce_every")
                .and_then(|item| item.duration(ANNOUNCE_EVERY, out)),
            keys: section
                .get("key")
                .and_then(|item| key::read(&item, MAX_KEYS_OF_SESSION, out)),
            hooks: section
                .get("hooks")
                .map(|item| HookSettings::read(&item, hooks, out))
                .unwrap_or_default(),
        }
    }

    /// Takes from `defaults` what is not set here.
    pub(super) fn or(self, defaults: &Self) -> Self {
        Self {
            probe: self.probe.or(defaults.probe),
            interval: self.interval.or(defaults.interval),
            misses: self.misses.or(defaults.misses),
            on_failure: self.on_failure.or(defaults.on_failure),
            trigger: self.trigger.or(defaults.trigger),
            failback: self.failback.or(defaults.failback),
            failback_after: self.failback_after.or(defaults.failback_after),
            l2_alive: self.l2_alive.or(defaults.l2_alive),
            on_conflict: self.on_conflict.or(defaults.on_conflict),
            announce_every: self.announce_every.or(defaults.announce_every),
            keys: self.keys.or_else(|| defaults.keys.clone()),
            hooks: self.hooks.or(&defaults.hooks),
        }
    }
}

const ON_FAILURE: &[(&str, OnFailure)] =
    &[("automatic", OnFailure::Automatic), ("ask", OnFailure::Ask)];
const TRIGGER: &[(&str, Trigger)] = &[
    ("any", Trigger::Any),
    ("all", Trigger::All),
    ("path", Trigger::Path),
];
const FAILBACK: &[(&str, Failback)] = &[
    ("manual", Failback::Manual),
    ("automatic", Failback::Automatic),
];
const L2_ALIVE: &[(&str, L2Alive)] = &[
    ("ask", L2Alive::Ask),
    ("refuse", L2Alive::Refuse),
    ("ignore", L2Alive::Ignore),
];
const ON_CONFLICT: &[(&str, OnConflict)] = &[
    ("defend", OnConflict::Defend),
    ("release", OnConflict::Release),
    ("ask", OnConflict::Ask),
];

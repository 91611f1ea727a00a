//! What `failover status` shows.

use std::{net::Ipv4Addr, sync::atomic::Ordering::Relaxed};

use failover_ebpf::{
    abi::{Ip, held},
    health::gate,
};

use super::{Daemon, layout, source_side::told};
use crate::{
    config::{Deliver, OnFailure, Path},
    control::protocol::{
        AddressStatus, Failure, FailureKind, NicStatus, PathStatus, ReflectorStatus, Reply,
        RttStatus, SourceStatus, Status, VERSION, WatcherStatus,
    },
    monitor::{claimant::show_mac, clock},
    policy::{PathId, PathState, State, UnitId},
};

impl Daemon {
    /// Of all sources, or of one.
    pub(super) fn status(&self, only: Option<usize>) -> Reply {
        match self.try_status(only) {
            Ok(status) => Reply::Status(Box::new(status)),
            Err(error) => Reply::Error(Failure {
                kind: FailureKind::Failed,
                message: format!("{error:#}"),
            }),
        }
    }

    fn try_status(&self, only: Option<usize>) -> anyhow::Result<Status> {
        // Before anything else is looked at: what is recorded meanwhile, by a drill, is not part of it.
        let seq = self.events.last_seq();
        let sources = self
            .layout
            .order()
            .iter()
            .copied()
            .filter(|index| only.is_none_or(|only| only == *index));
        Ok(Status {
            version: VERSION,
            seq,
            daemon: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started.clone(),
            scheduling: self.monitor.scheduling().name().to_owned(),
            nics: self
                .managed()
                .iter()
                .map(|name| self.nic_status(name))
                .collect(),
            sources: sources
                .map(|index| self.source_status(index))
                .collect::<anyhow::Result<_>>()?,
            strays: self.stray_statuses()?,
            reflector: self.reflector_status()?,
            counters: self
                .maps
                .counters()?
                .into_iter()
                .map(|(verdict, count)| (verdict.name().to_owned(), count))
                .collect(),
        })
    }

    fn nic_status(&self, name: &str) -> NicStatus {
        NicStatus {
            name: name.to_owned(),
            xdp_mode: self
                .attached
                .get(name)
                .map_or("none", |mode| mode.name())
                .to_owned(),
            carrier: self
                .network
                .links
                .get(name)
                .is_some_and(|link| link.usable()),
        }
    }

    fn source_status(&self, index: usize) -> anyhow::Result<SourceStatus> {
        let source = &self.config.sources[index];
        let worst = layout::units_of(&self.config, index, None)
            .into_iter()
            .max_by_key(|unit| severity(self.state(*unit)))
            .unwrap_or(UnitId {
                source: index,
                path: None,
            });
        let told = self.told.get(&worst);
        let paths = (0..source.paths.len()).map(|path| {
            self.path_status(PathId {
                source: index,
                path,
            })
        });
        Ok(SourceStatus {
            name: source.name.clone(),
            state: self.state(worst),
            since: told.map(|told| told.since.clone()).unwrap_or_default(),
            cause: self.policy.cause(worst).unwrap_or_default().to_owned(),
            monitored: !self.unmonitored.contains(&index),
            hold: self.policy.on_hold(worst),
            asks: self.policy.asks(worst),
            on_failure: match source.on_failure {
                OnFailure::Automatic => "automatic".to_owned(),
                OnFailure::Ask => "ask".to_owned(),
            },
            probe: source.probe.to_string(),
            interval_ns: source.interval.as_nanos() as u64,
            misses: source.misses,
            paths: paths.collect::<anyhow::Result<_>>()?,
            last_takeover: told.and_then(|told| told.last_takeover.clone()),
        })
    }

    fn state(&self, unit: UnitId) -> State {
        self.policy.state(unit).unwrap_or(State::Unknown)
    }

    fn path_status(&self, id: PathId) -> anyhow::Result<PathStatus> {
        let path = &self.config.sources[id.source].paths[id.path];
        let measured = self.sessions.measured(self.layout.session(id));
        let (sent, missed, in_a_row, near_misses) =
            self.stats.get(&id).map_or((0, 0, 0, 0), |stats| {
                (
                    stats.sent.load(Relaxed),
                    stats.missed.load(Relaxed),
                    stats.missed_in_a_row(),
                    stats.near_misses.load(Relaxed),
                )
            });
        Ok(PathStatus {
            monitor: path.monitor.to_string(),
            nic: path.nic.clone(),
            target_nic: path.target_nic.clone(),
            state: self.state(layout::unit_of(&self.config, id)),
            heartbeat: self.paths.get(&id).copied().unwrap_or(PathState::Unknown),
            mac: self.network.mac(&path.nic, path.monitor).map(show_mac),
            key_id: self.config.sources[id.source]
                .keys
                .first()
                .map(|key| key.id),
            sent,
            received: measured.received,
            late: measured.late,
            missed,
            refused: measured.refused,
            consecutive_missed: in_a_row,
            rtt_ns: RttStatus {
                min: measured.rtt_min_ns,
                p50: measured.quantile(0.5),
                p99: measured.quantile(0.99),
                max: measured.rtt_max_ns,
            },
            rtt_histogram: measured.histogram(),
            max_gap_ns: measured.max_gap_ns,
            near_misses,
            addresses: self.address_statuses(path)?,
        })
    }

    fn address_statuses(&self, path: &Path) -> anyhow::Result<Vec<AddressStatus>> {
        let mut all = Vec::new();
        for address in &path.addresses {
            let entry = self.maps.addresses.get(address.ip)?;
            let traffic = match entry {
                Some(entry) => self.maps.traffic(entry.slot)?,
                None => Default::default(),
            };
            all.push(AddressStatus {
                ip: format!("{}/{}", address.ip, address.prefix),
                nic: address.target_nic.clone(),
                deliver: match address.deliver {
                    Deliver::Local => "local".to_owned(),
                    Deliver::Forward(to) => format!("forward {to}"),
                },
                held: entry.is_some_and(|entry| entry.mode != held::DRAIN),
                packets: traffic.packets,
                bytes: traffic.bytes,
            });
        }
        Ok(all)
    }

    fn reflector_status(&self) -> anyhow::Result<Option<ReflectorStatus>> {
        let Some(reflector) = &self.config.reflector else {
            return Ok(None);
        };
        let discriminators = match reflector.discriminator {
            Some(discriminator) => vec![Ipv4Addr::from_bits(discriminator).into()],
            None => self.own_addresses(&reflector.nics).collect(),
        };
        let (health, now) = (self.health(), clock::now());
        let watchers = self
            .maps
            .watchers()?
            .into_iter()
            .map(|(watcher, state)| WatcherStatus {
                initiator: show_ip(&watcher.initiator),
                asked: show_ip(&watcher.asked),
                answered_ago_ns: now.saturating_sub(state.answered_ns),
                asked_ago_ns: now.saturating_sub(state.asked_ns),
                answered: state.answered,
                refused: state.refused,
            });
        Ok(Some(ReflectorStatus {
            discriminators: discriminators
                .into_iter()
                .map(|ip| ip.to_string())
                .collect(),
            min_rx_us: reflector.min_rx.as_micros() as u32,
            key_ids: reflector.keys.iter().map(|key| key.id).collect(),
            answers: told::name(gate(&health, now)).to_owned(),
            cause: self.why(&health, now),
            dead_man_ns: reflector.dead_man.as_nanos() as u64,
            self_fence: reflector.self_fence,
            identity: self.identity_statuses(&health, now),
            checks: self.check_statuses(),
            watchers: watchers.collect(),
        }))
    }
}

/// With `trigger = "path"` a source is shown in the state of the path that needs attention most.
fn severity(state: State) -> u8 {
    match state {
        State::Healthy => 0,
        State::Unknown => 1,
        State::Suspect => 2,
        State::Isolated => 3,
        State::Held => 4,
        State::FailingBack => 5,
        State::TakenOver => 6,
        State::TakingOver => 7,
        State::HeldElsewhere => 8,
        State::Failed => 9,
        State::Conflict => 10,
        State::AwaitingApproval => 11,
    }
}

fn show_ip(ip: &Ip) -> String {
    std::net::Ipv6Addr::from(*ip).to_canonical().to_string()
}

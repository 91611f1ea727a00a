//! What people are told of the source's side.

use failover_ebpf::{
    abi::{Health, health as flag},
    health::{Fence, Gate, expired, fence, gate},
};
use serde_json::json;

use super::super::Daemon;
use crate::{
    control::{
        event_kind::EventKind,
        protocol::{CheckStatus, IdentityStatus},
    },
    monitor::{claimant::show_mac, clock},
    reflector::custody::Standing,
};

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    gate: Option<(Gate, bool)>,
}

/// Name of a gate, in the status and in events.
pub(in super::super) fn name(gate: Gate) -> &'static str {
    match gate {
        Gate::Up => "up",
        Gate::AdminDown => "admin-down",
        Gate::Silent => "silent",
    }
}

impl Daemon {
    /// Tells of a change in what the reflector answers, and of the fence around the whole identity.
    pub(super) fn tell_of_gate(&mut self) {
        if self.config.reflector.is_none() {
            return;
        }
        let (health, now) = (self.side.board.get(), clock::now());
        let state = (gate(&health, now), fence(&health, now) == Fence::All);
        if self.side.told.gate.replace(state) == Some(state) {
            return;
        }
        let (gate, fenced) = state;
        let mut fields = json!({ "answers": name(gate), "fenced": fenced, "at_ns": now });
        if let Some(why) = self.why(&health, now) {
            fields["cause"] = json!(why);
        }
        self.record(None, EventKind::Reflector, fields);
    }

    /// Why the reflector does not answer with Up.
    pub(in super::super) fn why(&self, health: &Health, now: u64) -> Option<String> {
        if expired(health, now) {
            return Some("the daemon stood still for longer than dead_man".to_owned());
        }
        if health.flags & flag::ADMIN_DOWN != 0 {
            return Some(
                "on hold by the administrator of this host (failover hold --self)".to_owned(),
            );
        }
        let bad: Vec<String> = self
            .side
            .checks
            .standings()
            .into_iter()
            .filter(|check| check.good != Some(true))
            .map(|check| match (check.good, check.error) {
                (None, _) => format!("{} has no result yet", check.name),
                (Some(_), Some(error)) => format!("{} failed: {error}", check.name),
                (Some(_), None) => format!("{} failed", check.name),
            })
            .collect();
        (!bad.is_empty()).then(|| bad.join("; "))
    }

    /// The identity as it stands.
    pub(in super::super) fn identity_statuses(
        &self,
        health: &Health,
        now: u64,
    ) -> Vec<IdentityStatus> {
        let all = fence(health, now) == Fence::All;
        let why = self.why(health, now);
        let one = |(ip, standing): (std::net::IpAddr, Standing)| {
            let fenced = all || self.side.withheld.contains(&ip);
            let cause = match standing {
                Standing::Ours => None,
                Standing::Asking { .. } if !self.has_link(ip) => {
                    Some("its NIC has no link, so nobody can be asked who has it".to_owned())
                }
                Standing::Asking { .. } => Some("it is being found out who has it".to_owned()),
                Standing::Elsewhere { by } => {
                    Some(format!("another host has it, {}", show_mac(by)))
                }
            };
            let cause = if all { why.clone().or(cause) } else { cause };
            IdentityStatus {
                ip: ip.to_string(),
                fenced,
                standing: match standing {
                    Standing::Ours => "ours",
                    Standing::Asking { .. } => "asking",
                    Standing::Elsewhere { .. } => "elsewhere",
                }
                .to_owned(),
                cause,
            }
        };
        self.side.custody.standings().map(one).collect()
    }

    /// The checks as they stand.
    pub(in super::super) fn check_statuses(&self) -> Vec<CheckStatus> {
        let one = |check: crate::reflector::checks::Standing| CheckStatus {
            name: check.name,
            state: match check.good {
                None => "unknown",
                Some(true) => "good",
                Some(false) => "bad",
            }
            .to_owned(),
            against: check.against,
            error: check.error,
        };
        self.side.checks.standings().into_iter().map(one).collect()
    }
}

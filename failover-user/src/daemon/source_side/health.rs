//! Checks and holds, as the kernel has to know them.

use failover_ebpf::abi::health as flag;
use serde_json::json;
use tokio::sync::oneshot;

use super::super::{Daemon, commands};
use crate::{
    control::{
        event_kind::EventKind,
        protocol::{FailureKind, Reply},
    },
    reflector::checks::Checked,
};

impl Daemon {
    /// A check has ended.
    pub(in super::super) fn on_checked(&mut self, checked: Checked) {
        let Some(turn) = self.side.checks.note(checked) else {
            return;
        };
        let mut fields = json!({ "check": turn.name, "good": turn.good });
        if let Some(error) = &turn.error {
            fields["error"] = json!(error);
        }
        self.record(None, EventKind::Check, fields);
        self.follow_health();
        self.tell_of_gate();
    }

    /// The kernel and the heartbeats follow the checks and the hold.
    fn follow_health(&mut self) {
        self.write_health();
        self.follow_fence();
    }

    /// The kernel follows the checks and the hold. The identity is never free in between: whoever has been fenced asks
    /// before it is used again.
    pub(super) fn write_health(&mut self) {
        let self_fence = self
            .config
            .reflector
            .as_ref()
            .is_some_and(|reflector| reflector.self_fence);
        let failing = self.side.checks.failing();
        let acts = self
            .side
            .custody
            .pause(failing && self_fence && !self.side.hold);
        self.carry_out_acts(acts);
        self.side.board.put(flag::CHECKS_FAILED, failing);
        self.side.board.put(flag::ADMIN_DOWN, self.side.hold);
    }

    /// `failover hold --self` and `failover resume --self`, answered when they are on the disk.
    pub(in super::super) fn begin_own_hold(&mut self, hold: bool, reply: oneshot::Sender<Reply>) {
        let refuse = |why: &str| commands::failure(FailureKind::Refused, why);
        if self.config.reflector.is_none() {
            let why = "this host has no [reflector], so nobody watches it; to put a source on hold, name it";
            return commands::answer(reply, refuse(why));
        }
        if self.side.hold == hold {
            let why = if hold {
                "this host is on hold already; to end that: failover resume --self"
            } else {
                "this host is not on hold"
            };
            return commands::answer(reply, refuse(why));
        }
        self.side.hold = hold;
        self.follow_health();
        self.record(None, EventKind::OwnHold, json!({ "on": hold }));
        self.tell_of_gate();
        self.remember();
        let text = if hold {
            "this host is on hold: who watches it with S-BFD takes nothing over by itself until `failover resume --self`"
        } else {
            "this host is protected again"
        };
        self.answer_when_kept(text.to_owned(), reply);
    }
}

//! The administrator's programs, run beside the loop.

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use super::{Daemon, layout};
use crate::{
    events::EventKind,
    hooks::{self, Facts, Notified, Notifier, Outcome},
    policy::{Hook, Input, State, UnitId, table},
};

/// What hooks are run by.
#[derive(Debug)]
pub(super) struct Hooks {
    notifier: Notifier,
    done: mpsc::UnboundedSender<Done>,
    /// Name of this host.
    host: String,
}

/// A hook has ended.
#[derive(Debug)]
pub(super) enum Done {
    /// One that the policy waits for, or at least hears of.
    Ran {
        unit: UnitId,
        facts: Facts,
        outcome: Outcome,
    },
    /// A `notify` hook.
    Notified(Notified),
}

impl Hooks {
    /// Inside a tokio runtime only.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Done>) {
        let (done, ended) = mpsc::unbounded_channel();
        let (notifier, mut notified) = Notifier::new();
        let passed_on = done.clone();
        tokio::spawn(async move {
            while let Some(one) = notified.recv().await {
                if passed_on.send(Done::Notified(one)).is_err() {
                    return;
                }
            }
        });
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let hooks = Self {
            notifier,
            done,
            host,
        };
        (hooks, ended)
    }
}

impl Daemon {
    /// Runs a hook of a unit's source in the background.
    pub(super) fn run_hook(&mut self, unit: UnitId, hook: Hook, state: State, cause: &str) {
        let configured = &self.config.sources[unit.source].hooks;
        let timeout = configured.timeout;
        let Some(program) = configured.program(hook).map(<[String]>::to_vec) else {
            return;
        };
        let facts = self.facts(unit, hook, state, cause);
        if hook == Hook::Notify {
            return self.hooks.notifier.notify(program, timeout, facts);
        }
        self.record(
            Some(unit),
            EventKind::Hook,
            json!({ "hook": hook, "program": program[0], "begins": true }),
        );
        let done = self.hooks.done.clone();
        tokio::spawn(async move {
            let outcome = hooks::run(&program, timeout, &facts).await;
            let ran = Done::Ran {
                unit,
                facts,
                outcome,
            };
            // The daemon goes away only together with the process.
            let _ = done.send(ran);
        });
    }

    /// What a hook is told.
    fn facts(&self, unit: UnitId, hook: Hook, state: State, cause: &str) -> Facts {
        let mut nics = Vec::new();
        let mut addresses = Vec::new();
        for (_, address) in layout::addresses_of(&self.config, unit) {
            addresses.push(format!("{}/{}", address.ip, address.prefix));
            if !nics.contains(&address.target_nic) {
                nics.push(address.target_nic.clone());
            }
        }
        let monitor = layout::paths(&self.config)
            .filter(|(id, ..)| layout::unit_of(&self.config, *id) == unit)
            .map(|(_, _, path)| path.monitor)
            .collect();
        Facts {
            hook,
            source: self.config.sources[unit.source].name.clone(),
            path: unit.path.map(|path| path + 1),
            monitor,
            addresses,
            nics,
            state: table::name(state).to_owned(),
            cause: cause.to_owned(),
            dry_run: false,
            host: self.hooks.host.clone(),
            at: Timestamp::now(),
        }
    }

    pub(super) fn on_hook_done(&mut self, done: Done) {
        match done {
            Done::Ran {
                unit,
                facts,
                outcome,
            } => {
                self.tell_of_hook(&facts, &outcome);
                self.feed(Input::HookDone {
                    unit,
                    hook: facts.hook,
                    error: outcome.error,
                });
            }
            Done::Notified(Notified::Ran { facts, outcome }) => self.tell_of_hook(&facts, &outcome),
            Done::Notified(Notified::Dropped { facts }) => self.events.record(
                Some(&facts.source),
                EventKind::Hook,
                fields(json!({
                    "hook": facts.hook,
                    "error": "not run: too many notifications are waiting",
                })),
            ),
        }
    }

    fn tell_of_hook(&self, facts: &Facts, outcome: &Outcome) {
        let mut event = json!({
            "hook": facts.hook,
            "state": facts.state,
            "took_ns": outcome.took.as_nanos() as u64,
        });
        if let Some(error) = &outcome.error {
            event["error"] = json!(error);
        }
        if !outcome.output.is_empty() {
            event["output"] = json!(outcome.output);
        }
        self.events
            .record(Some(&facts.source), EventKind::Hook, fields(event));
    }
}

fn fields(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    value.as_object().cloned().unwrap_or_default()
}

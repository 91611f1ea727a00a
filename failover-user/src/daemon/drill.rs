//! `failover drill`: everything that a takeover consists of, with nothing moved.
//!
//! The daemon makes a picture of a unit ([`Picture`]) and goes on with its work; the rest happens behind its back, from the
//! picture alone: hooks may take as long as they are given.

mod ready;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    Daemon,
    commands::{answer, failure},
    layout, plans, story,
};
use crate::{
    config::{Hooks, OnError, Trigger},
    control::{
        drill::{
            DrillAddress, DrillDetection, DrillHook, DrillReport, DrillResult, DrillStep,
            DrillTakeover, DrillUnit,
        },
        protocol::{FailureKind, Reply},
    },
    events::{EventKind, EventLog},
    hooks::{self, Facts},
    monitor::{PROBE_WAIT, Plan, Scheduling, clock, rehearsal::rehearse},
    policy::{
        Finding, Hook, Now, Policy, State, UnitId,
        drill::{Assumed, Decision, Step, decide},
        table,
    },
};

impl Daemon {
    /// Starts a drill, which answers by itself.
    pub(super) fn begin_drill(&mut self, name: &str, reply: oneshot::Sender<Reply>) {
        let source = match self.find(name) {
            Ok(source) => source,
            Err(unknown) => return answer(reply, *unknown),
        };
        let running = self.drills.get(&source);
        if running.is_some_and(|drill| !drill.is_finished()) {
            let message = format!("a drill of {name} is under way; wait for its end");
            return answer(reply, failure(FailureKind::Refused, message));
        }
        let units = layout::units_of(&self.config, source, None);
        if units.iter().all(|unit| self.policy.holds(*unit)) {
            let message = format!(
                "this host holds the addresses of {name}, or is about to: give them back first, with `failover failback {name}`"
            );
            return answer(reply, failure(FailureKind::Refused, message));
        }
        let pictures: Vec<Picture> = units.iter().map(|unit| self.picture(*unit)).collect();
        let (name, events) = (name.to_owned(), self.events.clone());
        let drill = tokio::spawn(async move {
            let report = drill(name, pictures, &events).await;
            answer(reply, Reply::Drill(Box::new(report)));
        });
        self.drills.insert(source, drill);
    }

    /// What a probe has found is what drills of that unit wait for.
    pub(super) fn tell_drills(&mut self, unit: UnitId, finding: &Finding) {
        let waiting = self.drill_probes.extract_if(.., |(of, _)| *of == unit);
        for (_, asker) in waiting {
            // A drill that has been given up needs no answer.
            let _ = asker.send(finding.clone());
        }
    }

    fn picture(&mut self, unit: UnitId) -> Picture {
        let (asker, heard) = oneshot::channel();
        self.drill_probes.push((unit, asker));
        self.monitor.probe(unit);
        let source = &self.config.sources[unit.source];
        let nics = ready::Nics {
            network: &self.network,
            unmanageable: &self.unmanageable,
        };
        let mut warnings = Vec::new();
        if self.unmonitored.contains(&unit.source) {
            warnings.push(
                "it is not monitored since `failback --stop-monitoring`: no failure is noticed"
                    .to_owned(),
            );
        }
        if self.monitor.scheduling() == Scheduling::Normal {
            warnings.push(
                "heartbeats run at normal priority: on a busy host the verdict may come later"
                    .to_owned(),
            );
        }
        Picture {
            unit,
            policy: self.policy.clone(),
            at: clock::now(),
            plan: plans::plan(&self.config, &self.layout, &self.network, unit),
            heard,
            addresses: ready::addresses(&self.config, &nics, unit),
            monitors: layout::paths_of(&self.config, unit)
                .map(|(_, path)| path.monitor)
                .collect(),
            hooks: source.hooks.clone(),
            detection: self.detection(unit),
            warnings,
        }
    }

    /// How long a failure of a unit goes unnoticed. The slowest path decides, unless any of them does.
    fn detection(&self, unit: UnitId) -> DrillDetection {
        let source = &self.config.sources[unit.source];
        let interval_ns = source.interval.as_nanos() as u64;
        let paces = layout::paths_of(&self.config, unit).map(|(id, _)| {
            let session = self.layout.session(id);
            interval_ns.max(self.sessions.required_min_rx_ns(session))
        });
        let pace = match source.trigger {
            Trigger::Any => paces.min(),
            Trigger::All | Trigger::Path => paces.max(),
        };
        DrillDetection::new(interval_ns, pace.unwrap_or(interval_ns), source.misses)
    }
}

/// A unit as it was when the drill began.
struct Picture {
    unit: UnitId,
    policy: Policy,
    at: Now,
    plan: Plan,
    /// Who has the addresses now.
    heard: oneshot::Receiver<Finding>,
    addresses: Vec<DrillAddress>,
    monitors: Vec<std::net::IpAddr>,
    hooks: Hooks,
    detection: DrillDetection,
    warnings: Vec<String>,
}

async fn drill(source: String, pictures: Vec<Picture>, events: &EventLog) -> DrillReport {
    let at = story::timestamp();
    let mut units = Vec::new();
    for picture in pictures {
        let unit = picture.drill(&source).await;
        let mut fields = json!({ "result": unit.result, "total_ns": unit.total_ns });
        if let Some(path) = unit.path {
            fields["path"] = json!(path);
        }
        let fields = fields.as_object().cloned().unwrap_or_default();
        events.record(Some(&source), EventKind::Drill, fields);
        units.push(unit);
    }
    DrillReport { source, at, units }
}

impl Picture {
    async fn drill(mut self, source: &str) -> DrillUnit {
        // The daemon that would answer ends only together with the process.
        let heard = (&mut self.heard).await.unwrap_or(Finding::Silent);
        let decision = self.decide(&heard);
        let hooks = self.run_hooks(source, &decision).await;
        let aborted = self.is_aborted(&decision, &hooks);
        let takeover = self.rehearse().await;
        let result = match (aborted, decision.takes_over()) {
            (true, _) => DrillResult::Aborted,
            (false, true) => DrillResult::TakenOver,
            (false, false) => DrillResult::NotTaken,
        };
        DrillUnit {
            path: self.unit.path.map(|path| path + 1),
            result,
            total_ns: total(result, &self.detection, &hooks, &takeover),
            steps: decision.steps.into_iter().map(step).collect(),
            would_ask: decision.asks,
            heard: Some(heard),
            addresses: self.addresses,
            hooks,
            detection: self.detection,
            takeover,
            warnings: self.warnings,
        }
    }

    fn decide(&self, heard: &Finding) -> Decision {
        let missing = self.plan.skipped.first();
        let assumed = Assumed {
            // A source that answers now would not, if it had failed.
            finding: match heard {
                Finding::Source { .. } => Finding::Silent,
                Finding::Silent | Finding::Other { .. } | Finding::Rival { .. } => heard.clone(),
            },
            held: self
                .plan
                .slices
                .iter()
                .map(|slice| slice.entries.len())
                .sum(),
            error: missing.map(|(ip, why)| format!("{ip} would not be taken: {why}")),
        };
        decide(&self.policy, self.unit, &assumed, self.at).unwrap_or_else(|| Decision {
            steps: Vec::new(),
            asks: false,
        })
    }

    /// Those that would run, in this order, and never two at a time.
    async fn run_hooks(&self, source: &str, decision: &Decision) -> Vec<DrillHook> {
        let mut runs: Vec<DrillHook> = Vec::new();
        for hook in [Hook::BeforeTakeover, Hook::AfterTakeover, Hook::Notify] {
            let program = match hook {
                Hook::BeforeTakeover => &self.hooks.before_takeover,
                Hook::AfterTakeover => &self.hooks.after_takeover,
                Hook::BeforeFailback => &self.hooks.before_failback,
                Hook::AfterFailback => &self.hooks.after_failback,
                Hook::Notify => &self.hooks.notify,
            };
            let runs_now = match hook {
                Hook::Notify => true,
                Hook::BeforeTakeover => decision.takes_over(),
                Hook::AfterTakeover => decision.takes_over() && !self.is_aborted(decision, &runs),
                Hook::BeforeFailback | Hook::AfterFailback => false,
            };
            if let (Some(program), true) = (program, runs_now) {
                let facts = self.facts(source, hook, decision);
                let outcome = hooks::run(program, self.hooks.timeout, &facts).await;
                runs.push(DrillHook {
                    hook,
                    program: program.clone(),
                    took_ns: nanos(outcome.took),
                    error: outcome.error,
                    output: outcome.output,
                });
            }
        }
        runs
    }

    /// What the hook would be told, except that nothing happens.
    fn facts(&self, source: &str, hook: Hook, decision: &Decision) -> Facts {
        let at_that_time = match hook {
            Hook::BeforeTakeover => decision
                .steps
                .iter()
                .find(|step| step.state == State::TakingOver),
            Hook::AfterTakeover | Hook::BeforeFailback | Hook::AfterFailback | Hook::Notify => None,
        };
        let step = at_that_time.or(decision.steps.last());
        let mut nics: Vec<String> = Vec::new();
        for address in &self.addresses {
            if !nics.contains(&address.nic) {
                nics.push(address.nic.clone());
            }
        }
        Facts {
            hook,
            source: source.to_owned(),
            path: self.unit.path.map(|path| path + 1),
            monitor: self.monitors.clone(),
            addresses: self
                .addresses
                .iter()
                .map(|address| address.ip.clone())
                .collect(),
            nics,
            state: step.map_or_else(String::new, |step| table::name(step.state).to_owned()),
            cause: step.map_or_else(String::new, |step| step.cause.clone()),
            dry_run: true,
            host: host(),
            at: Timestamp::now(),
        }
    }

    /// Whether `before_takeover` prevents what was decided.
    fn is_aborted(&self, decision: &Decision, runs: &[DrillHook]) -> bool {
        let failed = runs
            .iter()
            .any(|run| run.hook == Hook::BeforeTakeover && run.error.is_some());
        failed && decision.takes_over() && self.hooks.on_error == OnError::Abort
    }

    /// How long the takeover takes. The thread that tries it is waited for on one that may block.
    async fn rehearse(&mut self) -> DrillTakeover {
        let plan = self.plan.clone();
        let rehearsal = match tokio::task::spawn_blocking(move || rehearse(&plan)).await {
            Ok(rehearsal) => rehearsal,
            Err(error) => Err(error.into()),
        };
        match rehearsal {
            Ok(rehearsal) => {
                if let Some(refused) = &rehearsal.refused {
                    self.warnings
                        .push(format!("the kernel refused in the rehearsal: {refused}"));
                }
                DrillTakeover::Rehearsed {
                    addresses_ns: nanos(rehearsal.addresses),
                    entries_ns: nanos(rehearsal.entries),
                    announcements_ns: nanos(rehearsal.announcements),
                    takeover_ns: nanos(rehearsal.total()),
                }
            }
            Err(error) => DrillTakeover::Unknown {
                reason: format!("{error:#}"),
            },
        }
    }
}

/// Name of this host; empty if the kernel does not say.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| String::new(), |name| name.trim().to_owned())
}

fn step(Step { state, cause }: Step) -> DrillStep {
    DrillStep { state, cause }
}

/// Until the last announcement, at the latest.
fn total(
    result: DrillResult,
    detection: &DrillDetection,
    hooks: &[DrillHook],
    takeover: &DrillTakeover,
) -> Option<u64> {
    match result {
        DrillResult::TakenOver => {
            let before = hooks
                .iter()
                .find(|run| run.hook == Hook::BeforeTakeover)
                // Behind it, it is asked again who has the addresses.
                .map_or(0, |run| run.took_ns.saturating_add(nanos(PROBE_WAIT)));
            Some(detection.detect_max_ns + before + takeover.takeover_ns()?)
        }
        DrillResult::Aborted | DrillResult::NotTaken => None,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

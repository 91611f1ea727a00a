//! Another configuration while the daemon runs (`failover reload`, SIGHUP): what differs is applied, the rest is not
//! touched. Whatever can refuse is asked first: until then nothing is changed.
//!
//! [`read`] reads the file beside the loop, [`diff`] says what is to be done, [`apply`] does it, [`words`] tells people.

mod apply;
mod diff;
mod nics;
mod read;
mod words;

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use self::{
    diff::Diff,
    read::{Read, Unusable},
};
use super::{Daemon, commands::answer, layout};
use crate::{
    control::protocol::{Failure, FailureKind, Reply},
    events::EventKind,
    monitor::Report,
    policy::UnitId,
};

/// The file, and the reloads that are under way.
#[derive(Debug)]
pub(super) struct Reloading {
    file: PathBuf,
    loaded: mpsc::UnboundedSender<Loaded>,
    /// The file is being read for somebody.
    busy: bool,
    /// Those who asked meanwhile: the file may have changed since.
    waiting: VecDeque<Asker>,
}

impl Reloading {
    /// Reloads of `file`; what was read of it comes out of the receiver.
    pub(super) fn new(file: PathBuf) -> (Self, mpsc::UnboundedReceiver<Loaded>) {
        let (loaded, receiver) = mpsc::unbounded_channel();
        let reloading = Self {
            file,
            loaded,
            busy: false,
            waiting: VecDeque::new(),
        };
        (reloading, receiver)
    }
}

/// Who wants a reload.
#[derive(Debug)]
pub(super) enum Asker {
    /// SIGHUP.
    Signal,
    /// An administrator, who waits for the answer.
    Command(oneshot::Sender<Reply>),
}

/// The file was read.
#[derive(Debug)]
pub(super) struct Loaded {
    asker: Asker,
    read: Result<Read, Unusable>,
}

/// Why a reload did not happen, or not all of it.
#[derive(Debug)]
enum Failed {
    /// The file cannot be used.
    Unusable(Unusable),
    /// Not in this state of things.
    Refused(String),
    /// It happened, but.
    InPart(String),
}

impl Daemon {
    /// Reads the file anew, and then comes to [`Self::on_loaded`].
    pub(super) fn begin_reload(&mut self, asker: Asker) {
        if self.reloading.busy {
            return self.reloading.waiting.push_back(asker);
        }
        self.reloading.busy = true;
        let (file, netlink) = (self.reloading.file.clone(), self.netlink.clone());
        let loaded = self.reloading.loaded.clone();
        tokio::spawn(async move {
            let read = read::read(file, netlink).await;
            // The loop has ended: nobody has to know.
            let _ = loaded.send(Loaded { asker, read });
        });
    }

    /// The file was read: applies it, and says how that went. `reports` are the heartbeat thread's.
    pub(super) async fn on_loaded(
        &mut self,
        loaded: Loaded,
        reports: &mut mpsc::UnboundedReceiver<Report>,
    ) {
        let Loaded { asker, read } = loaded;
        let result = match read {
            Ok(read) => self.reload(read, reports).await,
            Err(unusable) => Err(Failed::Unusable(unusable)),
        };
        self.tell_of_reload(asker, result);
        self.reloading.busy = false;
        if let Some(next) = self.reloading.waiting.pop_front() {
            self.begin_reload(next);
        }
    }

    async fn reload(
        &mut self,
        read: Read,
        reports: &mut mpsc::UnboundedReceiver<Report>,
    ) -> Result<String, Failed> {
        if self.ending.is_some() {
            return Err(Failed::Refused("the daemon is ending".to_owned()));
        }
        let Read { config, links } = read;
        let diff = diff::diff(&self.config, &config);
        let units: BTreeSet<UnitId> = diff
            .touched()
            .flat_map(|source| layout::units_of(&self.config, source, None))
            .collect();
        let ready = match self.quiet(&units, reports).await {
            Ok(()) => self.ask_everybody(&diff, &config, &links).await,
            Err(error) => Err(format!("{error:#}")),
        };
        let applied = match ready {
            Ok(()) => Ok(self.apply(config, &diff).await),
            Err(reason) => Err(Failed::Refused(reason)),
        };
        for unit in units {
            self.monitor.arm(unit, self.policy.armed(unit));
        }
        let errors = applied?;
        let summary = words::summary(&diff);
        if let Some(restart) = words::restart(&diff) {
            tracing::warn!("{restart}");
        }
        if errors.is_empty() {
            Ok(summary)
        } else {
            let errors = errors.join("; ");
            Err(Failed::InPart(format!("{summary}. But: {errors}")))
        }
    }

    /// From here on the heartbeat thread takes none of these units over by itself, and what it has done until now is known.
    async fn quiet(
        &mut self,
        units: &BTreeSet<UnitId>,
        reports: &mut mpsc::UnboundedReceiver<Report>,
    ) -> anyhow::Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        for unit in units {
            self.monitor.arm(*unit, false);
        }
        self.monitor.caught_up().await?;
        while let Ok(report) = reports.try_recv() {
            self.on_report(report);
        }
        Ok(())
    }

    /// Everything that may refuse. If somebody does, nothing is changed.
    async fn ask_everybody(
        &mut self,
        diff: &Diff,
        config: &crate::config::Config,
        links: &[crate::net::links::Link],
    ) -> Result<(), String> {
        diff.check(|source| self.is_holding(source))
            .map_err(|refusal| refusal.to_string())?;
        self.try_nics(config, links)
            .await
            .map_err(|error| format!("{error:#}"))
    }

    /// Whether addresses of a source are held, or are about to be. What cannot be read is taken for held.
    fn is_holding(&self, source: usize) -> bool {
        layout::units_of(&self.config, source, None)
            .into_iter()
            .any(|unit| {
                self.policy.holds(unit) || self.held(unit).map_or(true, |held| !held.is_empty())
            })
    }

    fn tell_of_reload(&mut self, asker: Asker, result: Result<String, Failed>) {
        let by = match &asker {
            Asker::Signal => "signal",
            Asker::Command(_) => "command",
        };
        match &result {
            Ok(changed) => self.record(
                None,
                EventKind::Reloaded,
                json!({ "by": by, "changed": changed }),
            ),
            Err(failed) => {
                let (error, problems) = match failed {
                    Failed::Unusable(unusable) => {
                        let file = self.reloading.file.display();
                        let error = format!("{file} is not in force: nothing was changed");
                        (error, unusable.lines())
                    }
                    Failed::Refused(reason) => (not_reloaded(reason), Vec::new()),
                    Failed::InPart(text) => (text.clone(), Vec::new()),
                };
                let mut fields = json!({ "what": "reload", "by": by, "error": error });
                if !problems.is_empty() {
                    fields["problems"] = json!(problems);
                }
                self.record(None, EventKind::Error, fields);
            }
        }
        let reply = match result {
            Ok(changed) => Reply::Done(changed),
            Err(Failed::Unusable(unusable)) => {
                failure(FailureKind::BadConfiguration, unusable.report())
            }
            Err(Failed::Refused(reason)) => failure(FailureKind::Refused, not_reloaded(&reason)),
            Err(Failed::InPart(text)) => failure(FailureKind::Failed, text),
        };
        if let Asker::Command(sender) = asker {
            answer(sender, reply);
        }
    }
}

fn not_reloaded(reason: &str) -> String {
    format!("not reloaded, nothing was changed: {reason}")
}

fn failure(kind: FailureKind, message: String) -> Reply {
    Reply::Error(Failure { kind, message })
}

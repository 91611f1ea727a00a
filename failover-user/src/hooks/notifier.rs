//! `notify` hooks, in the background.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{Facts, Outcome, run};

/// Notifications of one source that may wait for the one that runs.
pub const QUEUE: usize = 64;

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notified {
    /// The hook was run.
    Ran {
        /// What it was told.
        facts: Facts,
        /// How it ended.
        outcome: Outcome,
    },
    /// It waited longest when there were more than [`QUEUE`], and was given up.
    Dropped {
        /// What it would have been told.
        facts: Facts,
    },
}

/// Runs `notify` hooks: those of one source one after the other in the order given, sources beside each other.
///
/// When it is dropped, what waits is given up without a report, and what runs is ended as [`run`] says.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
    workers: TaskTracker,
    stop: CancellationToken,
    _stop_at_end: DropGuard,
}

#[derive(Debug)]
struct Shared {
    /// A source is in here for as long as it has a worker.
    waiting: Mutex<BTreeMap<String, VecDeque<Job>>>,
    reports: mpsc::UnboundedSender<Notified>,
}

#[derive(Debug)]
struct Job {
    program: Vec<String>,
    timeout: Duration,
    facts: Facts,
}

impl Notifier {
    /// A notifier, and where it reports what became of each notification.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Notified>) {
        let (reports, reported) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let notifier = Self {
            shared: Arc::new(Shared {
                waiting: Mutex::default(),
                reports,
            }),
            workers: TaskTracker::new(),
            stop: stop.clone(),
            _stop_at_end: stop.drop_guard(),
        };
        (notifier, reported)
    }

    /// Has `program` told of `facts` once it is the turn of these. Never waits. Inside a tokio runtime only.
    pub fn notify(&self, program: Vec<String>, timeout: Duration, facts: Facts) {
        let source = facts.source.clone();
        let job = Job {
            program,
            timeout,
            facts,
        };
        let mut waiting = self.shared.waiting();
        if let Some(queue) = waiting.get_mut(&source) {
            queue.push_back(job);
            if queue.len() > QUEUE
                && let Some(Job { facts, .. }) = queue.pop_front()
            {
                self.shared.report(Notified::Dropped { facts });
            }
            return;
        }
        waiting.insert(source.clone(), VecDeque::from([job]));
        let shared = Arc::clone(&self.shared);
        let stop = self.stop.clone();
        self.workers.spawn(async move {
            stop.run_until_cancelled(shared.work(&source)).await;
        });
    }

    /// Waits until everything given so far has been run, for the end of the daemon; at most `patience`. Whether it was
    /// in time. What still runs or waits then is given up.
    pub async fn finish(self, patience: Duration) -> bool {
        self.workers.close();
        timeout(patience, self.workers.wait()).await.is_ok()
    }
}

impl Shared {
    async fn work(&self, source: &str) {
        while let Some(job) = self.next(source) {
            let outcome = run(&job.program, job.timeout, &job.facts).await;
            let facts = job.facts;
            self.report(Notified::Ran { facts, outcome });
        }
    }

    fn next(&self, source: &str) -> Option<Job> {
        let mut waiting = self.waiting();
        let next = waiting.get_mut(source)?.pop_front();
        if next.is_none() {
            waiting.remove(source);
        }
        next
    }

    fn report(&self, notified: Notified) {
        // An error means that the daemon has stopped listening.
        drop(self.reports.send(notified));
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Job>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

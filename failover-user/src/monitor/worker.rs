//! Long takeovers, beside the heartbeats: a thread of its own carries them out slice by slice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread::JoinHandle,
};

use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::{
    Report, clock,
    plan::{Means, Plan, Progress},
    scheduling,
};
use crate::{
    bpf::pins::Pins,
    policy::{Cause, UnitId},
};

/// What the worker is told.
pub(super) enum Job {
    Nic {
        index: u32,
        name: String,
    },
    NicGone {
        index: u32,
    },
    TakeOver(Order),
    /// Answer behind everything that was ordered before.
    Answer(oneshot::Sender<()>),
    /// A plan that is out of date. Freeing a thousand frames is no work for the heartbeat thread.
    Discard(Arc<Plan>),
}

/// A takeover to be carried out.
pub(super) struct Order {
    pub(super) plan: Arc<Plan>,
    pub(super) cause: Cause,
    /// When it was ordered. What was abandoned since is not carried out.
    pub(super) ordered_ns: u64,
    pub(super) decided_ns: u64,
    pub(super) detect_ns: u64,
}

/// What keeps the worker from going on. It is looked at between two slices.
#[derive(Debug, Default)]
pub(super) struct Brake {
    stop: AtomicBool,
    /// Orders of a unit up to this time are void.
    abandoned: Mutex<BTreeMap<UnitId, u64>>,
    /// Held while a slice is carried out.
    slice: Mutex<()>,
    /// Held while the heartbeat thread carries a short takeover out. Not the lock of the slices: it waits for none of those.
    short: Mutex<()>,
}

impl Brake {
    pub(super) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Voids every order of a unit up to now, and waits for the slice that is being carried out.
    pub(super) fn abandon(&self, unit: UnitId) {
        lock(&self.abandoned).insert(unit, clock::now());
        drop(lock(&self.short));
        drop(lock(&self.slice));
    }

    /// Carries a short takeover out, unless it was abandoned since it was ordered.
    pub(super) fn unless_abandoned<T>(
        &self,
        unit: UnitId,
        ordered_ns: u64,
        carry_out: impl FnOnce() -> T,
    ) -> Option<T> {
        let _short = lock(&self.short);
        (!self.is_abandoned(unit, ordered_ns)).then(carry_out)
    }

    /// Does something while no address is being taken, by either thread. They wait: it has to be short.
    pub(super) fn between_takeovers<T>(&self, work: impl FnOnce() -> T) -> T {
        let _short = lock(&self.short);
        let _slice = lock(&self.slice);
        work()
    }

    fn is_void(&self, unit: UnitId, ordered_ns: u64) -> bool {
        self.stop.load(Relaxed) || self.is_abandoned(unit, ordered_ns)
    }

    fn is_abandoned(&self, unit: UnitId, ordered_ns: u64) -> bool {
        lock(&self.abandoned)
            .get(&unit)
            .is_some_and(|until| ordered_ns <= *until)
    }
}

/// The worker's own side.
struct Worker {
    means: Means,
    jobs: mpsc::Receiver<Job>,
    brake: Arc<Brake>,
    reports: UnboundedSender<Report>,
}

/// Starts the worker. It ends when the sender is dropped, or between two slices when the brake says so.
pub(super) fn start(
    pins: &Pins,
    brake: Arc<Brake>,
    reports: UnboundedSender<Report>,
) -> anyhow::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel();
    let worker = Worker {
        means: Means::open(pins)?,
        jobs,
        brake,
        reports,
    };
    let thread = std::thread::Builder::new()
        .name("takeover".to_owned())
        .spawn(move || {
            scheduling::come_before_ordinary_work();
            worker.run();
        })?;
    Ok((sender, thread))
}

impl Worker {
    fn run(mut self) {
        while let Ok(job) = self.jobs.recv() {
            match job {
                Job::Nic { index, name } => {
                    if let Err(error) = self.means.nics.open(index, &name) {
                        let error = format!("long takeovers cannot be announced by it: {error}");
                        // The daemon goes away only together with the process.
                        let _ = self.reports.send(Report::NicFailed { name, error });
                    }
                }
                Job::NicGone { index } => self.means.nics.close(index),
                Job::TakeOver(order) => self.take_over(&order),
                Job::Answer(answer) => {
                    // Whoever asked may have given up.
                    let _ = answer.send(());
                }
                Job::Discard(plan) => drop(plan),
            }
        }
    }

    fn take_over(&mut self, order: &Order) {
        let unit = order.plan.unit;
        let mut progress = Progress::new(&order.plan, order.decided_ns);
        loop {
            let _slice = lock(&self.brake.slice);
            if self.brake.is_void(unit, order.ordered_ns) {
                progress.break_off();
                break;
            }
            if !progress.step(&mut self.means) {
                break;
            }
        }
        // The daemon goes away only together with the process.
        let _ = self.reports.send(Report::TakenOver {
            unit,
            cause: order.cause,
            detect_ns: order.detect_ns,
            outcome: progress.finish(),
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: UnitId = UnitId {
        source: 0,
        path: None,
    };
    const SECOND: UnitId = UnitId {
        source: 1,
        path: None,
    };

    #[test]
    fn what_is_abandoned_voids_earlier_orders_of_that_unit_only() {
        let brake = Brake::default();
        let earlier = clock::now();

        brake.abandon(FIRST);

        let later = clock::now() + 1;
        assert!(brake.is_void(FIRST, earlier));
        assert_eq!(brake.unless_abandoned(FIRST, earlier, || ()), None);
        assert_eq!(brake.unless_abandoned(FIRST, later, || ()), Some(()));
        assert!(!brake.is_void(FIRST, later));
        assert!(!brake.is_void(SECOND, earlier));
    }

    #[test]
    fn to_abandon_a_unit_waits_for_the_slice_that_is_being_carried_out() {
        let brake = Arc::new(Brake::default());
        let done = Arc::new(AtomicBool::new(false));
        let slice = lock(&brake.slice);
        let waiting = {
            let (brake, done) = (Arc::clone(&brake), Arc::clone(&done));
            std::thread::spawn(move || {
                brake.abandon(FIRST);
                done.load(Relaxed)
            })
        };
        while !brake.is_void(FIRST, 0) {
            std::thread::yield_now();
        }

        done.store(true, Relaxed);
        drop(slice);

        assert!(waiting.join().expect("no panic"), "it did not wait");
    }

    #[test]
    fn to_stop_voids_everything() {
        let brake = Brake::default();

        brake.stop();

        assert!(brake.is_void(FIRST, u64::MAX));
    }
}

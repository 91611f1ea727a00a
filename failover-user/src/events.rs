//! The log of what happened: kept in memory, told to followers, appended to a file.
//!
//! [`EventLog::record`] only ever takes a short lock: the file is written by a thread of its own behind a bounded queue,
//! and a follower that falls behind skips events instead of holding anybody up.

mod file;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use self::file::Writer;
pub use crate::control::{event_kind::EventKind, protocol::Event};

/// Name of the file in the state directory. The one before it, after a rotation, has `.1` behind its name.
pub const FILE_NAME: &str = "events.jsonl";

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events in memory, and read back at start.
    pub keep: usize,
    /// Events that a follower may be behind before it skips some.
    pub follower_queue: usize,
    /// Octets of the file before it is rotated.
    pub rotate_at: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keep: 4096,
            follower_queue: 1024,
            rotate_at: 4 * 1024 * 1024,
        }
    }
}

/// A handle to the log; clones are the same log.
#[derive(Clone, Debug)]
pub struct EventLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    kept: Mutex<Kept>,
    followers: broadcast::Sender<Arc<Event>>,
    writer: Option<Writer>,
}

/// What is in memory.
#[derive(Debug)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    /// Number of the latest event, or of the latest that an earlier daemon can have told anybody of.
    last: u64,
}

impl EventLog {
    /// A log that starts with what an earlier process left in `state_dir`, and goes on there. `None`: memory only.
    ///
    /// A directory that cannot be read or written costs a warning in the daemon's own log, never more.
    pub fn open(state_dir: Option<&Path>) -> Self {
        Self::with_limits(state_dir, Limits::default())
    }

    /// As [`EventLog::open`], with other limits.
    pub fn with_limits(state_dir: Option<&Path>, limits: Limits) -> Self {
        let path: Option<PathBuf> = state_dir.map(|dir| dir.join(FILE_NAME));
        let kept = path
            .as_deref()
            .map(|path| file::read_tail(path, limits))
            .unwrap_or_default();
        let last = path.as_ref().map_or(0, |_| first_number(kept.last()));
        let (followers, _) = broadcast::channel(limits.follower_queue);
        Self {
            inner: Arc::new(Inner {
                limits,
                kept: Mutex::new(Kept {
                    events: kept.into_iter().map(Arc::new).collect(),
                    last,
                }),
                followers,
                writer: path.map(|path| Writer::start(path, limits.rotate_at)),
            }),
        }
    }

    /// Notes that `kind` happened now, to `source` if it concerns one. The event's own `fields` cannot be called `seq`, `at`,
    /// `source` or `event`: those are left out.
    pub fn record(&self, source: Option<&str>, kind: EventKind, mut fields: Map<String, Value>) {
        for reserved in ["seq", "at", "source", "event"] {
            fields.remove(reserved);
        }
        trace(source, kind, &fields);

        // The lock gives memory, followers and file the same order.
        let mut kept = self.kept_events();
        kept.last += 1;
        let event = Arc::new(Event {
            seq: kept.last,
            at: format!("{:.9}", Timestamp::now()),
            source: source.map(str::to_owned),
            event: kind.name().to_owned(),
            fields,
        });
        while kept.events.len() >= self.inner.limits.keep.max(1) {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&event));
        if let Some(writer) = &self.inner.writer {
            writer.append(&event);
        }
        // An error means that nobody follows.
        let _ = self.inner.followers.send(event);
    }

    /// Events kept so far, oldest first.
    pub fn kept(&self) -> Vec<Event> {
        self.kept_events()
            .events
            .iter()
            .map(|event| Event::clone(event))
            .collect()
    }

    /// Number of the latest event; 0 if there was none.
    pub fn last_seq(&self) -> u64 {
        self.kept_events().last
    }

    /// Events kept so far, and a follower that goes on exactly behind them.
    pub fn follow(&self) -> (Vec<Event>, Follower) {
        let kept = self.kept_events();
        let follower = Follower {
            events: self.inner.followers.subscribe(),
            last: kept.last,
        };
        (
            kept.events
                .iter()
                .map(|event| Event::clone(event))
                .collect(),
            follower,
        )
    }

    /// Waits until everything recorded so far is in the file, or could not be written, at most `patience`. Blocks: for
    /// the end of the daemon. Returns whether it was in time.
    pub fn flush(&self, patience: Duration) -> bool {
        self.inner
            .writer
            .as_ref()
            .is_none_or(|writer| writer.flush(patience))
    }

    fn kept_events(&self) -> MutexGuard<'_, Kept> {
        self.inner
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a daemon begins to count, if `last` is the last event in the file. An earlier daemon that was killed may have told
/// followers of more than it had written, and one with a full disk of any number. No daemon tells a million a second, so the
/// microseconds since 1970 are beyond what any before this one has told. (They are exact in JSON, up to the year 2255.)
fn first_number(last: Option<&Event>) -> u64 {
    let written = last.map_or(0, |event| event.seq.saturating_add(file::QUEUE as u64));
    let clock = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
    written.max(clock)
}

/// New events, as they happen.
#[derive(Debug)]
pub struct Follower {
    events: broadcast::Receiver<Arc<Event>>,
    /// Number of the event that it gave last.
    last: u64,
}

impl Follower {
    /// The next event; [`EventKind::Skipped`] where this follower was too slow. `None` once the log is gone.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.events.recv().await {
            Ok(event) => Some(self.give(event)),
            Err(broadcast::error::RecvError::Lagged(events)) => Some(self.skip(events)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Arc<Event>> {
        match self.events.try_recv() {
            Ok(event) => Some(self.give(event)),
            Err(broadcast::error::TryRecvError::Lagged(events)) => Some(self.skip(events)),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                None
            }
        }
    }

    /// The next of the events up to number `seq` that were recorded already; `None` if there is none before a later one.
    pub fn next_until(&mut self, seq: u64) -> Option<Arc<Event>> {
        if self.last < seq {
            self.try_next()
        } else {
            None
        }
    }

    fn give(&mut self, event: Arc<Event>) -> Arc<Event> {
        self.last = event.seq;
        event
    }

    /// Stands for so many events, and has the number of the last of them.
    fn skip(&mut self, events: u64) -> Arc<Event> {
        self.give(Arc::new(Event {
            seq: self.last + events,
            at: format!("{:.9}", Timestamp::now()),
            source: None,
            event: EventKind::Skipped.name().to_owned(),
            fields: Map::from_iter([("events".to_owned(), Value::from(events))]),
        }))
    }
}

fn trace(source: Option<&str>, kind: EventKind, fields: &Map<String, Value>) {
    let event = kind.name();
    let fields = crate::control::render::fields(fields);
    if kind == EventKind::Error {
        tracing::warn!(source, event, "{fields}");
    } else {
        tracing::info!(source, event, "{fields}");
    }
}

#[cfg(test)]
mod tests;

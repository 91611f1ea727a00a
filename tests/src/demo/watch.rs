//! Watches a run while it happens: gathers what the daemon and the client report, shows it, and waits for conditions.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use failover_user::control::{client, protocol::Event};

use crate::lab::{Client, clock::now_ns};

use super::{
    interrupt, show,
    timeline::{self, Mark, Timeline, What},
};

/// Time between two looks. The answers and events carry their own instants, so it does not limit what is shown.
const LOOK: Duration = Duration::from_millis(2);

/// The daemon's events, as a thread of its own receives them. The thread ends with the daemon.
#[derive(Debug)]
pub(super) struct Events {
    news: mpsc::Receiver<(u64, Event)>,
    _thread: JoinHandle<()>,
}

impl Events {
    /// Follows the daemon at `socket`, from now on.
    pub(super) fn follow(socket: &Path) -> Result<Self> {
        let mut client = client::Client::connect(socket)?;
        // What was before the demonstration is no part of it.
        if let Err(other) = client.follow(client::QUESTION)? {
            bail!("the daemon answered {other:?} when asked for its events");
        }

        let (sender, news) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || {
                while let Ok(Some(event)) = client.next_event() {
                    if sender.send((now_ns(), event)).is_err() {
                        return;
                    }
                }
            })
            .context("a thread for the daemon's events")?;

        Ok(Self {
            news,
            _thread: thread,
        })
    }
}

/// A client under watch.
#[derive(Debug)]
struct Asker<'a> {
    address: &'static str,
    client: &'a Client,
    seen: usize,
    /// Hosts that have answered since the situation changed, and the one before.
    known: BTreeSet<Arc<str>>,
}

/// Gathers, shows and waits.
#[derive(Debug)]
pub(super) struct Watcher<'a> {
    events: &'a Events,
    askers: Vec<Asker<'a>>,
    timeline: Timeline,
    /// Instants are shown relative to this one.
    zero_ns: u64,
    /// Whether anything is shown.
    told: bool,
}

impl<'a> Watcher<'a> {
    /// Watches these events and clients. A mark is shown `patience` after its instant, so that marks come in order;
    /// none is unless the run is `told`.
    pub(super) fn new(
        events: &'a Events,
        clients: impl IntoIterator<Item = (&'static str, &'a Client)>,
        patience: Duration,
        told: bool,
    ) -> Self {
        let patience_ns = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);

        Self {
            events,
            askers: clients
                .into_iter()
                .map(|(address, client)| Asker {
                    address,
                    client,
                    seen: 0,
                    known: BTreeSet::new(),
                })
                .collect(),
            timeline: Timeline::new(patience_ns),
            zero_ns: now_ns(),
            told,
        }
    }

    /// From now on instants are shown relative to `zero_ns`.
    pub(super) fn zero(&mut self, zero_ns: u64) {
        self.zero_ns = zero_ns;
    }

    /// Adds a mark of one's own.
    pub(super) fn mark(&mut self, at_ns: u64, what: What) {
        self.timeline.push(Mark { at_ns, what });
    }

    /// The situation has changed: the first answer by each host other than `usual` is worth a mark again.
    pub(super) fn expect_others_than(&mut self, usual: impl Fn(&str) -> &'static str) {
        self.gather();

        for asker in &mut self.askers {
            asker.known = BTreeSet::from([usual(asker.address).into()]);
        }
    }

    /// Watches until `such` holds. An error if it does not within `timeout`, or somebody asks for an end.
    pub(super) fn until(
        &mut self,
        timeout: Duration,
        what: &str,
        mut such: impl FnMut(&Timeline) -> bool,
    ) -> Result<()> {
        let end_ns = now_ns() + u64::try_from(timeout.as_nanos())?;

        loop {
            self.look()?;

            if such(&self.timeline) {
                return Ok(());
            }

            if now_ns() >= end_ns {
                self.flush();
                bail!("{what}: not within {}", humantime::format_duration(timeout));
            }

            thread::sleep(LOOK);
        }
    }

    /// Watches for this long.
    pub(super) fn during(&mut self, time: Duration) -> Result<()> {
        let end_ns = now_ns() + u64::try_from(time.as_nanos())?;

        while now_ns() < end_ns {
            self.look()?;
            thread::sleep(LOOK);
        }

        Ok(())
    }

    /// Watches until everything that has happened so far has been shown.
    pub(super) fn settle(&mut self, patience: Duration) -> Result<()> {
        if !self.told {
            return Ok(());
        }

        self.during(patience + LOOK)
    }

    /// Whether each address was answered by the host that `by` names, at or after `from_ns`.
    pub(super) fn all_answered(
        timeline: &Timeline,
        from_ns: u64,
        by: impl Fn(&str) -> &'static str,
        addresses: &[&str],
    ) -> bool {
        addresses.iter().all(|wanted| {
            timeline.has(from_ns, |what| {
                matches!(what, What::Answered { address, by: host } if address == wanted && host == by(wanted))
            })
        })
    }

    /// Everything that was gathered.
    pub(super) fn into_marks(mut self) -> Vec<Mark> {
        self.gather();
        self.flush();

        self.timeline.into_marks()
    }

    fn look(&mut self) -> Result<()> {
        interrupt::check()?;
        self.gather();
        self.show(now_ns());

        Ok(())
    }

    fn gather(&mut self) {
        for (received_ns, event) in self.events.news.try_iter() {
            for mark in timeline::of_event(&event, received_ns) {
                self.timeline.push(mark);
            }
        }

        for asker in &mut self.askers {
            for answer in asker.client.news(&mut asker.seen) {
                if !asker.known.contains(&answer.by) {
                    asker.known.insert(Arc::clone(&answer.by));
                    self.timeline.push(Mark {
                        at_ns: answer.at_ns,
                        what: What::Answered {
                            address: asker.address.to_owned(),
                            by: answer.by.to_string(),
                        },
                    });
                }
            }
        }
    }

    fn show(&mut self, now_ns: u64) {
        for mark in self.timeline.due(now_ns).iter().filter(|_| self.told) {
            show::mark(mark, self.zero_ns);
        }
    }

    fn flush(&mut self) {
        self.show(u64::MAX);
    }
}

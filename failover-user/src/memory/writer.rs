//! The thread that writes memories.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::watch;

use super::{Memories, write};

/// What whoever saves and the thread share.
#[derive(Debug)]
pub(super) struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
    done: watch::Sender<Done>,
}

/// What is to be written.
#[derive(Debug, Default)]
struct Wanted {
    /// How often something was saved.
    saved: u64,
    /// What was saved last, until the thread has taken it.
    latest: Option<Memories>,
    /// Nothing will be saved any more.
    closed: bool,
}

/// How far the thread is.
#[derive(Clone, Debug, Default)]
struct Done {
    /// [`Wanted::saved`] of what it has dealt with.
    saved: u64,
    /// Why that is not on the disk.
    trouble: Option<String>,
}

impl Shared {
    /// Starts the thread. `on_disk` is what the file says, if that is known.
    pub(super) fn start(path: PathBuf, on_disk: Option<Memories>) -> Arc<Self> {
        let shared = Arc::new(Self {
            wanted: Mutex::default(),
            changed: Condvar::new(),
            done: watch::Sender::new(Done::default()),
        });
        let seen = Arc::clone(&shared);
        let started = thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || seen.write_all(&path, on_disk));
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to write memories with: they will not survive a restart");
            shared.lock().closed = true;
            shared.done.send_replace(Done {
                saved: u64::MAX,
                trouble: Some(format!("there is no thread to write with: {error}")),
            });
        }
        shared
    }

    pub(super) fn save(&self, memories: Memories) {
        let mut wanted = self.lock();
        wanted.saved += 1;
        wanted.latest = Some(memories);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn settled(&self) -> impl Future<Output = Result<(), String>> + Send + 'static {
        let saved = self.lock().saved;
        let mut done = self.done.subscribe();
        async move {
            match done.wait_for(|done| done.saved >= saved).await {
                Ok(done) => done.trouble.clone().map_or(Ok(()), Err),
                Err(_) => Err("the thread that writes has ended".to_owned()),
            }
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.done.borrow().trouble.clone()
    }

    /// The thread. It ends when nothing will be saved any more and the last is written.
    fn write_all(&self, path: &Path, mut on_disk: Option<Memories>) {
        while let Some((saved, memories)) = self.next() {
            let trouble = if is_there(path, &memories, on_disk.as_ref()) {
                None
            } else {
                // Whatever becomes of it: the file is not known to be the old one any more.
                on_disk = None;
                match write(path, &memories) {
                    Ok(()) => {
                        on_disk = Some(memories);
                        None
                    }
                    Err(error) => Some(format!("{}: {error}", path.display())),
                }
            };
            self.tell(saved, trouble);
        }
    }

    fn next(&self) -> Option<(u64, Memories)> {
        let idle = |wanted: &mut Wanted| wanted.latest.is_none() && !wanted.closed;
        let mut wanted = self
            .changed
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        let latest = wanted.latest.take()?;
        Some((wanted.saved, latest))
    }

    /// One warning for each error, however often it comes, and one line when it is over.
    pub(super) fn tell(&self, saved: u64, trouble: Option<String>) {
        let before = self.trouble();
        match &trouble {
            Some(error) if before != trouble => {
                tracing::warn!(
                    error,
                    "what administrators decide (holds, prompts) will not survive a restart"
                );
            }
            None if before.is_some() => {
                tracing::info!("what administrators decide is written to the disk again");
            }
            Some(_) | None => {}
        }
        self.done.send_replace(Done { saved, trouble });
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the disk has it already. Somebody may have removed the file; no file is no memories.
fn is_there(path: &Path, memories: &Memories, on_disk: Option<&Memories>) -> bool {
    on_disk == Some(memories) && (*memories == Memories::default() || path.exists())
}

//! The file behind the event log.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use super::{Event, Limits};

/// Lines that may wait for the disk; more are lost to the file, not to memory.
pub(super) const QUEUE: usize = 4096;

/// Octets of each file that are looked at when events are read back, if rotation is set lower than this.
const READ_BACK: u64 = 8 * 1024 * 1024;

/// The thread that writes, as the log sees it.
#[derive(Debug)]
pub(super) struct Writer {
    queue: SyncSender<String>,
    progress: Arc<Progress>,
}

/// How far the thread is.
#[derive(Debug, Default)]
struct Progress {
    /// Lines handed to the thread.
    queued: AtomicU64,
    /// Lines that found the queue full.
    overflowed: AtomicU64,
    /// Lines dealt with, written or not.
    done: Mutex<u64>,
    moved: Condvar,
}

impl Writer {
    /// Starts the thread. It ends when the log is gone and the queue empty.
    pub(super) fn start(path: PathBuf, rotate_at: u64) -> Self {
        let (queue, lines) = mpsc::sync_channel(QUEUE);
        let progress = Arc::new(Progress::default());
        let seen = Arc::clone(&progress);
        let appender = Appender {
            path,
            rotate_at,
            open: None,
        };
        let started = thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || write(appender, lines, &seen));
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to write events with: they are kept in memory only");
        }
        Self { queue, progress }
    }

    /// Hands an event to the thread, or drops it if the disk is hopelessly behind. Called under the log's lock.
    pub(super) fn append(&self, event: &Event) {
        let Ok(line) = serde_json::to_string(event) else {
            return;
        };
        match self.queue.try_send(line) {
            Ok(()) => self.progress.queued.fetch_add(1, Ordering::AcqRel),
            Err(_) => self.progress.overflowed.fetch_add(1, Ordering::AcqRel),
        };
    }

    /// Waits for the thread; see [`super::EventLog::flush`].
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let target = self.progress.queued.load(Ordering::Acquire);
        let done = self
            .progress
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .progress
            .moved
            .wait_timeout_while(done, patience, |done| *done < target);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

fn write(mut appender: Appender, lines: impl IntoIterator<Item = String>, progress: &Progress) {
    // Some while lines are being lost.
    let mut lost: Option<u64> = None;
    for line in lines {
        match appender.append(&line) {
            Ok(()) => {
                if let Some(lost) = lost.take() {
                    tracing::info!(path = %appender.path.display(), lost, "events are written to the file again");
                }
            }
            Err(error) => {
                if lost.is_none() {
                    let path = appender.path.display();
                    tracing::warn!(%path, %error, "events cannot be written to the file; they are kept in memory only");
                }
                *lost.get_or_insert(0) += 1;
            }
        }
        let overflowed = progress.overflowed.swap(0, Ordering::AcqRel);
        if overflowed > 0 {
            let path = appender.path.display();
            tracing::warn!(%path, lost = overflowed, "the disk is too slow for the events; some are missing in the file");
        }
        *progress.done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        progress.moved.notify_all();
    }
}

/// Appends lines, and rotates.
#[derive(Debug)]
struct Appender {
    path: PathBuf,
    rotate_at: u64,
    /// The file and its size; `None` before the first line and after an error.
    open: Option<(File, u64)>,
}

impl Appender {
    fn append(&mut self, line: &str) -> io::Result<()> {
        let written = self.try_append(line);
        if written.is_err() {
            // The next line starts anew, behind whatever half a line this one has left.
            self.open = None;
        }
        written
    }

    fn try_append(&mut self, line: &str) -> io::Result<()> {
        let (mut file, mut size) = match self.open.take() {
            Some(open) if is_at(&open.0, &self.path) => open,
            Some(_) | None => open_for_append(&self.path)?,
        };
        let length = line.len() as u64 + 1;
        if size > 0 && size + length > self.rotate_at {
            fs::rename(&self.path, rotated(&self.path))?;
            (file, size) = open_for_append(&self.path)?;
        }
        file.write_all(format!("{line}\n").as_bytes())?;
        self.open = Some((file, size + length));
        Ok(())
    }
}

/// Whether this is still the file of that name: somebody may have removed it, or the whole directory.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |data: fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Opens the file behind its last whole line: half a line that a full disk or a crash left is ended first.
fn open_for_append(path: &Path) -> io::Result<(File, u64)> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    let mut size = file.metadata()?.len();
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            size += 1;
        }
    }
    Ok((file, size))
}

fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// The newest events of the file and the one before it, oldest first. Lines that are no events are passed over.
pub(super) fn read_tail(path: &Path, limits: Limits) -> Vec<Event> {
    let most = limits.rotate_at.max(READ_BACK);
    let mut events = Vec::new();
    for path in [&rotated(path), path] {
        match read_end(path, most) {
            Ok(text) => events.extend(text.split(|octet| *octet == b'\n').filter_map(parse)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "earlier events cannot be read")
            }
        }
    }
    let surplus = events.len().saturating_sub(limits.keep);
    events.drain(..surplus);
    let mut before = 0;
    for event in &mut events {
        // Lines of before events had numbers, or of a file that was put together by hand.
        event.seq = event.seq.max(before + 1);
        before = event.seq;
    }
    events
}

fn parse(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok()
}

fn read_end(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::{BufWriter, pipe};

    use super::*;

    #[test]
    fn trouble_with_the_file_is_one_warning_and_its_end_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        fs::write(&state_dir, "in the way").unwrap();
        let appender = Appender {
            path: state_dir.join("events.jsonl"),
            rotate_at: 1000,
            open: None,
        };
        let (mut log, logged) = pipe().unwrap();
        let logged = Mutex::new(BufWriter::new(logged));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(logged)
            .finish();
        let lines = (0..5).map(|number| {
            if number == 3 {
                fs::remove_file(&state_dir).unwrap();
            }
            number.to_string()
        });

        tracing::subscriber::with_default(subscriber, || {
            write(appender, lines, &Progress::default())
        });

        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        let written = fs::read_to_string(state_dir.join("events.jsonl")).unwrap();
        assert_eq!(written, "3\n4\n");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.lines()
                .next()
                .is_some_and(|line| line.contains("WARN")),
            "{text}"
        );
        assert!(
            text.lines()
                .last()
                .is_some_and(|line| line.contains("INFO") && line.contains("lost=3")),
            "{text}"
        );
    }
}

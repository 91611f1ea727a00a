//! What a daemon has to know after a restart beyond what the kernel keeps: administrators' decisions, and what was seen of
//! the sources. One file in the state directory.

mod writer;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::writer::Shared;
use crate::{
    policy::Memory,
    state_file::{put_aside, replace},
};

/// Name of the file in the state directory. One that could not be used has `.bad` or its version (`.v2`) behind its name.
pub const FILE_NAME: &str = "memory.json";

/// Version of the file's format. New fields do not make a new version: who does not know them passes over them.
const VERSION: u32 = 1;

/// What is to be remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memories {
    /// This host's administrator wants nobody to take it over (`failover hold --self`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_hold: bool,
    /// By the name of the source.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceMemory>,
}

/// What is to be remembered of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMemory {
    /// It is not watched, because an administrator said so (`failover failback --stop-monitoring`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmonitored: bool,
    /// Its units: "" is the whole source, otherwise the monitor address of the path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, Memory>,
}

/// The file.
#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    /// RFC 3339.
    saved_at: String,
    #[serde(flatten)]
    memories: &'a Memories,
}

/// The first thing to read of a file.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Keeps memories on disk. It never blocks whoever saves: a thread of its own writes, and only what was saved last.
///
/// When it is dropped, what was saved last is still written, unless the process ends before: wait for [`Store::settled`].
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// Reads what an earlier daemon has saved in the state directory, and goes on there. No file is no memories. One that
    /// cannot be used is put aside and costs a warning: it is no reason not to start.
    pub fn open(dir: &Path) -> (Self, Memories) {
        let path = dir.join(FILE_NAME);
        let (memories, on_disk) = match read(&path) {
            Ok(memories) => (memories, true),
            Err(error) => {
                let kept = match &error {
                    Unusable::Unreadable(_) => None,
                    Unusable::Damaged(_) => Some(put_aside(&path, "bad")),
                    Unusable::Version(version) => Some(put_aside(&path, &format!("v{version}"))),
                };
                let put_aside = matches!(kept, Some(Ok(_)));
                warn(&path, &error, kept);
                (Memories::default(), put_aside)
            }
        };
        let shared = Shared::start(path, on_disk.then(|| memories.clone()));
        (Self { shared }, memories)
    }

    /// Has these memories written. They replace what was saved before, written or not.
    pub fn save(&self, memories: Memories) {
        self.shared.save(memories);
    }

    /// Waits until everything saved so far is on the disk.
    ///
    /// # Errors
    /// Why it is not: it would not survive a restart.
    pub fn settled(&self) -> impl Future<Output = Result<(), String>> + Send + 'static {
        self.shared.settled()
    }

    /// Why what was saved last is not on the disk, if writing it has failed.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error("it has version {0}, and this daemon knows version {VERSION}")]
    Version(u32),
}

/// Octets in, memories out.
fn read(path: &Path) -> Result<Memories, Unusable> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Memories::default()),
        Err(error) => return Err(error.into()),
    };
    let Versioned { version } = serde_json::from_slice(&text)?;
    if version != VERSION {
        return Err(Unusable::Version(version));
    }
    Ok(serde_json::from_slice(&text)?)
}

fn write(path: &Path, memories: &Memories) -> io::Result<()> {
    let written = Written {
        version: VERSION,
        saved_at: format!("{:.9}", Timestamp::now()),
        memories,
    };
    let mut text = serde_json::to_vec_pretty(&written)?;
    text.push(b'\n');
    replace(path, &text)?;
    crate::fault::point("memory:saved");
    Ok(())
}

fn warn(path: &Path, error: &Unusable, kept: Option<io::Result<PathBuf>>) {
    let (kept, lost) = match kept {
        Some(Ok(aside)) => (Some(aside), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    tracing::warn!(
        path = %path.display(),
        %error,
        kept_as = kept.map(|aside| tracing::field::display(aside.display().to_string())),
        not_kept = lost.map(tracing::field::display),
        "what administrators have decided before (holds, prompts) is not known any more",
    );
}

#[cfg(test)]
mod tests;

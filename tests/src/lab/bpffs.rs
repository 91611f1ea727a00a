//! The lab's places in the file system: a directory of its own in /tmp for sockets, configurations and logs, and one on
//! the BPF file system, which all namespaces share, for pins.
//!
//! Both are named after this process and removed when the lab is dropped. What a killed process left is removed by the
//! next lab that is built on the machine.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use rustix::{
    fs::{FlockOperation, flock},
    mount::{MountFlags, mount},
};

const BPFFS: &str = "/sys/fs/bpf";
const BPFFS_PARENT: &str = "/sys/fs";
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
const PREFIX: &str = "failover-lab-";

/// A lab's directories. Removed on drop.
#[derive(Debug)]
pub struct Directories {
    files: PathBuf,
    pins: PathBuf,
}

impl Directories {
    /// Makes both, mounting the BPF file system if the machine has not.
    pub fn create() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        mount_bpffs()?;

        for parent in [std::env::temp_dir(), BPFFS.into()] {
            remove_stale(&parent)?;
        }

        let name = format!(
            "{PREFIX}{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directories = Self {
            files: std::env::temp_dir().join(&name),
            pins: Path::new(BPFFS).join(&name),
        };

        for path in [&directories.files, &directories.pins] {
            fs::create_dir(path).with_context(|| format!("creating {}", path.display()))?;
        }

        Ok(directories)
    }

    /// For ordinary files.
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// For pinned maps, programs and links.
    pub fn pins(&self) -> &Path {
        &self.pins
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        for path in [&self.files, &self.pins] {
            if let Err(error) = fs::remove_dir_all(path) {
                eprintln!("lab: {} stays behind: {error}", path.display());
            }
        }
    }
}

fn mount_bpffs() -> Result<()> {
    let mounted = || {
        rustix::fs::statfs(BPFFS)
            .is_ok_and(|status| status.f_type.cast_unsigned() & 0xffff_ffff == BPF_FS_MAGIC)
    };

    // Several test processes may start at once: with a lock on the directory above, one mounts and the others see it.
    let lock = fs::File::open(BPFFS_PARENT).context("the lock for mounting the BPF file system")?;

    flock(&lock, FlockOperation::LockExclusive).context("locking")?;

    if mounted() {
        return Ok(());
    }

    mount("bpf", BPFFS, "bpf", MountFlags::empty(), None)
        .with_context(|| format!("mounting the BPF file system at {BPFFS}"))
}

/// Removes what labs of processes that are gone left in `parent`.
fn remove_stale(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());

        if pid.is_some_and(|pid: u32| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Another process may be removing the same one.
            drop(fs::remove_dir_all(entry.path()));
        }
    }

    Ok(())
}

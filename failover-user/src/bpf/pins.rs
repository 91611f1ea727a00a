//! Where maps and links are pinned: `<bpffs>/v<ABI_VERSION>/maps/NAME`, `…/links/NIC`, and `…/egress/NIC` for the fence.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use failover_ebpf::abi::{ABI_VERSION, map};

/// The pins of one instance.
#[derive(Clone, Debug)]
pub struct Pins {
    base: PathBuf,
}

impl Pins {
    /// Pins below `base`, a directory on a BPF file system.
    pub fn new(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
        }
    }

    /// Makes the directories, and mounts the BPF file system if nobody has.
    pub fn prepare(&self) -> anyhow::Result<()> {
        mount_bpffs()?;
        for dir in [self.maps(), self.links(), self.egress()] {
            fs::create_dir_all(&dir).with_context(|| {
                format!(
                    "{} cannot be made: --bpffs has to name a directory below /sys/fs/bpf",
                    dir.display()
                )
            })?;
        }
        self.refuse_other_versions()
    }

    /// Makes sure that no other daemon uses these pins, as long as the returned descriptor is open.
    pub fn lock(&self) -> anyhow::Result<OwnedFd> {
        use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

        let dir = self.version();
        let fd = open(
            &dir,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .with_context(|| format!("{} cannot be opened", dir.display()))?;
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(fd),
            Err(rustix::io::Errno::WOULDBLOCK) => bail!(
                "another failover daemon uses {}: end it with `failover stop`, or use another --bpffs",
                dir.display(),
            ),
            Err(error) => Err(error).with_context(|| format!("{} cannot be locked", dir.display())),
        }
    }

    /// Directory of the pinned maps.
    pub fn maps(&self) -> PathBuf {
        self.version().join("maps")
    }

    /// Directory of the pinned links.
    pub fn links(&self) -> PathBuf {
        self.version().join("links")
    }

    /// Directory of the pinned links of the fence.
    pub fn egress(&self) -> PathBuf {
        self.version().join("egress")
    }

    /// Path of a map.
    pub fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    /// Path of the link that keeps the program on a NIC. A NIC's name may hold a dot, which a BPF file system refuses.
    pub fn link(&self, nic: &str) -> PathBuf {
        self.links().join(nic.replace('.', ":"))
    }

    /// Path of the link that keeps the fence on a NIC.
    pub fn fence(&self, nic: &str) -> PathBuf {
        self.egress().join(nic.replace('.', ":"))
    }

    /// NICs that have a pinned link.
    pub fn linked_nics(&self) -> anyhow::Result<Vec<String>> {
        nics(&self.links())
    }

    /// NICs that have the fence.
    pub fn fenced_nics(&self) -> anyhow::Result<Vec<String>> {
        nics(&self.egress())
    }

    /// Whether a data plane is pinned here.
    pub fn exist(&self) -> bool {
        self.map(map::ADDRESSES).exists()
    }

    /// Removes every pin, links first, so that no program runs on half a set of maps. Returns how many there were.
    pub fn remove(&self) -> anyhow::Result<usize> {
        let mut removed = 0;
        for dir in [self.links(), self.egress(), self.maps()] {
            for name in read_dir(&dir)? {
                let path = dir.join(name);
                fs::remove_file(&path)
                    .with_context(|| format!("{} cannot be removed", path.display()))?;
                removed += 1;
            }
        }
        for dir in [
            self.links(),
            self.egress(),
            self.maps(),
            self.version(),
            self.base.clone(),
        ] {
            match fs::remove_dir(&dir) {
                Ok(()) => {}
                // Another version's pins, or a mount point: not ours to remove.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                    ) => {}
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("{} cannot be removed", dir.display()));
                }
            }
        }
        Ok(removed)
    }

    fn version(&self) -> PathBuf {
        self.base.join(format!("v{ABI_VERSION}"))
    }

    /// Two data planes on the same NICs would fight, so that of another version has to go first.
    fn refuse_other_versions(&self) -> anyhow::Result<()> {
        let ours = format!("v{ABI_VERSION}");
        for name in read_dir(&self.base)? {
            let links = self.base.join(&name).join("links");
            ensure!(
                name == ours || read_dir(&links)?.is_empty(),
                "{} belongs to another version of failover: run that version's `failover unload --bpffs {}` first",
                self.base.join(&name).display(),
                self.base.display(),
            );
        }
        Ok(())
    }
}

/// The NICs that the links in a directory are named for.
fn nics(dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut nics: Vec<String> = read_dir(dir)?
        .into_iter()
        .map(|name| name.replace(':', "."))
        .collect();
    nics.sort();
    Ok(nics)
}

/// Names in a directory; an absent directory is empty.
fn read_dir(dir: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", dir.display()));
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("{} cannot be read", dir.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// Mounts a BPF file system at its usual place, if there is none.
fn mount_bpffs() -> anyhow::Result<()> {
    use rustix::mount::{MountFlags, mount};

    const BPFFS: &str = "/sys/fs/bpf";
    const BPF_FS_MAGIC: u32 = 0xcafe_4a11;
    let stat = match rustix::fs::statfs(BPFFS) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => {
            bail!("{BPFFS} does not exist: this kernel has no BPF file system")
        }
        Err(error) => return Err(error).context(BPFFS),
    };
    if stat.f_type as u32 == BPF_FS_MAGIC {
        return Ok(());
    }
    mount(
        "bpf",
        BPFFS,
        "bpf",
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
        None,
    )
    .with_context(|| {
        format!("{BPFFS} is no BPF file system and none can be mounted there: run as root")
    })
}

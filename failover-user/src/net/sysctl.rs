//! Settings of the kernel per NIC: `/proc/sys/net/ipv4/conf/NIC/KEY`, and `ipv6` likewise.
//!
//! The files show the network namespace of the thread that opens them, so call this from a thread in the right one.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

/// An IP version, which has its own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Version {
    /// That of an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    fn directory(self) -> &'static Path {
        Path::new(match self {
            Self::V4 => "/proc/sys/net/ipv4/conf",
            Self::V6 => "/proc/sys/net/ipv6/conf",
        })
    }
}

/// The file of a NIC's setting. NIC names may have dots; they are one component of the path.
///
/// # Errors
/// The name or the key is not one path component.
pub fn path(version: Version, nic: &str, key: &str) -> anyhow::Result<PathBuf> {
    for part in [nic, key] {
        ensure!(
            !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\0']),
            "{part:?} is not the name of a NIC or of a setting"
        );
    }
    Ok(version.directory().join(nic).join(key))
}

/// The value of a NIC's setting, without the line's end.
///
/// # Errors
/// There is no such NIC or setting.
pub fn read(version: Version, nic: &str, key: &str) -> anyhow::Result<String> {
    let path = path(version, nic, key)?;
    read_file(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Sets a NIC's setting.
///
/// # Errors
/// There is no such NIC or setting, or no permission.
pub fn write(version: Version, nic: &str, key: &str, value: &str) -> anyhow::Result<()> {
    let path = path(version, nic, key)?;
    fs::write(&path, value).with_context(|| format!("cannot write {value} to {}", path.display()))
}

/// One setting that was changed. It can be stored, so that the next process can restore what this one changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The file.
    pub path: PathBuf,
    /// What it said before.
    pub old: String,
    /// What it says since.
    pub new: String,
}

/// The settings that were changed, in order. Dropping it restores nothing: what happens at the end is the user's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes(Vec<Changed>);

impl Changes {
    /// Sets a NIC's setting and remembers what it was. A setting that has the value already is left alone.
    ///
    /// # Errors
    /// There is no such NIC or setting, or no permission.
    pub fn set(
        &mut self,
        version: Version,
        nic: &str,
        key: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        let path = path(version, nic, key)?;
        self.set_file(&path, value)
            .with_context(|| format!("cannot set {} to {value}", path.display()))
    }

    /// Settings for sending packets on from and to this NIC: it forwards, and IPv4 packets are accepted although their
    /// source is routed elsewhere (`rp_filter` 2, loose: clients come in by one NIC, the standby server's replies by
    /// another). IPv6 has no such filter.
    ///
    /// # Errors
    /// There is no such NIC, or no permission.
    pub fn forward(&mut self, nic: &str, version: Version) -> anyhow::Result<()> {
        match version {
            Version::V4 => {
                self.set(version, nic, "forwarding", "1")?;
                self.set(version, nic, "rp_filter", "2")
            }
            Version::V6 if read(version, nic, "forwarding")? == "1" => Ok(()),
            Version::V6 => {
                self.force_forwarding(nic)?;
                // A NIC that forwards takes router advertisements only at 2.
                if read(version, nic, "accept_ra")? == "1" {
                    self.set(version, nic, "accept_ra", "2")?;
                }
                let _routes = KeptRoutes::keep()?;
                self.set(version, nic, "forwarding", "1")
            }
        }
    }

    /// The first packet of each client has to be sent on by the kernel, which finds the client's MAC. It forwards IPv6 if
    /// the whole host does, or from a NIC that may in spite of it (Linux 6.17).
    fn force_forwarding(&mut self, nic: &str) -> anyhow::Result<()> {
        const KEY: &str = "force_forwarding";
        if read(Version::V6, "all", "forwarding")? != "0" {
            return Ok(());
        }
        if path(Version::V6, nic, KEY)?.exists() {
            return self.set(Version::V6, nic, KEY, "1");
        }
        bail!(
            "this kernel cannot forward IPv6 for {nic} alone: set net.ipv6.conf.all.forwarding = 1 (or use Linux 6.17)"
        )
    }

    /// What was changed.
    pub fn list(&self) -> &[Changed] {
        &self.0
    }

    /// Puts everything back, the latest change first, and forgets it. A setting that somebody else has changed since is
    /// left alone, and so is one whose NIC is gone.
    ///
    /// # Errors
    /// The first setting that could not be restored; the others are.
    pub fn restore(&mut self) -> anyhow::Result<()> {
        let mut result = Ok(());
        for changed in self.0.drain(..).rev() {
            let restored = restore_file(&changed).with_context(|| {
                format!(
                    "cannot set {} back to {}",
                    changed.path.display(),
                    changed.old
                )
            });
            if result.is_ok() {
                result = restored;
            }
        }
        result
    }

    fn set_file(&mut self, path: &Path, value: &str) -> io::Result<()> {
        let old = read_file(path)?;
        if old == value {
            return Ok(());
        }
        fs::write(path, value)?;
        self.0.push(Changed {
            path: path.to_owned(),
            old,
            new: value.to_owned(),
        });
        Ok(())
    }
}

/// As long as this lives, the kernel keeps the default routes that it has learnt by router advertisements. When any NIC
/// begins to forward IPv6, it drops those of all NICs that do not accept such advertisements even as a router.
struct KeptRoutes(Vec<PathBuf>);

impl KeptRoutes {
    fn keep() -> anyhow::Result<Self> {
        let mut kept = Self(Vec::new());
        let directory = Version::V6.directory();
        for entry in fs::read_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
        {
            let file = entry?.path().join("accept_ra");
            // A NIC may go while it is looked at.
            if read_file(&file).is_ok_and(|value| value == "1") && fs::write(&file, "2").is_ok() {
                kept.0.push(file);
            }
        }
        Ok(kept)
    }
}

impl Drop for KeptRoutes {
    fn drop(&mut self) {
        for file in &self.0 {
            if let Err(error) = fs::write(file, "1") {
                tracing::debug!(file = %file.display(), %error, "a setting was not set back");
            }
        }
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    Ok(fs::read_to_string(path)?.trim_end().to_owned())
}

fn restore_file(changed: &Changed) -> io::Result<()> {
    match read_file(&changed.path) {
        Ok(now) if now == changed.new => fs::write(&changed.path, &changed.old),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nic_name_with_dots_is_one_path_component() {
        let path = path(Version::V4, "eth0.100", "forwarding").unwrap();

        assert_eq!(
            path,
            Path::new("/proc/sys/net/ipv4/conf/eth0.100/forwarding")
        );
    }

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for name in ["", ".", "..", "a/b", "../all"] {
            assert!(path(Version::V6, name, "forwarding").is_err(), "{name}");
            assert!(path(Version::V6, "eth0", name).is_err(), "{name}");
        }
    }

    #[test]
    fn restore_puts_back_what_was_there_before_the_first_change() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rp_filter");
        fs::write(&file, "1\n").unwrap();
        let mut changes = Changes::default();

        changes.set_file(&file, "2").unwrap();
        changes.set_file(&file, "0").unwrap();
        changes.restore().unwrap();

        assert_eq!(read_file(&file).unwrap(), "1");
        assert!(changes.list().is_empty());
    }

    #[test]
    fn a_setting_that_is_right_already_is_not_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("forwarding");
        fs::write(&file, "1\n").unwrap();
        let mut changes = Changes::default();

        changes.set_file(&file, "1").unwrap();

        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn restore_leaves_alone_what_somebody_else_changed_or_removed() {
        let directory = tempfile::tempdir().unwrap();
        let [changed, removed] = ["changed", "removed"].map(|name| directory.path().join(name));
        fs::write(&changed, "0\n").unwrap();
        fs::write(&removed, "0\n").unwrap();
        let mut changes = Changes::default();
        changes.set_file(&changed, "1").unwrap();
        changes.set_file(&removed, "1").unwrap();

        fs::write(&changed, "2\n").unwrap();
        fs::remove_file(&removed).unwrap();
        changes.restore().unwrap();

        assert_eq!(read_file(&changed).unwrap(), "2");
        assert!(!removed.exists());
    }
}

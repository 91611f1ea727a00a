//! Other software, from Debian's packages: fetched and unpacked, not installed. No service of theirs is ever started on this
//! machine but by a benchmark, in a namespace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

/// The packages.
const PACKAGES: [&str; 1] = ["keepalived"];

/// Where packages keep programs, and libraries.
const PROGRAMS: [&str; 3] = ["usr/sbin", "usr/bin", "usr/lib/frr"];
const LIBRARIES: [&str; 2] = ["usr/lib", "lib"];

/// The unpacked packages.
#[derive(Debug)]
pub(super) struct Peers {
    root: PathBuf,
    versions: Vec<(String, String)>,
}

impl Peers {
    /// Fetches them, with what they need and this machine does not have, into `directory`.
    pub(super) fn fetch(directory: &Path) -> Result<Self> {
        let archives = directory.join("archives");
        let root = directory.join("root");

        // Of two versions only one is measured.
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }

        // apt-get wants the second one to be there.
        fs::create_dir_all(archives.join("partial"))?;
        fs::create_dir_all(&root)?;

        if download(&archives).is_err() {
            // Lists that were never fetched, or are too old.
            run(Command::new("apt-get").args(["-q", "update"]))?;
            download(&archives)?;
        }

        let mut versions = Vec::new();

        for entry in fs::read_dir(&archives)? {
            let path = entry?.path();

            if path.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&root))?;
                versions.extend(version(&path)?);
            }
        }

        ensure!(
            versions.len() == PACKAGES.len(),
            "apt-get was asked for {PACKAGES:?} and has fetched {versions:?}"
        );
        versions.sort();

        Ok(Self { root, versions })
    }

    /// Name and version of each.
    pub(super) fn versions(&self) -> Vec<(String, String)> {
        self.versions.clone()
    }

    /// A program of theirs, with its libraries.
    pub(super) fn command(&self, program: &str) -> Result<Command> {
        let path = PROGRAMS
            .iter()
            .map(|directory| self.root.join(directory).join(program))
            .find(|path| path.is_file())
            .with_context(|| format!("the packages have no {program}"))?;
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = LIBRARIES.map(|directory| self.root.join(directory).join(&triplet));
        let mut command = Command::new(path);

        command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?);

        Ok(command)
    }
}

fn download(archives: &Path) -> Result<()> {
    let mut cache = std::ffi::OsString::from("Dir::Cache::archives=");

    cache.push(archives);
    run(Command::new("apt-get")
        .args(["-q", "-y", "--no-install-recommends", "--download-only"])
        // Root writes into a directory that is not apt's own.
        .args(["-o", "APT::Sandbox::User=root", "-o"])
        .arg(cache)
        .args(["--reinstall", "install"])
        .args(PACKAGES))
}

/// Name and version of a package, if it is one of ours.
fn version(package: &Path) -> Result<Option<(String, String)>> {
    let output = Command::new("dpkg-deb")
        .arg("-f")
        .arg(package)
        .args(["Package", "Version"])
        .output()
        .context("running dpkg-deb")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
    };
    let (name, version) = field("Package:")
        .zip(field("Version:"))
        .with_context(|| format!("{} is no package", package.display()))?;

    Ok(PACKAGES.contains(&&*name).then_some((name, version)))
}

/// Runs to the end; what it says is shown if it fails.
fn run(command: &mut Command) -> Result<()> {
    let what = format!("{command:?}");
    let output = command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{what} (peers come from Debian's packages)"))?;

    if !output.status.success() {
        bail!(
            "{what}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }

    Ok(())
}

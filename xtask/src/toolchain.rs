//! Finding the toolchains of this machine and, where none will do, adding what is missing.

use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::choice::{self, Candidate, Facts, LLVM_MAJOR, Plan, Wanted, Way};
use crate::privilege::Privilege;
use crate::process;
use crate::ui::{self, Step};

/// The variable that forces a choice.
pub(crate) const CHOICE: &str = "FAILOVER_TOOLCHAIN";

/// Debian's newest Rust: the plain `rustc` of a stable release is older than what we need.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// A toolchain on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The version, as in "1.95.0".
    pub(crate) release: String,
    /// The target triple of this machine.
    pub(crate) host: String,
    /// LLVM's version, as in "22.1.2".
    pub(crate) llvm: String,
    /// LLVM's shared library.
    pub(crate) llvm_library: Option<PathBuf>,
    sysroot: PathBuf,
}

impl Toolchain {
    /// The one whose cargo runs us.
    pub(crate) fn active() -> Result<Self> {
        let beside_cargo = env::var_os("CARGO")
            .map(|cargo| PathBuf::from(cargo).with_file_name("rustc"))
            .filter(|rustc| process::is_executable(rustc));
        Self::probe(&beside_cargo.unwrap_or_else(|| "rustc".into()))
    }

    fn named(name: &str) -> Result<Self> {
        let rustc =
            process::output(Command::new("rustup").args(["which", "--toolchain", name, "rustc"]))?;
        Self::probe(Path::new(rustc.trim()))
    }

    fn system() -> Option<Self> {
        let rustc = Path::new("/usr/bin/rustc");
        if !process::is_executable(rustc) {
            return None;
        }
        // A rustup from the distribution's packages puts its own stand-in there.
        Self::probe(rustc)
            .ok()
            .filter(|found| found.sysroot == Path::new("/usr"))
    }

    fn probe(rustc: &Path) -> Result<Self> {
        let ask = |arguments: &[&str]| {
            let mut command = Command::new(rustc);
            process::clean_env(&mut command);
            process::output(command.args(arguments))
        };
        let version = ask(&["-vV"])?;
        let field = |key: &str| {
            version
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .map(|value| value.trim().to_owned())
                .unwrap_or_default()
        };
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?.trim());
        let llvm = field("LLVM version:");
        let own = sysroot.join("bin/cargo");
        Ok(Self {
            cargo: if own.is_file() {
                own
            } else {
                rustc.with_file_name("cargo")
            },
            rustc: Some(sysroot.join("bin/rustc"))
                .filter(|path| path.is_file())
                .unwrap_or_else(|| rustc.to_owned()),
            release: field("release:"),
            host: field("host:"),
            llvm_library: find_llvm(&sysroot, &llvm),
            llvm,
            sysroot,
        })
    }

    /// Its name for rustup, if it is one of rustup's.
    pub(crate) fn rustup_name(&self) -> Option<String> {
        let in_toolchains = self.sysroot.parent()?.file_name()? == "toolchains";
        in_toolchains
            .then(|| self.sysroot.file_name())
            .flatten()
            .map(|name| name.to_string_lossy().into_owned())
    }

    /// Whether it is the distribution's.
    pub(crate) fn is_system(&self) -> bool {
        self.sysroot == Path::new("/usr")
    }

    fn has_sources(&self) -> bool {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        library.join("core/Cargo.toml").is_file() && library.join("Cargo.lock").is_file()
    }

    fn candidate(&self) -> Candidate {
        Candidate {
            release: self.release.clone(),
            llvm_major: self
                .llvm
                .split('.')
                .next()
                .and_then(|major| major.parse().ok()),
            llvm_shared: self.llvm_library.is_some(),
            sources: self.has_sources(),
            by_rustup: self.rustup_name().is_some() && process::find_program("rustup").is_some(),
        }
    }

    /// As in "Rust 1.95.0 (LLVM 22.1.2)".
    pub(crate) fn described(&self) -> String {
        format!("Rust {} (LLVM {})", self.release, self.llvm)
    }
}

/// LLVM's library of exactly this version below the sysroot; linker scripts of the same name do not count.
fn find_llvm(sysroot: &Path, llvm: &str) -> Option<PathBuf> {
    let multiarch = format!("lib/{}-linux-gnu", env::consts::ARCH);
    ["lib", multiarch.as_str(), "lib64"]
        .iter()
        .filter_map(|directory| fs::read_dir(sysroot.join(directory)).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_owned();
            let rank = choice::library_rank(&name, llvm)?;
            is_elf(&entry.path()).then_some((rank, entry.path()))
        })
        .min()
        .map(|(_, path)| path)
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok_and(|()| magic == *b"\x7fELF")
}

/// A toolchain with the sources of `core`, and why it is this one. Installs what is missing, saying so.
pub(crate) fn with_sources() -> Result<(Toolchain, String)> {
    let value = env::var(CHOICE).ok();
    let wanted = Wanted::parse(value.as_deref());
    let active = match &wanted {
        Wanted::Named(name) => Toolchain::named(name),
        Wanted::Any | Wanted::Active | Wanted::System => Toolchain::active(),
    };
    let system = Toolchain::system();
    let facts = Facts {
        active: active
            .as_ref()
            .map(Toolchain::candidate)
            .map_err(|error| format!("{error:#}")),
        system: system.as_ref().map(Toolchain::candidate),
        debian: Path::new("/etc/debian_version").exists()
            && process::find_program("apt-get").is_some(),
        wanted,
    };
    let Plan {
        ways,
        ruled_out: mut refused,
    } = choice::plan(&facts);

    for way in ways {
        let found = match (way, &active, &system) {
            (Way::UseActive, Ok(active), _) => Ok((active.clone(), why_active(&facts.wanted))),
            (Way::UseSystem, _, Some(system)) => Ok((system.clone(), why_system(&facts, &refused))),
            (Way::AddSources, Ok(active), _) => add_sources(active),
            (Way::InstallPackages, _, _) => install_packages(),
            (Way::UseActive | Way::AddSources, Err(_), _) | (Way::UseSystem, _, None) => continue,
        };
        match found {
            Ok(found) => return Ok(found),
            Err(error) if process::interrupted() => return Err(error),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    Err(hopeless(&refused))
}

fn why_active(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Any => "the active toolchain has the Rust sources".to_owned(),
        Wanted::Active | Wanted::System | Wanted::Named(_) => {
            format!("{CHOICE} asks for it; it has the Rust sources")
        }
    }
}

fn why_system(facts: &Facts, refused: &[String]) -> String {
    match facts.wanted {
        Wanted::System => format!("the distribution's, {CHOICE} asks for it"),
        Wanted::Any | Wanted::Active | Wanted::Named(_) => {
            let active = match &facts.active {
                Ok(active) if !active.sources && choice::unsuitable(active).is_none() => {
                    format!(
                        "the active one (Rust {}) has no Rust sources",
                        active.release
                    )
                }
                Ok(_) | Err(_) => refused.first().cloned().unwrap_or_default(),
            };
            format!("the distribution's, which has the Rust sources; {active}")
        }
    }
}

fn add_sources(active: &Toolchain) -> Result<(Toolchain, String)> {
    let name = active.rustup_name().context("not one of rustup's")?;
    let mut step = Step::start(format!("adding the Rust sources to {name} with rustup"));
    let mut rustup = Command::new("rustup");
    process::clean_env(&mut rustup);
    rustup.args(["component", "add", "rust-src", "--toolchain", &name]);
    match process::run_captured(&mut rustup, &mut step) {
        Ok(()) if active.has_sources() => {
            step.done("added");
            Ok((
                active.clone(),
                "rust-src was added to the active toolchain".to_owned(),
            ))
        }
        Ok(()) => {
            step.failed("rustup is content but the sources are not there");
            bail!(
                "`rustup component add rust-src` left no sources in {}",
                active.sysroot.display()
            )
        }
        Err(error) => {
            step.failed("not possible here");
            Err(error.context("`rustup component add rust-src` did not work"))
        }
    }
}

fn install_packages() -> Result<(Toolchain, String)> {
    apt_install(&PACKAGES)?;
    let system = Toolchain::system()
        .context("the packages are installed, but there is no rustc in /usr/bin")?;
    if let Some(reason) = choice::unsuitable(&system.candidate()) {
        bail!("the distribution's Rust {}: {reason}", system.release);
    }
    if !system.has_sources() {
        bail!("the distribution's Rust {} has no sources", system.release);
    }
    Ok((
        system,
        "the distribution's packages were installed".to_owned(),
    ))
}

/// Installs Debian packages, as root; never at the cost of one that is there.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let privilege = Privilege::acquire(&format!("`apt-get install {names}`"))?;
    let apt = |arguments: &[&str]| {
        let mut command = privilege.command("apt-get");
        process::clean_env(&mut command);
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-q", "-o", "DPkg::Lock::Timeout=120"])
            .args(arguments);
        command
    };
    let mut step = Step::start("reading Debian's package lists");
    match process::run_captured(&mut apt(&["update"]), &mut step) {
        Ok(()) => step.done("read"),
        // Lists from before may still do.
        Err(_) => step.failed("not possible, going on with those from before"),
    }
    let mut step = Step::start(format!("installing Debian's {names}"));
    let mut install = apt(&["install", "-y", "--no-remove", "--no-install-recommends"]);
    match process::run_captured(install.args(packages), &mut step) {
        Ok(()) => {
            step.done("installed");
            Ok(())
        }
        Err(error) => {
            step.failed("not possible here");
            Err(error.context(format!("`apt-get install {names}` did not work")))
        }
    }
}

fn hopeless(tried: &[String]) -> anyhow::Error {
    let tried = tried.join("\n  - ");
    anyhow!(
        "no Rust toolchain on this machine can build the eBPF program. It needs the Rust sources and LLVM {LLVM_MAJOR}.\n\
         Tried:\n  - {tried}\n\
         What helps: `rustup toolchain install stable --component rust-src` (Rust 1.95 or its neighbours with LLVM \
         {LLVM_MAJOR}), or on Debian `apt-get install {}` as root; then run this again.",
        PACKAGES.join(" ")
    )
}

/// Adds rustfmt and clippy to the active toolchain where they are missing.
pub(crate) fn with_linters() -> Result<()> {
    let works = |subcommand: &str| {
        process::output(process::host_cargo().args([subcommand, "--version"])).is_ok()
    };
    let missing: Vec<_> = [
        ("fmt", "rustfmt", "rustfmt-web"),
        ("clippy", "clippy", "rust-web-clippy"),
    ]
    .into_iter()
    .filter(|(subcommand, _, _)| !works(subcommand))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let components: Vec<_> = missing.iter().map(|(_, component, _)| *component).collect();
    ui::headline("Set-up");
    let active = Toolchain::active()?;
    if let Some(name) = active.rustup_name() {
        let mut step = Step::start(format!(
            "adding {} to {name} with rustup",
            components.join(" and ")
        ));
        let mut rustup = Command::new("rustup");
        process::clean_env(&mut rustup);
        rustup
            .args(["component", "add", "--toolchain", &name])
            .args(&components);
        match process::run_captured(&mut rustup, &mut step) {
            Ok(()) => {
                step.done("added");
                return Ok(());
            }
            Err(error) => {
                step.failed("not possible here");
                return Err(error.context("`cargo xtask check` needs rustfmt and clippy"));
            }
        }
    }
    if active.is_system() && Path::new("/etc/debian_version").exists() {
        let packages: Vec<_> = missing.iter().map(|(_, _, package)| *package).collect();
        return apt_install(&packages).context("`cargo xtask check` needs rustfmt and clippy");
    }
    bail!(
        "`cargo xtask check` needs {}: install it for the Rust in use ({})",
        components.join(" and "),
        active.described()
    )
}

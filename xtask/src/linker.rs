//! bpf-linker, in the version that fits aya and LLVM, below the target directory: nothing of the user's is touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::toolchain::Toolchain;
use crate::ui::Step;
use crate::{paths, ui};

/// The last that builds with the Rust in use and reads its LLVM.
pub(crate) const VERSION: &str = "0.10.3";

/// The installed bpf-linker; installs it first where it is missing.
pub(crate) fn ensure() -> Result<PathBuf> {
    let linker = paths::tools().join("bin/bpf-linker");
    if is_current(&linker) {
        return Ok(linker);
    }
    let mut step = Step::start(format!(
        "installing bpf-linker {VERSION} from crates.io (about a minute)"
    ));
    // A directory that stays on failure, so that a second try goes on where the first stopped.
    let build = paths::tools().join("build");
    let mut cargo = process::host_cargo();
    for key in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(key);
    }
    cargo
        .args([
            "install",
            "--locked",
            "--force",
            "bpf-linker",
            "--version",
            VERSION,
        ])
        .arg("--root")
        .arg(paths::tools())
        .arg("--target-dir")
        .arg(&build);
    if let Err(error) = process::run_captured(&mut cargo, &mut step) {
        step.failed("it did not build");
        return Err(error.context(format!(
            "bpf-linker {VERSION} could not be installed. It comes from crates.io and needs a C compiler; another one can be \
             put at {}",
            linker.display()
        )));
    }
    if !is_current(&linker) {
        step.failed("it does not run");
        bail!("{} is installed but does not run", linker.display());
    }
    step.done(&format!("in {}", paths::shown(&linker)));
    if let Err(error) = fs::remove_dir_all(&build) {
        ui::warn(&format!(
            "{} could not be removed: {error}",
            paths::shown(&build)
        ));
    }
    Ok(linker)
}

fn is_current(linker: &Path) -> bool {
    linker.is_file()
        && process::output(Command::new(linker).arg("--version"))
            .is_ok_and(|version| version.split_whitespace().last() == Some(VERSION))
}

/// A directory that holds the toolchain's LLVM library and nothing else: bpf-linker opens the first `libLLVM*` that it meets
/// in `LD_LIBRARY_PATH`, and a system directory may hold several versions.
pub(crate) fn llvm_directory(toolchain: &Toolchain) -> Result<PathBuf> {
    let library = toolchain
        .llvm_library
        .as_ref()
        .context("the toolchain has no LLVM library of its own")?;
    let name = library.file_name().context("the library has no name")?;
    let directory = paths::tools().join(format!("llvm-{}-{}", toolchain.llvm, toolchain.release));
    let link = directory.join(name);
    if fs::read_link(&link).is_ok_and(|target| target == *library) {
        return Ok(directory);
    }
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)
        .and_then(|()| symlink(library, &link))
        .with_context(|| format!("cannot set up {}", directory.display()))?;
    Ok(directory)
}

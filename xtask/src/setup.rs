//! Everything that the eBPF program is built with, found or installed. Quick when it is all there.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::toolchain::{self, Toolchain};
use crate::{linker, paths, process, ui};

/// What the eBPF program is built with.
pub(crate) struct Kit {
    pub(crate) toolchain: Toolchain,
    /// bpf-linker.
    pub(crate) linker: PathBuf,
    /// A directory with the toolchain's LLVM library alone.
    pub(crate) llvm_directory: PathBuf,
}

/// `cargo xtask setup`
pub(crate) fn verb() -> Result<ExitCode> {
    ensure()?;
    toolchain::with_linters()?;
    ui::info("ready: `cargo xtask demo` and `cargo xtask test` can start");
    Ok(ExitCode::SUCCESS)
}

/// Finds or installs the kit, and says what it chose.
pub(crate) fn ensure() -> Result<Kit> {
    let started = Instant::now();
    ui::headline("Set-up");
    compiler()?;
    let (toolchain, why) = toolchain::with_sources()?;
    ui::info(&format!("eBPF toolchain: {}: {why}", toolchain.described()));
    let linker = linker::ensure()?;
    let llvm_directory = linker::llvm_directory(&toolchain)?;
    ui::info(&format!(
        "bpf-linker {}: {} (set-up took {})",
        linker::VERSION,
        paths::shown(&linker),
        ui::took(started.elapsed())
    ));
    Ok(Kit {
        toolchain,
        linker,
        llvm_directory,
    })
}

/// Rust links with the C compiler, and some crates bring C of their own.
fn compiler() -> Result<()> {
    if ["cc", "gcc", "clang"]
        .iter()
        .any(|name| process::find_program(name).is_some())
    {
        return Ok(());
    }
    bail!(
        "there is no C compiler (cc): install one, for example with `apt-get install gcc libc6-dev`"
    )
}

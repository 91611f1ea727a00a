//! The eBPF object: another target, another toolchain's flags, its own target directory.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::Kit;
use crate::{paths, process, ui};

const PACKAGE: &str = "failover-ebpf";
const TARGET: &str = "bpfel-unknown-none";

/// What decides how cargo and rustc work and comes from the user's other builds or from the toolchain that runs us.
const FOREIGN: [&str; 17] = [
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CLIPPY_CONF_DIR",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Builds the object and returns its path.
pub(crate) fn build(kit: &Kit) -> Result<PathBuf> {
    let started = Instant::now();
    ui::headline(&format!(
        "eBPF program ({TARGET}, {})",
        kit.toolchain.described()
    ));
    let mut cargo = cargo(kit, "build");
    process::run_checked(&mut cargo).context("the eBPF program did not build")?;
    let object = paths::ebpf_target()
        .join(TARGET)
        .join("release")
        .join(PACKAGE);
    let Ok(meta) = object.metadata() else {
        bail!("cargo built no {}", object.display());
    };
    ui::info(&format!(
        "{} ({} KiB, {})",
        paths::shown(&object),
        meta.len().div_ceil(1024),
        ui::took(started.elapsed())
    ));
    Ok(object)
}

/// `cargo SUBCOMMAND` for the program, with everything set for the kernel's target.
pub(crate) fn cargo(kit: &Kit, subcommand: &str) -> Command {
    let mut command = tool(kit, subcommand);
    command
        .args([
            "--package",
            PACKAGE,
            "--bin",
            PACKAGE,
            "--features",
            "program",
        ])
        .args(["--target", TARGET, "-Z", "build-std=core", "--release"])
        .args(process::locked())
        .arg("--target-dir")
        .arg(paths::ebpf_target());
    command
}

/// `cargo SUBCOMMAND` of the toolchain that builds the program, in its environment and nothing more.
pub(crate) fn tool(kit: &Kit, subcommand: &str) -> Command {
    let toolchain = &kit.toolchain;
    let mut command = Command::new(&toolchain.cargo);
    process::clean_env(&mut command);
    for key in FOREIGN {
        command.env_remove(key);
    }
    command
        .current_dir(paths::root())
        .arg(subcommand)
        .env("RUSTC", &toolchain.rustc)
        // `-Z` and the unstable parts of aya-ebpf, on a stable compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("LD_LIBRARY_PATH", &kit.llvm_directory)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(kit))
        // By the environment: the host's release profile stays as it is. One unit, so that the linker sees calls to inline.
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
    if let Some(path) = path_with(kit) {
        // Build scripts and bpf-linker call `rustc` by its name.
        command.env("PATH", path);
    }
    command
}

fn rustflags(kit: &Kit) -> String {
    let architecture = kit.toolchain.host.split('-').next().unwrap_or("x86_64");
    [
        format!("--cfg=bpf_target_arch=\"{architecture}\""),
        "-Cdebuginfo=2".to_owned(),
        format!("-Clinker={}", kit.linker.display()),
        // Type information for maps and for the kernel's CO-RE relocations.
        "-Clink-arg=--btf".to_owned(),
    ]
    .join("\x1f")
}

fn path_with(kit: &Kit) -> Option<std::ffi::OsString> {
    let first = kit.toolchain.rustc.parent()?.to_owned();
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(first).chain(env::split_paths(&rest))).ok()
}

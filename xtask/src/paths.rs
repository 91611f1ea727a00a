//! Where things are: all of them absolute, because children run in different directories.

use std::env;
use std::path::PathBuf;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it for `cargo run`; the value from compile time is for a binary started by hand.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or_else(|| manifest.clone(), PathBuf::from)
}

/// Cargo's target directory for everything that runs on the host.
pub(crate) fn target() -> PathBuf {
    let chosen = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]
        .into_iter()
        .find_map(|key| env::var_os(key).filter(|value| !value.is_empty()));
    match chosen {
        Some(directory) => std::path::absolute(&directory).unwrap_or_else(|_| directory.into()),
        None => root().join("target"),
    }
}

/// Tools that are installed for this workspace only (`bin/` inside).
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// Target directory of the eBPF program: another toolchain with other flags must not disturb the host's builds.
pub(crate) fn ebpf_target() -> PathBuf {
    target().join("ebpf")
}

/// Where the demonstration leaves its picture and its logs.
pub(crate) fn demo_output() -> PathBuf {
    target().join("demo")
}

/// Where the benchmark leaves its charts, and what it fetches.
pub(crate) fn bench_output() -> PathBuf {
    target().join("bench")
}

/// `path` as a person wants to read it: relative to the workspace where possible.
pub(crate) fn shown(path: &std::path::Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

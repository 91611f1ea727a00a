//! Puts the eBPF object where the crate includes it from. It is built before, by `cargo xtask build`, and its path handed over
//! in the environment; without it a plain `cargo build` gets an empty stub and needs no eBPF toolchain.

use std::path::PathBuf;
use std::{env, fs};

const OBJECT: &str = "FAILOVER_EBPF_OBJECT";

fn main() -> Result<(), String> {
    // Alone, so that cargo does not also watch every file of the package.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OBJECT}");

    let out = env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    let copy = PathBuf::from(out).join("failover.bpf.o");
    let object = match env::var_os(OBJECT).filter(|path| !path.is_empty()) {
        None => Vec::new(),
        Some(path) => {
            let path = PathBuf::from(path);
            println!("cargo::rerun-if-changed={}", path.display());
            let object =
                fs::read(&path).map_err(|error| format!("{OBJECT}={}: {error}", path.display()))?;
            if !object.starts_with(b"\x7fELF") {
                return Err(format!("{OBJECT}={} is not an ELF object", path.display()));
            }
            object
        }
    };
    fs::write(&copy, object).map_err(|error| format!("{}: {error}", copy.display()))
}

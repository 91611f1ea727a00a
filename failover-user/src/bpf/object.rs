//! The eBPF object that is part of this binary.

use anyhow::{Result, ensure};

/// Aligned as an ELF file must be to be read in place; empty in a build without the object.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/failover.bpf.o"));

/// The eBPF object, an ELF file. An error where this binary was built without it, as a plain `cargo build` does.
pub fn object() -> Result<&'static [u8]> {
    check(OBJECT)
}

fn check(object: &'static [u8]) -> Result<&'static [u8]> {
    ensure!(
        !object.is_empty(),
        "built without the eBPF object, so there is no data plane to load: run `cargo xtask build` and use the binary that it names"
    );
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stub_says_what_is_missing_and_what_to_run() {
        let error = check(&[]).unwrap_err().to_string();

        assert!(error.contains("without the eBPF object"), "{error}");
        assert!(error.contains("cargo xtask build"), "{error}");
    }

    #[test]
    fn an_embedded_object_is_an_aligned_elf_file() {
        assert!(OBJECT.is_empty() || OBJECT.starts_with(b"\x7fELF"));
        assert_eq!(OBJECT.as_ptr().align_offset(8), 0);
    }
}

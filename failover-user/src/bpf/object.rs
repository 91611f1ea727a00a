//! The eBPF object, embedded.

pub fn object() -> anyhow::Result<&'static [u8]> {
    anyhow::bail!("replaced at merge")
}

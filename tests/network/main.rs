//! The network module against the real kernel, in network namespaces of its own. Needs root.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that panics fails its test, as it should"
)]

mod batch;
mod families;
mod ipv6;
mod lab;
mod links;
mod neighbours;
mod packet;
mod rehearsal;
mod sysctl;
mod tables;

//! The source's side: whether this host is well, and whether it may use its own addresses. What comes of it is written to
//! the kernel, where the program answers heartbeats, or not, and keeps off what another host has.
//!
//! - [`dead_man`]: a thread that says again and again that the daemon runs.
//! - [`checks`]: tcp, http and command checks beside the loop; [`trend`] makes a verdict of their results.
//! - [`custody`]: who uses the addresses, asked by ARP probes. Pure.

pub mod checks;
pub mod custody;
pub mod dead_man;
mod http;
pub mod trend;

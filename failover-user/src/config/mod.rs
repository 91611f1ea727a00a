//! The configuration: TOML text to checked types.
//!
//! [`types`] is what the rest of the daemon works with: every value in it has been checked.

pub mod types;

pub use types::*;

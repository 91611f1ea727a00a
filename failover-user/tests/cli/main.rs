//! The binary, as people and scripts use it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod daemon;
mod exit_codes;
mod output;

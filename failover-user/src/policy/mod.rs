//! The decisions: a sans-IO state machine.
//!
//! Inputs come with the time, actions go out as data; nothing here reads a clock, spawns or does IO.
//!
//! - [`types`]: what goes in and what comes out.
//! - [`trigger`]: from the states of the paths to the verdict on a unit. The heartbeat thread uses the same function.
//! - [`table`]: every transition that is allowed, as data.
//! - [`machine`]: [`Policy`], the front: finds the unit, and hands the input to it.
//! - `unit`: one unit and the transitions that follow from its paths; `takeover`, `failback`, `announce` and
//!   `commands` are its other halves, `words` what a person reads.
//! - [`drill`]: what would be decided if a source failed now.
//! - [`replay`]: a recorded history, run again.

mod announce;
mod commands;
pub mod drill;
mod failback;
pub mod machine;
mod paths;
pub mod replay;
pub mod table;
mod takeover;
pub mod trigger;
pub mod types;
mod unit;
mod words;

#[cfg(test)]
mod tests;

pub use failback::{DRAIN, GRACE, SETTLE};
pub use machine::Policy;
pub use takeover::THREAD_WAIT;
pub use types::*;

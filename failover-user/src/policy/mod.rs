//! The decisions: a sans-IO state machine.
//!
//! Inputs come with the time, actions go out as data; nothing here reads a clock, spawns or does IO.
//!
//! - [`types`]: what goes in and what comes out.
//! - [`trigger`]: from the states of the paths to the verdict on a unit. The heartbeat thread uses the same function.
//! - [`table`]: every transition that is allowed, as data.
//! - [`machine`]: [`Policy`], the front: finds the unit, and hands the input to it.
//! - `unit`: one unit and the transitions that follow from its paths. Its other parts: `takeover` and `announce`, `failback`,
//!   `elsewhere` (who has the addresses while heartbeats fail), `inquiry` and `conflict` (who else has what is held),
//!   `commands`, `remember` (over a restart); `words` is what a person reads.
//! - `reconfigure`: sources that come, go, or have other rules while the policy runs.
//! - [`drill`]: what would be decided if a source failed now.
//! - [`replay`]: a recorded history, run again.

mod announce;
mod commands;
mod conflict;
pub mod drill;
mod elsewhere;
mod failback;
mod inquiry;
pub mod machine;
mod paths;
mod reconfigure;
mod remember;
pub mod replay;
pub mod table;
mod takeover;
pub mod trigger;
pub mod types;
mod unit;
mod words;

#[cfg(test)]
mod tests;

pub use conflict::{CONFLICT_QUIET, DEFEND_INTERVAL};
pub use elsewhere::{PROBE_EVERY, PROBE_EVERY_PROMPT, RIVAL_ROUNDS, RIVAL_WAIT};
pub use failback::{
    AFTER_ABORT, AFTER_ABORTS, DRAIN, GRACE, LISTEN, SETTLE, SETTLE_AT_MOST, TAKE_BACK,
};
pub use inquiry::INQUIRE_EVERY;
pub use machine::Policy;
pub use remember::{RECENTLY, answers_anew, changes_memory};
pub use takeover::{CHECK_WAIT, THREAD_WAIT};
pub use types::*;
pub use words::asked_by;

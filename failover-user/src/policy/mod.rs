//! The decisions: a sans-IO state machine.
//!
//! Inputs come with the time, actions go out as data; nothing here reads a clock, spawns or does IO.

pub mod types;

pub use types::*;

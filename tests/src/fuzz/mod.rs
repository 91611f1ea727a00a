//! Frames that are made up, each handed to the parsers on the host and to the program in the kernel; an
//! [oracle](crate::oracle) says what has to become of it.
//!
//! An input is one octet that says how the host is set up ([`scene::Scene`]) and a frame. [`seeds`] has valid ones,
//! [`mutate`] changes them, [`repair`] makes changes meant, [`trial`] tries an input on the [`fixture`], and [`report`] tells
//! what was found. Who makes inputs up: libFuzzer in `cargo xtask fuzz`, a seeded generator in the program tests.

pub mod counts;
pub mod fixture;
pub mod mutate;
mod names;
mod parsers;
pub mod repair;
pub mod report;
pub mod scene;
pub mod seeds;
mod told;
pub mod trial;

pub use self::{fixture::Fixture, trial::Trial};

/// Where the frame begins in an input.
pub const FRAME_AT: usize = 1;
/// Longest input: a full-size frame, tags included.
pub const LONGEST: usize = FRAME_AT + 1522;

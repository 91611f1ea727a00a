//! The heartbeats: frames, schedule, judgement.

pub mod frames;

//! The failover daemon and its command line.

pub mod bpf;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod control;
pub mod daemon;
pub mod events;
pub mod fault;
pub mod hooks;
pub mod memory;
pub mod monitor;
pub mod net;
pub mod policy;
mod readiness;
pub mod reflector;
mod signals;
pub mod state_file;
mod top;
pub mod unload;

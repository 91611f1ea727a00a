//! The failover daemon and its command line.

pub mod bpf;
pub mod config;
pub mod control;
pub mod policy;

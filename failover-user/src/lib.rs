//! The failover daemon and its command line.

pub mod cmd;
pub mod config;
pub mod control;
pub mod policy;

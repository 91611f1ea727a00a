//! The failover daemon and its command line.

pub mod config;
pub mod control;
pub mod monitor;
pub mod net;
pub mod policy;

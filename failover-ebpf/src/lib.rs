//! The data plane's decisions, without packet access: everything here compiles and is tested on the host, and the
//! program in `main.rs` is a thin shell around it.
#![no_std]

pub mod abi;

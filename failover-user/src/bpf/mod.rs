//! The data plane as user space sees it: loading, pinning, adopting, attaching, and the maps.
//!
//! Maps and links are pinned, so that they outlive the daemon: [`pins`] says where, [`shape`] checks what is found
//! there, [`program`] loads the program and puts it on NICs, [`maps`], [`shared`] and [`health`] are what the daemon reads and
//! writes, [`claims`] and [`log`] what the program says by itself.

pub mod claims;
mod egress;
pub mod health;
pub mod keys;
pub mod log;
pub mod maps;
mod object;
pub mod pins;
pub mod program;
mod shape;
pub mod shared;
pub mod signing_keys;

pub use object::object;

//! The data plane's decisions, without packet access: everything here compiles and is tested on the host, and the
//! program in `main.rs` is a thin shell around it.
//!
//! A frame's way: [`link`] says where its network header is and [`classify`] what it is; [`heartbeat`] parses heartbeats;
//! [`signed`] checks how they are signed; then [`reflect`] (a request for our reflector), [`measure`] (a reply to one of our
//! sessions), [`resolve`] with [`arp`] and [`nd`] (who has a held address?) or [`steer`] (a packet for one) decides.
//! [`health`] says whether this host may answer and use its identity at all, and [`fence`] what a frame on its way out makes
//! use of. Every way ends in one
//! [`verdict::Verdict`], which has an action and a counter.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod abi;
pub mod arp;
pub mod arp_reply;
pub mod auth;
pub mod checksum;
pub mod classify;
pub mod extension;
pub mod fence;
pub mod health;
pub mod heartbeat;
pub mod link;
pub mod measure;
pub mod nd;
pub mod reflect;
pub mod resolve;
pub mod sha1;
pub mod signed;
pub mod steer;
pub mod tcp;
pub mod verdict;
pub mod wire;

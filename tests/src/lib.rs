//! The lab in which the program and the daemon are tried on real packets.
//!
//! [`lab`] builds networks out of namespaces, veth pairs and bridges, which needs root and nothing that is installed on
//! the machine; [`frames`] builds single frames, independently of the code under test, and [`edits`] spoils them.

pub mod edits;
pub mod frames;
pub mod lab;

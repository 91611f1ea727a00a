//! The lab in which the program and the daemon are tried on real packets.
//!
//! [`lab`] builds networks out of namespaces, veth pairs and bridges; [`frames`] builds single frames, independently of
//! the code under test. Both need root, and nothing that is installed on the machine.

pub mod frames;
pub mod lab;

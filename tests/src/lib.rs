//! The lab in which the program and the daemon are tried on real packets.
//!
//! [`lab`] builds networks out of namespaces, veth pairs and bridges; [`frames`] builds single frames, independently of
//! the code under test, and [`edits`] spoils them; [`oracle`] knows what has to become of each, and [`fuzz`] makes them up; [`demo`]
//! plays the main job in a lab and shows it, and [`bench`] measures it. All of it needs root, and nothing that is installed on the
//! machine.

pub mod bench;
pub mod demo;
pub mod edits;
pub mod frames;
pub mod frames6;
pub mod fuzz;
pub mod lab;
pub mod live;
pub mod oracle;
pub mod pcap;
pub mod segments;
pub mod signatures;

//! The network module against the real kernel, in network namespaces of its own. Needs root.

mod batch;
mod lab;
mod links;
mod neighbours;
mod packet;
mod sysctl;
mod tables;

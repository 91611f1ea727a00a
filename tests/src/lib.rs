//! The lab in which the program and the daemon are tried on real packets.

//! The control socket: one JSON line per request and per reply, over a Unix stream socket.

pub mod protocol;

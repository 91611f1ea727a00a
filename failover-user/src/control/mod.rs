//! The control socket: one JSON line per request and per reply, over a Unix stream socket.

pub mod client;
mod connection;
pub mod drill;
pub mod event_kind;
mod lines;
pub mod protocol;
pub mod render;
pub mod server;

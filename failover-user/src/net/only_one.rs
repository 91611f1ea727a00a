//! One of us in a network namespace: two would undo each other's addresses and rules, whatever pins they use.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// Abstract socket names belong to a network namespace, and go with the process that bound them.
const NAME: &str = "failover";

/// As long as it lives, nobody else has it.
#[derive(Debug)]
pub struct OnlyOne {
    _socket: UnixDatagram,
}

impl OnlyOne {
    /// Claims the calling thread's network namespace. `None`: another process has it.
    ///
    /// # Errors
    /// No socket can be made.
    pub fn claim() -> io::Result<Option<Self>> {
        let address = SocketAddr::from_abstract_name(NAME)?;
        match UnixDatagram::bind_addr(&address) {
            Ok(socket) => Ok(Some(Self { _socket: socket })),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }
}

//! Tells a service manager that the daemon is ready: its program is on its NICs, and the fence is up where there is one.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Names the manager's socket.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Says `READY=1` (`sd_notify(3)`) to the manager that has started this process, if one has.
///
/// # Errors
/// The manager does not listen where it says.
pub(crate) fn tell() -> io::Result<()> {
    match std::env::var_os(VARIABLE) {
        Some(socket) => tell_at(&socket),
        None => Ok(()),
    }
}

/// An address that begins with `@` is an abstract one.
fn tell_at(socket: &OsStr) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sent = UnixDatagram::unbound()?.send_to_addr(b"READY=1\n", &address)?;
    debug_assert_eq!(sent, 8, "a datagram is sent whole");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> Vec<u8> {
        let mut said = vec![0; 64];
        let length = manager.recv(&mut said).expect("a datagram");
        said.truncate(length);
        said
    }

    #[test]
    fn a_manager_is_told_at_its_socket_in_the_file_system() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");

        tell_at(path.as_os_str()).expect("told");

        assert_eq!(heard(&manager), b"READY=1\n");
    }

    #[test]
    fn a_manager_is_told_at_its_abstract_socket() {
        let name = format!("failover-readiness-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let manager = UnixDatagram::bind_addr(&address).expect("a socket");

        tell_at(OsStr::new(&format!("@{name}"))).expect("told");

        assert_eq!(heard(&manager), b"READY=1\n");
    }

    #[test]
    fn a_manager_that_does_not_listen_is_an_error() {
        assert!(tell_at(OsStr::new("/nowhere/notify")).is_err());
    }
}

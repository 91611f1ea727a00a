//! A UDP service in a host: it answers each request with the request and its own name, from the address that was asked.
//!
//! The sockets bind to addresses that the host need not have yet (`IP_FREEBIND`), as a real service does that is to be
//! ready when an address arrives.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::{Host, Must, clock};

/// How long a thread may wait in a receive before it looks whether it should end.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// Receive buffer, octets: a thousand requests and more.
const BUFFER: usize = 4 << 20;

/// A running service. It ends when dropped.
#[derive(Debug)]
pub struct Service {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Service {
    /// Answers on `port` of each of the addresses, under the host's name.
    #[track_caller]
    pub fn start(host: &Host, port: u16, addresses: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let threads = addresses
            .iter()
            .map(|address| {
                let ip: IpAddr = address.parse().must(address);
                let socket = host.run(|| socket((ip, port).into())).must("a service");
                let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
                let name = host.name().to_owned();

                host.namespace().spawn("service", move || {
                    clock::run_first();
                    serve(&socket, &name, &stop, &answered);
                })
            })
            .collect();

        Self {
            stop,
            answered,
            threads,
        }
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);

        for thread in self.threads.drain(..) {
            // Its panic has been printed, and this may be the way out of another.
            drop(thread.join());
        }
    }
}

/// A bound UDP socket with a large buffer that gives up receiving after [`POLL`]. The address may be absent.
pub(super) fn socket(address: SocketAddr) -> Result<UdpSocket> {
    let fd = freebound(address, SocketType::DGRAM)?;

    sockopt::set_socket_recv_buffer_size_force(&fd, BUFFER).context("a large buffer")?;

    let socket = UdpSocket::from(fd);

    socket.set_read_timeout(Some(POLL))?;

    Ok(socket)
}

/// A socket bound to an address that the host need not have.
pub(super) fn freebound(address: SocketAddr, kind: SocketType) -> Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let fd = rustix::net::socket(family, kind, None).context("a socket")?;

    match address {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(&fd, true)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(&fd, true)?,
    }

    sockopt::set_socket_reuseaddr(&fd, true)?;
    rustix::net::bind(&fd, &address).with_context(|| format!("binding to {address}"))?;

    Ok(fd)
}

/// Whether a receive only ended because time was up or a signal came.
pub(super) fn is_nothing(error: &std::io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind())
}

pub(super) fn serve(socket: &UdpSocket, name: &str, stop: &AtomicBool, answered: &AtomicU64) {
    let mut buffer = [0; 2048];

    while !stop.load(Ordering::Relaxed) {
        let (length, asker) = match socket.recv_from(&mut buffer) {
            Ok(request) => request,
            Err(error) if is_nothing(&error) => continue,
            Err(error) => panic!("the service on {name} cannot receive: {error}"),
        };
        let end = (length + name.len()).min(buffer.len());

        buffer[length..end].copy_from_slice(&name.as_bytes()[..end - length]);

        // The address or the way back may be gone; the client counts that.
        if socket.send_to(&buffer[..end], asker).is_ok() {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

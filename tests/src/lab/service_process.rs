//! A service as a process: what a thread of the test cannot be, frozen with everything else on its host.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, TcpListener},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicBool, AtomicU64},
    thread,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use rustix::{
    net::SocketType,
    process::{Pid, Signal, kill_process},
};

use super::{
    Host, Must, clock,
    service::{freebound, serve as answer, socket},
};

/// What the process says when all of its sockets are open.
const READY: &str = "ready";

/// Answers UDP requests as [`super::Service`] does, and accepts TCP connections and says its name on each, on the same port.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The name that answers carry
    name: String,
    /// The port, of UDP and TCP
    port: u16,
    /// Addresses to answer at; the host need not have them
    #[arg(required = true)]
    addresses: Vec<IpAddr>,
}

/// The work of the process, which goes on until it is killed.
pub fn serve(options: &Options) -> ExitCode {
    match try_serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{error:#}");

            ExitCode::FAILURE
        }
    }
}

fn try_serve(options: &Options) -> Result<()> {
    let Options { name, port, .. } = options;
    let mut sockets = Vec::new();

    for address in &options.addresses {
        let listener = freebound((*address, *port).into(), SocketType::STREAM)?;

        rustix::net::listen(&listener, 64)?;
        sockets.push((
            socket((*address, *port).into())?,
            TcpListener::from(listener),
        ));
    }

    anstream::println!("{READY}");
    std::io::stdout()
        .flush()
        .context("saying that it is ready")?;

    thread::scope(|scope| {
        for (datagrams, connections) in &sockets {
            scope.spawn(|| {
                clock::run_first();
                answer(datagrams, name, &AtomicBool::new(false), &AtomicU64::new(0));
            });
            scope.spawn(|| greet(connections, name));
        }
    });

    Ok(())
}

fn greet(connections: &TcpListener, name: &str) {
    while let Ok((mut connection, _)) = connections.accept() {
        // Whoever asked may be gone.
        drop(connection.write_all(name.as_bytes()));
    }
}

/// A running process. It is killed when dropped.
#[derive(Debug)]
pub struct ServiceProcess {
    child: Child,
}

impl ServiceProcess {
    /// Starts the program `binary` (`failover-lab-service`) in a host, under the host's name, and waits until it answers.
    #[track_caller]
    pub fn start(host: &Host, binary: &Path, port: u16, addresses: &[&str]) -> Self {
        let mut command = Command::new(binary);

        command
            .arg(host.name())
            .arg(port.to_string())
            .args(addresses)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());

        let mut child = host.namespace().command(command);
        let stdout = child.stdout.take().expect("it is piped");
        let mut said = String::new();

        BufReader::new(stdout)
            .read_line(&mut said)
            .must("waiting for the service");
        assert_eq!(said.trim(), READY, "the service on {}", host.name());

        Self { child }
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).must("signalling the service");
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a TCP service at an address says, asked from a host.
///
/// # Errors
/// Nobody answers within the time-out.
pub fn ask_by_tcp(
    host: &Host,
    address: IpAddr,
    port: u16,
    patience: std::time::Duration,
) -> Result<String> {
    host.run(|| {
        let mut stream = std::net::TcpStream::connect_timeout(&(address, port).into(), patience)?;
        let mut said = String::new();

        stream.set_read_timeout(Some(patience))?;
        stream.read_to_string(&mut said)?;

        Ok(said)
    })
}

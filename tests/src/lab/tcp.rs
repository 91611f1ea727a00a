//! A steady TCP stream between two hosts, echoed and compared octet by octet: what shows that traffic which is none of
//! failover's business is untouched.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::net::SocketType;

use super::{
    Host, Must,
    clock::{now_ns, sleep_until},
    service::freebound,
};

/// A block is sent this often.
const INTERVAL_NS: u64 = 1_000_000;

/// Octets of a block.
const BLOCK: usize = 1024;

/// The longest that the stream may stand still before it counts as broken.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A running stream: 1 KiB a millisecond, there and back.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    echoed: Arc<AtomicU64>,
    client: Option<JoinHandle<StreamReport>>,
    server: Option<JoinHandle<()>>,
}

/// How a stream fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// Blocks that came back unchanged.
    pub blocks: u64,
    /// The longest time between two blocks that came back.
    pub longest_stall: Duration,
    /// Segments that the client's kernel sent more than once.
    pub retransmits: u32,
    /// What broke the stream (reset, time-out, wrong octets), if something did.
    pub broken: Option<String>,
}

impl Stream {
    /// Connects from `client` to `address` (`IP:PORT`) on `server` and starts sending.
    #[track_caller]
    pub fn start(client: &Host, server: &Host, address: &str) -> Self {
        let address: SocketAddr = address.parse().must(address);
        let listener = server.run(|| listen(address)).must("a TCP server");
        let server = server.namespace().spawn("echo", move || {
            // The client sees a broken connection and says so.
            drop(echo(&listener));
        });
        let stream = client
            .run(|| TcpStream::connect_timeout(&address, STALL_TIMEOUT))
            .must("connecting to a TCP server");
        let stop = Arc::new(AtomicBool::new(false));
        let echoed = Arc::new(AtomicU64::new(0));
        let client = {
            let (stop, echoed) = (Arc::clone(&stop), Arc::clone(&echoed));

            client
                .namespace()
                .spawn("stream", move || converse(&stream, &stop, &echoed))
        };

        Self {
            stop,
            echoed,
            client: Some(client),
            server: Some(server),
        }
    }

    /// Blocks that have come back so far.
    pub fn echoed(&self) -> u64 {
        self.echoed.load(Ordering::Relaxed)
    }

    /// Stops sending, waits for the last echo and returns what there is to say.
    #[track_caller]
    pub fn finish(mut self) -> StreamReport {
        self.end().expect("a stream is finished once")
    }

    fn end(&mut self) -> Option<StreamReport> {
        self.stop.store(true, Ordering::Relaxed);

        let report = self.client.take().and_then(|client| client.join().ok());

        if let Some(server) = self.server.take() {
            drop(server.join());
        }

        report
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let fd = freebound(address, SocketType::STREAM)?;

    rustix::net::listen(&fd, 1)?;

    Ok(fd.into())
}

fn echo(listener: &TcpListener) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut buffer = [0; 16 * BLOCK];

    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL_TIMEOUT))?;

    loop {
        let length = stream.read(&mut buffer)?;

        if length == 0 {
            return Ok(());
        }

        stream.write_all(&buffer[..length])?;
    }
}

fn converse(stream: &TcpStream, stop: &AtomicBool, echoed: &AtomicU64) -> StreamReport {
    let sent = AtomicU64::new(0);
    let done_sending = AtomicBool::new(false);

    let (sending, (longest_stall, receiving)) = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| compare(stream, &sent, &done_sending, echoed));
        let sending = send(stream, stop, &sent, &done_sending);

        (
            sending,
            receiver
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    });

    StreamReport {
        blocks: echoed.load(Ordering::Relaxed),
        longest_stall,
        retransmits: retransmits(stream),
        broken: sending
            .and(receiving)
            .err()
            .map(|error| format!("{error:#}")),
    }
}

fn send(
    mut stream: &TcpStream,
    stop: &AtomicBool,
    sent: &AtomicU64,
    done: &AtomicBool,
) -> Result<()> {
    let start = now_ns();
    let mut work = || -> Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(STALL_TIMEOUT))?;

        for number in 0.. {
            sleep_until(start + number * INTERVAL_NS);

            if stop.load(Ordering::Relaxed) {
                break;
            }

            sent.fetch_add(1, Ordering::SeqCst);
            stream.write_all(&block(number)).context("sending")?;
        }

        Ok(())
    };
    let result = work();

    done.store(true, Ordering::SeqCst);

    result
}

/// Compares what comes back until all that was sent has. Returns the longest stall, and what went wrong.
fn compare(
    mut stream: &TcpStream,
    sent: &AtomicU64,
    done_sending: &AtomicBool,
    echoed: &AtomicU64,
) -> (Duration, Result<()>) {
    let mut longest = 0;
    let mut last = now_ns();
    let mut received = [0; BLOCK];
    let mut filled = 0;
    let mut number = 0;

    let mut work = || -> Result<()> {
        // Short, so that the end is noticed.
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;

        loop {
            let all_sent = done_sending.load(Ordering::SeqCst);

            if all_sent && number == sent.load(Ordering::SeqCst) {
                stream.shutdown(std::net::Shutdown::Write)?;

                return Ok(());
            }

            let stalled = Duration::from_nanos(now_ns() - last);

            ensure!(stalled < STALL_TIMEOUT, "no echo for {stalled:?}");

            match stream.read(&mut received[filled..]) {
                Ok(0) => ensure!(false, "the server closed the connection"),
                Ok(length) => filled += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error).context("receiving"),
            }

            if filled == BLOCK {
                let now = now_ns();

                ensure!(
                    received == block(number),
                    "block {number} came back changed"
                );
                longest = longest.max(now - last);
                last = now;
                filled = 0;
                number += 1;
                echoed.store(number, Ordering::Relaxed);
            }
        }
    };
    let result = work();

    longest = longest.max(if result.is_err() { now_ns() - last } else { 0 });

    (Duration::from_nanos(longest), result)
}

/// Octets that differ from block to block and within a block.
fn block(number: u64) -> [u8; BLOCK] {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut block = [0; BLOCK];

    for octet in &mut block {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *octet = state.to_be_bytes()[0];
    }

    block
}

fn retransmits(stream: &TcpStream) -> u32 {
    // SAFETY: all zeros is a valid `tcp_info`.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).expect("a small structure");

    // SAFETY: `info` is as long as `length` says, and the kernel writes no more than that.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };

    assert_eq!(result, 0, "TCP_INFO: {}", std::io::Error::last_os_error());

    info.tcpi_total_retrans
}

//! A sniffer on a link: every frame that passes, with time and direction.
//!
//! Native XDP comes before AF_PACKET: on a NIC with a daemon's program, frames that the program answers, redirects or drops
//! are not seen. The far end of its cable sees them all, so that is where [`Capture::on_wire`] listens.

use std::{
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result};
use etherparse::{ArpEthIpv4Packet, ArpOperation, NetSlice, SlicedPacket, TransportSlice};

use super::{
    Must, Namespace, Nic,
    clock::{now_ns, wait_until, wall_clock_ns},
    service::POLL,
};

const PACKET_OUTGOING: u8 = 4;
const PACKET_AUXDATA: i32 = 8;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
const BUFFER: i32 = 16 << 20;

/// Which way a frame went, seen from the host at the near end of the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Sent by the host.
    Out,
    /// On its way to the host.
    In,
}

/// A frame that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When the kernel had it, `CLOCK_MONOTONIC` ns.
    pub at_ns: u64,
    /// Which way it went.
    pub direction: Direction,
    /// From the destination MAC on, VLAN tags included, no checksum.
    pub octets: Vec<u8>,
}

impl Frame {
    /// What it says, if it is an ARP packet for Ethernet and IPv4.
    pub fn arp(&self) -> Option<ArpEthIpv4Packet> {
        match SlicedPacket::from_ethernet(&self.octets).ok()?.net? {
            NetSlice::Arp(arp) => arp.to_packet().try_eth_ipv4().ok(),
            NetSlice::Ipv4(_) | NetSlice::Ipv6(_) => None,
        }
    }

    /// Source and destination port and the payload, if it is a UDP datagram.
    pub fn udp(&self) -> Option<(u16, u16, Vec<u8>)> {
        let transport = SlicedPacket::from_ethernet(&self.octets).ok()?.transport?;
        let TransportSlice::Udp(udp) = transport else {
            return None;
        };

        Some((
            udp.source_port(),
            udp.destination_port(),
            udp.payload().to_vec(),
        ))
    }
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    frames: Arc<Mutex<Vec<Frame>>>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Listens on the far end of a NIC's cable, where everything is seen that really is on the wire.
    #[track_caller]
    pub fn on_wire(nic: &Nic) -> Self {
        Self::start(nic.far(), nic.far_index(), Direction::In)
    }

    /// Listens in the host itself: what its kernel sees behind XDP.
    #[track_caller]
    pub fn in_host(nic: &Nic) -> Self {
        Self::start(nic.host().namespace(), nic.index(), Direction::Out)
    }

    /// `outgoing` is what a frame is that leaves by the link listened on.
    #[track_caller]
    fn start(namespace: &Namespace, index: u32, outgoing: Direction) -> Self {
        let socket = namespace
            .run(|| packet_socket(index))
            .must("a packet socket");
        let stop = Arc::new(AtomicBool::new(false));
        let frames = Arc::new(Mutex::new(Vec::new()));
        let thread = {
            let (stop, frames) = (Arc::clone(&stop), Arc::clone(&frames));

            namespace.spawn("capture", move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(frame) = receive(&socket, outgoing) {
                        lock(&frames).push(frame);
                    }
                }
            })
        };

        Self {
            stop,
            frames,
            thread: Some(thread),
        }
    }

    /// What has passed so far.
    pub fn frames(&self) -> Vec<Frame> {
        lock(&self.frames).clone()
    }

    /// How many of the frames so far are such.
    pub fn count(&self, such: impl FnMut(&&Frame) -> bool) -> usize {
        lock(&self.frames).iter().filter(such).count()
    }

    /// Waits for a frame and returns the first that is such; panics after `timeout`.
    #[track_caller]
    pub fn wait_for(
        &self,
        timeout: Duration,
        what: &str,
        mut such: impl FnMut(&Frame) -> bool,
    ) -> Frame {
        let mut seen = 0;
        let mut found = None;

        wait_until(timeout, || {
            let frames = lock(&self.frames);

            found = frames[seen..].iter().find(|frame| such(frame)).cloned();
            seen = frames.len();

            found.is_some()
        });

        found.unwrap_or_else(|| panic!("{what}: not among {seen} frames within {timeout:?}"))
    }

    /// ARP replies that claim `address`, in either direction.
    pub fn arp_replies_of(&self, address: Ipv4Addr) -> Vec<(Frame, ArpEthIpv4Packet)> {
        self.arps()
            .into_iter()
            .filter(|(_, arp)| arp.operation == ArpOperation::REPLY)
            .filter(|(_, arp)| arp.sender_ipv4_addr() == address)
            .collect()
    }

    /// Announcements of `address`, requests and replies: ARP whose sender and target are that address.
    pub fn announcements_of(&self, address: Ipv4Addr) -> Vec<(Frame, ArpEthIpv4Packet)> {
        self.arps()
            .into_iter()
            .filter(|(_, arp)| arp.sender_ipv4_addr() == address)
            .filter(|(_, arp)| arp.target_ipv4_addr() == address)
            .collect()
    }

    /// All ARP packets.
    pub fn arps(&self) -> Vec<(Frame, ArpEthIpv4Packet)> {
        lock(&self.frames)
            .iter()
            .filter_map(|frame| Some((frame.clone(), frame.arp()?)))
            .collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);

        if let Some(thread) = self.thread.take() {
            // Its panic has been printed, and this may be the way out of another.
            drop(thread.join());
        }
    }
}

fn packet_socket(index: u32) -> Result<OwnedFd> {
    let protocol = u16::try_from(libc::ETH_P_ALL)?.to_be();

    // Protocol 0: nothing arrives before the socket is bound to the link.
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };

    if fd < 0 {
        return Err(std::io::Error::last_os_error()).context("socket");
    }

    // SAFETY: a new descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let wait = libc::timeval {
        tv_sec: 0,
        tv_usec: i64::from(POLL.subsec_micros()),
    };

    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BUFFER)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &wait)?;
    set(&socket, libc::SOL_PACKET, PACKET_AUXDATA, &1)?;

    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };

    address.sll_family = u16::try_from(libc::AF_PACKET)?;
    address.sll_protocol = protocol;
    address.sll_ifindex = index.cast_signed();

    // SAFETY: `address` is a `sockaddr_ll` of the length stated.
    let bound = unsafe {
        libc::bind(
            fd,
            (&raw const address).cast(),
            libc::socklen_t::try_from(size_of_val(&address))?,
        )
    };

    if bound < 0 {
        return Err(std::io::Error::last_os_error()).context("bind");
    }

    Ok(socket)
}

fn set<T>(socket: &OwnedFd, level: i32, option: i32, value: &T) -> Result<()> {
    // SAFETY: the value is as long as stated and outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            libc::socklen_t::try_from(size_of::<T>())?,
        )
    };

    if done < 0 {
        return Err(std::io::Error::last_os_error()).with_context(|| format!("option {option}"));
    }

    Ok(())
}

/// One frame; nothing when none came within the socket's time-out, or the link went down.
fn receive(socket: &OwnedFd, outgoing: Direction) -> Option<Frame> {
    let mut octets = vec![0; 65_536];
    let mut control = [0_u64; 16];
    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    // SAFETY: all zeros is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    let mut part = libc::iovec {
        iov_base: octets.as_mut_ptr().cast(),
        iov_len: octets.len(),
    };

    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = u32::try_from(size_of_val(&from)).expect("a small structure");
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);

    // SAFETY: every pointer in `message` is to a local of the length stated.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).ok()?;

    octets.truncate(length);

    let mut at_ns = now_ns();

    for (kind, data) in control_messages(&message) {
        match kind {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                let stamped = word(data, 0)? * 1_000_000_000 + word(data, 8)?;

                at_ns = now_ns().saturating_sub(wall_clock_ns().saturating_sub(stamped));
            }
            (libc::SOL_PACKET, PACKET_AUXDATA) => put_tag_back(&mut octets, data),
            _ => {}
        }
    }

    let outgoing_here = from.sll_pkttype == PACKET_OUTGOING;
    let direction = match (outgoing_here, outgoing) {
        (true, Direction::Out) | (false, Direction::In) => Direction::Out,
        (true, Direction::In) | (false, Direction::Out) => Direction::In,
    };

    Some(Frame {
        at_ns,
        direction,
        octets,
    })
}

fn control_messages(message: &libc::msghdr) -> Vec<((i32, i32), &[u8])> {
    let mut found = Vec::new();
    // SAFETY: the kernel has filled the control buffer of `message` and set its length.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };

    // SAFETY: `CMSG_FIRSTHDR` and `CMSG_NXTHDR` return null or a header that lies in the control buffer with its data,
    // aligned, and the buffer outlives `message`'s borrow.
    while let Some(control) = unsafe { header.as_ref() } {
        // SAFETY: as above; the length includes the header.
        let data = unsafe {
            let start = libc::CMSG_DATA(header);
            let length = control.cmsg_len - start.offset_from_unsigned(header.cast());

            std::slice::from_raw_parts(start, length)
        };

        found.push(((control.cmsg_level, control.cmsg_type), data));

        // SAFETY: as above.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }

    found
}

fn word(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(data.get(at..at + 8)?.try_into().ok()?))
}

/// The kernel takes the outer VLAN tag out of a frame and reports it aside (`tpacket_auxdata`: u32 status, len, snaplen,
/// u16 mac, net, vlan_tci, vlan_tpid).
fn put_tag_back(octets: &mut Vec<u8>, data: &[u8]) {
    const MACS: usize = 12;

    let half = |at: usize| u16::from_ne_bytes([data[at], data[at + 1]]);

    if data.len() < 20 || octets.len() < MACS {
        return;
    }

    let status = u32::from_ne_bytes([data[0], data[1], data[2], data[3]]);

    if status & TP_STATUS_VLAN_VALID == 0 {
        return;
    }

    let tpid = if status & TP_STATUS_VLAN_TPID_VALID > 0 {
        half(18)
    } else {
        0x8100
    };
    let tag = [tpid.to_be_bytes(), half(16).to_be_bytes()].concat();

    octets.splice(MACS..MACS, tag);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

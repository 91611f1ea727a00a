//! Raw frames out of one NIC, for the real-time thread: no lock, and no allocation after construction.

use std::{
    io,
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

/// Octets that may wait in the driver. A frame counts about 768 of them.
const SEND_BUFFER: libc::c_int = 4 << 20;

/// An `AF_PACKET` socket bound to a NIC that only sends. Frames bypass the queueing discipline
/// (`PACKET_QDISC_BYPASS`), so nothing delays them. It belongs to the network namespace of the thread that opened it.
///
/// It stays bound while the NIC is down. A NIC that is removed and comes back needs a new socket (`ENXIO` until then).
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    messages: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
}

// SAFETY: the pointers in `messages` and `vectors` are set and used within one call that has `&mut self`; between calls
// nothing reads them.
unsafe impl Send for PacketSocket {}

impl PacketSocket {
    /// Opens the socket. `batch` frames, at least one, are handed to the kernel by one system call.
    ///
    /// # Errors
    /// No such NIC, or no permission (`CAP_NET_RAW`).
    pub fn open(ifindex: u32, batch: usize) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                // Protocol 0: the socket receives nothing, so the kernel copies no frame for it.
                0,
            )
        })?;
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };

        set_option(&fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
        // Without the privilege the default has to do; frames that find no room are reported (EAGAIN).
        let _ = set_option(&fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, SEND_BUFFER);

        // SAFETY: all zeros is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as libc::sa_family_t;
        address.sll_ifindex = ifindex
            .try_into()
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the address is a sockaddr_ll of the length that is passed.
        check(unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        })?;

        let batch = batch.max(1);
        // SAFETY: all zeros is a valid mmsghdr and a valid iovec: null pointers and lengths of zero.
        let (message, vector) = unsafe {
            (
                MaybeUninit::<libc::mmsghdr>::zeroed().assume_init(),
                MaybeUninit::<libc::iovec>::zeroed().assume_init(),
            )
        };
        Ok(Self {
            fd,
            messages: vec![message; batch].into(),
            vectors: vec![vector; batch].into(),
        })
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The frame was not sent: `ENOBUFS` (no carrier, or the driver's queue is full), `EAGAIN` (too many are waiting),
    /// `ENETDOWN` (the NIC is down), `ENXIO` (it is gone), `EMSGSIZE` (longer than the MTU allows).
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: pointer and length are those of a slice that outlives the call.
        let sent =
            unsafe { libc::send(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Sends frames in order until one cannot be sent. Returns how many were sent and, if not all, why the next one was
    /// not (see [`Self::send`]); the frames behind that one were not tried. Whoever wants them to be tried calls again.
    pub fn send_batch<'a>(
        &mut self,
        frames: impl IntoIterator<Item = &'a [u8]>,
    ) -> (usize, Option<io::Error>) {
        let mut frames = frames.into_iter();
        let mut total = 0;
        loop {
            let count = self.load(&mut frames);
            let mut done = 0;
            while done < count {
                match self.flush(done, count) {
                    // An error behind the first frame shows only when that frame is the first one.
                    Ok(sent) => {
                        done += sent;
                        total += sent;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return (total, Some(error)),
                }
            }
            if count < self.messages.len() {
                return (total, None);
            }
        }
    }

    /// Points the arrays at the next frames and returns how many there are.
    fn load<'a>(&mut self, frames: &mut impl Iterator<Item = &'a [u8]>) -> usize {
        let mut count = 0;
        for ((message, vector), frame) in
            self.messages.iter_mut().zip(&mut self.vectors).zip(frames)
        {
            vector.iov_base = frame.as_ptr().cast_mut().cast();
            vector.iov_len = frame.len();
            message.msg_hdr.msg_iov = vector;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_len = 0;
            count += 1;
        }
        count
    }

    /// Hands the loaded frames from `start` to `end` to the kernel and returns how many it took, at least one.
    fn flush(&mut self, start: usize, end: usize) -> io::Result<usize> {
        let messages = &mut self.messages[start..end];
        // SAFETY: each message points at its vector, which is in a box that does not move, and each vector at a frame
        // that is borrowed for the whole of `send_batch`, the only caller. The kernel does not write to frames it sends.
        let sent = check(unsafe {
            libc::sendmmsg(
                self.fd.as_raw_fd(),
                messages.as_mut_ptr(),
                messages.len() as libc::c_uint,
                0,
            )
        })?;
        // Zero for a non-empty array is not a thing that the kernel does; going on would not end.
        match sent {
            0 => Err(io::ErrorKind::WriteZero.into()),
            sent => Ok(sent as usize),
        }
    }
}

fn set_option(
    fd: &OwnedFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value is a c_int of the length that is passed.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    })?;
    Ok(())
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

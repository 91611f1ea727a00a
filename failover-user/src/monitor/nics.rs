//! The NICs that the heartbeat thread sends by.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::net::packet::PacketSocket;

/// Frames that are handed to the kernel by one system call, at most.
const BATCH: usize = 256;

/// A NIC.
#[derive(Debug)]
struct Nic {
    name: String,
    socket: PacketSocket,
}

/// NICs by index.
#[derive(Debug)]
pub struct Nics {
    nics: BTreeMap<u32, Nic>,
    /// Any socket: the kernel answers questions about NICs on all of them.
    control: OwnedFd,
}

impl Nics {
    /// None yet.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        Ok(Self {
            nics: BTreeMap::new(),
            control: unsafe { OwnedFd::from_raw_fd(fd) },
        })
    }

    /// Opens a NIC, again if it is open already: one of the same name may have taken its place.
    pub fn open(&mut self, index: u32, name: &str) -> io::Result<()> {
        let socket = PacketSocket::open(index, BATCH)?;
        self.nics.insert(
            index,
            Nic {
                name: name.to_owned(),
                socket,
            },
        );
        Ok(())
    }

    /// Forgets a NIC.
    pub fn close(&mut self, index: u32) {
        self.nics.remove(&index);
    }

    /// Sends one frame.
    pub fn send(&mut self, index: u32, frame: &[u8]) -> io::Result<()> {
        self.nic(index)?.socket.send(frame)
    }

    /// Sends frames until one is refused; see [`PacketSocket::send_batch`].
    pub fn send_batch<'a>(
        &mut self,
        index: u32,
        frames: impl IntoIterator<Item = &'a [u8]>,
    ) -> (usize, Option<io::Error>) {
        match self.nic(index) {
            Ok(nic) => nic.socket.send_batch(frames),
            Err(error) => (0, Some(error)),
        }
    }

    /// Whether a NIC is up and has carrier, asked of the driver: the interface flags may lag behind by a second.
    pub fn has_carrier(&self, index: u32) -> bool {
        let Some(nic) = self.nics.get(&index) else {
            return false;
        };
        is_up(&self.control, &nic.name) && has_link(&self.control, &nic.name)
    }

    fn nic(&mut self, index: u32) -> io::Result<&mut Nic> {
        self.nics
            .get_mut(&index)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }
}

fn request(name: &str) -> libc::ifreq {
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request
        .ifr_name
        .iter_mut()
        .zip(name.bytes().take(libc::IFNAMSIZ - 1))
    {
        *to = from as libc::c_char;
    }
    request
}

fn is_up(control: &OwnedFd, name: &str) -> bool {
    let mut request = request(name);
    // SAFETY: the request is an ifreq, which SIOCGIFFLAGS fills in; its flags are read after success.
    unsafe {
        libc::ioctl(control.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) == 0
            && request.ifr_ifru.ifru_flags & libc::IFF_UP as libc::c_short != 0
    }
}

fn has_link(control: &OwnedFd, name: &str) -> bool {
    const ETHTOOL_GLINK: u32 = 0x0a;
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    let mut value = Value {
        command: ETHTOOL_GLINK,
        data: 0,
    };
    let mut request = request(name);
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request points at an ethtool_value, which lives for the call and which the kernel fills in.
    let asked = unsafe { libc::ioctl(control.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    // A driver that cannot say is taken at its flags' word.
    asked != 0 || value.data != 0
}

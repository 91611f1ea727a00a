//! How long a takeover would take: the same plan, carried out where nobody sees it.
//!
//! A network namespace without any NIC but its loopback device, a map that no program reads. The kernel does the work of a
//! takeover there, request by request, entry by entry, frame by frame; nothing of it is outside.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    panic::resume_unwind,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use failover_ebpf::abi::Held;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::{Plan, Slice, clock, nics::Nics};
use crate::{
    bpf::addresses::Addresses,
    net::batch::{Batch, BatchSocket},
};

/// How long each stage of a takeover took where nothing was at stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Putting the addresses and their rules on the NICs.
    pub addresses: Duration,
    /// Writing the takeover map.
    pub entries: Duration,
    /// Sending the announcements.
    pub announcements: Duration,
    /// The first thing that the kernel refused. What was refused took less time than it should have.
    pub refused: Option<String>,
}

impl Rehearsal {
    /// From the decision to the last announcement.
    pub fn total(&self) -> Duration {
        self.addresses + self.entries + self.announcements
    }
}

/// Carries `plan` out in a network namespace that ends with this call, on a thread of its own, and waits for it.
///
/// The thread has the caller's scheduling, so call it from one that has none of real time.
///
/// # Errors
/// The kernel does not let this process have a namespace (`CAP_SYS_ADMIN`), a map (`CAP_BPF`) or a raw socket.
pub fn rehearse(plan: &Plan) -> anyhow::Result<Rehearsal> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("rehearsal".to_owned())
            .spawn_scoped(scope, || Stage::set(plan)?.run())
            .context("a thread for the rehearsal")?
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Everything that is made ready before the time is taken, as it is before a takeover.
struct Stage<'a> {
    /// As in the plan, with every request moved to the loopback device.
    slices: Vec<(Batch, &'a Slice)>,
    netlink: BatchSocket,
    addresses: Addresses,
    nics: Nics,
    loopback: u32,
}

impl<'a> Stage<'a> {
    /// Leaves the caller's namespace: for a thread that ends behind the rehearsal.
    fn set(plan: &'a Plan) -> anyhow::Result<Self> {
        // SAFETY: NEWNET moves this thread only, and no descriptor is shared or unshared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
            .context("cannot make a network namespace to rehearse in")?;
        let loopback = loopback_up().context("cannot take the loopback device up")?;
        let mut nics = Nics::new().context("a socket for the rehearsal")?;
        nics.open(loopback, LOOPBACK)
            .context("a raw socket for the rehearsal")?;
        Ok(Self {
            slices: plan
                .slices
                .iter()
                .map(|slice| (slice.batch.moved_to(loopback), slice))
                .collect(),
            netlink: BatchSocket::open().context("a netlink socket for the rehearsal")?,
            addresses: Addresses::practice().context("a map to rehearse with")?,
            nics,
            loopback,
        })
    }

    fn run(mut self) -> anyhow::Result<Rehearsal> {
        let mut rehearsal = Rehearsal {
            addresses: Duration::ZERO,
            entries: Duration::ZERO,
            announcements: Duration::ZERO,
            refused: None,
        };
        let refused = &mut rehearsal.refused;
        for (batch, slice) in &self.slices {
            let start = Instant::now();
            if let Err(error) = self.netlink.execute(batch) {
                refused.get_or_insert_with(|| error.to_string());
            }
            let addresses = Instant::now();

            let taken_at_unix_ns = clock::unix_now();
            for (ip, entry) in &slice.entries {
                let entry = Held {
                    taken_at_unix_ns,
                    ..*entry
                };
                if let Err(error) = self.addresses.set(*ip, entry) {
                    refused
                        .get_or_insert_with(|| format!("the takeover map refuses {ip}: {error}"));
                }
            }
            let entries = Instant::now();

            for announcement in &slice.announcements {
                if let Err(error) = self.nics.send(self.loopback, &announcement.frame) {
                    refused.get_or_insert_with(|| format!("an announcement was not sent: {error}"));
                }
            }
            rehearsal.addresses += addresses - start;
            rehearsal.entries += entries - addresses;
            rehearsal.announcements += entries.elapsed();
        }
        Ok(rehearsal)
    }
}

const LOOPBACK: &str = "lo";

/// Takes the loopback device of this thread's namespace up, and returns its index.
fn loopback_up() -> io::Result<u32> {
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and belongs to nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let index = rustix::net::netdevice::name_to_index(&fd, LOOPBACK)?;
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(LOOPBACK.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is an ifreq with a name and flags, which the kernel only reads.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(index)
}

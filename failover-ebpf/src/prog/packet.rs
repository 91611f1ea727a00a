//! The only access to packet memory.

use aya_ebpf::{EbpfContext as _, helpers::generated::{bpf_xdp_adjust_tail, bpf_xdp_get_buff_len}, programs::XdpContext};
use failover_ebpf::wire::{Frame, Header};

/// Headers never reach farther: Ethernet, an IPv4 header with all its options, UDP and BFD.
const REACH: usize = 256;

/// Octets that are known to start at an even address, as the headers of an Ethernet frame do, so that they are moved in
/// halfwords rather than one by one.
#[repr(C, align(2))]
struct Halfwords<const N: usize>([u8; N]);

/// A received frame.
pub(super) struct Packet<'a> {
    ctx: &'a XdpContext,
}

impl<'a> Packet<'a> {
    #[inline(always)]
    pub(super) fn new(ctx: &'a XdpContext) -> Self {
        Self { ctx }
    }

    /// The kernel's view of it, for log lines.
    #[inline(always)]
    pub(super) fn ctx(&self) -> &'a XdpContext {
        self.ctx
    }

    /// Index of the NIC that it came in by.
    #[inline(always)]
    pub(super) fn ingress(&self) -> u32 {
        self.ctx.ingress_ifindex() as u32
    }

    /// Its length, octets, fragments included.
    #[inline(always)]
    pub(super) fn len(&self) -> u64 {
        // SAFETY: the context is the one that the kernel gave to the program.
        unsafe { bpf_xdp_get_buff_len(self.ctx.as_ptr().cast()) }
    }

    /// Headers at the start of the frame, to be read and rewritten where they lie.
    #[inline(always)]
    pub(super) fn headers<T: Header>(&mut self) -> Option<&mut T> {
        let at = self.at::<T>(0)?;
        // SAFETY: `at` is inside the frame and even; any octets are a `T`; the borrow of `self` keeps this the only
        // reference.
        Some(unsafe { &mut *at })
    }

    /// Cuts off what is behind so many octets. A driver that cannot sends the rest as well, which no header counts.
    #[inline(always)]
    pub(super) fn shrink(&mut self, length: usize) {
        let excess = self.len() as i64 - length as i64;
        if excess > 0 {
            // SAFETY: the context is the one that the kernel gave to the program; no pointer into the frame is kept.
            unsafe { bpf_xdp_adjust_tail(self.ctx.as_ptr().cast(), -excess as i32) };
        }
    }

    /// A pointer to a `T` that lies inside the frame.
    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        let (start, end) = self.bounds();
        let at = start + offset;
        if offset > REACH || at + size_of::<T>() > end {
            return None;
        }
        Some(at as *mut T)
    }

    /// Where the frame begins and ends. Volatile, as the compiler would otherwise hand these two to a stage as numbers,
    /// where the verifier wants them to be pointers that it has seen loaded from the context.
    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        let md = self.ctx.ctx;
        // SAFETY: the context is the one that the kernel gave to the program.
        unsafe {
            let start = (&raw const (*md).data).read_volatile();
            let end = (&raw const (*md).data_end).read_volatile();
            (start as usize, end as usize)
        }
    }
}

impl Frame for Packet<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        const { assert!(N.is_multiple_of(2)) };
        let at = self.at::<Halfwords<N>>(offset)?;
        // SAFETY: `at` is inside the frame and even.
        Some(unsafe { (*at).0 })
    }
}

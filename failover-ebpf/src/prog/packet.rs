//! The only access to packet memory.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use failover_ebpf::{
    link::Link,
    wire::{Frame, Header, eth::Eth},
};

/// Headers never reach farther: Ethernet with two tags, IP with options or extension headers, UDP and BFD.
const REACH: usize = 256;

/// Network headers never begin farther in; one less than a power of two, so that it is a mask.
const L3_REACH: usize = 31;

/// Octets that are known to start at an even address, as the headers of an Ethernet frame do, so that they are moved in
/// halfwords rather than one by one.
#[repr(C, align(2))]
struct Halfwords<const N: usize>([u8; N]);

/// A received frame.
pub(super) struct Packet<'a> {
    ctx: &'a XdpContext,
    /// Where its network header begins.
    l3: usize,
}

impl<'a> Packet<'a> {
    /// A frame of which nothing is known yet.
    #[inline(always)]
    pub(super) fn new(ctx: &'a XdpContext) -> Self {
        Self::with_l3(ctx, Link::UNTAGGED.l3 as usize)
    }

    /// A frame whose network header begins there.
    #[inline(always)]
    pub(super) fn with_l3(ctx: &'a XdpContext, l3: usize) -> Self {
        Self { ctx, l3 }
    }

    /// A frame as a stage sees it.
    #[inline(always)]
    pub(super) fn of(ctx: &'a XdpContext, link: Link) -> Self {
        Self::with_l3(ctx, link.l3 as usize & L3_REACH)
    }

    /// The kernel's view of it, for log lines and helpers.
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

    /// Where its network header begins.
    #[inline(always)]
    pub(super) fn l3(&self) -> usize {
        self.l3
    }

    /// The Ethernet header, and headers from the network header on, to be read and rewritten where they lie.
    #[inline(always)]
    pub(super) fn headers<T: Header>(&mut self) -> Option<(&mut Eth, &mut T)> {
        if self.l3 < Eth::LEN {
            return None;
        }
        let eth = self.at::<Eth>(0)?;
        let network = self.at::<T>(self.l3)?;
        // SAFETY: both are inside the frame and even, and the one ends where the other begins or before; any octets are a
        // value of either; the borrow of `self` keeps these the only references.
        Some(unsafe { (&mut *eth, &mut *network) })
    }

    /// The Ethernet header.
    #[inline(always)]
    pub(super) fn eth(&mut self) -> Option<&mut Eth> {
        let at = self.at::<Eth>(0)?;
        // SAFETY: `at` is inside the frame and even; any octets are a value of it; the borrow of `self` keeps this the only
        // reference.
        Some(unsafe { &mut *at })
    }

    /// The network header, to be read where it lies.
    #[inline(always)]
    pub(super) fn network<T: Header>(&self) -> Option<&T> {
        let at = self.at::<T>(self.l3)?;
        // SAFETY: `at` is inside the frame and even; any octets are a `T`; the borrow of `self` keeps others from writing.
        Some(unsafe { &*at })
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
        if offset > REACH {
            return None;
        }
        let at = start + offset;
        if at + size_of::<T>() > end {
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

/// The same, of which the verifier knows nothing any more. It would follow every stage once for each number of tags
/// otherwise.
#[inline(always)]
pub(super) fn forget_link(ctx: &XdpContext, link: Link) -> Link {
    Link {
        l3: forget(ctx, link.l3),
        tags: link.tags.map(|tag| forget(ctx, tag)),
    }
}

#[inline(always)]
fn forget(ctx: &XdpContext, number: u16) -> u16 {
    let md = ctx.ctx;
    // SAFETY: the context is the one that the kernel gave to the program. Volatile, so that for the compiler these are two
    // values.
    let (once, again) = unsafe {
        (
            (&raw const (*md).rx_queue_index).read_volatile(),
            (&raw const (*md).rx_queue_index).read_volatile(),
        )
    };
    number ^ once as u16 ^ again as u16
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

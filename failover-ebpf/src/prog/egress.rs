//! The way out: nothing speaks for an identity that is fenced.

use aya_ebpf::programs::TcContext;
use failover_ebpf::{fence, health::Fence, verdict::Verdict, wire::Frame};

use super::custody;

/// A frame about to be sent. Its headers are copied out: what the kernel sends need not lie in one piece.
struct Outgoing<'a>(&'a TcContext);

impl Frame for Outgoing<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.load(offset).ok()
    }
}

/// Why a frame is not sent, if it is not. While nothing is fenced it is not looked at.
#[inline(always)]
pub(crate) fn refuse(ctx: &TcContext) -> Option<Verdict> {
    let fence = custody::fence();
    if fence == Fence::Open {
        return None;
    }
    let speaks = fence::speaks(&Outgoing(ctx))?;
    let withheld = custody::withheld(fence, &speaks.source)
        || speaks
            .target
            .is_some_and(|target| custody::withheld(fence, &target));
    withheld.then_some(Verdict::FencedOut)
}

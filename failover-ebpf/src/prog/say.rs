//! Log messages, each in a function of its own: the macro's buffers would not fit on the stack of a stage, and not twice on
//! one stack either, for an address of either version.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::warn;
use failover_ebpf::{
    abi::{Ip, ipv4_of},
    wire::eth::Mac,
};

/// Defines a message that begins with an address, and what it says behind that.
macro_rules! about {
    ($(#[doc = $doc:literal])+ $name:ident, $text:literal $(, $more:ident: $type:ty)*) => {
        $(#[doc = $doc])+
        #[inline(always)]
        pub(super) fn $name(ctx: &XdpContext, ip: &Ip $(, $more: $type)*) {
            #[inline(never)]
            fn ipv4(ctx: &XdpContext, ip: u32 $(, $more: $type)*) -> u32 {
                warn!(ctx, $text, ip $(, *$more)*);
                0
            }

            #[inline(never)]
            fn ipv6(ctx: &XdpContext, ip: &Ip $(, $more: $type)*) -> u32 {
                warn!(ctx, $text, *ip $(, *$more)*);
                0
            }

            match ipv4_of(ip) {
                Some(ip) => ipv4(ctx, u32::from_be_bytes(ip) $(, $more)*),
                None => ipv6(ctx, ip $(, $more)*),
            };
        }
    };
}

about! {
    /// Another host claims a held address.
    conflict, "{:i}, which is held here, is claimed by {:mac}", by: &Mac
}

about! {
    /// A request for a discriminator that is not ours.
    unknown_discriminator, "{:i} asks for discriminator {:i}, which is not ours", asked: &u32
}

about! {
    /// A request from a host that may not ask.
    initiator_refused, "{:i} is not among the initiators that are answered"
}

about! {
    /// A request that is not signed as it has to be.
    signature_refused, "{:i} asks, and its requests are not signed as they have to be: `failover status` says how"
}

/// A packet that cannot leave.
#[inline(never)]
pub(super) fn no_way_out(ctx: &XdpContext, out: u32) -> u32 {
    warn!(
        ctx,
        "no managed NIC has index {}: a packet for a held address is dropped", out
    );
    0
}
